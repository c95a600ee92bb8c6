"""What all messages share; and that none says nonsense of an odd report."""

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from leukodiff.pipeline.exports.fhir import report_fhir
from leukodiff.pipeline.exports.formatting import format_number
from leukodiff.pipeline.exports.hl7 import report_hl7
from leukodiff.pipeline.exports.messages import identity, is_date, moment, plain
from leukodiff.pipeline.exports.xlsx import report_xlsx
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.fields import FieldResult
from leukodiff.pipeline.report.report import ModelUsed, Provenance, SmearReport
from leukodiff.pipeline.report.sample import Sample

MakeCell = Callable[..., Cell]
MakeReport = Callable[..., SmearReport]

NASTY = '=1+1|^~\\&<script>alert("ü")</script>\r\nOBX|1|NM\x00\x1b \udcff\ufffe'
"""A name with all that some format could take for its own."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "a"),
        ("", ""),
        (" a\r\n\tb ", "a b"),
        ("a\x00\x1b\x85b", "a b"),
        ("Müller 木", "Müller 木"),
        ("a\udcff", "a\\udcff"),
    ],
)
def test_plain_text(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
        (0.0, "0"),
        (5.0, "5"),
        (19.41204, "19.41"),
        (0.0002723, "0.000272"),
        (7916.666, "7917"),
        (12345, "12345"),
    ],
)
def test_numerals(value: float | None, expected: str | None) -> None:
    assert format_number(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026", True),
        ("2026-11", True),
        ("2026-11-22", True),
        ("2026-11-22T08:30:00+01:00", True),
        ("2026-11-22T08:30:00Z", True),
        ("", False),
        ("2026-13", False),
        ("2026-02-30", False),
        ("2026-11-22T08:30:00", False),
        ("2026-11-22 08:30", False),
        ("22.11.2026", False),
        ("yesterday", False),
        ("٢٠٢٦", False),
    ],
)
def test_dates(text: str, expected: bool) -> None:
    assert is_date(text) is expected


def test_a_moment_has_its_offset() -> None:
    assert moment("2026-11-22T10:00:00+00:00") is not None
    assert moment("2026-11-22T10:00:00") is None
    assert moment("") is None


def test_identities_are_of_the_slide_the_sample_and_the_run(make_report: MakeReport) -> None:
    report = make_report()
    others = [
        make_report(slide_id="smear 2"),
        make_report(sample=Sample("S 1")),
        make_report(provenance=Provenance("0.1.0", (), {}, "2026-11-23T10:00:00+00:00")),
    ]
    assert identity(report, "a") == identity(make_report(), "a")
    assert len({identity(one, "a") for one in [report, *others]} | {identity(report, "b")}) == 5


def sheet_texts(report: SmearReport) -> str:
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(report_xlsx(report)))
    rows = (row for sheet in book for row in sheet.iter_rows(values_only=True))
    return "\n".join(str(value) for row in rows for value in row if value is not None)


WRITERS = [
    pytest.param(report_fhir, id="fhir"),
    pytest.param(report_hl7, id="hl7"),
    pytest.param(sheet_texts, id="xlsx"),
]

ODD: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "no cells": ((), {}),
    "one cell": (("neutrophil",), {}),
    "all unidentified": (("unidentified",) * 3, {}),
    "no lymphocytes, so no ratio": (("neutrophil",) * 5, {"sample": Sample(wbc_count=6.2)}),
    "no cells, a count given": ((), {"sample": Sample(wbc_count=6.2)}),
    "no scale, no field": ((), {"scale": None, "fields": ()}),
    "every field failed": (
        (),
        {"scale": None, "fields": (FieldResult("a.jpg", status="failed", error="cut off"),)},
    ),
    "everything known": (
        ("neutrophil", "lymphocyte", "erythroblast"),
        {"sample": Sample("S 1", "P 1", "male", 0.5, 6.2, "2026-11-20")},
    ),
    "a date that is none": (("neutrophil",), {"sample": Sample("S 1", collected="last Monday")}),
    "nasty names": (
        ("neutrophil",),
        {
            "slide_id": NASTY,
            "sample": Sample(NASTY, NASTY, "female", 40, 6.2, NASTY),
            "fields": (FieldResult(NASTY, 1, 1, 1, 1, 1),),
            "provenance": Provenance(
                NASTY, (ModelUsed("detector", NASTY, NASTY, "a" * 64),), {}, "2026-11-22T10:00:00Z"
            ),
        },
    ),
}


@pytest.fixture(params=ODD)
def odd(
    request: pytest.FixtureRequest, make_cell: MakeCell, make_report: MakeReport
) -> SmearReport:
    types, changes = ODD[request.param]
    cells = (make_cell(name, number) for number, name in enumerate(types))
    return make_report(*cells, **changes)


@pytest.mark.parametrize("write", WRITERS)
def test_odd_reports_have_no_nonsense(
    odd: SmearReport, write: Callable[[SmearReport], str]
) -> None:
    text = write(odd)
    assert not re.search(r"\b(NaN|nan|None|inf|Infinity|null)\b", text)
    assert "Research use only" in text
    assert "\x00" not in text
    text.encode("utf-8")


@pytest.mark.parametrize("write", [report_fhir, report_hl7, report_xlsx])
def test_the_same_report_gives_the_same_bytes(
    odd: SmearReport, write: Callable[[SmearReport], object]
) -> None:
    assert write(odd) == write(odd)


def test_odd_reports_are_valid_fhir(odd: SmearReport) -> None:
    from fhir.resources.R4B.bundle import Bundle

    text = report_fhir(odd)
    Bundle.model_validate_json(text)
    assert json.loads(text)["resourceType"] == "Bundle"


def test_odd_reports_are_valid_hl7(odd: SmearReport) -> None:
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.parser import parse_message

    message = parse_message(report_hl7(odd), validation_level=VALIDATION_LEVEL.STRICT)
    assert message.validate()
