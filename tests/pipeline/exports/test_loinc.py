"""LOINC codes are what LOINC says, and every number of a report has a code."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from leukodiff.pipeline.exports.messages import (
    AGE,
    CODES,
    LOCAL,
    LOINC,
    PANEL,
    UCUM,
    codes,
    key,
    local_code,
    observations,
)
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.measurements import (
    CORRECTED,
    COUNTED_SO,
    ESTIMATED,
    GIVEN,
    Measurement,
)
from leukodiff.pipeline.report.reference_ranges import PER_HUNDRED, PER_LITRE, PERCENT
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.report.sample import Sample

DOCS = Path(__file__).parents[3] / "docs"

CHECKED = """\
19048-8 Nucleated erythrocytes/Leukocytes [Ratio] in Blood
26444-0 Basophils [#/volume] in Blood
26449-9 Eosinophils [#/volume] in Blood
26450-7 Eosinophils/Leukocytes in Blood
26464-8 Leukocytes [#/volume] in Blood
26474-7 Lymphocytes [#/volume] in Blood
26478-8 Lymphocytes/Leukocytes in Blood
26484-6 Monocytes [#/volume] in Blood
26485-3 Monocytes/Leukocytes in Blood
26499-4 Neutrophils [#/volume] in Blood
26511-6 Neutrophils/Leukocytes in Blood
30180-4 Basophils/Leukocytes in Blood
30525-0 Age
38518-7 Immature granulocytes/Leukocytes in Blood
51584-1 Immature granulocytes [#/volume] in Blood
69738-3 Differential panel, method unspecified - Blood
"""
"""Written down apart from the code, from the places that docs/exports.md names."""


def check_digit(code: str) -> int:
    """The last digit that a LOINC code must have (mod 10, LOINC Users' Guide)."""
    digits = [int(digit) for digit in reversed(code.partition("-")[0])]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[::2]]
    return -(sum(doubled) + sum(digits[1::2])) % 10


USED = (*CODES.values(), PANEL, AGE)


def test_codes_and_names_are_those_that_were_checked() -> None:
    assert "".join(sorted(f"{one.code} {one.display}\n" for one in USED)) == CHECKED


@pytest.mark.parametrize("code", [line.partition(" ")[0] for line in CHECKED.splitlines()])
def test_the_check_digit_is_right(code: str) -> None:
    assert str(check_digit(code)) == code[-1]


@pytest.mark.parametrize(
    ("code", "digit"),
    [
        pytest.param("2951-2", 2, id="sodium"),
        pytest.param("718-7", 7, id="hemoglobin, odd number of digits"),
        pytest.param("26511-7", 6, id="a wrong one"),
        pytest.param("12345-5", 5, id="the example of the LOINC Users' Guide"),
    ],
)
def test_check_digits_worked_out_elsewhere(code: str, digit: int) -> None:
    assert check_digit(code) == digit


def test_no_code_stands_twice() -> None:
    assert len({one.code for one in USED}) == len(USED)


def test_what_is_counted_is_called_so() -> None:
    words = {
        "neutrophil": "Neutrophils",
        "lymphocyte": "Lymphocytes",
        "monocyte": "Monocytes",
        "eosinophil": "Eosinophils",
        "basophil": "Basophils",
        "immature_granulocyte": "Immature granulocytes",
        "erythroblast": "Nucleated erythrocytes",
        "white_cell": "Leukocytes",
    }
    for (analyte, unit), one in CODES.items():
        ends = {PERCENT: "/Leukocytes in Blood", PER_LITRE: " [#/volume] in Blood"}
        ends |= {PER_HUNDRED: "/Leukocytes [Ratio] in Blood"}
        assert one.display == words[analyte] + ends[unit]
        assert one.system == LOINC


@pytest.fixture
def full(make_cell: Callable[..., Cell], make_report: Callable[..., SmearReport]) -> SmearReport:
    names = ["neutrophil"] * 3 + ["lymphocyte", "erythroblast", "unidentified"]
    cells = (make_cell(name, number) for number, name in enumerate(names))
    return make_report(*cells, sample=Sample(wbc_count=6.2))


def test_every_measurement_has_a_key_of_its_own_a_code_and_a_unit(full: SmearReport) -> None:
    keys = [key(one) for one in observations(full)]
    assert len(set(keys)) == len(keys)
    for one in observations(full):
        assert UCUM[one.unit]
        assert codes(one)[-1] == local_code(one)
        assert re.fullmatch(r"[a-z0-9_]+", key(one))


@pytest.mark.parametrize(
    ("one", "systems", "name"),
    [
        pytest.param(
            Measurement("basophil", PERCENT, COUNTED_SO, 1.0),
            [LOINC, LOCAL],
            "basophil_percent",
            id="counted",
        ),
        pytest.param(
            Measurement("basophil", PERCENT, CORRECTED, 1.0),
            [LOCAL],
            "basophil_percent_corrected",
            id="corrected: would pass for the count",
        ),
        pytest.param(
            Measurement("white_cell", PER_LITRE, GIVEN, 6.2),
            [LOINC, LOCAL],
            "white_cell_count",
            id="the analyzer's",
        ),
        pytest.param(
            Measurement("platelet", "/field", ESTIMATED, 6.2),
            [LOCAL],
            "platelet_per_field_estimated",
            id="estimated",
        ),
        pytest.param(
            Measurement("neutrophil_lymphocyte_ratio", "1", COUNTED_SO, 2.0),
            [LOCAL],
            "neutrophil_lymphocyte_ratio",
            id="no LOINC code was checked",
        ),
    ],
)
def test_codes_of_a_measurement(one: Measurement, systems: list[str], name: str) -> None:
    assert [code.system for code in codes(one)] == systems
    assert key(one) == name


@pytest.mark.parametrize("line", CHECKED.splitlines())
def test_every_code_is_documented_with_its_name(line: str) -> None:
    code, _, name = line.partition(" ")
    assert re.search(
        rf"^\| {code} \| {re.escape(name)} \|", (DOCS / "exports.md").read_text(), re.M
    )


def test_local_codes_and_units_are_documented(full: SmearReport) -> None:
    text = (DOCS / "exports.md").read_text()
    ours = [one for one in observations(full) if codes(one)[0].system == LOCAL]
    assert [key(one) for one in ours if f"`{key(one)}`" not in text] == []
    assert [ucum for ucum in UCUM.values() if f"`{ucum}`" not in text] == []
