import csv
import io
from collections.abc import Callable

import pytest

from leukodiff.classifier.facts import CellFacts, CellNote
from leukodiff.detector.areas import AreaKind
from leukodiff.pipeline.exports.tables import (
    SLIDE_COLUMNS,
    cells_csv,
    count_rows,
    counts_csv,
    fields_csv,
    slide_row,
    to_csv,
    without_formula,
)
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.fields import FieldResult
from leukodiff.pipeline.report.report import SmearReport

MakeCell = Callable[..., Cell]
MakeReport = Callable[..., SmearReport]

GOLDEN_CELLS = """\
slide_id,field_id,cell_id,x_min,y_min,x_max,y_max,detection_confidence,cell_type,confidence,\
reviewed_as,p_neutrophil,p_lymphocyte,p_monocyte,p_eosinophil,p_basophil,\
p_immature_granulocyte,p_erythroblast,p_platelet,\
cell_area_um2,nucleus_area_um2,nucleus_to_cell_ratio,nucleus_lobes,atypical,note
smear 1,field 1.jpg,field 1-1,10.0,20.0,40.5,60.0,0.9000,neutrophil,1.0000,,\
1.0000,0.0000,0.0000,0.0000,0.0000,0.0000,0.0000,0.0000,160.2,80.1,0.500,3,0.2500,
smear 1,field 1.jpg,field 1-2,10.0,20.0,40.5,60.0,0.9000,lymphocyte,1.0000,monocyte,\
0.0000,1.0000,0.0000,0.0000,0.0000,0.0000,0.0000,0.0000,,,,,,
smear 1,"field, 2.jpg",field 1-3,10.0,20.0,40.5,60.0,0.9000,unidentified,0.2500,,\
0.0000,0.0000,0.0000,0.0000,0.0000,0.0000,0.0000,0.0000,,,,,,out of focus
"""

GOLDEN_COUNTS = """\
slide_id,cell_type,count,percent,percent_low,percent_high,reference_low,reference_high,flag,\
per_100_wbc,per_100_wbc_low,per_100_wbc_high,percent_if_none_unidentified,\
percent_if_all_unidentified,corrected_percent,corrected_low,corrected_high
smear 1,neutrophil,3,75.00,19.41,99.37,40.0,80.0,,,,,60.00,80.00,,,
smear 1,lymphocyte,0,0.00,0.00,60.24,20.0,40.0,,,,,0.00,20.00,,,
smear 1,monocyte,0,0.00,0.00,60.24,2.0,10.0,,,,,0.00,20.00,,,
smear 1,eosinophil,1,25.00,0.63,80.59,1.0,6.0,,,,,20.00,40.00,,,
smear 1,basophil,0,0.00,0.00,60.24,0.0,2.0,,,,,0.00,20.00,,,
smear 1,immature_granulocyte,0,0.00,0.00,60.24,0.0,0.9,,,,,0.00,20.00,,,
smear 1,erythroblast,1,,,,,,,25.00,0.51,252.63,,,,,
smear 1,unidentified,1,,,,,,,,,,,,,,
smear 1,platelet,3,,,,,,,,,,,,,,
smear 1,red_cell,12,,,,,,,,,,,,,,
"""


def test_cells_golden(make_cell: MakeCell, make_report: MakeReport) -> None:
    report = make_report(
        make_cell("neutrophil", 1, facts=CellFacts(160.16, 80.08, 3), atypical=0.25),
        make_cell("lymphocyte", 2, reviewed_as="monocyte"),
        make_cell("unidentified", 3, field_id="field, 2.jpg", note=CellNote.BLURRED),
    )
    assert cells_csv(report) == GOLDEN_CELLS


def test_counts_golden(make_cell: MakeCell, make_report: MakeReport) -> None:
    types = (*["neutrophil"] * 3, "eosinophil", "erythroblast", "unidentified")
    report = make_report(*(make_cell(name, i) for i, name in enumerate(types)))
    assert counts_csv([report]) == GOLDEN_COUNTS


def test_a_persons_word_counts_and_the_classifiers_stays(
    make_cell: MakeCell, make_report: MakeReport
) -> None:
    report = make_report(make_cell("lymphocyte", reviewed_as="monocyte"))
    assert report.differential.count("monocyte") == 1
    assert report.differential.count("lymphocyte") == 0
    assert report.cells[0].cell_type == "lymphocyte"


def test_fields_golden(make_report: MakeReport) -> None:
    fields = (
        FieldResult("a.jpg", 640, 480, 1, 12, 3, kind=AreaKind.USABLE),
        FieldResult("b, c.jpg", status="failed", error="the JPEG is cut off before its end"),
        FieldResult("d.jpg", 640, 480, status="left_out", kind=AreaKind.THICK),
        FieldResult("e.jpg", status="not_read"),
    )
    assert fields_csv(make_report(fields=fields)) == (
        "field_id,width,height,n_wbc,n_rbc,n_platelet,status,error,kind,reason\n"
        "a.jpg,640,480,1,12,3,done,,usable,\n"
        '"b, c.jpg",,,,,,failed,the JPEG is cut off before its end,,\n'
        "d.jpg,640,480,,,,left_out,,thick,cells lie upon each other\n"
        "e.jpg,,,,,,not_read,,,enough cells were found before\n"
    )


@pytest.mark.parametrize(
    ("failed", "status", "error"),
    [
        pytest.param([], "done", "", id="whole"),
        pytest.param(["b.jpg"], "incomplete", "b.jpg: cut off", id="one field failed"),
        pytest.param(["a.jpg", "b.jpg"], "failed", "a.jpg: cut off; b.jpg: cut off", id="all"),
    ],
)
def test_a_slides_row(make_report: MakeReport, failed: list[str], status: str, error: str) -> None:
    fields = tuple(
        FieldResult(name, status="failed", error="cut off")
        if name in failed
        else FieldResult(name, 8, 8, 0, 0, 0)
        for name in ("a.jpg", "b.jpg")
    )
    row = slide_row(make_report(fields=fields))
    assert (row["status"], row["error"], row["n_fields"]) == (status, error, 2)
    assert (row["um_per_px"], row["um_per_px_source"]) == ("0.07300", "red cells")
    assert to_csv(SLIDE_COLUMNS, [row]).startswith("slide_id,status,n_fields,n_cells,um_per_px,")


@pytest.mark.parametrize("make", [cells_csv, fields_csv, lambda report: counts_csv([report])])
def test_an_empty_report_has_its_columns(
    make_report: MakeReport, make: Callable[[SmearReport], str]
) -> None:
    text = make(make_report(fields=()))
    assert len(list(csv.DictReader(io.StringIO(text)))) == (10 if "percent" in text else 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1.jpg", "'=1+1.jpg"),
        ("+a", "'+a"),
        ("-a", "'-a"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("a=1.jpg", "a=1.jpg"),
        ("", ""),
        ("é, à.jpg", "é, à.jpg"),
    ],
)
def test_no_name_runs_as_a_formula(text: str, expected: str) -> None:
    assert without_formula(text) == expected
    assert next(csv.DictReader(io.StringIO(to_csv(["a"], [{"a": text, "b": 1}]))), {"a": ""}) == {
        "a": expected
    }


def test_negative_numbers_are_left_alone() -> None:
    assert to_csv(["a"], [{"a": -1.5}]) == "a\n-1.5\n"


def test_platelets_of_the_detector_are_counted_once(
    make_cell: MakeCell, make_report: MakeReport
) -> None:
    rows = {
        row["cell_type"]: row["count"] for row in count_rows(make_report(make_cell("platelet")))
    }
    assert rows["platelet"] == 3
    assert rows["unidentified"] == 0
