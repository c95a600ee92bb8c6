"""What the record does not take, each in one clear line."""

from pathlib import Path
from typing import Any

import pytest

from leukodiff.core.errors import InputError
from leukodiff.pipeline.review.record import Record, RecordError

REFUSED: dict[str, tuple[str, str, str, Any, int | None, str]] = {
    "no such slide": ("x", "anna", "opened", {}, None, "no such slide"),
    "no slide": ("", "anna", "opened", {}, None, "a name of 1 to 300"),
    "a line break in a name": ("smear 1", "an\nna", "opened", {}, None, "actor: a name"),
    "no kind": ("smear 1", "anna", "erased", {}, None, "no kind of event; one of added"),
    "a kind of people": ("smear 1", "anna", "logged_in", {}, None, "no kind of event"),
    "a version to come": ("smear 1", "anna", "opened", {}, 7, "no version 7 yet"),
    "a version below": ("smear 1", "anna", "opened", {}, -1, "no version -1"),
    "not a number": ("smear 1", "anna", "commented", {"text": float("nan")}, None, "not fit"),
    "half a character": ("smear 1", "anna", "commented", {"text": "\ud800"}, None, "not fit"),
    "a list": ("smear 1", "anna", "commented", [1], None, "a payload is an object"),
    "bytes": ("smear 1", "anna", "commented", {"text": b""}, None, "not fit"),
    "no cells": ("smear 1", "anna", "reclassified", {"cells": {}}, None, "an object of cells"),
    "no type": (
        *("smear 1", "anna", "reclassified", {"cells": {"1": {"to": "blast"}}}),
        *(None, "cell types"),
    ),
    "no to": ("smear 1", "anna", "reclassified", {"cells": {"1": {}}}, None, "is to be"),
    "no text": ("smear 1", "anna", "commented", {}, None, "text must be something"),
    "too long": ("smear 1", "anna", "commented", {"text": "x" * 10_001}, None, "must be a text"),
    "far too long": (
        *("smear 1", "anna", "commented", {"text": "x" * 9_000_000}),
        *(None, "more than 8 MB"),
    ),
    "a strange key": (
        *("smear 1", "anna", "commented", {"text": "x", "admin": True}),
        *(None, "nobody knows what 'admin' means"),
    ),
    "no reason": ("smear 1", "anna", "reopened", {"reason": " "}, None, "a reason in words"),
    "not signed": ("smear 1", "anna", "reopened", {"reason": "x"}, None, "nothing to re-open"),
    "twice": (
        *("smear 1", "anna", "added", {"folder": "", "sha256": "a" * 64, "n_cells": 0}),
        *(None, "in the record already"),
    ),
    "reader 2 of one": (
        *("smear 1", "anna", "commented", {"text": "x", "reader": 2}),
        *(None, "read by one reader"),
    ),
    "undo of nothing": (
        *("smear 1", "anna", "cell_removed", {"cells": ["1"], "undo_of": 1}),
        *(None, "event 1 is not there to undo"),
    ),
    "a cell without a box": (
        *("smear 1", "anna", "cell_added", {"cell": {"field_id": "1"}}),
        *(None, "a cell with field_id"),
    ),
    "an empty box": (
        "smear 1",
        "anna",
        "cell_added",
        {
            "cell": {
                "field_id": "1",
                "x_min": 5,
                "y_min": 5,
                "x_max": 5,
                "y_max": 9,
                "detection_confidence": 0,
                "cell_type": "monocyte",
                "confidence": 1,
                "probabilities": [1.0],
            }
        },
        None,
        "not empty",
    ),
    "deep": ("smear 1", "anna", "commented", {"text": "deep"}, None, "not fit"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_in_one_line(
    one_slide: Record, case: tuple[Any, ...]
) -> None:
    record = one_slide
    slide_id, actor, kind, payload, version, message = case
    if payload == {"text": "deep"}:
        for _ in range(100_000):
            payload = {"text": payload}
    with pytest.raises(InputError, match=message) as found:
        record.append(slide_id, actor, kind, payload, version)
    assert "\n" not in str(found.value)
    assert len(str(found.value)) < 300
    assert len(record.events()) == 1


ADDRESSES = {
    "no address": ("review.db", "no address"),
    "another database": ("mysql://h/d", "a record is kept in sqlite"),
    "memory": ("sqlite://", "a record is kept in sqlite"),
    "a port that is none": ("postgresql://h:x/d", "no address"),
}


@pytest.mark.parametrize(("address", "message"), ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_must_be_one(address: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Record(address)


def test_a_missing_server_is_named_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(RecordError, match=r"^postgresql") as found:
        Record(f"postgresql://anna:secret@/x?host={tmp_path}")
    assert "secret" not in str(found.value)
    assert "\n" not in str(found.value)


def test_another_file_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "smear.json"
    path.write_text("{}" * 1000)
    with pytest.raises(RecordError, match="file is not a database"):
        Record(f"sqlite:///{path}")
    assert path.read_text() == "{}" * 1000


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "review.sqlite"
    Record(f"sqlite:///{path}").close()
    assert path.stat().st_mode & 0o077 == 0
