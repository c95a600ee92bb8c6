"""The tables are what the code says, from whichever step they come."""

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, inspect, text, update

from leukodiff.pipeline.review.record import Record, RecordError
from leukodiff.pipeline.review.record import tables as t
from leukodiff.pipeline.review.record.database import (
    Database,
    alembic_settings,
    postgresql_engine,
    sqlite_engine,
    upgrade,
)
from leukodiff.pipeline.review.record.events import FIRST, Event, canonical, hash_of


def test_the_newest_step_is_known() -> None:
    steps = ScriptDirectory.from_config(alembic_settings())
    assert steps.get_current_head() == t.NEWEST
    assert len(steps.get_heads()) == 1


def test_the_migrations_make_the_tables_of_the_code(record: Record) -> None:
    with record.database.engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), t.metadata)
        checks = inspect(connection).get_check_constraints("head")
    assert found == []
    assert [one["name"] for one in checks] == ["ck_head_one"]


def test_an_old_record_is_brought_up_to_date(url: str, added: dict[str, Any]) -> None:
    from sqlalchemy import make_url

    address = make_url(url).set(
        drivername="sqlite" if url.startswith("sqlite") else "postgresql+psycopg"
    )
    engine = (sqlite_engine if url.startswith("sqlite") else postgresql_engine)(address)
    upgrade(engine, "0001")
    assert not inspect(engine).has_table("users")
    event = Event(1, "smear 1", 1, "operator", "2026-01-01T00:00", "added", added, FIRST, "")
    event = Event(**vars(event) | {"hash": hash_of(event)})
    row = {"slide": "smear 1", "version": 1, "status": "analysed", "folder": added["folder"]}
    row |= {"actor": "operator", "at": event.at, "n_cells": 3, "summary": "{}"}
    with engine.begin() as connection:
        values = vars(event) | {"payload": canonical(added)}
        connection.execute(insert(t.events).values(**values))
        connection.execute(update(t.head).values(number=1, hash=event.hash))
        connection.execute(insert(t.slides).values(**row))
    engine.dispose()
    with Record(url) as record:
        assert record.verify() == []
        assert record.state("smear 1").n_cells == 3
        assert record.people.users() == []
        record.append("smear 1", "anna", "commented", {"text": "goes on"})


def test_a_record_of_a_newer_leukodiff_is_left_alone(url: str) -> None:
    with Record(url) as record, record.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RecordError, match="written by a newer leukodiff"):
        Record(url)


def test_many_may_open_a_new_record_at_once(url: str) -> None:
    import threading

    message: list[BaseException] = []

    def start() -> None:
        try:
            Database(url).close()
        except BaseException as error:
            message.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert message == []


def test_a_file_lasts_as_sqlite_can(tmp_path: Path) -> None:
    asked = ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
    database = Database(f"sqlite:///{tmp_path / 'r.db'}")
    with database.engine.connect() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {one}").scalar() for one in asked]
    database.close()
    assert found == ["wal", 2, 1, 1]
