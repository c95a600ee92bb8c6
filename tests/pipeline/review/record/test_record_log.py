"""What is in the record stays there, in its order, whoever writes at the same time."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import DBAPIError

from leukodiff.core.errors import InputError
from leukodiff.pipeline.review.record import Conflict, Locked, Record, RecordError, StaleSignature
from leukodiff.pipeline.review.record import tables as t

Payload = dict[str, Any]
To = Callable[..., Payload]

SIGNED = {
    "name": "Anna Berg",
    "statement": "I have looked.",
    "open": {"unidentified": 0, "not_looked_at": 0},
    "reason": "",
    "machine": {"neutrophil": 3},
    "person": {"neutrophil": 3},
}


def signature(record: Record, slide: str, **changes: Any) -> Payload:
    from leukodiff.pipeline.review.record import digest

    reader = changes.get("reader", 1)
    return SIGNED | {"sha256": digest(record.state(slide), reader)} | changes


def test_an_event_comes_back_as_it_was_given(record: Record, slide: str) -> None:
    text = 'a "comment" with \u00e9, \U0001f52c, \x00 and\nlines'
    given = record.append(slide, "anna", "commented", {"text": text})
    assert given == record.events(slide)[-1]
    assert (given.number, given.version, given.payload) == (2, 2, {"text": text})
    assert given.previous == record.events()[0].hash
    assert record.state(slide).comment == text
    assert record.verify() == []


def test_an_empty_record_is_whole(record: Record) -> None:
    assert record.verify() == []
    assert (record.slides(), record.events()) == ([], [])
    assert str(record.head()) == "0:" + "0" * 64
    assert record.state("nothing").version == 0


def test_versions_count_by_slide_and_numbers_over_all(record: Record, added: Payload) -> None:
    for name in ("a", "b"):
        record.append(name, "operator", "added", added)
    record.append("a", "anna", "looked_at", {"cells": ["1"]})
    record.refuse("?", "GET /x", "no token")
    assert [(e.number, e.slide, e.version) for e in record.events()] == [
        *[(1, "a", 1), (2, "b", 1), (3, "a", 2), (4, "", 1)]
    ]
    assert [e.number for e in record.events("a", after=1)] == [3]
    assert [e.number for e in record.events(after=1, limit=2)] == [2, 3]


def test_the_worklist_follows(record: Record, slide: str, to: To) -> None:
    assert [(row.slide_id, row.status) for row in record.slides()] == [(slide, "analysed")]
    record.append(slide, "anna", "reclassified", to("monocyte", "1"))
    row = record.slides()[0]
    assert (row.status, row.actor, row.version, row.n_cells) == ("in review", "anna", 2, 3)
    assert (row.folder, row.summary) == ("/smears/smear 1", {})


STATEMENTS = {
    "update an event": update(t.events).values(actor="eve"),
    "delete an event": delete(t.events).where(t.events.c.number == 1),
    "an event out of order": insert(t.events).values(
        number=9,
        slide="smear 1",
        version=2,
        actor="eve",
        at="",
        kind="commented",
        payload="{}",
        previous="0" * 64,
        hash="f" * 64,
    ),
    "a second event 1": text(
        "INSERT INTO events VALUES (1, 's', 7, 'eve', '', 'x', '{}', '0', 'f')"
    ),
    "the head back": update(t.head).values(number=0),
    "the head to another hash": update(t.head).values(hash="f" * 64),
    "the head on without an event": update(t.head).values(number=2),
    "no head": delete(t.head),
    "another head": insert(t.head).values(id=2, number=0, hash=""),
}


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_the_database_itself_refuses(one_slide: Record, statement: Any) -> None:
    record, before = one_slide, one_slide.events()
    with pytest.raises(DBAPIError), record.database.engine.begin() as connection:
        connection.execute(statement)
    assert record.events() == before
    assert record.verify() == []


@pytest.mark.parametrize(
    "statement",
    ["INSERT OR REPLACE INTO events SELECT * FROM events", "REPLACE INTO head VALUES (1, 0, '')"],
)
def test_sqlite_refuses_to_replace(tmp_path: Path, added: Payload, statement: str) -> None:
    with Record(f"sqlite:///{tmp_path / 'r.db'}") as record:
        record.append("smear 1", "operator", "added", added)
        with pytest.raises(DBAPIError), record.database.engine.begin() as connection:
            connection.exec_driver_sql(statement)
        assert record.verify() == []


def test_postgresql_refuses_to_empty_tables(postgresql: Any, added: Payload) -> None:
    with Record(postgresql.new_url()) as record:
        record.append("smear 1", "operator", "added", added)
        for name in ("events", "head"):
            with pytest.raises(DBAPIError), record.database.engine.begin() as connection:
                connection.exec_driver_sql(f"TRUNCATE {name}")
        assert record.verify() == []


def test_edits_of_other_cells_pass(record: Record, slide: str, to: To) -> None:
    record.append(slide, "anna", "reclassified", to("monocyte", "1"), 1)
    record.append(slide, "ben", "reclassified", to("basophil", "2"), 1)
    record.append(slide, "ben", "looked_at", {"cells": ["1"]}, 1)
    assert record.state(slide).reviewed_as == {"1": "monocyte", "2": "basophil"}


def test_an_edit_of_the_same_cell_is_refused_with_both_versions(
    record: Record, slide: str, to: To
) -> None:
    record.append(slide, "anna", "reclassified", to("monocyte", "1", "2"), 1)
    with pytest.raises(Conflict, match=r"^smear 1: anna changed 1 meanwhile; look again$") as found:
        record.append(slide, "ben", "reclassified", to("basophil", "1", "3"), 1)
    assert (found.value.mine, found.value.theirs) == ({"1": "basophil"}, {"1": "monocyte"})
    assert [event.actor for event in found.value.since] == ["anna"]
    assert found.value.state.version == 2
    assert record.state(slide).reviewed_as == {"1": "monocyte", "2": "monocyte"}
    assert record.verify() == []


CLASHES: dict[str, tuple[str, Payload, str, Payload]] = {
    "two comments": ("commented", {"text": "x"}, "commented", {"text": "y"}),
    "rename and remove": (
        *("cell_removed", {"cells": ["1"]}),
        *("reclassified", {"cells": {"1": {"to": "monocyte"}}}),
    ),
    "remove twice": ("cell_removed", {"cells": ["1"]}, "cell_removed", {"cells": ["2", "1"]}),
    "edit and sign": ("reclassified", {"cells": {"1": {"to": "monocyte"}}}, "signed", {}),
    "comment and sign": ("commented", {"text": "x"}, "signed", {}),
}


@pytest.mark.parametrize("clash", CLASHES.values(), ids=CLASHES)
def test_two_at_once_clash(record: Record, slide: str, clash: tuple[Any, ...]) -> None:
    kind, payload, other_kind, other = clash
    other = signature(record, slide) if other_kind == "signed" else other
    record.append(slide, "anna", kind, payload, 1)
    with pytest.raises(Conflict):
        record.append(slide, "ben", other_kind, other, 1)


def test_what_a_cell_was_must_be_right(record: Record, slide: str, to: To) -> None:
    record.append(slide, "anna", "reclassified", to("monocyte", "1"))
    wrong = {"cells": {"1": {"from": "basophil", "to": "neutrophil"}}}
    with pytest.raises(Conflict, match="someone changed 1"):
        record.append(slide, "ben", "reclassified", wrong)
    right = {"cells": {"1": {"from": "monocyte", "to": None}}}
    record.append(slide, "ben", "reclassified", right)
    assert record.state(slide).reviewed_as == {}


def test_a_signed_slide_is_locked_until_reopened(record: Record, slide: str, to: To) -> None:
    record.append(slide, "anna", "signed", signature(record, slide), 1)
    assert record.slides()[0].status == "signed"
    changes: list[tuple[str, Payload]] = [
        ("reclassified", to("monocyte", "1")),
        ("looked_at", {"cells": ["1"]}),
        ("cell_removed", {"cells": ["1"]}),
        ("commented", {"text": "x"}),
        ("signed", signature(record, slide)),
        ("added", {"folder": "", "sha256": "b" * 64, "n_cells": 1}),
    ]
    for kind, payload in changes:
        with pytest.raises(Locked, match="signed; re-open it first"):
            record.append(slide, "anna", kind, payload)
    record.append(slide, "ben", "opened", {})
    record.append(slide, "ben", "reopened", {"reason": "blasts"})
    record.append(slide, "ben", "reclassified", to("monocyte", "1"))
    assert record.state(slide).status == "in review"
    assert record.state(slide).signatures == ()


def test_a_signature_is_good_once_and_for_one_state(record: Record, slide: str, to: To) -> None:
    old = signature(record, slide)
    record.append(slide, "ben", "looked_at", {"cells": ["1"]})
    with pytest.raises(StaleSignature, match="look and sign again"):
        record.append(slide, "anna", "signed", old)
    good = signature(record, slide)
    record.append(slide, "anna", "signed", good)
    record.append(slide, "anna", "reopened", {"reason": "once more"})
    with pytest.raises(StaleSignature):
        record.append(slide, "anna", "signed", good)


def test_cells_stay_as_they_are_while_under_review(record: Record, slide: str) -> None:
    anew = {"folder": "/new", "sha256": "b" * 64, "n_cells": 4}
    record.append(slide, "operator", "added", anew)
    assert record.state(slide).source_sha256 == "b" * 64
    record.append(slide, "anna", "looked_at", {"cells": ["1"]})
    with pytest.raises(InputError, match="can't be exchanged"):
        record.append(slide, "operator", "added", anew | {"sha256": "c" * 64})


def test_refusals_are_kept_harmless_and_not_without_end(record: Record, clock: Any) -> None:
    first = record.refuse("", "GET /\x1b[31m" + "x" * 9999, "no\ntoken", address="::1", slide="a/b")
    assert first
    assert first.payload["what"].startswith("GET /\ufffd[31mxxx")
    assert len(first.payload["what"]) == 300
    assert (first.payload["why"], first.actor) == ("no\ufffdtoken", "?")
    kept = [record.refuse("eve", "GET /", "no token") for _ in range(70)]
    assert sum(one is not None for one in kept) == 59
    clock.turn(minutes=2)
    later = record.refuse("eve", "GET /", "no token")
    assert later
    assert later.payload["left_out"] == 11
    assert record.verify() == []


WRITER = """
import sys
from leukodiff.pipeline.review.record import Record
url, slide, who, n = sys.argv[1:]
with Record(url) as record:
    for i in range(int(n)):
        payload = {"cells": {f"{who}-{i}": {"to": "monocyte"}}}
        event = record.append(slide, who, "reclassified", payload, 1)
        print(event.number, event.payload["cells"].popitem()[0], flush=True)
"""


def writer(url: str, slide: str, who: str, n: int) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", WRITER, url, slide, who, str(n)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_four_processes_write_one_chain(url: str, record: Record, slide: str) -> None:
    writers = [writer(url, slide, who, 50) for who in ("anna", "ben", "cleo", "dan")]
    ends = [one.communicate(timeout=240) for one in writers]
    assert [(one.returncode, end[1]) for one, end in zip(writers, ends, strict=True)] == [
        (0, "")
    ] * 4
    assert record.verify() == []
    assert record.head().number == 201
    assert len(record.state(slide).reviewed_as) == 200
    acknowledged = {int(line.split()[0]) for end in ends for line in end[0].splitlines()}
    assert acknowledged == set(range(2, 202))


def test_threads_write_one_chain(record: Record, slide: str, to: To) -> None:
    def write(who: str) -> None:
        for i in range(20):
            record.append(slide, who, "reclassified", to("basophil", f"{who}{i}"))
            record.state(slide)

    threads = [threading.Thread(target=write, args=(who,)) for who in "abcd"]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert record.verify() == []
    assert len(record.state(slide).reviewed_as) == 80
    with Record(record.database.url.render_as_string(hide_password=False)) as again:
        assert again.state(slide) == record.state(slide)


@pytest.mark.slow
def test_what_was_acknowledged_outlives_a_killed_writer(
    url: str, record: Record, slide: str
) -> None:
    process = writer(url, slide, "anna", 100_000)
    assert process.stdout
    acknowledged = [process.stdout.readline().split() for _ in range(25)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [line.split() for line in process.stdout.read().splitlines() if " " in line]
    process.communicate()
    assert record.verify() == []
    kept = {event.number: event for event in record.events(slide)}
    assert len(acknowledged) >= 25
    for number, cell in acknowledged:
        assert cell in kept[int(number)].payload["cells"]
    assert len(kept) - 1 <= len(acknowledged) + 1
    record.append(slide, "ben", "commented", {"text": "goes on"})


@pytest.mark.slow
def test_what_was_acknowledged_outlives_a_killed_server(
    lasting_postgresql: Any, added: Payload, to: To
) -> None:
    server = lasting_postgresql
    with Record(server.new_url()) as record:
        record.append("smear 1", "operator", "added", added)
        record.append("smear 1", "anna", "reclassified", to("monocyte", "1"))
        server.stop("immediate")
        with pytest.raises(RecordError):
            record.append("smear 1", "anna", "reclassified", to("monocyte", "2"))
        server.start()
        record.append("smear 1", "anna", "reclassified", to("basophil", "3"))
        assert record.state("smear 1").reviewed_as == {"1": "monocyte", "3": "basophil"}
        assert record.verify() == []
