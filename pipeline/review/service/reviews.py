"""Slides and their reviews together: a person's view of a slide, and the events that they make."""

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from leukodiff.core.cache import Cache
from leukodiff.core.errors import InputError
from leukodiff.pipeline.report.report import SmearReport

from ..record import (
    ANALYZED,
    STATE_SIGNED,
    THIRD,
    Conflict,
    Event,
    Locked,
    Reading,
    Record,
    Signature,
    SlideHistory,
    SlideRow,
    SlideState,
    StaleSignature,
    apply_review,
    may_sign,
    redo,
    undo,
)
from ..record.events import ADDED, READING_KINDS
from .errors import ServiceError
from .people import OPERATOR, REVIEW, Person
from .slide_store import CELLS, FileStamp, SlideStore, StoredSlide

log = logging.getLogger("leukodiff")

CACHED_REPORTS = 24
"""Reviewed reports that are kept in memory."""

STAMP = "stamp"
"""Key in the summary of an added slide: time of change (ns) and size of its smear.json."""


ANEW = (
    "this slide was analyzed anew after its review began: its cells are others than those that "
    "were reviewed"
)

TAKEN = "the readings of this slide are taken by others"


@dataclass(frozen=True)
class View:
    """A slide as one person sees it.

    `reader` is the reading that is theirs, `None` where they only look. `report` is the machine's
    with `reading` applied. `history` has all events of the slide. `stale`: the folder holds other
    cells than were reviewed.
    """

    slide: StoredSlide
    history: SlideHistory
    reader: int | None
    reading: Reading
    report: SmearReport
    stale: bool

    @property
    def state(self) -> SlideState:
        """The state of the review."""
        return self.history.state

    @property
    def events(self) -> tuple[Event, ...]:
        """All events of the slide, the one of version n at n - 1."""
        return self.history.events

    @property
    def locked(self) -> bool:
        """True where the person can't change anything."""
        signed = self.state.status == STATE_SIGNED or self.reading.signature is not None
        return signed or self.stale or self.reader is None

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """The signatures; of two readers' each sees the own one until both have signed."""
        found = self.state.signatures
        if self.state.readers == 1 or self.state.first_two_signed:
            return found
        return tuple(one for one in found if one.reader == self.reader)

    def since(self, version: int) -> list[Event]:
        """The events after a version that the person may see.

        Two readers know nothing of each other's reading until both have signed.
        """
        later = self.events[max(0, version) :]
        if self.state.readers == 1 or self.state.first_two_signed:
            return list(later)
        return [e for e in later if e.kind not in READING_KINDS or e.reader == self.reader]

    def obstacles(self, reason: str = "") -> list[str]:
        """Obstacles to a signature by the person, one line each."""
        if self.stale:
            return [ANEW]
        if self.reader is None and self.state.readers > 1:
            return [TAKEN]
        return may_sign(self.slide.report, self.state, reason, self.reader or 1, self.report)


@dataclass
class Reviews:
    """The slides of a store with their reviews in the record; `readers` of a new slide."""

    record: Record
    slides: SlideStore
    readers: int
    _reports: Cache[SmearReport] = field(default_factory=lambda: Cache(CACHED_REPORTS))
    _known: dict[str, FileStamp] = field(default_factory=dict)
    _summaries: dict[str, dict[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _adding: threading.Lock = field(default_factory=threading.Lock)

    def add_new_slides(self) -> None:
        """Adds to the record the slides that are new in the store, or were analyzed anew.

        One that can't be read is reported in the log and left out.
        """
        with self._adding:
            for slide_id, stamp in self.slides.refresh().items():
                if self._known.get(slide_id) != stamp:
                    try:
                        self._add(slide_id, stamp)
                    except InputError as error:
                        log.warning("%s", error)
                    self._known[slide_id] = stamp

    def _add(self, slide_id: str, stamp: FileStamp) -> None:
        state = self.record.state(slide_id)
        if state.version and state.summary.get(STAMP) == [stamp.changed, stamp.size]:
            return  # as it was: a thousand slides are not read at each start
        slide = self.slides.get(slide_id)
        if slide is None:
            return
        if state.version and (slide.has_cells_of(state) or state.status != ANALYZED):
            return  # a review that has begun is not thrown away: the page shows `ANEW`
        payload = {
            "folder": str(slide.folder),
            "sha256": slide.sha256,
            "n_cells": len(slide.report.cells),
            "readers": self.readers,
            "summary": {
                CELLS: slide.cells_sha256,
                STAMP: [stamp.changed, stamp.size],
                **_summary(slide.report),
                "anew": state.version > 0,
            },
        }
        self.record.append(slide_id, "leukodiff", ADDED, payload)

    def summary(self, row: SlideRow) -> dict[str, Any]:
        """A slide in the worklist: as reviewed where that is known, else as it was added."""
        with self._lock:
            reviewed = self._summaries.get(row.slide_id, {})
        added = {"n_cells": row.n_cells, "flags": [], "anew": False, "n_unidentified": 0}
        added |= {"n_atypical": 0, "awaits_third": False, **row.summary}
        return added if row.status == ANALYZED else {**added, **reviewed}

    def update_summaries(self) -> None:
        """Counts all slides under review, as the worklist shows them, from their reviews."""
        for row in self.record.slides():
            if row.status != ANALYZED:
                with suppress(ServiceError):  # its folder has gone
                    self._update_summary(self.view(row.slide_id, OPERATOR))

    def _update_summary(self, view: View) -> None:
        # Of two readings only whether a third is awaited: each is the reader's own.
        if view.stale:
            return
        two = {"awaits_third": view.state.awaits_third}
        one = {"n_cells": len(view.report.cells), **_summary(view.report)}
        with self._lock:
            self._summaries[view.slide.slide_id] = two if view.state.readers > 1 else one

    def view(self, slide_id: str, person: Person) -> View:
        """A slide as a person sees it.

        Raises:
            ServiceError: `not_found`: there is no such slide, or its folder is damaged.
        """
        try:
            slide = self.slides.get(slide_id)
        except InputError as error:
            raise ServiceError("not_found", str(error)) from error
        if slide is None:
            raise ServiceError("not_found", "no such slide", "address")
        history = self.record.history(slide_id)
        if not history.state.version:
            self.add_new_slides()
            history = self.record.history(slide_id)
        return self._view(slide, history, person)

    def _view(self, slide: StoredSlide, history: SlideHistory, person: Person) -> View:
        state = history.state
        reader = state.reader_of(person.name) if person.may(REVIEW) else None
        shown = reader or shown_without_reading(state)
        stale = not slide.has_cells_of(state)
        report = slide.report
        if shown and not stale:
            key = (slide.slide_id, slide.sha256, state.version, shown)
            report = self._reports.get_or_make(
                key, lambda: apply_review(slide.report, state, shown)
            )
        reading = shown_reading(slide, state, shown, report)
        return View(slide, history, reader, reading, report, stale)

    def apply_event(
        self, before: View, person: Person, kind: str, payload: Mapping[str, Any], version: int
    ) -> View:
        """Appends an event to a reading of a page at `version`; returns the slide with it.

        Raises:
            ServiceError: `conflict`: someone changed the same cells, `locked`: the slide is signed,
                `forbidden`: it is another reader's, `invalid`: the record does not take it.
        """
        if before.stale:
            raise ServiceError("locked", ANEW)
        if before.reader is None:
            raise ServiceError("forbidden", TAKEN, "role")
        reader = {"reader": before.reader} if before.state.readers > 1 else {}
        return self.append(before, person, kind, {**payload, **reader}, version)

    def append(
        self, before: View, person: Person, kind: str, payload: Mapping[str, Any], version: int
    ) -> View:
        """Appends an event; returns the slide with it.

        Raises:
            ServiceError: as `apply_event`.
        """
        try:
            self.record.append(before.slide.slide_id, person.name, kind, payload, version)
        except Conflict as error:
            raise ServiceError(
                "conflict",
                str(error),
                theirs=dict(error.theirs),
                mine=dict(error.mine),
                version=error.state.version,
                who=sorted({one.actor for one in error.since}),
            ) from error
        except StaleSignature as error:
            present = before.state.version
            raise ServiceError("conflict", str(error), "signature", version=present) from error
        except Locked as error:
            raise ServiceError("locked", str(error), "locked") from error
        except InputError as error:
            raise ServiceError("invalid", str(error), "body") from error
        after = self._view(before.slide, self.record.history(before.slide.slide_id), person)
        self._update_summary(after)
        return after

    def undo_or_redo(self, before: View, person: Person, again: bool, version: int) -> View:
        """Undoes a person's last edit, or does it `again`.

        Raises:
            ServiceError: `conflict`: there is none; else as `apply_event`.
        """
        change = (redo if again else undo)(before.state, person.name, before.reader or 1)
        if change is None:
            text = f"there is nothing to {'do again' if again else 'undo'}"
            raise ServiceError("conflict", text, version=before.state.version)
        return self.apply_event(before, person, change.kind, change.payload, version)


def _summary(report: SmearReport) -> dict[str, Any]:
    return {
        "n_unidentified": report.differential.n_unidentified,
        "n_atypical": sum(one.is_atypical and not one.reviewed_as for one in report.cells),
        "flags": [str(remark) for remark in report.remarks],
    }


def shown_reading(
    slide: StoredSlide, state: SlideState, reader: int, report: SmearReport
) -> Reading:
    """A reading as it is shown: the third reader sees the first two together."""
    own = state.reading(reader)
    if reader != THIRD:
        return own
    cells = {cell.cell_id: cell for cell in report.cells}
    return replace(
        own,
        reviewed_as={one: c.reviewed_as for one, c in cells.items() if c.reviewed_as},
        viewed=frozenset().union(*(state.reading(n).viewed for n in (1, 2, THIRD))),
        added=tuple(cell for one, cell in cells.items() if one not in slide.by_id),
        removed=frozenset(slide.by_id.keys() - cells.keys()),
    )


def shown_without_reading(state: SlideState) -> int:
    """The reading shown to one who has none; 0 for an open one of two, lest a reader be led."""
    if state.readers == 1:
        return 1
    if state.status != STATE_SIGNED:
        return 0
    return THIRD if state.reading(THIRD).signature else 1
