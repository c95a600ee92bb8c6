"""A slide as a page shows it, as JSON: pure functions of the machine's report and its review."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from leukodiff.datasets.vocabulary import BY_NAME, CELL_TYPES, UNIDENTIFIED, WHITE_CELL
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.differential import COUNTED, UNCOUNTED
from leukodiff.pipeline.report.measurements import Measurement
from leukodiff.pipeline.report.reference_ranges import NLR, PER_HUNDRED, PERCENT, RATIO
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.report.statistics import Estimate

from ..record import Event, Reading, Signature, SlideState, agreement, differences, redo, undo
from ..record.events import (
    ADDED,
    CELL_ADDED,
    CELL_REMOVED,
    CELL_RESTORED,
    READING_KINDS,
    RECLASSIFIED,
    VIEWED,
)
from .people import Person
from .reviews import ANEW, View
from .slide_store import StoredSlide

Json = dict[str, Any]

KEYS: Mapping[str, str] = {
    "neutrophil": "n",
    "lymphocyte": "l",
    "monocyte": "m",
    "eosinophil": "e",
    "basophil": "b",
    "immature_granulocyte": "i",
    "erythroblast": "r",
    "platelet": "p",
    "red_cell": "c",
    UNIDENTIFIED: "q",
}
"""One key a class; every type that a person may call a cell."""

NAMES = tuple(KEYS)

LEADING = 2
"""So many of the likeliest classes are shown on each cell."""

DECIMALS = 4


def classes_json() -> list[Json]:
    """The types that a person may choose from, in the order of the shelves."""
    return [
        {
            "name": kind.name,
            "title": kind.title,
            "abbreviation": kind.abbreviation,
            "color": kind.color,
            "key": KEYS[kind.name],
            "counted": kind.counts_in_differential,
        }
        for kind in CELL_TYPES
        if kind.name != WHITE_CELL
    ]


def slide_json(
    slide: StoredSlide, state: SlideState, reading: Reading, reviewed: SmearReport
) -> Json:
    """Everything that the gallery and the viewer show to everybody alike.

    `reviewed` is the report with the reading applied.
    """
    report = slide.report
    counts: dict[str, int] = {}
    for cell in reviewed.cells:
        counts[cell.field_id] = counts.get(cell.field_id, 0) + 1
    return {
        "slide_id": slide.slide_id,
        "content": slide.content,
        "status": state.status,
        "version": state.version,
        "um_per_px": report.um_per_px,
        "um_per_px_source": report.um_per_px_source,
        "fields": [
            {
                "field_id": one.field_id,
                "width": one.width,
                "height": one.height,
                "n_cells": counts.get(one.field_id, 0),
                "status": one.status,
                "kind": one.kind,
                "error": one.error,
                "is_scan": one.field_id in report.readings,
            }
            for one in report.fields
        ],
        "classes": classes_json(),
        "cells": cells_json(slide, reading),
        "differential": differential_json(report, reviewed),
        "remarks": [str(remark) for remark in reviewed.remarks],
        "models": [
            {"kind": one.kind, "name": one.name, "version": one.version, "sha256": one.sha256}
            for one in report.provenance.models
        ],
        "comment": reading.comment,
        "signatures": [signature_json(one) for one in state.signatures],
    }


def cells_json(slide: StoredSlide, reading: Reading) -> list[Json]:
    """All cells: the machine's in their order, removed ones too, then those that were added.

    An address of a sheet of crops counts on this order.
    """
    return [cell_json(cell, slide, reading) for cell in all_cells(slide, reading)]


def all_cells(slide: StoredSlide, reading: Reading) -> list[Cell]:
    """The cells in the order of `cells_json`."""
    return [*slide.report.cells, *reading.added]


def cell_json(cell: Cell, slide: StoredSlide, reading: Reading) -> Json:
    """One cell: as the machine named it, and as a person left it."""
    return {
        **_machine(cell, slide.report.class_names),
        "person": reading.reviewed_as.get(cell.cell_id),
        "looked": cell.cell_id in reading.viewed,
        "added": cell.cell_id not in slide.by_id,
        "removed": cell.cell_id in reading.removed,
    }


@lru_cache(maxsize=100_000)
def _machine(cell: Cell, class_names: tuple[str, ...]) -> Json:
    likeliest = sorted(zip(cell.probabilities, class_names, strict=False), reverse=True)[:LEADING]
    return {
        "id": cell.cell_id,
        "field": cell.field_id,
        "box": [cell.x_min, cell.y_min, cell.x_max, cell.y_max],
        "machine": cell.cell_type,
        "confidence": _rounded(cell.confidence),
        "leading": [[name, _rounded(chance)] for chance, name in likeliest],
        "note": cell.note,
        "atypical": cell.is_atypical,
    }


def differential_json(machine: SmearReport, reviewed: SmearReport) -> Json:
    """The count as reviewed, with the machine's counts."""
    found, before = reviewed.differential, machine.differential
    return {
        "n": found.n,
        "unidentified": found.n_unidentified,
        "rows": [
            {
                "type": row.cell_type,
                "count": row.count,
                "percent": _rounded(row.percent),
                "low": _rounded(row.percent_low),
                "high": _rounded(row.percent_high),
                **_range(reviewed.measured(row.cell_type, PERCENT)),
                "machine_count": before.count(row.cell_type),
            }
            for row in found.rows
            if row.cell_type in (*COUNTED, *UNCOUNTED) or row.count
        ],
        "nlr": estimate_json(found.neutrophil_lymphocyte_ratio, reviewed.measured(NLR, RATIO)),
        "erythroblasts_per_100": estimate_json(
            found.erythroblasts_per_100_wbc, reviewed.measured("erythroblast", PER_HUNDRED)
        ),
    }


def estimate_json(one: Estimate | None, measured: Measurement | None) -> Json | None:
    """A number with its interval and range; `None` where there is none."""
    if one is None:
        return None
    ends = {"value": _rounded(one.value), "low": _rounded(one.low), "high": _rounded(one.high)}
    return {**ends, **_range(measured)}


def _range(measured: Measurement | None) -> Json:
    reference = measured.reference if measured else None
    return {
        "reference_low": _rounded(reference.low) if reference else None,
        "reference_high": _rounded(reference.high) if reference else None,
        "flag": measured.flag if measured else "",
    }


def signature_json(one: Signature) -> Json:
    """A signature as the page shows it."""
    values = {**asdict(one), "machine": dict(one.machine), "person": dict(one.person)}
    return {"not_looked_at" if key == "not_viewed" else key: one for key, one in values.items()}


def changes_json(slide: StoredSlide, reading: Reading, events: Iterable[Event]) -> Json:
    """Cells that some events of a reading changed, as they are now: a page must draw them anew."""
    named, viewed, moved, made = set[str](), set[str](), set[str](), set[str]()
    for event in events:
        cells = event.payload.get("cells", ())
        if event.kind == RECLASSIFIED:
            named.update(cells)
            viewed.update(cells)
        elif event.kind == VIEWED:
            viewed.update(cells)
        elif event.kind == CELL_ADDED:
            made.add(event.payload["cell"]["cell_id"])
        elif event.kind in (CELL_REMOVED, CELL_RESTORED):
            moved.update(cells)
    return {
        "changed": {one: reading.reviewed_as.get(one) for one in sorted(named)},
        "looked": sorted(viewed & reading.viewed),
        "removed": {one: one in reading.removed for one in sorted(moved)},
        "cells": [cell_json(one, slide, reading) for one in reading.added if one.cell_id in made],
    }


def update_json(view: View, person: Person, version: int) -> Json:
    """The changes since a version; without `changed` where all must be read anew."""
    events = view.since(version)
    own = [e for e in events if e.kind in READING_KINDS and e.reader == view.reading.reader]
    anew = any(e.kind == ADDED for e in events)
    changes = {} if anew else changes_json(view.slide, view.reading, own)
    return {**changes, **status_json(view, person)}


def feed_json(view: View, person: Person, version: int) -> Json:
    """The events since a version, and what they changed; only the version where there are none."""
    events = view.since(version)
    if not events:
        return {"events": [], "version": view.state.version}
    return {"events": [event_json(e) for e in events], **update_json(view, person, version)}


def status_json(view: View, person: Person) -> Json:
    """The review as it is: the count, and what a person may do next."""
    reader, state = view.reader or 1, view.state
    return {
        "version": state.version,
        "status": state.status,
        "differential": differential_json(view.slide.report, view.report),
        "remarks": [*([ANEW] if view.stale else []), *map(str, view.report.remarks)],
        "comment": view.reading.comment,
        "signatures": [signature_json(one) for one in view.signatures],
        "undo": not view.locked and undo(state, person.name, reader) is not None,
        "redo": not view.locked and redo(state, person.name, reader) is not None,
        "may_sign": view.obstacles(),
        "readers": state.readers,
        "reader": view.reader,
        "locked": view.locked,
        "can": person.can,
    }


def agreement_json(view: View) -> Json | None:
    """Agreement of two readers, and the cells on which they differ; `None` until both signed."""
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


def event_json(event: Event) -> Json:
    """An event as a page receives it."""
    names = ("number", "version", "actor", "at", "kind")
    return {**{name: getattr(event, name) for name in names}, "payload": dict(event.payload)}


def counts(cells: Iterable[Cell], by: str) -> dict[str, int]:
    """Number of cells of each type, by `cell_type` (machine) or `counted_as` (person)."""
    found: dict[str, int] = {}
    for cell in cells:
        name = getattr(cell, by)
        found[name] = found.get(name, 0) + 1
    return {name: found[name] for name in BY_NAME if name in found}


def _rounded(value: float | None) -> float | None:
    """A number as JSON can have it; infinity is none."""
    return round(value, DECIMALS) if value is not None and math.isfinite(value) else None
