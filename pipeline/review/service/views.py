"""A slide as one person sees it: whose reading, with which events, and what stands in the way."""

from dataclasses import dataclass, replace

from leukodiff.pipeline.report.report import SmearReport

from ..record import (
    STATE_SIGNED,
    THIRD,
    Event,
    Reading,
    Signature,
    SlideHistory,
    SlideState,
    may_sign,
)
from ..record.events import READING_KINDS
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
