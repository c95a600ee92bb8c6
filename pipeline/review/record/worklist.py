"""The worklist: each slide's state in short, in a table of its own, and its check."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from . import tables
from .events import Event, canonical
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


def write_row(connection: Connection, state: SlideState) -> None:
    """Writes a slide's line in place of the one before."""
    connection.execute(delete(tables.slides).where(tables.slides.c.slide == state.slide))
    row = vars(row_of(state))
    row = row | {"slide": row["slide_id"], "summary": canonical(row["summary"])}
    del row["slide_id"]
    connection.execute(insert(tables.slides).values(**row))


def read_rows(connection: Connection) -> list[SlideRow]:
    """All lines, in no particular order."""
    return [
        SlideRow(
            row.slide,
            row.folder,
            row.status,
            row.version,
            row.n_cells,
            json.loads(row.summary),
            row.actor,
            row.at,
        )
        for row in connection.execute(select(tables.slides))
    ]


def worklist_faults(events: Sequence[Event], rows: Iterable[SlideRow]) -> list[Fault]:
    """Lines of the worklist that do not follow from the events of the whole record."""
    by_slide: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.slide:
            by_slide[event.slide].append(event)
    expected = {slide: row_of(fold(some)) for slide, some in by_slide.items()}
    found = {row.slide_id: row for row in rows}
    return [
        Fault(
            by_slide[slide][-1].number if slide in by_slide else 0,
            CHANGED,
            f"the worklist's row of {slide!r:.80} does not follow from its events",
        )
        for slide in sorted(expected.keys() | found.keys())
        if expected.get(slide) != found.get(slide)
    ]
