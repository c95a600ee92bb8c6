"""Slides and their reviews together: what a person sees, and what becomes of what they do."""

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from leukodiff.core.cache import Cache
from leukodiff.core.errors import InputError
from leukodiff.pipeline.report.report import SmearReport

from ..record import (
    Conflict,
    Event,
    Locked,
    Record,
    SlideRow,
    SlideState,
    StaleSignature,
    applied,
    fold,
    redo,
    undo,
)
from ..record.events import ADDED
from .errors import ServiceError
from .people import OPERATOR, REVIEW, Person
from .serializers import Json, n_atypical
from .slide_store import FileStamp, Shelf, StoredSlide
from .views import (
    ANEW,
    TAKEN,
    View,
    cells_digest,
    news_json,
    seen_without_reading,
    shown_reading,
)

log = logging.getLogger("leukodiff")

KEPT = 24
"""Reviewed reports, and slides whose events are kept."""

CELLS = "cells_sha256"
"""In the summary of an added slide: of its cells. A report made anew with other ranges has the same
cells, and its review goes on; a slide analyzed anew has others, and its review begins anew."""

STAMP = "stamp"
"""In the same: when smear.json was changed (ns) and its size; it is known by them unread."""


@dataclass
class _Followed:
    """A slide's events so far, and what they add up to."""

    events: tuple[Event, ...] = ()
    state: SlideState | None = None


@dataclass
class Reviews:
    """The slides on the shelf with their reviews in the record; `readers` of a new slide."""

    record: Record
    shelf: Shelf
    readers: int
    _made: Cache[SmearReport] = field(default_factory=lambda: Cache(KEPT))
    _followed: Cache[_Followed] = field(default_factory=lambda: Cache(KEPT))
    _cells: dict[str, str] = field(default_factory=dict)
    _taken: dict[str, object] = field(default_factory=dict)
    _told: dict[str, Json] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _taking: threading.Lock = field(default_factory=threading.Lock)

    def take_up(self) -> None:
        """Adds to the record what is new on the shelf, or was analyzed anew.

        A slide that can't be read is told in the log and left out.
        """
        with self._taking:
            for slide_id, stamp in self.shelf.refresh().items():
                if self._taken.get(slide_id) == stamp:
                    continue
                try:
                    self._take(slide_id, stamp)
                except InputError as error:
                    log.warning("%s", error)
                self._taken[slide_id] = stamp

    def _take(self, slide_id: str, stamp: FileStamp) -> None:
        state = self._follow(slide_id).state
        if state and state.summary.get(STAMP) == [stamp.changed, stamp.size]:
            return  # as it was: a thousand slides are not read at each start
        slide = self.shelf.get(slide_id)
        if slide is None:
            return
        cells = self._digest(slide)
        if state and (state.summary.get(CELLS) == cells or state.status != "analysed"):
            return  # a review that has begun is not thrown away: the page says what happened
        report = slide.report
        summary = {
            CELLS: cells,
            STAMP: [stamp.changed, stamp.size],
            "n_unidentified": report.differential.n_unidentified,
            "n_atypical": n_atypical(report.cells),
            "flags": [str(remark) for remark in report.remarks],
            "anew": state is not None,
        }
        payload = {
            "folder": str(slide.folder),
            "sha256": slide.sha256,
            "n_cells": len(report.cells),
            "readers": self.readers,
            "summary": summary,
        }
        self.record.append(slide_id, "leukodiff", ADDED, payload, None)

    def summary(self, row: SlideRow) -> Json:
        """What the worklist says of a slide: as reviewed where that is known, else as it came."""
        with self._lock:
            told = self._told.get(row.slide_id, {})
        said = {"n_cells": row.n_cells, "flags": [], "anew": False, "n_unidentified": 0}
        said |= {"n_atypical": 0, "awaits_third": False, **row.summary}
        return said if row.status == "analysed" else {**said, **told}

    def recount(self) -> None:
        """Learns what the worklist says of the slides under review, after a start."""
        for row in self.record.slides():
            if row.status != "analysed":
                with suppress(ServiceError):  # its folder has gone
                    self.tell(self.view(row.slide_id, OPERATOR))

    def tell(self, view: View) -> None:
        """Keeps what the worklist says of a slide under review.

        Of two readings it says only whether a third is awaited: each is the reader's own.
        """
        if view.stale:
            return
        two = {"awaits_third": view.state.awaits_third}
        told = two if view.state.readers > 1 else _told_of(view.report)
        with self._lock:
            self._told[view.slide.slide_id] = told

    def _digest(self, slide: StoredSlide) -> str:
        if slide.sha256 not in self._cells:
            self._cells[slide.sha256] = cells_digest(slide.report)
        return self._cells[slide.sha256]

    def _follow(self, slide_id: str) -> _Followed:
        """The slide's events, only the new ones read from the record."""
        with self._lock:
            known = self._followed.get(slide_id) or _Followed()
            last = known.events[-1].number if known.events else 0
            if new := self.record.events(slide_id, last):
                known = _Followed((*known.events, *new), fold(new, known.state))
            self._followed.put(slide_id, known)
            return known

    def view(self, slide_id: str, person: Person) -> View:
        """A slide as a person sees it.

        Raises:
            ServiceError: `not_found`: there is no such slide, or its folder is damaged.
        """
        try:
            slide = self.shelf.get(slide_id)
        except InputError as error:
            raise ServiceError("not_found", str(error)) from error
        if slide is None:
            raise ServiceError("not_found", "no such slide", "address")
        followed = self._follow(slide_id)
        if followed.state is None:
            self.take_up()
            followed = self._follow(slide_id)
        return self._view(slide, followed, person)

    def _view(self, slide: StoredSlide, followed: _Followed, person: Person) -> View:
        state = followed.state or SlideState(slide.slide_id)
        reader = state.reader_of(person.name) if person.may(REVIEW) else None
        shown = reader or seen_without_reading(state)
        stale = state.summary.get(CELLS) != self._digest(slide)
        report = slide.report if stale or not shown else self._applied(slide, state, shown)
        reading = shown_reading(slide, state, shown, report)
        return View(slide, state, reader, reading, report, followed.events, stale)

    def _applied(self, slide: StoredSlide, state: SlideState, reader: int) -> SmearReport:
        key = (slide.slide_id, slide.sha256, state.version, reader)
        return self._made.get_or_make(key, lambda: applied(slide.report, state, reader))

    def do(
        self,
        before: View,
        person: Person,
        kind: str,
        payload: Mapping[str, Any],
        version: int,
    ) -> Json:
        """Appends an event to a reading, and says what a page at `version` must draw anew.

        Raises:
            ServiceError: `conflict`: someone changed the same cells, `locked`: the slide is signed,
                `forbidden`: it is another reader's, `invalid`: the record does not take it.
        """
        if before.stale:
            raise ServiceError("locked", ANEW)
        if before.reader is None:
            raise ServiceError("forbidden", TAKEN, "role")
        said = dict(payload)
        if before.state.readers > 1:
            said["reader"] = before.reader
        self.append(before, person, kind, said, version)
        return self.news(before, person, version)

    def append(
        self, before: View, person: Person, kind: str, payload: Mapping[str, Any], version: int
    ) -> Event:
        """Appends an event; what the record refuses becomes an answer.

        Raises:
            ServiceError: as `do`.
        """
        try:
            return self.record.append(before.slide.slide_id, person.name, kind, payload, version)
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
            raise ServiceError(
                "conflict", str(error), "signature", version=before.state.version
            ) from error
        except Locked as error:
            raise ServiceError("locked", str(error), "locked") from error
        except InputError as error:
            raise ServiceError("invalid", str(error), "body") from error

    def back(self, before: View, person: Person, again: bool, version: int) -> Json:
        """Undoes a person's last edit, or does it `again`.

        Raises:
            ServiceError: `conflict`: there is none; else as `do`.
        """
        change = (redo if again else undo)(before.state, person.name, before.reader or 1)
        if change is None:
            word = "do again" if again else "undo"
            raise ServiceError(
                "conflict", f"there is nothing to {word}", version=before.state.version
            )
        return self.do(before, person, change.kind, change.payload, version)

    def news(self, before: View, person: Person, version: int) -> Json:
        """What a page that knows a slide up to `version` must draw anew."""
        after = self._view(before.slide, self._follow(before.slide.slide_id), person)
        self.tell(after)
        return news_json(after, person, version)


def _told_of(report: SmearReport) -> Json:
    return {
        "n_cells": len(report.cells),
        "n_unidentified": report.differential.n_unidentified,
        "n_atypical": n_atypical(report.cells),
        "flags": [str(remark) for remark in report.remarks],
    }
