"""The worklist: each slide's state in short, and whether it follows from the events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .events import Event
from .hash_chain import CHANGED, Fault
from .replay import fold
from .state import SlideState


@dataclass(frozen=True)
class SlideRow:
    """A line of the worklist: `actor` and `at` of the last change, `summary` as it was added."""

    slide_id: str
    folder: str
    status: str
    version: int
    n_cells: int
    summary: Mapping[str, Any]
    actor: str
    at: str


def row_of(state: SlideState) -> SlideRow:
    """A slide's line."""
    return SlideRow(
        state.slide,
        state.folder,
        state.status,
        state.version,
        state.n_cells,
        state.summary,
        state.actor,
        state.at,
    )


def worklist_faults(events: Sequence[Event], rows: Iterable[SlideRow]) -> list[Fault]:
    """Where the worklist does not follow from the events of the whole record."""
    by_slide: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.slide:
            by_slide[event.slide].append(event)
    ours = {slide: row_of(fold(some)) for slide, some in by_slide.items()}
    theirs = {row.slide_id: row for row in rows}
    return [
        Fault(
            by_slide[slide][-1].number if slide in by_slide else 0,
            CHANGED,
            f"the worklist's row of {slide!r:.80} does not follow from its events",
        )
        for slide in sorted(ours.keys() | theirs.keys())
        if ours.get(slide) != theirs.get(slide)
    ]
