"""Whether the log is as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from leukodiff.core.errors import InputError

from .events import FIRST, Event, canonical, hash_of

CHANGED, LOST, INSERTED, MOVED = "changed", "lost", "inserted", "out of order"
MANY = 200
"""So many faults are set against each other to find what was moved."""


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
    """What is wrong with the event `number` (the first of several): `kind` in a word, `text`."""

    number: int
    kind: str
    text: str

    def __str__(self) -> str:
        """One line."""
        return self.text


def chain_faults(
    rows: Iterable[StoredEvent],
    head: Head | None,
    noted: Head | None = None,
) -> list[Fault]:
    """What is wrong with a log, in order of number.

    Any single thing that is done to the rows shows: a byte changed, a row lost, inserted or moved;
    rows cut off at the end show against the `head`. Whoever can write to the database, takes its
    triggers away and makes every later hash and the head anew leaves no trace in it: that shows
    against a head `noted` elsewhere, for the events up to it.
    """
    walk = _Walk(noted)
    for row in rows:
        walk.take(row)
    walk.end(head)
    return sorted(_with_moved(walk.faults, walk.broken), key=lambda one: one.number)


class _Walk:
    """One pass over the log."""

    def __init__(self, noted: Head | None) -> None:
        self.noted = noted
        self.faults: list[Fault] = []
        self.broken: dict[int, StoredEvent] = {}
        self.number, self.hash, self.whole = 0, FIRST, True
        self.versions: dict[str, int] = {}

    def take(self, row: StoredEvent) -> None:
        """Look at the next row."""
        lost = row.number > self.number + 1
        if lost:
            self._lost(self.number + 1, row.number - 1)
        whole = hash_as_stored(row) == row.hash
        if not whole:
            self.broken[row.number] = row
            self._say(row.number, CHANGED, f"event {row.number} was changed ({_where(row)})")
        elif row.previous != self.hash and self.whole and not lost:
            self._unlinked(row)
        expected = self.versions.get(row.slide, 0) + 1
        if whole and row.version != expected and not self.faults:
            told = f"event {row.number} has version {row.version} of {row.slide!r}, not {expected}"
            self._say(row.number, CHANGED, told)
        self._against_noted(row.number, row.hash)
        self.versions[row.slide] = row.version
        self.number, self.hash, self.whole = row.number, row.hash, whole

    def end(self, head: Head | None) -> None:
        """Look at how the log ends."""
        if head is None:
            self._say(self.number, LOST, "the record's head is lost")
        elif head.number > self.number:
            self._lost(self.number + 1, head.number)
        elif head.number < self.number:
            told = f"event {head.number + 1} was inserted after the last one"
            self._say(head.number + 1, INSERTED, told)
        elif head.hash != self.hash and self.whole:
            told = f"event {self.number} is not the one that was written last"
            self._say(self.number, CHANGED, told)
        if self.noted and self.noted.number > self.number:
            told = f"the record was noted with {self.noted.number} events and has {self.number}"
            self._say(self.number + 1, LOST, told)

    def _unlinked(self, row: StoredEvent) -> None:
        before = row.number - 1
        told = f"event {row.number} was not written after event {before} as it stands:"
        told += " one of them was changed or inserted, with its hash made anew"
        self._say(max(before, 1), CHANGED, told)

    def _against_noted(self, number: int, found: str) -> None:
        if self.noted and number == self.noted.number and found != self.noted.hash:
            told = f"event {number} is not the one that was noted: the record was written anew"
            self._say(number, CHANGED, told)

    def _lost(self, first: int, last: int) -> None:
        told = f"event {first} is lost" if first == last else f"events {first} to {last} are lost"
        self._say(first, LOST, told)

    def _say(self, number: int, kind: str, text: str) -> None:
        self.faults.append(Fault(number, kind, text))


def hash_as_stored(row: StoredEvent) -> str | None:
    """The hash of a row; `None` where its payload is not written as the record writes it."""
    try:
        said = json.loads(row.payload)
        if not isinstance(said, dict) or canonical(said) != row.payload:
            return None
        return hash_of(Event(**vars(row) | {"payload": said}))
    except (ValueError, TypeError, RecursionError, InputError):
        return None


def _with_moved(faults: list[Fault], broken: Mapping[int, StoredEvent]) -> list[Fault]:
    """The same, with what only stands at another's number told so."""
    if len(broken) > MANY:
        return faults
    found: dict[int, int] = {}
    for number, row in broken.items():
        near = {*broken, number - 1, number + 1}
        fits = (n for n in near if hash_as_stored(replace(row, number=n)) == row.hash)
        if (was := next(fits, None)) is not None:
            found[number] = was
    return [
        Fault(one.number, MOVED, f"event {found[one.number]} stands at number {one.number}")
        if one.kind == CHANGED and one.number in found
        else one
        for one in faults
    ]


def _where(row: StoredEvent) -> str:
    about = f"{row.kind} of {row.slide!r}" if row.slide else str(row.kind)
    return f"{about:.80}, by {row.actor!r:.40}, {row.at!s:.40}"
