"""The database behind the record: SQLite in a file, or PostgreSQL by address."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from leukodiff.core.errors import InputError, LeukodiffError

from . import tables

MIGRATIONS = Path(__file__).parent / "migrations"

RECORD_FILE = "review.sqlite"
"""Name of the record in the folder that is reviewed, where no other is given."""

WAIT_SECONDS = 30
"""Longest wait of one writer for another."""

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",
)
_UPGRADING = 0x6C65756B
"""PostgreSQL's number of the lock that one upgrades under."""


class RecordError(LeukodiffError):
    """The record can't be opened, read or written; see whether what was to be kept is there."""


class Database:
    """Connections, transactions, and tables that are up to date.

    `url` is `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`.

    Unless it is to `make` one, there must be a record already: it is then read as it is.

    Raises:
        InputError: the address is none, or there is no record to be read.
        RecordError: the database can't be reached, or a newer leukodiff wrote it.
    """

    def __init__(self, url: str, make: bool = True) -> None:
        self.url = _checked(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.name = self.url.render_as_string(hide_password=True)
        self._writer = threading.Lock()
        if self.is_sqlite and not make and not Path(str(self.url.database)).is_file():
            raise InputError(f"{self.url.database}: there is no record")
        self.engine = sqlite_engine(self.url) if self.is_sqlite else postgresql_engine(self.url)
        try:
            with self._record_errors():
                if make:
                    upgrade(self.engine)
                elif _revision(self.engine) is None:
                    raise InputError(f"{self.name}: there is no record")
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of everything."""
        with self._record_errors(), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[tuple[Connection, int, str]]:
        """A transaction with the head (number, hash) held: there is one writer at a time.

        What was written is on the disk once this is left.
        """
        with (
            self._writer,
            self._record_errors(),
            self.engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            held = select(tables.head.c.number, tables.head.c.hash).with_for_update()
            row = connection.execute(held).one_or_none()
            if row is None:
                raise RecordError(f"{self.name}: the record has lost its head; see audit verify")
            yield connection, row.number, row.hash

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def _record_errors(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, UnicodeDecodeError) as error:
            cause = getattr(error, "orig", None) or error
            text = " ".join(str(cause).split("\n")[0].split())
            raise RecordError(f"{self.name}: {text}") from error


def upgrade(engine: Engine, revision: str = tables.NEWEST) -> None:
    """Bring the tables to a revision; one process does it while others wait.

    Raises:
        RecordError: the tables are newer than this leukodiff.
    """
    if _revision(engine) == revision:
        return
    from alembic import command
    from alembic.util import CommandError

    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADING})")
        settings = alembic_settings()
        settings.attributes["connection"] = connection
        try:
            command.upgrade(settings, revision)
        except CommandError as error:
            text = " ".join(str(error).split())
            raise RecordError(f"the record was written by a newer leukodiff ({text})") from error


def alembic_settings() -> Any:
    """Settings of Alembic; the connection is given in their `attributes`."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection, connection.begin():
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = (
            connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
        )
    return found[0] if len(found) == 1 else None


def _checked(url: str) -> URL:
    try:
        found = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise InputError("no address of a record; such as sqlite:///review.db") from error
    if found.get_backend_name() == "postgresql":
        return found.set(drivername="postgresql+psycopg")
    if found.get_backend_name() != "sqlite" or not found.database or found.database == ":memory:":
        raise InputError("a record is kept in sqlite:///PATH or postgresql://USER@HOST/NAME")
    return found.set(drivername="sqlite")


def sqlite_engine(url: URL) -> Engine:
    """Connections to a file, which only its owner may read; made where there is none."""
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror or error}") from error
    engine = create_engine(url, connect_args={"timeout": WAIT_SECONDS})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def postgresql_engine(url: URL) -> Engine:
    """Connections to a server, with a commit on its disk and a bounded wait for locks."""
    ours = f"-c synchronous_commit=on -c lock_timeout={WAIT_SECONDS}s"
    given = url.query.get("options", "")
    options = f"{given if isinstance(given, str) else ' '.join(given)} {ours}"
    known = {"connect_timeout": 10, "options": options, "application_name": "leukodiff"}
    rest = url.difference_update_query(["options"])
    return create_engine(rest, connect_args=known, pool_pre_ping=True)


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin below, not where sqlite3 guesses
    # A text that someone damaged is read too: `verify` finds which it is.
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
