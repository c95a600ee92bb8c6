"""The HL7 export is a valid ORU^R01, and what is read back from it is what was written."""

from collections.abc import Callable
from typing import Any

import pytest

from leukodiff.pipeline.exports.formatting import format_number
from leukodiff.pipeline.exports.hl7 import escaped, report_hl7
from leukodiff.pipeline.exports.messages import observations
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.report import Provenance, SmearReport
from leukodiff.pipeline.report.sample import Sample

MakeReport = Callable[..., SmearReport]

KNOWN = Sample("S 1", "P 1", "female", 40, 6.2, "2026-11-20")
COUNT = {"neutrophil": 60, "lymphocyte": 20, "eosinophil": 12, "erythroblast": 1, "unidentified": 2}


@pytest.fixture
def make(make_cell: Callable[..., Cell], make_report: MakeReport) -> Callable[..., SmearReport]:
    def made(types: dict[str, int], **more: object) -> SmearReport:
        names = [name for name, n in types.items() for _ in range(n)]
        cells = (make_cell(name, number) for number, name in enumerate(names))
        return make_report(*cells, **more)

    return made


@pytest.fixture
def full(make: Callable[..., SmearReport]) -> SmearReport:
    return make(COUNT, sample=KNOWN)


def parsed(report: SmearReport) -> Any:
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.parser import parse_message

    return parse_message(report_hl7(report), validation_level=VALIDATION_LEVEL.STRICT)


def segments(report: SmearReport, name: str) -> list[list[str]]:
    lines = report_hl7(report).split("\r")
    return [line.split("|") for line in lines if line.startswith(name)]


def results(report: SmearReport) -> dict[str, list[str]]:
    """OBX by the code that comes first."""
    return {obx[3].partition("^")[0]: obx for obx in segments(report, "OBX")}


def test_it_is_valid(full: SmearReport) -> None:
    message = parsed(full)
    assert message.validate()
    assert message.msh.msh_9.to_er7() == "ORU^R01^ORU_R01"
    assert message.msh.msh_12.to_er7() == "2.5.1"
    assert message.msh.msh_18.to_er7() == "UNICODE UTF-8"
    assert message.msh.msh_7.to_er7() == "20261122100000+0000"
    assert len(message.msh.msh_10.to_er7()) == 20


def test_segments_end_with_a_carriage_return_and_hold_no_other_break(full: SmearReport) -> None:
    text = report_hl7(full)
    assert text.endswith("\r")
    assert "\n" not in text
    names = [line[:3] for line in text.removesuffix("\r").split("\r")]
    assert set(names) == {"MSH", "PID", "OBR", "NTE", "OBX", "SPM"}
    assert (names[0], names[-1]) == ("MSH", "SPM")


def test_values_come_back(full: SmearReport) -> None:
    order = parsed(full).oru_r01_patient_result.oru_r01_order_observation
    found = [one.obx for one in order.oru_r01_observation]
    written = observations(full)
    assert len(found) == len(written) + 1  # the age
    for obx, one in zip(found, written, strict=False):
        assert obx.obx_2.to_er7() == "NM"
        assert obx.obx_5.to_er7() == (format_number(one.value) or "")
        assert float(obx.obx_5.to_er7()) == pytest.approx(one.value, rel=5e-4)
        assert obx.obx_6.to_er7().endswith("^UCUM")


def test_a_share(full: SmearReport) -> None:
    obx = results(full)["26450-7"]
    own = "eosinophil_percent^eosinophil, %^99LKD"
    assert obx[3] == f"26450-7^Eosinophils/Leukocytes in Blood^LN^{own}"
    assert obx[5:9] == ["13.04", "%^%^UCUM", "1-6", "H"]
    assert obx[11] == "P"
    assert obx[14] == "20261120"
    text = report_hl7(full)
    below = text[text.index("OBX|4|") :].split("\r")[1:3]
    assert below == ["NTE|1|L|95 % interval 6.925 to 21.68", "NTE|2|L|12 of 92 named white cells"]


def test_possibly_stands_in_words(make: Callable[..., SmearReport]) -> None:
    report = make({"neutrophil": 84, "lymphocyte": 16})
    assert results(report)["26511-6"][8] == "H"
    text = report_hl7(report)
    third = text[text.index("OBX|1|") :].split("\r")[3]
    assert third.startswith("NTE|3|L|possibly high: the value is outside the reference range")


def test_units_with_delimiters_are_escaped(full: SmearReport) -> None:
    assert results(full)["26499-4"][6] == r"10*9/L^10\S\9/L^UCUM"


def test_without_cells_there_is_no_value_and_the_status_is_x(
    make: Callable[..., SmearReport],
) -> None:
    report = make({})
    obx = results(report)["26511-6"]
    assert (obx[2], obx[5], obx[8], obx[11]) == ("NM", "", "", "X")
    assert parsed(report).validate()


def test_the_analyzers_count_is_not_ours(full: SmearReport) -> None:
    obx = results(full)["26464-8"]
    assert (obx[5], obx[-1]) == ("6.2", "^given: the analyzer's count")


def test_patient_order_and_specimen(full: SmearReport) -> None:
    (pid,), (obr,), (spm,) = (segments(full, name) for name in ("PID", "OBR", "SPM"))
    assert (pid[3], pid[5], pid[8]) == ("P 1", "^^^^^^U", "F")
    assert obr[3] == "smear 1^LEUKODIFF"
    assert obr[4] == "69738-3^Differential panel, method unspecified - Blood^LN"
    assert (obr[7], obr[25]) == ("20261120", "P")
    assert (spm[2], spm[4], spm[17]) == ("S 1", "BLD^Whole blood^HL70487", "20261120")
    assert results(full)["30525-0"][5] == "40"


def test_nobody_is_invented(make: Callable[..., SmearReport]) -> None:
    report = make(COUNT)
    assert segments(report, "PID") == []
    assert "30525-0" not in results(report)
    assert segments(report, "SPM") == [["SPM", "1", "", "", "BLD^Whole blood^HL70487"]]


@pytest.mark.parametrize(
    ("collected", "expected"),
    [
        ("", ""),
        ("2026", "2026"),
        ("2026-11", "202611"),
        ("2026-11-22", "20261122"),
        ("2026-11-22T08:30:00+01:00", "20261122083000+0100"),
        ("2026-11-22T08:30:00Z", "20261122083000+0000"),
        ("22.11.2026", ""),
    ],
)
def test_dates(make: Callable[..., SmearReport], collected: str, expected: str) -> None:
    report = make(COUNT, sample=Sample(collected=collected))
    (obr,) = segments(report, "OBR")
    assert obr[7] == expected
    noted = any(nte[3] == f"collected: {collected}" for nte in segments(report, "NTE"))
    assert noted == bool(collected and not expected)
    assert parsed(report).validate()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b^c&d~e\\f", r"a\F\b\S\c\T\d\R\e\E\f"),
        ("\\F\\", r"\E\F\E\ ".strip()),
        ("a\r\nOBX|1", r"a OBX\F\1"),
        ("Müller 木", "Müller 木"),
        ("", ""),
    ],
)
def test_escaping(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_names_with_delimiters_come_back(make: Callable[..., SmearReport]) -> None:
    name = "a|b^c&d~e\\f ü木"
    report = make(COUNT, slide_id=name, sample=Sample(sample_id=name, patient=name))
    result = parsed(report).oru_r01_patient_result
    found = result.oru_r01_patient.pid.pid_3.cx_1.to_er7()
    for escape, plain in ((r"\F\ ", "|"), (r"\S\ ", "^"), (r"\T\ ", "&"), (r"\R\ ", "~")):
        found = found.replace(escape.strip(), plain)
    assert found.replace("\\E\\", "\\") == name


def test_a_run_without_a_time_leaves_it_open(make: Callable[..., SmearReport]) -> None:
    report = make(COUNT, provenance=Provenance("0.1.0", (), {}))
    (msh,) = segments(report, "MSH")
    assert msh[6] == ""
