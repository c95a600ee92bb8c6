"""What is written of a scan: its areas, overview, contact sheets and its part of the report."""

import csv
import io
import json
import time
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from leukodiff.classifier.facts import CellNote
from leukodiff.datasets.vocabulary import BY_NAME
from leukodiff.detector.areas import AreaKind
from leukodiff.pipeline.exports.crops import contact_sheets
from leukodiff.pipeline.exports.drawing import LEFT_OUT_COLORS, encode_jpeg, shrunk
from leukodiff.pipeline.exports.formatting import rgb
from leukodiff.pipeline.exports.geojson import cells_geojson
from leukodiff.pipeline.exports.html import report_html
from leukodiff.pipeline.exports.overlay import draw_overview
from leukodiff.pipeline.exports.tables import areas_csv, count_rows, slide_row
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.fields import Area, FieldResult, ScanReading
from leukodiff.pipeline.report.remarks import Remark
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.report.scale import ScaleSource, SlideScale

MakeCell = Callable[..., Cell]
MakeReport = Callable[..., SmearReport]

AREAS = (
    Area(0, 0, 500, 500, AreaKind.USABLE, 0.5, True, 3),
    Area(500, 0, 1000, 500, AreaKind.EMPTY, 0.0, False, 0),
    Area(0, 500, 500, 1000, AreaKind.THICK, 1.0, False, 0),
    Area(500, 500, 1000, 1000, AreaKind.USABLE, 0.456, False, 0),
)
WARNING = Remark.literal("the file's second scale was not used")
READING = ScanReading(AREAS, first_look=True, target_cells=3, reached=True)
SCAN = FieldResult("a.svs", 1000, 1000, 3)


@pytest.fixture
def report(make_cell: MakeCell, make_report: MakeReport) -> SmearReport:
    cells = [
        make_cell(
            "neutrophil",
            i,
            field_id="a.svs",
            cell_id=f"a-{i}",
            x_min=100.0 * i,
            x_max=100.0 * i + 40,
            y_min=200.0,
            y_max=240.0,
        )
        for i in (1, 2, 3)
    ]
    return make_report(
        *cells,
        fields=(SCAN,),
        readings={"a.svs": READING},
        scale=SlideScale(
            0.25,
            ScaleSource.METADATA,
            0.123,
            45,
            (WARNING,),
        ),
        overlays={"a.svs": "overlays/a.jpg"},
    )


def test_areas_golden(report: SmearReport) -> None:
    assert areas_csv(report) == (
        "field_id,x_min,y_min,x_max,y_max,kind,coverage,read,n_cells,reason\n"
        "a.svs,0,0,500,500,usable,0.50,yes,3,\n"
        'a.svs,500,0,1000,500,empty,0.00,no,,"no cells, or outside the smear"\n'
        "a.svs,0,500,500,1000,thick,1.00,no,,cells lie upon each other\n"
        "a.svs,500,500,1000,1000,usable,0.46,no,,enough cells were found before\n"
    )


def test_what_was_not_counted_is_empty_and_not_zero(report: SmearReport) -> None:
    counts = {row["cell_type"]: row["count"] for row in count_rows(report)}
    assert (counts["neutrophil"], counts["red_cell"], counts["platelet"]) == (3, None, None)
    row = slide_row(report)
    assert (row["um_per_px_spread"], row["um_per_px_cells"]) == ("0.123", 45)
    assert "second scale" in str(row["flags"])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((FieldResult("a", n_rbc=3), FieldResult("b", n_rbc=4)), 7),
        ((FieldResult("a", n_rbc=3), FieldResult("b")), None),
        ((FieldResult("a", n_rbc=3), FieldResult("b", status="failed")), 3),
        ((), 0),
    ],
    ids=["all counted", "one did not", "one failed", "none"],
)
def test_totals(
    make_report: MakeReport, fields: tuple[FieldResult, ...], expected: int | None
) -> None:
    assert make_report(fields=fields).total("n_rbc") == expected


def test_how_much_was_read(report: SmearReport) -> None:
    assert (READING.n_read, READING.share_read) == (1, 0.25)
    assert {kind: n for kind, (_, n) in READING.left_out.items()} == {
        "empty": 1,
        "thick": 1,
        "usable": 1,
    }
    assert ScanReading((), first_look=True).share_read == 0


def test_the_overview_tints_what_was_not_read(report: SmearReport) -> None:
    plain = np.full((500, 500, 3), 200, np.uint8)
    view = draw_overview(plain, READING, [], 2.0, 0.25)
    assert view.shape[0] > 500
    assert view.shape[1] == 500
    assert (view[20:230, 20:230] == 200).all()
    for corner, kind in (((270, 20), "empty"), ((20, 270), "thick"), ((270, 270), "usable")):
        x, y = corner
        part = view[y : y + 200, x : x + 200].reshape(-1, 3)
        assert len(np.unique(part, axis=0)) == 1
        moved = part[0].astype(int) - 200
        assert (np.sign(moved) == np.sign(np.array(LEFT_OUT_COLORS[kind]) - 200)).all()
    assert (plain == 200).all()


@pytest.mark.parametrize("n", [3, 500])
def test_every_cell_is_marked_in_its_color(make_cell: MakeCell, n: int) -> None:
    side = 2000
    places = [(60 + 80 * (i % 24), 60 + 80 * (i // 24)) for i in range(n)]
    cells = [
        make_cell("eosinophil", i, x_min=x - 10.0, x_max=x + 10.0, y_min=y - 10.0, y_max=y + 10.0)
        for i, (x, y) in enumerate(places)
    ]
    reading = ScanReading((), first_look=True)
    view = draw_overview(np.full((side, side, 3), 235, np.uint8), reading, cells, 1.0, 0.25)
    color = (view[:side] == rgb(BY_NAME["eosinophil"].color)).all(axis=2)
    for x, y in places:
        assert color[y - 40 : y + 40, x - 40 : x + 40].any()
        assert (view[y - 4 : y + 4, x - 4 : x + 4] == 235).all()


@pytest.mark.parametrize(
    "size", [(1, 1), (30, 4000), (4000, 30)], ids=["one px", "a column", "a row"]
)
def test_overviews_of_every_size(size: tuple[int, int]) -> None:
    reading = ScanReading((), first_look=True)
    view = draw_overview(np.full((*size, 3), 200, np.uint8), reading, [], 1.0, 0.25)
    assert view.shape[1] == min(size[1], 3000) if size[1] > size[0] else view.size


def test_a_picture_is_never_enlarged() -> None:
    small = np.zeros((10, 20, 3), np.uint8)
    assert shrunk(small, 100).shape == (10, 20, 3)
    assert shrunk(small, 10).shape == (5, 10, 3)
    assert shrunk(small, 100) is not small


@pytest.mark.parametrize("n", [1, 12, 13, 40])
def test_contact_sheets(make_cell: MakeCell, make_report: MakeReport, n: int) -> None:
    cells = [make_cell("monocyte", i) for i in range(n)]
    crop = encode_jpeg(np.full((112, 112, 3), 180, np.uint8))
    shown = {cell.cell_id: crop for cell in cells[:30]}
    sheets = contact_sheets(make_report(*cells), shown)
    assert list(sheets) == ["monocyte"]
    sheet = cv2.imdecode(np.frombuffer(sheets["monocyte"], np.uint8), cv2.IMREAD_COLOR)
    rows = -(-min(n, 30) // 12)
    assert sheet is not None
    assert 120 * rows < sheet.shape[0] < 160 * rows + 60
    assert sheet.shape[1] <= 12 * 120 + 8


def test_the_sheet_of_atypical_cells_comes_first_and_gives_reasons(
    make_cell: MakeCell, make_report: MakeReport
) -> None:
    plain = make_cell("unidentified", 1)
    odd = make_cell("unidentified", 2, is_atypical=True, note=CellNote.ATYPICAL)
    crop = encode_jpeg(np.full((112, 112, 3), 180, np.uint8))
    sheets = contact_sheets(make_report(plain, odd), {c.cell_id: crop for c in (plain, odd)})
    assert list(sheets) == ["atypical", "unidentified"]
    tall, low = (
        cv2.imdecode(np.frombuffer(sheets[name], np.uint8), cv2.IMREAD_COLOR) for name in sheets
    )
    assert tall is not None
    assert low is not None
    assert tall.shape[0] >= low.shape[0] + 20  # its note, in two lines


def test_contact_sheets_of_no_cells(make_report: MakeReport) -> None:
    assert contact_sheets(make_report(), {}) == {}


def test_a_scale_of_white_cells_is_named_in_the_report(report: SmearReport) -> None:
    scale = SlideScale(0.25, ScaleSource.WHITE_CELLS, 0.2, 8)
    text = " ".join(report_html(replace(report, scale=scale), {}, {}).split())
    assert "0.2500 µm/px from white cells; 8 white cells measured" in text


def test_the_report_describes_what_was_read(report: SmearReport) -> None:
    text = report_html(report, {}, {"a.svs": b"jpeg"})
    plain = " ".join(text.split())
    for words in (
        "1 of 4 areas were read: 25.0 % of the scan, 0.02 mm²",
        "first look by the color of the stain",
        "Reading stopped when 3 white cells were found",
        "cells lie upon each other",
        "enough cells were found before",
        "0.2500 µm/px from metadata; 45 red cells measured",
        "Red cells and platelets were not counted",
        'href="overlays/a.jpg"',
        "data:image/jpeg;base64,anBlZw==",
    ):
        assert words in plain, words


@pytest.mark.slow
def test_a_hundred_thousand_cells_are_written_in_seconds(
    make_cell: MakeCell, make_report: MakeReport
) -> None:
    n = 20_000
    cells = [make_cell("neutrophil", i, field_id="a.svs", cell_id=f"a-{i}") for i in range(n)]
    big = make_report(*cells, fields=(SCAN,), readings={"a.svs": READING})
    begun = time.process_time()
    text = cells_geojson(big)
    assert time.process_time() - begun < 4  # a fifth of the cells, 0.4 s where nothing else runs
    found = json.loads(text)
    assert found["type"] == "FeatureCollection"
    assert len({feature["id"] for feature in found["features"]}) == n
    assert {f["properties"]["objectType"] for f in found["features"]} == {"detection"}


def test_areas_csv_has_its_columns_without_a_scan(make_report: MakeReport) -> None:
    assert list(csv.DictReader(io.StringIO(areas_csv(make_report())))) == []
