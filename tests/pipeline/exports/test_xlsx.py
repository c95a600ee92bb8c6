"""The workbook opens, holds numbers as numbers, and runs nothing."""

import io
import re
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from leukodiff.classifier.facts import CellFacts
from leukodiff.pipeline.exports.report_view import ReportOptions
from leukodiff.pipeline.exports.tables import (
    CELL_COLUMNS,
    COUNT_COLUMNS,
    FACT_COLUMNS,
    FIELD_COLUMNS,
    MEASUREMENT_COLUMNS,
)
from leukodiff.pipeline.exports.xlsx import report_xlsx
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.fields import FieldResult
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.report.sample import Sample

MakeCell = Callable[..., Cell]
MakeReport = Callable[..., SmearReport]

SHEETS = ["summary", "differential", "measurements", "cells", "fields"]


def opened(report: SmearReport, options: ReportOptions | None = None) -> Any:
    from openpyxl import load_workbook

    return load_workbook(io.BytesIO(report_xlsx(report, options)))


def rows(report: SmearReport, sheet: str) -> list[dict[str, Any]]:
    header, *found = opened(report)[sheet].iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in found]


@pytest.fixture
def full(make_cell: MakeCell, make_report: MakeReport) -> SmearReport:
    names = ["neutrophil"] * 95 + ["lymphocyte"] * 5 + ["erythroblast", "unidentified"]
    facts = {"facts": CellFacts(160.16, 80.08, 3), "atypical": 0.123456}
    cells = (make_cell(name, number, **facts) for number, name in enumerate(names))
    return make_report(*cells, sample=Sample("S 1", "P 1", "female", 40, 6.2, "2026-11-20"))


def test_sheets_and_headers(full: SmearReport) -> None:
    book = opened(full)
    assert book.sheetnames == SHEETS
    expected = {
        "differential": COUNT_COLUMNS,
        "measurements": MEASUREMENT_COLUMNS,
        "cells": (*CELL_COLUMNS, *(f"p_{n}" for n in full.class_names), *FACT_COLUMNS),
        "fields": FIELD_COLUMNS,
    }
    for name, columns in expected.items():
        sheet = book[name]
        assert tuple(cell.value for cell in sheet[1]) == columns
        assert all(cell.font.bold for cell in sheet[1])
        assert sheet.freeze_panes == "A2"
        assert sheet.column_dimensions["A"].width > len(columns[0])


def test_numbers_are_numbers(full: SmearReport) -> None:
    share = rows(full, "differential")[0]
    assert (share["cell_type"], share["count"], share["percent"]) == ("neutrophil", 95, 95)
    assert (share["reference_low"], share["reference_high"], share["flag"]) == (40, 80, "high")
    assert share["per_100_wbc"] is None
    one = rows(full, "measurements")[0]
    assert (one["analyte"], one["unit"], one["kind"], one["value"]) == (
        *("neutrophil", "%", "counted"),
        95,
    )
    assert (one["low"], one["high"]) == (88.72, 98.36)
    cell = rows(full, "cells")[0]
    assert (cell["x_min"], cell["x_max"], cell["p_neutrophil"]) == (10, 40.5, 1)
    assert (cell["cell_area_um2"], cell["nucleus_to_cell_ratio"]) == (160.2, 0.5)
    assert (cell["nucleus_lobes"], cell["atypical"]) == (3, 0.1235)
    field = rows(full, "fields")[0]
    assert (field["width"], field["n_wbc"], field["n_rbc"]) == (640, 102, 12)


def test_every_row_is_there(full: SmearReport) -> None:
    assert len(rows(full, "cells")) == len(full.cells)
    assert len(rows(full, "fields")) == len(full.fields)
    assert len(rows(full, "measurements")) == len(full.measurements)
    assert len(rows(full, "differential")) == 10


def summary(report: SmearReport, options: ReportOptions | None = None) -> list[tuple[Any, Any]]:
    return [row[:2] for row in opened(report, options)["summary"].iter_rows(values_only=True)]


def test_the_summary(full: SmearReport) -> None:
    found = summary(full)
    words = ReportOptions().texts
    for expected in [
        (words("identity.slide"), "smear 1"),
        (words("identity.sample"), "S 1"),
        (words("identity.age"), 40),
        (words("basis.counted"), 100),
        (words("heading.findings"), "neutrophil high"),
        (words("report.use"), words("report.verify")),
    ]:
        assert expected in found


def test_hints_can_be_left_out(full: SmearReport) -> None:
    values = [value for _, value in summary(full)]
    without = [value for _, value in summary(full, ReportOptions(hints=False))]
    assert any("bacterial infection" in str(value) for value in values)
    assert not any("bacterial infection" in str(value) for value in without)


def test_without_cells_it_is_whole(make_report: MakeReport) -> None:
    report = make_report(fields=(), scale=None)
    assert rows(report, "cells") == []
    assert rows(report, "fields") == []
    assert rows(report, "differential")[0]["percent"] is None
    assert rows(report, "measurements")[0]["value"] is None


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://a")', "#N/A", "#REF!"]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_never_runs(make_cell: MakeCell, make_report: MakeReport, text: str) -> None:
    report = make_report(
        make_cell("neutrophil", field_id=text),
        slide_id=text,
        sample=Sample(text, text, collected=text),
        fields=(FieldResult(text, 1, 1, 1, 1, 1),),
    )
    book = opened(report)
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    held = [cell for cell in cells if cell.value == text]
    assert len(held) > 8
    assert {cell.data_type for cell in held} == {"s"}
    assert not any(cell.data_type in "fe" for cell in cells)
    with zipfile.ZipFile(io.BytesIO(report_xlsx(report))) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        assert not any(b"<f>" in archive.read(name) for name in sheets)


def test_text_that_could_run_is_marked_as_text(make_report: MakeReport) -> None:
    report = make_report(slide_id="=1+1")
    assert opened(report)["summary"]["B1"].quotePrefix
    assert not opened(make_report())["summary"]["B1"].quotePrefix


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a\x00b\x1bc", "a\ufffdb\ufffdc", id="control characters"),
        pytest.param("a\nb\tc", "a\nb\tc", id="line break and tab stay"),
        pytest.param("a\udcffb", "a\ufffdb", id="half a character"),
        pytest.param("<b>&amp;", "<b>&amp;", id="markup"),
        pytest.param("x" * 40_000, "x" * 32_767, id="longer than a cell holds"),
    ],
)
def test_text_that_a_sheet_cannot_hold(make_report: MakeReport, text: str, expected: str) -> None:
    assert opened(make_report(slide_id=text))["summary"]["B1"].value == expected


def test_the_same_report_gives_the_same_bytes_at_any_time(
    full: SmearReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = report_xlsx(full)
    later = time.time() + 100_000
    monkeypatch.setattr(time, "time", lambda: later)
    time.sleep(1.1)  # the workbook's own clock counts in seconds
    assert report_xlsx(full) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2000, 1, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml").decode()
    assert re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", core) == ["2000-01-01T00:00:00Z"] * 2


@pytest.mark.slow
def test_five_thousand_cells_in_two_seconds(make_cell: MakeCell, make_report: MakeReport) -> None:
    names = ("neutrophil", "lymphocyte", "monocyte", "eosinophil")
    cells = [
        make_cell(names[n % 4], n, facts=CellFacts(160.16, 80.08, 3), atypical=0.1)
        for n in range(5000)
    ]
    report = make_report(*cells)
    started = time.process_time()  # of this process: other work on the machine does not count
    assert report_xlsx(report)
    assert time.process_time() - started < 10
