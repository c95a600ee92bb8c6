import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from leukodiff.classifier.facts import CellFacts, CellNote
from leukodiff.datasets.vocabulary import BY_NAME
from leukodiff.pipeline.exports.drawing import encode_jpeg, label, paste, text_image
from leukodiff.pipeline.exports.formatting import rgb
from leukodiff.pipeline.exports.geojson import cells_geojson
from leukodiff.pipeline.exports.html import report_html
from leukodiff.pipeline.exports.overlay import (
    draw_overlay,
    label_text,
    letter_size,
    place_label,
)
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.fields import FieldResult
from leukodiff.pipeline.report.report import SmearReport

MakeCell = Callable[..., Cell]
MakeReport = Callable[..., SmearReport]


def test_geojson_is_what_qupath_reads(make_cell: MakeCell, make_report: MakeReport) -> None:
    report = make_report(make_cell("monocyte"), make_cell("neutrophil", 2, reviewed_as="basophil"))
    found = json.loads(cells_geojson(report))
    first, second = found["features"]
    assert found["type"] == "FeatureCollection"
    assert first["type"] == "Feature"
    assert first["geometry"] == {
        "type": "Polygon",
        "coordinates": [[[10, 20], [40.5, 20], [40.5, 60], [10, 60], [10, 20]]],
    }
    facts = first["properties"]
    assert facts["objectType"] == "annotation"
    assert facts["classification"] == {"name": "monocyte", "color": [230, 159, 0]}
    assert facts["measurements"]["p monocyte"] == 1
    assert (facts["name"], facts["field_id"]) == ("field 1-1", "field 1.jpg")
    assert second["properties"]["classification"]["name"] == "basophil"
    assert first["id"] != second["id"]
    assert cells_geojson(report) == cells_geojson(report)


def test_a_cell_of_a_file_whose_name_is_no_text_is_exported(
    make_cell: MakeCell, make_report: MakeReport
) -> None:
    name = b"f\xff-1".decode("utf-8", "surrogateescape")
    (feature,) = json.loads(cells_geojson(make_report(make_cell(cell_id=name))))["features"]
    assert feature["properties"]["name"] == name


def test_geojson_has_the_measures_that_are_known(
    make_cell: MakeCell, make_report: MakeReport
) -> None:
    known = make_cell("neutrophil", 1, facts=CellFacts(160.0, 40.0, 3), atypical=0.5)
    unknown = make_cell("unidentified", 2, note=CellNote.BLURRED)
    one, other = json.loads(cells_geojson(make_report(known, unknown)))["features"]
    measures = {"cell area um2": 160, "nucleus area um2": 40, "nucleus to cell ratio": 0.25}
    measures |= {"nucleus lobes": 3, "atypical": 0.5}
    assert measures.items() <= one["properties"]["measurements"].items()
    assert not measures.keys() & other["properties"]["measurements"].keys()
    assert "note" not in one["properties"]
    assert other["properties"]["note"] == "out of focus"


def test_geojson_of_no_cells(make_report: MakeReport) -> None:
    assert json.loads(cells_geojson(make_report())) == {"type": "FeatureCollection", "features": []}


class Page(HTMLParser):
    """The tags, the attributes that load something, and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_stands_alone(make_cell: MakeCell, make_report: MakeReport) -> None:
    cells = [make_cell("neutrophil", i) for i in range(3)]
    html = report_html(make_report(*cells), {cells[0].cell_id: b"jpeg"})
    page = Page(html)
    assert page.loads == ["data:image/jpeg;base64,anBlZw=="]
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "url(" not in html
    for words in ("Research use only", "1 of 3 shown", "0.0730 µm/px", "few cells", "a" * 64):
        assert words in page.text
    assert 'href="overlays/field%201.jpg"' in html


@pytest.mark.parametrize("name", ["<script>alert(1)</script>.jpg", 'a"><img src=x>.jpg', "&amp;"])
def test_names_are_escaped_in_html(make_cell: MakeCell, make_report: MakeReport, name: str) -> None:
    cell = make_cell(field_id=name, cell_id=name)
    failed = FieldResult(name, status="failed", error=f"{name}: damaged")
    report = make_report(
        cell, slide_id=name, fields=(failed,), overlays={name: f"overlays/{name}.jpg"}
    )
    page = Page(report_html(report, {cell.cell_id: b""}))
    assert "script" not in page.tags
    assert page.tags.count("img") == 1
    assert name in page.text


def test_a_report_without_cells(make_report: MakeReport) -> None:
    page = Page(report_html(make_report(overlays={}), {}))
    assert "No white cell was found" in page.text
    assert "svg" not in page.tags


def test_an_unidentified_cell_shows_what_it_may_be(
    make_cell: MakeCell, make_report: MakeReport
) -> None:
    cell = make_cell("unidentified", probabilities=(0.45, 0.4, 0.05, 0.05, 0.05, 0, 0, 0))
    html = report_html(make_report(cell), {cell.cell_id: b""})
    assert "NEU 45% / LYM 40%" in html


def test_a_named_cell_shows_its_two_likeliest_classes(
    make_cell: MakeCell, make_report: MakeReport
) -> None:
    cell = make_cell("monocyte", probabilities=(0.02, 0.003, 0.976, 0.001, 0, 0, 0, 0))
    assert "MON 97% / NEU 2%" in report_html(make_report(cell), {cell.cell_id: b""})


def test_what_stands_out_is_shown_first_with_the_reason(
    make_cell: MakeCell, make_report: MakeReport
) -> None:
    odd = {"cell_type": "unidentified", "note": CellNote.ATYPICAL, "is_atypical": True}
    cells = [
        make_cell("neutrophil", 1),
        make_cell("erythroblast", 2),
        make_cell(number=3, atypical=0.8, **odd),
        make_cell("unidentified", 4, note=CellNote.BLURRED),
        make_cell(number=5, atypical=0.9, **odd),
        make_cell(number=6, atypical=0.9, reviewed_as="lymphocyte", **odd),
    ]
    html = report_html(make_report(*cells), {cell.cell_id: b"" for cell in cells})
    sections = re.findall(r"<h3><span[^>]*>[^<]*</span>([A-Z][A-Za-z ]+?) <", html)
    assert sections == ["Atypical", "Erythroblasts", "Unidentified", "Neutrophils", "Lymphocytes"]
    text = Page(html).text
    order = [text.index(f"field 1-{number}") for number in (5, 3, 2, 4, 1, 6)]
    assert order == sorted(order)
    assert text.count(CellNote.ATYPICAL) == 4  # of each, and among the reasons
    assert "out of focus" in text
    assert "Atypical cells are unlike every class" in text


def test_a_file_name_that_is_no_text_is_still_shown(
    make_cell: MakeCell, make_report: MakeReport
) -> None:
    name = b"f\xff.jpg".decode("utf-8", "surrogateescape")
    report = make_report(make_cell(field_id=name), overlays={name: f"overlays/{name}"})
    assert "f%FF.jpg" in report_html(report, {report.cells[0].cell_id: b""})


@pytest.fixture
def field() -> NDArray[np.uint8]:
    return np.full((480, 640, 3), 230, np.uint8)


def test_an_overlay_keeps_the_inside_of_a_box(
    field: NDArray[np.uint8], make_cell: MakeCell
) -> None:
    picture = draw_overlay(field, [make_cell(x_min=100, y_min=100, x_max=200, y_max=200)], {}, 0.07)
    assert picture.shape[0] > 480
    assert picture.shape[1:] == (640, 3)
    assert (picture[102:198, 102:198] == 230).all()
    assert tuple(picture[99, 150]) == rgb(BY_NAME["neutrophil"].color)
    assert (field == 230).all()


def test_red_cells_are_fainter_than_white_cells(field: NDArray[np.uint8]) -> None:
    box = np.array([[100, 100, 200, 200]], np.float32)
    red = draw_overlay(field, [], {"red_cell": box})[100, 150].astype(int)
    platelet = draw_overlay(field, [], {"platelet": box})[100, 150]
    assert tuple(platelet) == rgb(BY_NAME["platelet"].color)
    assert (np.abs(red - 230) < np.abs(np.array(rgb(BY_NAME["red_cell"].color)) - 230)).all()


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        pytest.param((480, 640), (0, 0, 640, 480), id="a box that fills the field"),
        pytest.param((480, 640), (0, 0, 30, 30), id="in a corner"),
        pytest.param((480, 640), (620, 450, 640, 480), id="in the far corner"),
        pytest.param((5, 5), (0, 0, 5, 5), id="a field smaller than a letter"),
        pytest.param((1, 1), (0, 0, 1, 1), id="one pixel"),
        pytest.param((4000, 6000), (100, 100, 900, 900), id="a large field"),
    ],
)
def test_overlays_of_every_size(
    make_cell: MakeCell, shape: tuple[int, int], box: tuple[int, ...]
) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    cell = make_cell(x_min=box[0], y_min=box[1], x_max=box[2], y_max=box[3])
    picture = draw_overlay(image, [cell], {"red_cell": np.array([box], np.float32)}, 0.1)
    assert picture.shape[1] == shape[1]
    decoded = cv2.imdecode(np.frombuffer(encode_jpeg(picture), np.uint8), 1)
    assert np.asarray(decoded).shape == picture.shape


def test_an_overlay_without_cells_has_a_legend_of_none(field: NDArray[np.uint8]) -> None:
    assert draw_overlay(field, [], {}).shape[0] > 480


@pytest.mark.parametrize(
    ("box", "taken", "expected"),
    [
        pytest.param((40, 40, 70, 70), [], (38, 28), id="above"),
        pytest.param((50, 5, 90, 40), [], (48, 42), id="below where there is no room above"),
        pytest.param((40, 40, 70, 70), [(30, 20, 50, 38)], (38, 72), id="below where it is taken"),
        pytest.param((30, 0, 70, 100), [], (72, 0), id="right of a box from top to bottom"),
        pytest.param((70, 0, 100, 100), [], (48, 0), id="left at the right edge"),
        pytest.param((0, 0, 100, 100), [], (0, 0), id="within a box that fills the field"),
        pytest.param((95, 50, 100, 90), [], (80, 38), id="pushed in at the right edge"),
    ],
)
def test_where_a_label_goes(
    box: tuple[int, ...], taken: list[tuple[int, ...]], expected: tuple[int, int]
) -> None:
    boxes = np.array([box, *taken])
    x0, y0, x1, y1 = place_label(20, 10, boxes[0], boxes, (100, 100), 2).tolist()
    assert (x0, y0) == expected
    assert (x1 - x0, y1 - y0) == (20, 10)


def test_a_label_has_a_percentage_unless_a_person_named_the_cell(make_cell: MakeCell) -> None:
    assert label_text(make_cell(confidence=0.999)) == "NEU 99%"
    assert label_text(make_cell("unidentified", confidence=0.31)) == "? 31%"
    assert label_text(make_cell(reviewed_as="basophil")) == "BAS"


def test_letters_grow_with_the_field() -> None:
    sizes = [letter_size(w, h) for w, h in ((10, 10), (640, 480), (2560, 1920), (60000, 60000))]
    assert sizes == [11, 13, 52, 64]


def test_text_images_line_up_and_are_made_once() -> None:
    words = [text_image(text, 13, (0, 0, 0), (255, 255, 255)) for text in ("a", "gy", "NEU 99%")]
    assert len({p.shape[0] for p in words}) == 1
    assert text_image("a", 13, (0, 0, 0), (255, 255, 255)) is words[0]
    assert not words[0].flags.writeable
    assert label("PLT", 13, "#56b4e9").min() < 60  # dark letters on a light color
    assert label("NEU", 13, "#0072b2").max() == 255


@pytest.mark.parametrize(
    ("x", "y", "n"), [(0, 0, 4), (-1, -1, 1), (3, 3, 1), (9, 9, 0), (-9, 0, 0)]
)
def test_a_picture_is_cut_at_the_edge(x: int, y: int, n: int) -> None:
    canvas = np.zeros((4, 4, 3), np.uint8)
    paste(canvas, np.full((2, 2, 3), 9, np.uint8), x, y)
    assert (canvas[:, :, 0] == 9).sum() == n


def test_the_reports_template_has_no_inline_handlers(make_report: MakeReport) -> None:
    assert not re.search(r"\son[a-z]+=", report_html(make_report(), {}))
