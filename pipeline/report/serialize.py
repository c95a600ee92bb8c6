"""A slide's report as one JSON file, and back: what every export can be made from again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from leukodiff.classifier.facts import CellFacts, CellNote
from leukodiff.core.errors import InputError
from leukodiff.datasets.vocabulary import BY_NAME, UNIDENTIFIED
from leukodiff.detector.areas import AreaKind

from .profiles import Profile, ReferenceRange
from .remarks import Remark
from .report import (
    REASONS,
    Area,
    Cell,
    CountingOptions,
    FieldResult,
    ModelUsed,
    Provenance,
    ScanReading,
    SmearReport,
)
from .sample import Sample
from .scale import ScaleSource, SlideScale
from .statistics import Confusion
from .validate import Made, typed

STORED = "smear.json"
"""The file's name in a slide's folder."""

VERSION = 1

_TYPES = frozenset({*BY_NAME, UNIDENTIFIED})

_CELL = tuple(one.name for one in fields(Cell) if one.name != "facts")
_FACTS = tuple(one.name for one in fields(CellFacts))
_FACT_COLUMNS = tuple(f"fact_{name}" for name in _FACTS)
_FIELD = (*(one.name for one in fields(FieldResult)), "reason")
_AREA = ("x_min", "y_min", "x_max", "y_max", "kind", "reason", "coverage", "read", "n_cells")


def to_json(report: SmearReport) -> str:
    """A report as JSON. Cells, fields and areas are rows of values, their columns named once."""
    content = {
        "version": VERSION,
        "slide_id": report.slide_id,
        "class_names": report.class_names,
        "cell_columns": [*_CELL, *_FACT_COLUMNS],
        "cells": [_row(cell, _CELL) + _row(cell.facts, _FACTS) for cell in report.cells],
        "field_columns": _FIELD,
        "fields": [_row(one, _FIELD) for one in report.fields],
        "scale": _scale_row(report.scale) if report.scale else None,
        "provenance": asdict(report.provenance),
        "overlays": dict(report.overlays),
        "area_columns": _AREA,
        "readings": {field_id: _reading(one) for field_id, one in report.readings.items()},
        "atypical_rate": report.atypical_rate,
        "sample": asdict(report.sample),
        "interval": report.counting.interval,
        "precision": report.counting.precision,
        "profile": asdict(report.counting.profile),
        "confusion": report.counting.confusion.to_mapping() if report.counting.confusion else None,
    }
    return json.dumps(content, separators=(",", ":"), check_circular=False) + "\n"


def read_stored(path: Path) -> SmearReport:
    """The report that `to_json` wrote to a file.

    Raises:
        InputError: there is none, it is damaged, or another version of leukodiff wrote it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        told = error.strerror or error
        raise InputError(f"{path}: not there; analyze the slide again ({told})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged; analyze the slide again ({error})") from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise InputError(f"{path}: not a report of this version; analyze the slide again")
    try:
        return _report(content)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InputError(f"{path}: damaged; analyze the slide again ({error})") from error


def _row(one: object, names: tuple[str, ...]) -> list[Any]:
    return [getattr(one, name) for name in names]


def _scale_row(one: SlideScale) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in ("um_per_px", "source", "spread", "n_cells")}
    return values | {"warnings": list(map(str, one.warnings))}


def _area_row(one: Area) -> list[Any]:
    values = {name: getattr(one, name) for name in _AREA} | {"reason": REASONS[one.kind]}
    return list(values.values())


def _reading(one: ScanReading) -> dict[str, Any]:
    return {
        "areas": [_area_row(area) for area in one.areas],
        "first_look": one.first_look,
        "target_cells": one.target_cells,
        "reached": one.reached,
    }


def _report(content: Mapping[str, Any]) -> SmearReport:
    scale, confusion = content["scale"], content["confusion"]
    _require_fit(content)
    return SmearReport(
        content["slide_id"],
        tuple(content["class_names"]),
        tuple(_cell(dict(zip(content["cell_columns"], r, strict=True))) for r in content["cells"]),
        tuple(
            _judged(FieldResult, dict(zip(content["field_columns"], row, strict=True)))
            for row in content["fields"]
        ),
        _scale(scale) if scale else None,
        _provenance(content["provenance"]),
        content["overlays"],
        {
            field_id: _read_reading(one, content["area_columns"])
            for field_id, one in content["readings"].items()
        },
        content["atypical_rate"],
        typed(Sample, content["sample"]),
        CountingOptions(
            content["interval"],
            _profile(content["profile"]),
            Confusion.from_mapping(confusion) if confusion else None,
            content["precision"],
        ),
    )


def _require_fit(content: Mapping[str, Any]) -> None:
    """Refuses what no dataclass looks at: a name, overlays, probabilities of other classes."""
    if not isinstance(content["slide_id"], str):
        raise TypeError("slide_id: expected text")
    overlays, n = content["overlays"], len(content["class_names"])
    if not isinstance(overlays, dict) or not all(isinstance(p, str) for p in overlays.values()):
        raise TypeError("overlays: expected a path for each field")
    at = content["cell_columns"].index("probabilities")
    if any(len(row[at]) != n for row in content["cells"]):
        raise ValueError(f"expected {n} probabilities for each cell")


def _judged(kind: type[Made], values: dict[str, Any]) -> Made:
    """A field or an area; the `reason` in the file follows from its kind."""
    known = {name: value for name, value in values.items() if name != "reason"}
    return typed(kind, known | {"kind": AreaKind(values["kind"])})


def _scale(values: Mapping[str, Any]) -> SlideScale:
    warnings = tuple(map(Remark.from_stored, values["warnings"]))
    return typed(
        SlideScale, {**values, "source": ScaleSource(values["source"]), "warnings": warnings}
    )


def _cell(values: dict[str, Any]) -> Cell:
    known = {name: values.pop(f"fact_{name}") for name in _FACTS}
    facts = typed(CellFacts, known | {"note": CellNote(known["note"])})
    chances = tuple(map(float, values["probabilities"]))
    note = CellNote(values["note"])
    cell = typed(Cell, values | {"probabilities": chances, "facts": facts, "note": note})
    if unknown := {cell.cell_type, cell.reviewed_as or cell.cell_type} - _TYPES:
        raise ValueError(f"no cell type is called {unknown.pop()[:40]!r}")
    return cell


def _provenance(values: Mapping[str, Any]) -> Provenance:
    models = tuple(typed(ModelUsed, one) for one in values["models"])
    return typed(Provenance, {**values, "models": models, "settings": dict(values["settings"])})


def _profile(values: Mapping[str, Any]) -> Profile:
    return typed(
        Profile, {**values, "ranges": tuple(typed(ReferenceRange, r) for r in values["ranges"])}
    )


def _read_reading(values: Mapping[str, Any], columns: list[str]) -> ScanReading:
    areas = tuple(_judged(Area, dict(zip(columns, row, strict=True))) for row in values["areas"])
    return typed(ScanReading, {**values, "areas": areas})
