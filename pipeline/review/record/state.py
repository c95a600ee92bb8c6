"""State that the events of a slide add up to: one reading, or those of two readers and a third."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leukodiff.pipeline.report.cells import Cell

from .events import canonical, cell_payload

ANALYZED = "analysed"
"""Status of a slide that nobody has worked on."""

IN_REVIEW = "in review"

STATE_SIGNED = "signed"
"""Status once everyone who must has signed."""

REMOVED = "removed"
"""Value of a cell in place of a type once a person took it away."""

THIRD = 3
"""The reader who decides the cells on which the first two differ."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A signature of a reading. `machine` and `person` count the cells by type.

    `number` is the event's, `sha256` of the state. `name` is as typed, `actor` the account.
    `unidentified` and `not_viewed` are the cells left so, for the `reason` given; `differs` on how
    many cells the first two readers differ, known once the second of them signs.
    """

    number: int
    reader: int
    actor: str
    name: str
    at: str
    statement: str
    reason: str
    unidentified: int
    not_viewed: int
    machine: Mapping[str, int]
    person: Mapping[str, int]
    sha256: str
    differs: int = 0


@dataclass(frozen=True)
class Step:
    """An edit that can be undone: of the event `number`, from what to what by cell.

    Of cells added, removed or restored both sides of a pair are the type they have.
    """

    number: int
    kind: str
    cells: Mapping[str, tuple[str | None, str | None]]


@dataclass(frozen=True)
class Reading:
    """One reader's work on a slide.

    `actor` is the person: several people share the only reading, but each of two readings is one
    person's. `reviewed_as` has the cells a person named, `viewed` those a person saw, added and
    renamed ones among them. `undo` and `redo` are each actor's steps, the next one last.
    """

    reader: int
    actor: str = ""
    reviewed_as: Mapping[str, str] = field(default_factory=dict)
    viewed: frozenset[str] = frozenset()
    added: tuple[Cell, ...] = ()
    removed: frozenset[str] = frozenset()
    comment: str = ""
    signature: Signature | None = None
    undo: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    redo: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)

    def value(self, cell_id: str) -> str | None:
        """Value of a cell: a type, `REMOVED`, or `None` for as the machine named it."""
        return REMOVED if cell_id in self.removed else self.reviewed_as.get(cell_id)


@dataclass(frozen=True)
class SlideState:
    """A slide as its events left it; `fold` makes it.

    `number` is the last event's over the whole record, `version` within the slide (0: no such
    slide). `source_sha256` is of the `smear.json` in `folder`; `summary` was given when it was
    added. `readers` is 1 or 2. `actor` and `at` are of the last event that changed something.
    `reopened` counts how often. `cells_made` counts the cells that people ever added.

    `reviewed_as` and what follows are the first reading's: all there is with one reader.
    """

    slide: str
    number: int = 0
    version: int = 0
    status: str = ANALYZED
    folder: str = ""
    source_sha256: str = ""
    n_cells: int = 0
    summary: Mapping[str, Any] = field(default_factory=dict)
    readers: int = 1
    actor: str = ""
    at: str = ""
    reopened: int = 0
    cells_made: int = 0
    readings: Mapping[int, Reading] = field(default_factory=dict)

    def reading(self, reader: int = 1) -> Reading:
        """One reader's, empty where nothing was done yet."""
        return self.readings.get(reader) or Reading(reader)

    def reader_of(self, actor: str) -> int | None:
        """The reading that a person works on; `None` where none is left for them.

        With two readers their own, else the first that nobody has begun; the third once both are
        signed and differ.
        """
        if self.readers == 1:
            return 1
        own = [one.reader for one in self.readings.values() if one.actor == actor]
        free = [n for n in (1, 2) if not self.reading(n).actor]
        if self.awaits_third and not self.reading(THIRD).actor:
            free.append(THIRD)
        return next(iter(own + free), None)

    @property
    def reviewed_as(self) -> Mapping[str, str]:
        """The cells the first reader named."""
        return self.reading().reviewed_as

    @property
    def viewed(self) -> frozenset[str]:
        """The cells the first reader saw."""
        return self.reading().viewed

    @property
    def added(self) -> tuple[Cell, ...]:
        """The cells the first reader added, removed ones too."""
        return self.reading().added

    @property
    def removed(self) -> frozenset[str]:
        """The cells the first reader took away."""
        return self.reading().removed

    @property
    def comment(self) -> str:
        """The first reader's last comment."""
        return self.reading().comment

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """Signatures that hold: re-opening voids them."""
        held = (one.signature for one in self.readings.values() if one.signature)
        return tuple(sorted(held, key=lambda one: one.number))

    @property
    def first_two_signed(self) -> bool:
        """True once two readers are done; each may then see the other's reading."""
        return self.readers == 2 and all(self.reading(n).signature for n in (1, 2))

    @property
    def awaits_third(self) -> bool:
        """True while two readers are done, differ, and nobody has signed for the differences."""
        found = [one for n in (1, 2) if (one := self.reading(n).signature)]
        decided = self.reading(THIRD).signature is not None
        return self.first_two_signed and not decided and max(one.differs for one in found) > 0


def digest(state: SlideState, reader: int = 1) -> str:
    """SHA-256 that a reader signs: of the machine's report and all of the reader's work on it.

    The number of re-openings is part of it, so that no signature is good for twice.
    """
    one = state.reading(reader)
    content = {
        "slide": state.slide,
        "source_sha256": state.source_sha256,
        "reader": reader,
        "reopened": state.reopened,
        "others": {
            str(n): found.signature.sha256
            for n, found in state.readings.items()
            if reader == THIRD and n != THIRD and found.signature
        },
        "reviewed_as": dict(one.reviewed_as),
        "looked_at": sorted(one.viewed),
        "added": [cell_payload(cell) for cell in one.added],
        "removed": sorted(one.removed),
        "comment": one.comment,
    }
    return hashlib.sha256(canonical(content).encode("utf-8")).hexdigest()
