"""The triggers by which the database itself keeps the log as it is."""

from __future__ import annotations

from sqlalchemy import Connection

from .hash_chain import Fault

GUARDS = {
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
"""By the database, those that the migrations made."""

_FOUND = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' "
    "AND tgrelid IN ('events'::regclass, 'head'::regclass)",
}


def missing_guards(connection: Connection) -> list[Fault]:
    """The triggers that someone took away, or switched off."""
    kind = connection.dialect.name
    found = set(connection.exec_driver_sql(_FOUND[kind]).scalars())
    return [
        Fault(0, "unguarded", f"the database no longer guards its log: {name} is gone")
        for name in sorted(GUARDS[kind] - found)
    ]
