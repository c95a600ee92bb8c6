"""A slide as one person sees it, as JSON: what there is, what changed, what may be done next."""

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any

from leukodiff.pipeline.report.report import SmearReport

from ..record import (
    THIRD,
    Event,
    Reading,
    SlideState,
    agreement,
    differences,
    may_sign,
    redo,
    undo,
)
from ..record.events import ADDED, READING_KINDS
from .people import Person
from .serializers import Json, changes_json, differential_json, event_json, signature_json
from .slide_store import StoredSlide

ANEW = (
    "this slide was analyzed anew after its review began: its cells are others than those that "
    "were reviewed"
)

TAKEN = "the readings of this slide are taken by others"


@dataclass(frozen=True)
class View:
    """A slide as one person sees it.

    `reader` is the reading that is theirs, `None` where they only look. `report` is the machine's
    with `reading` applied. `events` are all of the slide, the one of version n at n - 1. `stale`:
    the folder holds other cells than were reviewed.
    """

    slide: StoredSlide
    state: SlideState
    reader: int | None
    reading: Reading
    report: SmearReport
    events: tuple[Event, ...]
    stale: bool

    @property
    def locked(self) -> bool:
        """Whether whoever it was made for can't change anything."""
        signed = self.state.status == "signed" or self.reading.signature is not None
        return signed or self.stale or self.reader is None

    def since(self, version: int) -> list[Event]:
        """The events after a version that may be seen."""
        return [e for e in self.events[max(0, version) :] if may_see(self.state, self.reader, e)]


def news_json(view: View, person: Person, version: int) -> Json:
    """The changes since a version; without `changed` where all must be read anew."""
    events = view.since(version)
    mine = [e for e in events if e.kind in READING_KINDS and e.reader == view.reading.reader]
    anew = any(e.kind == ADDED for e in events)
    return {
        **({} if anew else changes_json(view.slide, view.reading, mine)),
        **standing(view, person),
    }


def feed_json(view: View, person: Person, version: int) -> Json:
    """The events since a version, and what they changed; only the version where there are none."""
    events = view.since(version)
    if not events:
        return {"events": [], "version": view.state.version}
    return {"events": [event_json(e) for e in events], **news_json(view, person, version)}


def standing(view: View, person: Person) -> Json:
    """What follows from a review as it is: the count, and what may be done next."""
    reader, state = view.reader or 1, view.state
    open_ = not view.locked
    return {
        "version": state.version,
        "status": state.status,
        "differential": differential_json(view.slide.report, view.report),
        "remarks": [*([ANEW] if view.stale else []), *map(str, view.report.remarks)],
        "comment": view.reading.comment,
        "signatures": [signature_json(one) for one in seen_signatures(view)],
        "undo": open_ and undo(state, person.name, reader) is not None,
        "redo": open_ and redo(state, person.name, reader) is not None,
        "may_sign": obstacles(view),
        "readers": state.readers,
        "reader": view.reader,
        "locked": view.locked,
        "can": person.can,
    }


def obstacles(view: View, reason: str = "") -> list[str]:
    """What stands in the way of a signature by whoever the view was made for."""
    if view.stale:
        return [ANEW]
    if view.reader is None and view.state.readers > 1:
        return [TAKEN]
    return may_sign(view.slide.report, view.state, reason, view.reader or 1, view.report)


def shown_reading(
    slide: StoredSlide, state: SlideState, reader: int, report: SmearReport
) -> Reading:
    """A reading as it is shown: the third reader sees what the first two say together."""
    own = state.reading(reader)
    if reader != THIRD:
        return own
    cells = {cell.cell_id: cell for cell in report.cells}
    seen = [state.reading(n).looked_at for n in (1, 2, THIRD)]
    return replace(
        own,
        reviewed_as={one: c.reviewed_as for one, c in cells.items() if c.reviewed_as},
        looked_at=frozenset().union(*seen),
        added=tuple(cell for one, cell in cells.items() if one not in slide.by_id),
        removed=frozenset(slide.by_id.keys() - cells.keys()),
    )


def agreement_json(view: View) -> Json | None:
    """How far two readers agree, and on which cells they don't; `None` until both have signed."""
    if not view.state.first_two_signed or view.stale:
        return None
    found = agreement(view.slide.report, view.state)
    ends = {"value": found.kappa, "low": found.kappa_low, "high": found.kappa_high}
    return {
        "pairs": len(found.pairs),
        "only_first": found.only_a,
        "only_second": found.only_b,
        "kappa": ends if found.kappa is not None else None,
        "awaits_third": view.state.awaits_third,
        "differences": [asdict(one) for one in differences(view.slide.report, view.state)],
    }


def seen_signatures(view: View) -> list[Any]:
    """The signatures; of two readers' each sees the own one until both have signed."""
    state = view.state
    if state.readers == 1 or state.first_two_signed:
        return list(state.signatures)
    return [one for one in state.signatures if one.reader == view.reader]


def seen_without_reading(state: SlideState) -> int:
    """Which reading is shown to one who has none: no open one of two, lest a reader be led."""
    if state.readers == 1:
        return 1
    if state.status != "signed":
        return 0
    return THIRD if state.reading(THIRD).signature else 1


def may_see(state: SlideState, reader: int | None, event: Event) -> bool:
    """Whether a person may hear of an event: two readers know nothing of each other's reading."""
    if state.readers == 1 or state.first_two_signed:
        return True
    return event.kind not in READING_KINDS or event.reader == reader


def cells_digest(report: SmearReport) -> str:
    """SHA-256 of what the machine found: tells a slide analyzed anew from a report made anew."""
    digest = hashlib.sha256(repr((report.class_names, report.um_per_px)).encode())
    for cell in report.cells:
        digest.update(repr(cell).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()
