"""The CSV files: cells, fields, counts, slides. docs/output.md explains their columns."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields

from leukodiff.pipeline.report.cells import BOX_DECIMALS, PROBABILITY_DECIMALS, Cell
from leukodiff.pipeline.report.differential import COUNTED, UNCOUNTED, DifferentialRow
from leukodiff.pipeline.report.fields import Area, FieldResult
from leukodiff.pipeline.report.measurements import Measurement
from leukodiff.pipeline.report.reference_ranges import PER_HUNDRED, PERCENT
from leukodiff.pipeline.report.report import SmearReport

from .formatting import format_number

FIELD_COLUMNS = (*(one.name for one in fields(FieldResult)), "reason")

AREA_COLUMNS = ("field_id", *(one.name for one in fields(Area)), "reason")

COUNT_COLUMNS = (
    "slide_id",
    "cell_type",
    "count",
    "percent",
    "percent_low",
    "percent_high",
    "reference_low",
    "reference_high",
    "flag",
    "per_100_wbc",
    "per_100_wbc_low",
    "per_100_wbc_high",
    "percent_if_none_unidentified",
    "percent_if_all_unidentified",
    "corrected_percent",
    "corrected_low",
    "corrected_high",
)
PERCENT_DECIMALS = 2

AREA_DECIMALS = 1

RATIO_DECIMALS = 3

Row = Mapping[str, object]


_CELL: Mapping[str, Callable[[Cell], object]] = {
    "field_id": lambda cell: cell.field_id,
    "cell_id": lambda cell: cell.cell_id,
    "x_min": lambda cell: fixed(cell.x_min, BOX_DECIMALS),
    "y_min": lambda cell: fixed(cell.y_min, BOX_DECIMALS),
    "x_max": lambda cell: fixed(cell.x_max, BOX_DECIMALS),
    "y_max": lambda cell: fixed(cell.y_max, BOX_DECIMALS),
    "detection_confidence": lambda cell: fixed(cell.detection_confidence, PROBABILITY_DECIMALS),
    "cell_type": lambda cell: cell.cell_type,
    "confidence": lambda cell: fixed(cell.confidence, PROBABILITY_DECIMALS),
    "reviewed_as": lambda cell: cell.reviewed_as,
}

_FACTS: Mapping[str, Callable[[Cell], object]] = {
    "cell_area_um2": lambda cell: fixed(cell.facts.cell_um2, AREA_DECIMALS),
    "nucleus_area_um2": lambda cell: fixed(cell.facts.nucleus_um2, AREA_DECIMALS),
    "nucleus_to_cell_ratio": lambda cell: fixed(cell.facts.nucleus_to_cell, RATIO_DECIMALS),
    "nucleus_lobes": lambda cell: cell.facts.lobes,
    "atypical": lambda cell: fixed(cell.atypical, PROBABILITY_DECIMALS),
    "note": lambda cell: cell.note,
}

CELL_COLUMNS = ("slide_id", *_CELL)
"""Columns before those of the classes, one `p_<type>` each; `FACT_COLUMNS` follow them."""

FACT_COLUMNS = tuple(_FACTS)


def cells_csv(report: SmearReport) -> str:
    """A row a cell, in the order of the fields."""
    return to_csv(cell_columns(report), cell_rows(report))


def cell_columns(report: SmearReport) -> list[str]:
    """Columns of cells.csv: those of every classifier and one for each of its classes."""
    return [*CELL_COLUMNS, *(f"p_{name}" for name in report.class_names), *FACT_COLUMNS]


def cell_rows(report: SmearReport) -> Iterator[Row]:
    """Rows of cells.csv."""
    names, values = [f"p_{name}" for name in report.class_names], {**_CELL, **_FACTS}
    for cell in report.cells:
        row = {name: value(cell) for name, value in values.items()}
        shares = (fixed(p, PROBABILITY_DECIMALS) for p in cell.probabilities)
        yield {"slide_id": report.slide_id, **row, **dict(zip(names, shares, strict=True))}


def fields_csv(report: SmearReport) -> str:
    """A row a field, failed ones too."""
    return to_csv(FIELD_COLUMNS, field_rows(report))


def field_rows(report: SmearReport) -> Iterator[Row]:
    """Rows of fields.csv."""
    return ({name: getattr(one, name) for name in FIELD_COLUMNS} for one in report.fields)


def areas_csv(report: SmearReport) -> str:
    """A row an area of each scan, the ones left out too."""
    return to_csv(
        AREA_COLUMNS,
        (
            {
                "field_id": field_id,
                **{name: getattr(area, name) for name in AREA_COLUMNS[1:]},
                "coverage": fixed(area.coverage, 2),
                "read": "yes" if area.read else "no",
                "n_cells": area.n_cells if area.read else None,
            }
            for field_id, reading in report.readings.items()
            for area in reading.areas
        ),
    )


def counts_csv(reports: Iterable[SmearReport]) -> str:
    """A row a slide and cell type."""
    return to_csv(COUNT_COLUMNS, (row for report in reports for row in count_rows(report)))


def count_rows(report: SmearReport) -> list[Row]:
    """The differential with its reference ranges and flags, then other cells.

    Platelets and red cells are those of the fields that were shown, not per volume of blood.
    """
    shown = (*COUNTED, *UNCOUNTED)
    rows = (_count_row(report, row) for row in report.differential.rows if row.cell_type in shown)
    others = (("platelet", "n_platelet"), ("red_cell", "n_rbc"))
    detected = (
        {"slide_id": report.slide_id, "cell_type": name, "count": report.total(column)}
        for name, column in others
    )
    return [*rows, *detected]


_MEASUREMENT: Mapping[str, Callable[[Measurement], object]] = {
    "analyte": lambda one: one.analyte,
    "unit": lambda one: one.unit,
    "kind": lambda one: one.kind,
    "value": lambda one: format_number(one.value),
    "low": lambda one: format_number(one.low),
    "high": lambda one: format_number(one.high),
    "reference_low": lambda one: one.reference.low if one.reference else None,
    "reference_high": lambda one: one.reference.high if one.reference else None,
    "flag": lambda one: one.flag,
}

MEASUREMENT_COLUMNS = ("slide_id", *_MEASUREMENT)


def measurements_csv(report: SmearReport) -> str:
    """A row a number of the report, with its unit, interval, range and flag."""
    return to_csv(MEASUREMENT_COLUMNS, measurement_rows(report))


def measurement_rows(report: SmearReport) -> Iterator[Row]:
    """Rows of measurements.csv."""
    for one in report.measurements:
        values = {name: value(one) for name, value in _MEASUREMENT.items()}
        yield {"slide_id": report.slide_id, **values}


_SLIDE: Mapping[str, Callable[[SmearReport], object]] = {
    "slide_id": lambda report: report.slide_id,
    "status": lambda report: report.status,
    "n_fields": lambda report: len(report.fields),
    "n_cells": lambda report: len(report.cells),
    "um_per_px": lambda report: fixed(report.um_per_px, 5),
    "um_per_px_source": lambda report: report.um_per_px_source,
    "seconds": lambda report: fixed(report.provenance.seconds, 2),
    "flags": lambda report: "; ".join(map(str, report.remarks)),
    "error": lambda report: "; ".join(f"{f.field_id}: {f.error}" for f in report.failures[:5]),
    "um_per_px_spread": lambda report: fixed(report.scale.spread, 3) if report.scale else None,
    "um_per_px_cells": lambda report: (report.scale.n_cells or None) if report.scale else None,
}

SLIDE_COLUMNS = tuple(_SLIDE)


def slide_row(report: SmearReport) -> dict[str, object]:
    """A slide's row of slides.csv."""
    return {name: value(report) for name, value in _SLIDE.items()}


def to_csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Rows as CSV text; a missing value is empty, and text can't run as a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = (row.get(name) for name in columns)
        writer.writerow([without_formula(v) if isinstance(v, str) else v for v in values])
    return text.getvalue()


def fixed(value: float | None, decimals: int) -> str | None:
    """A number with a set number of decimals; `None` stays `None`."""
    return None if value is None else f"{value:.{decimals}f}"


def without_formula(text: str) -> str:
    """Text that a spreadsheet shows instead of running.

    An apostrophe goes before text that starts as a formula does: with = + - @, a tab or a line
    break, as OWASP advises on CSV injection. Numbers are not text: `to_csv` leaves them.
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _count_row(report: SmearReport, row: DifferentialRow) -> Row:
    one = report.measured(row.cell_type, PERCENT)
    reference = one.reference if one else None
    corrected = (report.corrected or {}).get(row.cell_type)
    nucleated = report.measured(row.cell_type, PER_HUNDRED)
    bounds = row.unidentified_bounds if row.percent is not None else None
    shares = {
        "percent": row.percent,
        "percent_low": row.percent_low,
        "percent_high": row.percent_high,
        "percent_if_none_unidentified": bounds[0] if bounds else None,
        "percent_if_all_unidentified": bounds[1] if bounds else None,
        "corrected_percent": corrected.value if corrected else None,
        "corrected_low": corrected.low if corrected else None,
        "corrected_high": corrected.high if corrected else None,
        "per_100_wbc": nucleated.value if nucleated else None,
        "per_100_wbc_low": nucleated.low if nucleated else None,
        "per_100_wbc_high": nucleated.high if nucleated else None,
    }
    return {
        "slide_id": report.slide_id,
        "cell_type": row.cell_type,
        "count": row.count,
        **{name: fixed(share, PERCENT_DECIMALS) for name, share in shares.items()},
        "reference_low": reference.low if reference else None,
        "reference_high": reference.high if reference else None,
        "flag": one.flag if one else "",
    }
