"""A slide's report as one JSON file, and back: what every export can be made from again."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import msgspec

from leukodiff.classifier.facts import CellFacts
from leukodiff.core.errors import InputError
from leukodiff.datasets.vocabulary import BY_NAME, UNIDENTIFIED

from .cells import Cell
from .fields import REASONS, FieldResult, ScanReading
from .reference_ranges import Profile
from .remarks import Remark
from .report import CountingOptions, Provenance, SmearReport
from .sample import Sample
from .scale import ScaleSource, SlideScale
from .statistics import Confusion

STORED = "smear.json"
"""The file's name in a slide's folder."""

VERSION = 1

LARGEST = 1e12
"""No number that leukodiff stores is larger."""

_MISMATCH = re.compile(
    r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`(?: - at `\$.*?(?P<place>\w+)`)?$"
)
"""A value of another type, as msgspec reports it."""

_EXPECTED = {"str": "text", "int": "a whole number", "float": "a number", "object": "names"}

_DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""Errors of reading a file that does not hold what `to_json` writes."""

_TYPES = frozenset({*BY_NAME, UNIDENTIFIED})

_CELL = tuple(one.name for one in fields(Cell) if one.name != "facts")
_FACTS = tuple(one.name for one in fields(CellFacts))
_FACT_COLUMNS = tuple(f"fact_{name}" for name in _FACTS)
_FIELD = (*(one.name for one in fields(FieldResult)), "reason")
_AREA = ("x_min", "y_min", "x_max", "y_max", "kind", "reason", "coverage", "read", "n_cells")


class _StoredScale(msgspec.Struct):
    um_per_px: float
    source: ScaleSource
    spread: float | None
    n_cells: int
    warnings: tuple[str, ...]


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
        "scale": _scale_values(report.scale) if report.scale else None,
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
        reason = error.strerror or error
        raise InputError(f"{path}: not there; analyze the slide again ({reason})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged; analyze the slide again ({error})") from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise InputError(f"{path}: not a report of this version; analyze the slide again")
    try:
        content["fields"] = _named(content["field_columns"], content["fields"])
        content["cells"] = _named(content["cell_columns"], content["cells"])
        report = _report(content)
        _require_numbers(content)
        return report
    except _DAMAGE as error:
        raise InputError(f"{path}: damaged; analyze the slide again ({error})") from error


def _row(one: object, names: tuple[str, ...]) -> list[Any]:
    return [getattr(one, name) for name in names]


def _scale_values(one: SlideScale) -> dict[str, Any]:
    values = {field.name: getattr(one, field.name) for field in fields(one)}
    return values | {"warnings": list(map(str, one.warnings))}


def _reading(one: ScanReading) -> dict[str, Any]:
    return {
        "areas": [
            [REASONS[area.kind] if name == "reason" else getattr(area, name) for name in _AREA]
            for area in one.areas
        ],
        "first_look": one.first_look,
        "target_cells": one.target_cells,
        "reached": one.reached,
    }


def _report(content: Mapping[str, Any]) -> SmearReport:
    """The report in a file; a `reason` in it is not read: it follows from the kind."""
    confusion, areas = content["confusion"], content["area_columns"]
    return SmearReport(
        slide_id=_made(str, content["slide_id"], "slide_id"),
        class_names=_made(tuple[str, ...], content["class_names"], "class_names"),
        cells=tuple(_cells(content)),
        fields=_made(tuple[FieldResult, ...], content["fields"]),
        scale=_scale(content["scale"]) if content["scale"] else None,
        provenance=_made(Provenance, content["provenance"]),
        overlays=_made(dict[str, str], content["overlays"], "overlays"),
        readings={
            field_id: _made(ScanReading, one | {"areas": _named(areas, one["areas"])})
            for field_id, one in content["readings"].items()
        },
        atypical_rate=_made(float | None, content["atypical_rate"], "atypical_rate"),
        sample=_made(Sample, content["sample"]),
        counting=CountingOptions(
            content["interval"],
            _made(Profile, content["profile"]),
            Confusion.from_mapping(confusion) if confusion else None,
            content["precision"],
        ),
    )


def _made(kind: Any, values: object, name: str = "") -> Any:
    """Values from JSON as an instance of a type.

    Raises:
        ValueError: they do not fit; it names the value, by its place in `values` or by `name`.
    """
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        found = _MISMATCH.match(str(error))
        if not found:
            raise ValueError(str(error)) from error
        expected = _EXPECTED.get(found["expected"].partition(" |")[0], found["expected"])
        where = found["place"] or name
        raise ValueError(f"{where}: expected {expected}, got {found['got']}") from error


def _named(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[dict[str, object]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _cells(content: Mapping[str, Any]) -> list[Cell]:
    rows = [
        row | {"facts": {name: row[f"fact_{name}"] for name in _FACTS}} for row in content["cells"]
    ]
    cells: list[Cell] = _made(list[Cell], rows)
    n = len(content["class_names"])
    if any(len(cell.probabilities) != n for cell in cells):
        raise ValueError(f"expected {n} probabilities for each cell")
    if unknown := {name for cell in cells for name in (cell.cell_type, cell.counted_as)} - _TYPES:
        raise ValueError(f"no cell type is called {unknown.pop()[:40]!r}")
    return cells


def _scale(values: Mapping[str, Any]) -> SlideScale:
    one = _made(_StoredScale, values)
    warnings = tuple(map(Remark.from_stored, one.warnings))
    return SlideScale(one.um_per_px, one.source, one.spread, one.n_cells, warnings)


def _require_numbers(value: object, name: str = "") -> None:
    """Refuses a number that is not finite or larger than any that is stored; `name` is its key."""
    match value:
        case dict():
            for key, one in value.items():
                _require_numbers(one, str(key))
        case list():
            for one in value:
                _require_numbers(one, name)
        case int() | float() if not abs(value) <= LARGEST:
            raise ValueError(f"{name}: {str(value)[:40]} can't be")
