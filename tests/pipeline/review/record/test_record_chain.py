"""A chain of events shows whatever was done to it."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from leukodiff.core.errors import InputError
from leukodiff.pipeline.review.record import Head, Record
from leukodiff.pipeline.review.record.events import FIRST, Event, canonical, hash_of, normal
from leukodiff.pipeline.review.record.hash_chain import Fault, StoredEvent, chain_faults
from leukodiff.pipeline.review.record.tables import TRIGGERS

Rows = list[StoredEvent]


def sealed(number: int, previous: str, **changes: Any) -> StoredEvent:
    facts: dict[str, Any] = {
        "slide": "smear 1",
        "version": number,
        "actor": "anna",
        "at": "2026-11-23T09:00:00.000000+00:00",
        "kind": "commented",
        "payload": {"text": f"number {number}", "p": 0.1, "\u00e9": [None, True]},
    }
    event = Event(number=number, previous=previous, hash="", **facts | changes)
    return StoredEvent(
        **vars(event) | {"hash": hash_of(event), "payload": canonical(event.payload)}
    )


def chain(n: int) -> Rows:
    rows: Rows = []
    for number in range(1, n + 1):
        rows.append(sealed(number, rows[-1].hash if rows else FIRST))
    return rows


TEN = chain(10)
HEAD = Head(10, TEN[-1].hash)


def faults(rows: Rows, head: Head | None = HEAD, noted: Head | None = None) -> list[Fault]:
    return chain_faults(sorted(rows, key=lambda row: row.number), head, noted)


def found(rows: Rows, **more: Any) -> list[tuple[int, str]]:
    return [(one.number, one.kind) for one in faults(rows, **more)]


def forged(rows: Rows, number: int) -> StoredEvent:
    """An event with another text and the hash that belongs to it."""
    return sealed(number, rows[number - 2].hash, payload={"text": "forged"})


def swapped(i: int, j: int) -> Rows:
    numbers = {i: j, j: i}
    return [replace(row, number=numbers.get(row.number, row.number)) for row in TEN]


def inserted(at: int) -> Rows:
    later = [replace(row, number=row.number + 1) for row in TEN[at - 1 :]]
    return [*TEN[: at - 1], forged(TEN, at), *later]


CASES: dict[str, tuple[Rows, list[tuple[int, str]]]] = {
    "whole": (TEN, []),
    "the first changed": ([replace(TEN[0], actor="eve"), *TEN[1:]], [(1, "changed")]),
    "one changed": ([*TEN[:4], replace(TEN[4], kind="signed"), *TEN[5:]], [(5, "changed")]),
    "the last changed": ([*TEN[:9], replace(TEN[9], payload="{}")], [(10, "changed")]),
    "written otherwise": (
        [*TEN[:4], replace(TEN[4], payload=" " + TEN[4].payload), *TEN[5:]],
        [(5, "changed")],
    ),
    "changed and its hash too": ([*TEN[:4], forged(TEN, 5), *TEN[5:]], [(5, "changed")]),
    "the last changed and its hash too": ([*TEN[:9], forged(TEN, 10)], [(10, "changed")]),
    "the first lost": (TEN[1:], [(1, "lost")]),
    "some lost": ([*TEN[:3], *TEN[6:]], [(4, "lost")]),
    "the last lost": (TEN[:9], [(10, "lost")]),
    "all lost": ([], [(1, "lost")]),
    "one more at the end": ([*TEN, sealed(11, TEN[-1].hash)], [(11, "inserted")]),
    "two swapped": (swapped(4, 5), [(4, "out of order"), (5, "out of order")]),
    "two far apart swapped": (swapped(2, 9), [(2, "out of order"), (9, "out of order")]),
    "lost and closed up": (
        [*TEN[:8], replace(TEN[9], number=9)],
        [(9, "out of order"), (10, "lost")],
    ),
}


@pytest.mark.parametrize(("rows", "expected"), CASES.values(), ids=CASES)
def test_what_was_done_shows(rows: Rows, expected: list[tuple[int, str]]) -> None:
    assert found(rows) == expected


def test_one_in_the_middle_shows() -> None:
    message = found(inserted(5))
    assert (11, "inserted") in message
    assert [one for one in message if one[1] == "out of order"] == [
        (number, "out of order") for number in range(6, 12)
    ]


def test_words() -> None:
    assert [str(one) for one in faults([*TEN[:3], replace(TEN[3], actor="eve"), *TEN[6:9]])] == [
        "event 4 was changed (commented of 'smear 1', by 'eve', 2026-11-23T09:00:00.000000+00:00)",
        "events 5 to 6 are lost",
        "event 10 is lost",
    ]


def test_a_record_made_anew_shows_against_a_head_noted_before() -> None:
    anew = [replace(row) for row in TEN[:4]]
    for number in range(5, 11):
        anew.append(sealed(number, anew[-1].hash, payload={"text": "forged"}))
    head = Head(10, anew[-1].hash)
    assert found(anew, head=head) == []
    assert found(anew, head=head, noted=Head(7, TEN[6].hash)) == [(7, "changed")]
    assert found(TEN, noted=Head(7, TEN[6].hash)) == []
    assert found(TEN[:6], head=Head(6, TEN[5].hash), noted=HEAD) == [(7, "lost")]
    assert found(TEN, head=None) == [(10, "lost")]


@given(
    row=st.integers(0, 9),
    column=st.sampled_from([one.name for one in fields(StoredEvent)]),
    place=st.integers(0, 10_000),
    change=st.integers(1, 255),
)
def test_any_byte_that_is_changed_shows(row: int, column: str, place: int, change: int) -> None:
    was = getattr(TEN[row], column)
    if isinstance(was, int):
        now: Any = was ^ change
    else:
        raw = bytearray(was.encode())
        raw[place % len(raw)] ^= change
        now = raw.decode("utf-8", "surrogateescape")
    rows = [*TEN[:row], replace(TEN[row], **{column: now}), *TEN[row + 1 :]]
    message = [one.number for one in faults(rows)]
    assert message
    assert column == "number" or row + 1 in message


@given(kept=st.sets(st.integers(0, 9)))
def test_whatever_is_lost_shows(kept: set[int]) -> None:
    message = faults([TEN[i] for i in sorted(kept)])
    assert bool(message) == (len(kept) < 10)
    assert {one.kind for one in message} <= {"lost"}


@given(st.permutations(range(10)))
def test_any_other_order_shows(order: list[int]) -> None:
    rows = [replace(TEN[i], number=number) for number, i in enumerate(order, 1)]
    moved = [number for number, i in enumerate(order, 1) if i != number - 1]
    assert [one.number for one in faults(rows)] == moved


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # what UTF-8 can't say is refused
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, max_size=4))
def test_the_canonical_form_is_one(payload: dict[str, Any]) -> None:
    back = normal(payload)
    assert back == payload
    assert canonical(back) == canonical(payload)
    assert canonical(dict(reversed(list(payload.items())))) == canonical(payload)


def test_the_canonical_form_is_the_documented_one() -> None:
    value = {"b": [1, 1.0, 1e22, -0.0, 0.1], "a": "\u00e9\n\x00\U0001f52c</", "B": None}
    assert canonical(value) == (
        '{"B":null,"a":"\u00e9\\n\\u0000\U0001f52c</","b":[1,1.0,1e+22,-0.0,0.1]}'
    )
    # worked out by sha256sum from the canonical text: a record must stay readable for years
    first = sealed(1, FIRST, payload={"text": "x"})
    assert first.hash == "d562bfad97cb39bbec10e8ae5819edc520079da760edb5b9da02501310b6dbc1"


@pytest.mark.parametrize("text", ["", "1", "x:" + "0" * 64, "1:ff", "-1:" + "0" * 64])
def test_a_head_must_be_one(text: str) -> None:
    with pytest.raises(InputError, match="NUMBER:HASH"):
        Head.read(text)
    assert Head.read(str(HEAD)) == HEAD


def attack(record: Record, *statements: str) -> None:
    """What someone does who can write to the database and takes its guards away."""
    is_sqlite = record.database.is_sqlite
    with record.database.engine.begin() as connection:
        for name in sorted(TRIGGERS["sqlite" if is_sqlite else "postgresql"]):
            table = name.partition("_")[0]
            connection.execute(text(f"DROP TRIGGER {name}" + ("" if is_sqlite else f" ON {table}")))
        for statement in statements:
            connection.execute(text(statement))


ATTACKS = {
    "changed": ("UPDATE events SET actor = 'eve' WHERE number = 2", 2, "changed"),
    "lost": ("DELETE FROM events WHERE number = 2", 2, "lost"),
    "cut off": ("DELETE FROM events WHERE number >= 3", 3, "lost"),
    "headless": ("DELETE FROM head", 4, "lost"),
    "the worklist": ("UPDATE slides SET version = 1", 4, "changed"),
    "a slide gone": ("DELETE FROM slides", 4, "changed"),
    "the status": ("UPDATE slides SET status = 'signed'", 4, "changed"),
}


@pytest.mark.parametrize(("statement", "number", "kind"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack_shows_in_the_record(
    record: Record, slide: str, to: Callable[..., Any], statement: str, number: int, kind: str
) -> None:
    for cell in "123":
        record.append(slide, "anna", "reclassified", to("monocyte", cell))
    assert record.verify() == []
    attack(record, statement)
    message = record.verify()
    guards = [one for one in message if one.kind == "unguarded"]
    assert len(guards) == 6
    assert [(one.number, one.kind) for one in message[6:]] == [(number, kind)]


def test_a_damaged_text_is_a_fault_and_no_crash(tmp_path: Any, added: Any) -> None:
    with Record(f"sqlite:///{tmp_path / 'r.db'}") as record:
        record.append("smear 1", "anna", "added", added)
        attack(record, "UPDATE events SET actor = CAST(X'ff' AS TEXT)")
        assert [one.number for one in record.verify()][-1] == 1


def test_a_head_noted_before_proves_the_record(record: Record, slide: str) -> None:
    noted = record.head()
    record.append(slide, "anna", "commented", {"text": "x"})
    assert record.verify(noted) == []
    assert record.verify(Head(noted.number, "f" * 64))[0].number == 1
    assert record.verify(Head(99, "f" * 64))[0].kind == "lost"
