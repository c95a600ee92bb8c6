"""What a page shows of a slide, as JSON: pure functions of the machine's report and its review."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from leukodiff.datasets.vocabulary import BY_NAME, CELL_TYPES, UNIDENTIFIED, WHITE_CELL
from leukodiff.pipeline.report.differential import BESIDE, COUNTED
from leukodiff.pipeline.report.measurements import Measurement
from leukodiff.pipeline.report.profiles import NLR, PER_HUNDRED, PERCENT, RATIO
from leukodiff.pipeline.report.report import Cell, SmearReport
from leukodiff.pipeline.report.statistics import Estimate

from ..record import Event, Reading, Signature, SlideState
from ..record.events import CELL_ADDED, CELL_REMOVED, CELL_RESTORED, LOOKED_AT, RECLASSIFIED

if TYPE_CHECKING:
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
    slide: "StoredSlide", state: SlideState, reading: Reading, reviewed: SmearReport
) -> Json:
    """Everything that the gallery and the viewer show; what depends on who looks comes beside it.

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


def cells_json(slide: "StoredSlide", reading: Reading) -> list[Json]:
    """All cells: the machine's in their order, removed ones too, then those that were added.

    An address of a sheet of crops counts on this order.
    """
    return [cell_json(cell, slide, reading) for cell in all_cells(slide, reading)]


def all_cells(slide: "StoredSlide", reading: Reading) -> list[Cell]:
    """The cells in the order of `cells_json`."""
    return [*slide.report.cells, *reading.added]


def cell_json(cell: Cell, slide: "StoredSlide", reading: Reading) -> Json:
    """One cell: what the machine said of it, and what a person did."""
    return {
        **_machine(cell, slide.report.class_names),
        "person": reading.reviewed_as.get(cell.cell_id),
        "looked": cell.cell_id in reading.looked_at,
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
    """The count as it stands, beside what the machine counted."""
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
            if row.cell_type in (*COUNTED, *BESIDE) or row.count
        ],
        "nlr": estimate_json(found.neutrophil_lymphocyte_ratio, reviewed.measured(NLR, RATIO)),
        "erythroblasts_per_100": estimate_json(
            found.erythroblasts_per_100_wbc, reviewed.measured("erythroblast", PER_HUNDRED)
        ),
    }


def estimate_json(one: Estimate | None, measured: Measurement | None) -> Json | None:
    """A number with its interval and range; `None` where nothing can be said."""
    if one is None:
        return None
    ends = {"value": _rounded(one.value), "low": _rounded(one.low), "high": _rounded(one.high)}
    return {**ends, **_range(measured)}


def _range(measured: Measurement | None) -> Json:
    usual = measured.usual if measured else None
    return {
        "reference_low": _rounded(usual.low) if usual else None,
        "reference_high": _rounded(usual.high) if usual else None,
        "flag": measured.flag if measured else "",
    }


def signature_json(one: Signature) -> Json:
    """A signature as the page shows it."""
    return {**asdict(one), "machine": dict(one.machine), "person": dict(one.person)}


def changes_json(slide: "StoredSlide", reading: Reading, events: Iterable[Event]) -> Json:
    """What some events of a reading left changed: all that a page which knew less must draw anew.

    Not what each did but what is now: of a cell that changed twice, the last.
    """
    named, looked, moved, made = set[str](), set[str](), set[str](), set[str]()
    for event in events:
        cells = event.payload.get("cells", ())
        if event.kind == RECLASSIFIED:
            named.update(cells)
            looked.update(cells)
        elif event.kind == LOOKED_AT:
            looked.update(cells)
        elif event.kind == CELL_ADDED:
            made.add(event.payload["cell"]["cell_id"])
        elif event.kind in (CELL_REMOVED, CELL_RESTORED):
            moved.update(cells)
    return {
        "changed": {one: reading.reviewed_as.get(one) for one in sorted(named)},
        "looked": sorted(looked & reading.looked_at),
        "removed": {one: one in reading.removed for one in sorted(moved)},
        "cells": [cell_json(one, slide, reading) for one in reading.added if one.cell_id in made],
    }


def event_json(event: Event) -> Json:
    """An event as a page hears of it."""
    names = ("number", "version", "actor", "at", "kind")
    return {**{name: getattr(event, name) for name in names}, "payload": dict(event.payload)}


def counts(cells: Iterable[Cell], by: str) -> dict[str, int]:
    """How many cells there are of each type: `cell_type` (machine) or `counted_as` (person)."""
    found: dict[str, int] = {}
    for cell in cells:
        name = getattr(cell, by)
        found[name] = found.get(name, 0) + 1
    return {name: found[name] for name in BY_NAME if name in found}


def n_atypical(cells: Sequence[Cell]) -> int:
    """Cells unlike every class that no person has named yet."""
    return sum(cell.is_atypical and not cell.reviewed_as for cell in cells)


def _rounded(value: float | None) -> float | None:
    """A number as JSON can have it; infinity is none."""
    return round(value, DECIMALS) if value is not None and math.isfinite(value) else None
