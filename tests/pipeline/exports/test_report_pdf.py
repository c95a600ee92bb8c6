import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pypdfium2
import pytest
from reportlab.pdfbase.pdfmetrics import stringWidth

from leukodiff.datasets.vocabulary import BY_NAME, CELL_TYPES
from leukodiff.detector.areas import AreaKind
from leukodiff.pipeline.exports.drawing import encode_jpeg
from leukodiff.pipeline.exports.pdf import report_pdf
from leukodiff.pipeline.exports.pdf_elements import BODY_PT, REGULAR, typeface
from leukodiff.pipeline.exports.report_view import ReportOptions, report_view
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.fields import Area, FieldResult, ScanReading
from leukodiff.pipeline.report.report import CountingOptions, SmearReport
from leukodiff.pipeline.report.sample import Sample
from leukodiff.pipeline.report.statistics import Confusion
from leukodiff.pipeline.report.texts import LANGUAGES, load_texts

pytestmark = pytest.mark.slow

MakeCell = Callable[..., Cell]
MakeReport = Callable[..., SmearReport]

FAILED = FieldResult("field 1.jpg", status="failed", error="damaged")
NO_NUMBER = re.compile(r"\b(NaN|nan|None|inf|-inf)\b")


def flat(text: str) -> str:
    return " ".join(text.split())


def text_of(pdf: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(pdf)
    pages = [flat(page.get_textpage().get_text_range()) for page in document]
    document.close()
    return pages


@pytest.fixture
def jpeg() -> bytes:
    return encode_jpeg(np.full((112, 112, 3), 180, np.uint8))


@pytest.fixture
def report(make_cell: MakeCell, make_report: MakeReport) -> SmearReport:
    """103 cells of all kinds, with all that is known."""
    kinds = ["neutrophil"] * 60 + ["lymphocyte"] * 25 + ["monocyte"] * 5 + ["eosinophil"] * 9
    kinds += ["immature_granulocyte", "erythroblast", "unidentified", "unidentified"]
    names = tuple(BY_NAME)[:8]
    confusion = Confusion(names, names, np.eye(8, dtype=np.int64) * 90 + 2)
    return make_report(
        *(make_cell(kind, i) for i, kind in enumerate(kinds)),
        sample=Sample("S 1", "Müller, Änne", "female", 47, 0.6, "2026-11-21"),
        counting=CountingOptions(confusion=confusion),
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_html_and_pdf_have_the_same_numbers(
    report: SmearReport, jpeg: bytes, language: str
) -> None:
    options = ReportOptions(load_texts(language))
    view = report_view(report, {}, {}, options)
    text = " ".join(text_of(report_pdf(report, {report.cells[0].cell_id: jpeg}, options=options)))
    rows = [*view.shares, *view.blood, *view.ratios, *view.estimates]
    assert len(rows) == 6 + 7 + 2 + 4
    for row in view.shares:
        for words in (row.count, row.percent, row.interval, row.corrected, row.unidentified_bounds):
            assert words in text
    for one in (*view.blood, *view.ratios, *view.estimates):
        assert one.value in text
        assert one.interval in text
    for finding in view.findings:
        assert flat(finding.text) in text
    for fact in (*view.identity, *view.basis):
        assert flat(fact.value) in text
    assert view.texts("finding.critical").upper() in text
    assert not NO_NUMBER.search(text)


BAD_CASES: dict[str, dict[str, Any]] = {
    "no cells": {"cells": ()},
    "every field failed": {"cells": (), "scale": None, "fields": (FAILED,)},
    "no fields": {"cells": (), "scale": None, "fields": ()},
    "one cell": {},
    "all unidentified": {"unidentified": 3},
    "a white cell count and no cell": {"cells": (), "sample": Sample(wbc_count=6.2)},
}


@pytest.mark.parametrize("case", BAD_CASES)
def test_a_bad_case_is_a_report_all_the_same(
    make_cell: MakeCell, make_report: MakeReport, case: str
) -> None:
    changes = dict(BAD_CASES[case])
    n = changes.pop("unidentified", 0)
    report = make_report(*(make_cell("unidentified", i) for i in range(n)))
    report = report if n else make_report(make_cell())
    text = " ".join(text_of(report_pdf(replace(report, **changes), {})))
    assert "Not enough cells" in text
    assert not NO_NUMBER.search(text)


def test_every_page_is_numbered_and_named(report: SmearReport, jpeg: bytes) -> None:
    pages = text_of(report_pdf(report, {cell.cell_id: jpeg for cell in report.cells}))
    assert len(pages) > 2
    for number, text in enumerate(pages, start=1):
        assert f"page {number} of {len(pages)}" in text
        assert "smear 1 · 2026-11-22 10:00" in text
        assert "Research use only." in text


def test_the_document_has_its_metadata(report: SmearReport) -> None:
    document = pypdfium2.PdfDocument(report_pdf(report, {}))
    facts = document.get_metadata_dict()
    assert facts["Title"] == "smear 1: Blood smear: differential count"
    assert facts["Author"] == "leukodiff 0.1.0"
    assert [round(side / 72 * 25.4) for side in document[0].get_size()] == [210, 297]
    document.close()


def test_pictures_are_embedded_as_they_are(report: SmearReport, jpeg: bytes) -> None:
    pdf = report_pdf(report, {report.cells[0].cell_id: jpeg})
    assert pdf.count(jpeg) == 1


@pytest.mark.parametrize("bad", [b"", b"jpeg", b"\xff\xd8\xff\xe0 cut off"])
def test_a_missing_picture_is_marked(report: SmearReport, bad: bytes) -> None:
    pages = text_of(report_pdf(report, {report.cells[0].cell_id: bad}, {"field 1.jpg": bad}))
    assert "no picture" in " ".join(pages)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("Müller-Łęcki, Zoë", "Müller-Łęcki, Zoë", id="Latin letters"),
        pytest.param("Řehoř Ğül Dvořák", "Řehoř Ğül Dvořák", id="Czech and Turkish letters"),
        pytest.param("Иван Ψαρός", "Иван Ψαρός", id="Cyrillic and Greek"),
        pytest.param("李", r"\u674e", id="Chinese"),
        pytest.param("a\udcff", r"a\xff", id="a byte that is no text"),
        pytest.param("😀", r"\U0001f600", id="beyond the first plane"),
        pytest.param("<b>&amp;", "<b>&amp;", id="markup"),
    ],
)
def test_a_name_of_any_script_is_shown(
    make_cell: MakeCell, make_report: MakeReport, name: str, shown: str
) -> None:
    report = make_report(make_cell(), sample=Sample(patient=name), slide_id=name)
    text = " ".join(text_of(report_pdf(report, {})))
    assert shown in text
    assert ("are shown by their number" in text) == (shown.startswith("\\"))


@pytest.mark.slow
def test_long_names_and_many_fields_keep_to_the_page(
    make_cell: MakeCell, make_report: MakeReport
) -> None:
    name = "x" * 3000
    fields = [FieldResult(f"{i} {name}", status="failed", error=f"{name} {i}") for i in range(5)]
    left = [FieldResult(f"f{i}", status="left_out", kind=AreaKind.EMPTY) for i in range(450)]
    report = make_report(
        make_cell(cell_id=name),
        slide_id=name,
        sample=Sample(name, name),
        fields=(*fields, *left),
    )
    document = pypdfium2.PdfDocument(report_pdf(report, {name: b""}))
    for page in document:
        width, height = page.get_size()
        for one in page.get_objects():
            left_edge, bottom, right, top = one.get_bounds()
            assert -1 <= left_edge <= right <= width + 1
            assert -1 <= bottom <= top <= height + 1
    document.close()


def test_a_scan_shows_what_was_read(
    make_cell: MakeCell, make_report: MakeReport, jpeg: bytes
) -> None:
    areas = (
        Area(0, 0, 100, 100, AreaKind.USABLE, 0.5, True, 1),
        Area(0, 100, 100, 200, AreaKind.THICK, 0.9, False, 0),
    )
    report = make_report(make_cell(), readings={"field 1.jpg": ScanReading(areas, True)})
    pdf = report_pdf(report, {}, {"field 1.jpg": jpeg})
    text = " ".join(text_of(pdf))
    assert pdf.count(jpeg) == 1
    assert "1 of 2 areas were read: 50.0 % of the scan" in text
    assert "cells lie upon each other" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_typeface_has_the_languages_letters(language: str) -> None:
    texts = load_texts(language)
    face = typeface()
    for words in (*texts.words.values(), "äöüßÄÖÜéèêàçœµ–×≥²°…„“’·"):
        face.fit(words)
    assert not face.lacked


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("a b", ["a b"], id="one line"),
        pytest.param("aaaa bbbb", ["aaaa", "bbbb"], id="between words"),
        pytest.param("aaaaaaaaaaaa", ["aaaaa", "aaaaa", "aa"], id="a long word is cut"),
        pytest.param("a\u00a0b", ["a\u00a0b"], id="a hard space holds"),
    ],
)
def test_words_are_wrapped(text: str, lines: list[str]) -> None:
    width = stringWidth("aaaaa", REGULAR, BODY_PT) + 0.1
    paragraph = typeface().text(text)
    assert [" ".join(words) for _, words in paragraph.breakLines(width).lines] == lines


@pytest.mark.slow
def test_200_cells_are_quick(make_cell: MakeCell, make_report: MakeReport, jpeg: bytes) -> None:
    kinds = [kind.name for kind in CELL_TYPES[:7]] + ["unidentified"]
    cells = [make_cell(kind, f"{kind}-{i}") for kind in kinds for i in range(25)]
    report = make_report(*cells)
    crops = {cell.cell_id: jpeg for cell in cells}
    report_pdf(report, crops)
    begun = time.process_time()
    pdf = report_pdf(report, crops)
    assert time.process_time() - begun < 5
    assert len(pdf) < 3_000_000
