"""`leukodiff audit verify`: one line a fault, and an exit status that a script can use."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from leukodiff.pipeline.cli import main
from leukodiff.pipeline.review.record import RECORD_FILE, Record


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["audit", "verify", *map(str, words)])


@pytest.fixture
def folder(tmp_path: Path, added: Any, to: Callable[..., Any]) -> Path:
    """A folder with a record of three events."""
    with Record(f"sqlite:///{tmp_path / RECORD_FILE}") as record:
        record.append("smear 1", "operator", "added", added)
        record.append("smear 1", "anna", "reclassified", to("monocyte", "1"))
        record.append("smear 1", "anna", "commented", {"text": "x"})
    return tmp_path


def attack(folder: Path, statement: str) -> None:
    with Record(f"sqlite:///{folder / RECORD_FILE}") as record:
        engine = record.database.engine
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER events_no_update")
            connection.exec_driver_sql("DROP TRIGGER events_no_delete")
            connection.exec_driver_sql(statement)


def test_a_whole_record(folder: Path) -> None:
    found = run(folder)
    assert found.exit_code == 0
    assert found.output.startswith("the record is whole; its head is 3:")
    head = found.output.split()[-1]
    assert run(folder, "--head", head).exit_code == 0
    address = f"sqlite:///{folder / RECORD_FILE}"
    assert run("--record", address).exit_code == 0


def test_a_record_that_was_changed(folder: Path) -> None:
    attack(folder, "UPDATE events SET payload = '{}' WHERE number = 2")
    found = run(folder)
    assert found.exit_code == 1
    assert found.stdout.splitlines()[:2] == [
        "the database no longer guards its log: events_no_delete is gone",
        "the database no longer guards its log: events_no_update is gone",
    ]
    assert found.stdout.splitlines()[2].startswith("event 2 was changed (reclassified of 'smear 1'")
    assert found.stderr == "Error: the record is not whole: faults found: 3\n"


def test_a_record_that_is_not_as_noted(folder: Path) -> None:
    found = run(folder, "--head", "2:" + "f" * 64)
    assert found.exit_code == 1
    assert "event 2 is not the one that was noted" in found.stdout


def test_a_color_in_a_name_does_not_reach_the_terminal(folder: Path) -> None:
    attack(folder, "UPDATE events SET actor = char(27) || '[31m' WHERE number = 3")
    found = run(folder)
    assert found.exit_code == 1
    assert "\x1b" not in found.stdout


WRONG: dict[str, tuple[list[str], str]] = {
    "no record": (["nowhere"], "there is no record"),
    "no address": (["--record", "x"], "no address of a record"),
    "no head": (["--head", "x"], "a head is NUMBER:HASH"),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_an_unreadable_record_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run(*words)
    assert (found.exit_code, found.stdout) == (2, "")
    assert message in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_record(tmp_path: Path) -> None:
    (tmp_path / RECORD_FILE).write_text("no database" * 100)
    found = run(tmp_path)
    assert found.exit_code == 2
    assert "file is not a database" in found.stderr
    (tmp_path / RECORD_FILE).write_bytes(b"")
    found = run(tmp_path)
    assert (found.exit_code, "there is no record" in found.stderr) == (2, True)
