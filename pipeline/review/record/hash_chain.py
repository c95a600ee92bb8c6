"""Check of the hash chain: faults of a log that was changed after it was written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from leukodiff.core.errors import InputError

from .events import FIRST, Event, canonical, hash_of

CHANGED = "changed"
LOST = "lost"
INSERTED = "inserted"
MOVED = "out of order"

MAX_COMPARED = 200
"""Broken rows up to which each is compared with the others, to find those that were moved."""


@dataclass(frozen=True)
class StoredEvent:
    """A row of the log as it stands there: `payload` is text."""

    number: int
    slide: str
    version: int
    actor: str
    at: str
    kind: str
    payload: str
    previous: str
    hash: str


@dataclass(frozen=True)
class Head:
    """The last event's number and hash; 0 and `FIRST` before there is any."""

    number: int
    hash: str

    def __str__(self) -> str:
        """`NUMBER:HASH`, as `Head.read` reads it."""
        return f"{self.number}:{self.hash}"

    @classmethod
    def read(cls, text: str) -> Head:
        """The head that was noted as a text.

        Raises:
            InputError: it is none.
        """
        number, _, found = text.strip().partition(":")
        if not (number.isascii() and number.isdigit() and len(number) < 19 and len(found) == 64):
            raise InputError("a head is NUMBER:HASH, as `leukodiff audit verify` prints it")
        return cls(int(number), found)


@dataclass(frozen=True)
class Fault:
    """A fault of the event `number` (the first of several): `kind` in a word, `text` a line."""

    number: int
    kind: str
    text: str

    def __str__(self) -> str:
        """One line."""
        return self.text


def chain_faults(
    rows: Iterable[StoredEvent], head: Head | None, noted: Head | None = None
) -> list[Fault]:
    """Faults of a log, in order of number.

    Any single thing that is done to the rows shows: a byte changed, a row lost, inserted or moved;
    rows cut off at the end show against the `head`. Whoever can write to the database, takes its
    triggers away and makes every later hash and the head anew leaves no trace in it: that shows
    against a head `noted` elsewhere, for the events up to it.
    """
    check = _ChainCheck(noted)
    for row in rows:
        check.next_row(row)
    check.end(head)
    return sorted(_with_moved(check.faults, check.broken), key=lambda one: one.number)


class _ChainCheck:
    """One pass over the log; `number`, `hash` and `intact` are of the row before."""

    def __init__(self, noted: Head | None) -> None:
        self.noted = noted
        self.faults: list[Fault] = []
        self.broken: dict[int, StoredEvent] = {}
        self.number, self.hash, self.intact = 0, FIRST, True
        self.versions: dict[str, int] = {}

    def next_row(self, row: StoredEvent) -> None:
        """Checks a row against the one before."""
        number, before = row.number, row.number - 1
        lost = before > self.number
        if lost:
            self._add_lost(self.number + 1, before)
        intact = hash_as_stored(row) == row.hash
        if not intact:
            self.broken[number] = row
            about = f"{row.kind} of {row.slide!r}" if row.slide else str(row.kind)
            origin = f"{about:.80}, by {row.actor!r:.40}, {row.at!s:.40}"
            self._add(number, CHANGED, f"event {number} was changed ({origin})")
        elif row.previous != self.hash and self.intact and not lost:
            text = f"event {number} was not written after event {before} as it stands:"
            text += " one of them was changed or inserted, with its hash made anew"
            self._add(max(before, 1), CHANGED, text)
        expected = self.versions.get(row.slide, 0) + 1
        if intact and row.version != expected and not self.faults:
            text = f"event {number} has version {row.version} of {row.slide!r}, not {expected}"
            self._add(number, CHANGED, text)
        if self.noted and number == self.noted.number and row.hash != self.noted.hash:
            text = f"event {number} is not the one that was noted: the record was written anew"
            self._add(number, CHANGED, text)
        self.versions[row.slide] = row.version
        self.number, self.hash, self.intact = number, row.hash, intact

    def end(self, head: Head | None) -> None:
        """Checks the end of the log against the head."""
        if head is None:
            self._add(self.number, LOST, "the record's head is lost")
        elif head.number > self.number:
            self._add_lost(self.number + 1, head.number)
        elif head.number < self.number:
            text = f"event {head.number + 1} was inserted after the last one"
            self._add(head.number + 1, INSERTED, text)
        elif head.hash != self.hash and self.intact:
            text = f"event {self.number} is not the one that was written last"
            self._add(self.number, CHANGED, text)
        if self.noted and self.noted.number > self.number:
            text = f"the record was noted with {self.noted.number} events and has {self.number}"
            self._add(self.number + 1, LOST, text)

    def _add_lost(self, first: int, last: int) -> None:
        text = f"event {first} is lost" if first == last else f"events {first} to {last} are lost"
        self._add(first, LOST, text)

    def _add(self, number: int, kind: str, text: str) -> None:
        self.faults.append(Fault(number, kind, text))


def hash_as_stored(row: StoredEvent) -> str | None:
    """The hash of a row; `None` where its payload is not written as the record writes it."""
    try:
        payload = json.loads(row.payload)
        if not isinstance(payload, dict) or canonical(payload) != row.payload:
            return None
        return hash_of(Event(**vars(row) | {"payload": payload}))
    except (ValueError, TypeError, RecursionError, InputError):
        return None


def _with_moved(faults: list[Fault], broken: Mapping[int, StoredEvent]) -> list[Fault]:
    """The faults, those of rows that only stand at another's number worded so."""
    if len(broken) > MAX_COMPARED:
        return faults
    found: dict[int, int] = {}
    for number, row in broken.items():
        near = {*broken, number - 1, number + 1}
        fits = (n for n in near if hash_as_stored(replace(row, number=n)) == row.hash)
        if (own := next(fits, None)) is not None:
            found[number] = own
    return [
        Fault(one.number, MOVED, f"event {found[one.number]} stands at number {one.number}")
        if one.kind == CHANGED and one.number in found
        else one
        for one in faults
    ]
