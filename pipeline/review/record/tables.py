"""The record's tables and triggers; `migrations/` makes both."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

NEWEST = "0002"
"""The last step of the migrations."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("slide", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("payload", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_events_slide_number", "slide", "number"),
    Index("uq_events_slide_version", "slide", "version", unique=True),
)
"""The log. `payload` is canonical JSON as text: it must come back byte for byte."""

head = Table(
    "head",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one"), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)
"""One row: the last event's number and hash. Who writes holds it."""

slides = Table(
    "slides",
    metadata,
    Column("slide", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("folder", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("n_cells", Integer, nullable=False),
    Column("summary", Text, nullable=False),
)
"""The worklist: each slide's state in short, made from its events in the same transaction."""

users = Table(
    "users",
    metadata,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", String(32), nullable=False),
    Column("password", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created", String(32), nullable=False),
)
"""`key` is the name without regard to case, `password` its argon2 hash."""

sessions = Table(
    "sessions",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("user", Text, ForeignKey("users.key"), nullable=False, index=True),
    Column("created", String(32), nullable=False),
    Column("seen", String(32), nullable=False),
)
"""`token` is the SHA-256 of what the browser has."""

login_attempts = Table(
    "login_attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Index("ix_login_attempts_user_at", "user", "at"),
    Index("ix_login_attempts_address_at", "address", "at"),
)
"""Attempts that failed, or are not over yet."""

TRIGGERS = {
    "sqlite": frozenset(
        {
            "events_no_update",
            "events_no_delete",
            "events_in_order",
            "head_forward",
            "head_no_delete",
            "head_one",
        }
    ),
    "postgresql": frozenset(
        {
            "events_no_change",
            "events_no_truncate",
            "events_in_order",
            "head_forward",
            "head_no_delete",
            "head_no_truncate",
        }
    ),
}
"""The triggers by which the database itself keeps the log as it is, by its kind."""

_FOUND = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' "
    "AND tgrelid IN ('events'::regclass, 'head'::regclass)",
}


def missing_triggers(connection: Connection) -> list[str]:
    """Names of the triggers that someone took away, or switched off."""
    kind = connection.dialect.name
    found = set(connection.exec_driver_sql(_FOUND[kind]).scalars())
    return sorted(TRIGGERS[kind] - found)
