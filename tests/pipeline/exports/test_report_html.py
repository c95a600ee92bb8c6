import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import cv2
import numpy as np
import pytest

from leukodiff.datasets.vocabulary import BY_NAME, CELL_TYPES
from leukodiff.pipeline.exports.drawing import encode_jpeg
from leukodiff.pipeline.exports.formatting import between, contrast, number, readable, text_color_on
from leukodiff.pipeline.exports.html import report_html
from leukodiff.pipeline.exports.report_view import ReportOptions, ReportView, report_view
from leukodiff.pipeline.exports.values import on_axis, ticks
from leukodiff.pipeline.report.cells import ATYPICAL, Cell
from leukodiff.pipeline.report.fields import FieldResult
from leukodiff.pipeline.report.report import CountingOptions, SmearReport
from leukodiff.pipeline.report.sample import Sample
from leukodiff.pipeline.report.statistics import Confusion
from leukodiff.pipeline.report.texts import load_texts

MakeCell = Callable[..., Cell]
MakeReport = Callable[..., SmearReport]

FAILED = FieldResult("field 1.jpg", status="failed", error="damaged")
NO_NUMBER = re.compile(r"\b(NaN|nan|None|inf|-inf)\b")


class Page(HTMLParser):
    """The tags with their attributes, and the text without the style sheet."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._style = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._style else data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def flat(text: str) -> str:
    return " ".join(text.split())


def view_of(report: SmearReport, **options: object) -> ReportView:
    return report_view(report, {}, {}, ReportOptions(**options))  # type: ignore[arg-type]


@pytest.fixture
def make_smear(make_cell: MakeCell, make_report: MakeReport) -> Callable[..., SmearReport]:
    """A report of so many cells of each type."""

    def make(changes: dict[str, object] | None = None, **counts: int) -> SmearReport:
        kinds = [kind for kind, n in counts.items() for _ in range(n)]
        cells = [make_cell(kind, i) for i, kind in enumerate(kinds)]
        return make_report(*cells, **(changes or {}))

    return make


BAD_CASES: dict[str, dict[str, Any]] = {
    "no cells": {"cells": ()},
    "no cells and no scale": {"cells": (), "scale": None},
    "every field failed": {"cells": (), "scale": None, "fields": (FAILED,)},
    "no fields": {"cells": (), "scale": None, "fields": ()},
    "nothing counted beside": {"fields": (FieldResult("f", 9, 9, 1),)},
    "a white cell count": {"sample": Sample(wbc_count=6.2)},
}


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("kind", ["neutrophil", "unidentified", "erythroblast"])
@pytest.mark.parametrize("case", BAD_CASES)
def test_a_bad_case_has_dashes_and_a_warning(
    make_cell: MakeCell, make_report: MakeReport, case: str, kind: str, n: int, language: str
) -> None:
    changes = {"cells": (make_cell(kind),) * n} | BAD_CASES[case]
    report = replace(make_report(), **changes)
    page = Page(report_html(report, {}, options=ReportOptions(load_texts(language))))
    assert not NO_NUMBER.search(page.text)
    assert {"en": "Not enough cells", "de": "Nicht genug Zellen"}[language] in page.text
    if not report.differential.n:
        assert all(row.percent == row.interval == "–" for row in view_of(report).shares)
        assert not page.all("svg")


def test_what_is_known_of_the_sample_is_shown(make_smear: Callable[..., SmearReport]) -> None:
    sample = Sample("S-1", "Doe, Jane", "female", 0.5, None, "2026-11-22")
    found = {fact.label: fact.value for fact in view_of(make_smear({"sample": sample})).identity}
    assert found == {
        "Sample": "S-1",
        "Patient": "Doe, Jane",
        "Sex": "female",
        "Age": "0.5 years",
        "Collected": "2026-11-22",
        "Slide": "smear 1",
        "Analyzed": "2026-11-22 10:00",
    }
    assert [fact.label for fact in view_of(make_smear()).identity] == ["Slide", "Analyzed"]


def test_a_share_stands_with_its_interval(make_smear: Callable[..., SmearReport]) -> None:
    row = view_of(make_smear(neutrophil=95, eosinophil=5)).shares[3]
    assert (row.count, row.percent, row.interval, row.reference) == ("5", "5.0", "1.6–11.3", "1–6")
    assert row.bar is not None
    assert row.bar.alt == "5.0 (1.6–11.3); reference 1–6"


@pytest.mark.parametrize(
    ("counts", "wbc", "first"),
    [
        pytest.param({"neutrophil": 2, "lymphocyte": 198}, 2.0, "critical", id="critical first"),
        pytest.param({"neutrophil": 180, "lymphocyte": 20}, None, "sure", id="then sure ones"),
        pytest.param(
            {"neutrophil": 60, "lymphocyte": 25, "eosinophil": 8}, None, "possibly", id="p"
        ),
        pytest.param(
            {"neutrophil": 63, "lymphocyte": 30, "monocyte": 5, "eosinophil": 2},
            None,
            "",
            id="none",
        ),
    ],
)
def test_the_loudest_flag_comes_first(
    make_smear: Callable[..., SmearReport], counts: dict[str, int], wbc: float | None, first: str
) -> None:
    report = make_smear({"sample": Sample(wbc_count=wbc)}, **counts)
    levels = [one.level for one in view_of(report).findings]
    order = ["critical", "sure", "possibly"]
    assert levels == sorted(levels, key=order.index)
    assert levels[:1] == ([first] if first else [])
    text = flat(Page(report_html(report, {})).text)
    assert ("No value lies outside" in text) == (not first)
    assert ('class="plate"' in report_html(report, {})) == (first == "critical")


def test_a_possible_flag_has_the_number_of_further_cells(
    make_smear: Callable[..., SmearReport],
) -> None:
    found = view_of(make_smear(neutrophil=60, lymphocyte=32, eosinophil=8)).findings
    (one,) = [one for one in found if one.text.startswith("Eosinophil")]
    more = re.search(r"about (\d+) more cells", one.settle)
    assert more
    assert 100 < int(more[1]) < 2000
    assert "allergy" in one.hint


def test_hints_can_be_left_out(make_smear: Callable[..., SmearReport]) -> None:
    report = make_smear(neutrophil=180, lymphocyte=20)
    assert any(one.hint for one in view_of(report).findings)
    assert not any(one.hint for one in view_of(report, hints=False).findings)
    assert "infection" not in report_html(report, {}, options=ReportOptions(hints=False))


def test_a_hint_is_given_once(make_smear: Callable[..., SmearReport]) -> None:
    report = make_smear({"sample": Sample(wbc_count=30)}, neutrophil=190, lymphocyte=10)
    hints = [one.hint for one in view_of(report).findings if one.hint]
    assert len(hints) == len(set(hints)) > 1


def test_corrected_shares_have_a_column_and_their_condition(
    make_smear: Callable[..., SmearReport],
) -> None:
    names = tuple(BY_NAME)[:8]
    known = CountingOptions(confusion=Confusion(names, names, np.eye(8, dtype=np.int64) * 90 + 2))
    report = make_smear({"counting": known}, neutrophil=70, lymphocyte=30)
    text = flat(Page(report_html(report, {})).text)
    assert "resemble those the classifier was validated on" in text
    assert report.corrected is not None
    one = report.corrected["lymphocyte"]
    assert f"{one.value:.1f} ({one.low:.1f}–{one.high:.1f})" in text
    reviewed = replace(report, cells=(replace(report.cells[0], reviewed_as="monocyte"),))
    assert "a person has named cells" in Page(report_html(reviewed, {})).text


@pytest.mark.parametrize(
    ("method", "words"),
    [("exact", "is exact"), ("wilson", "not exact"), ("simultaneous", "not exact")],
)
def test_the_method_of_the_intervals_is_named(
    make_smear: Callable[..., SmearReport], method: str, words: str
) -> None:
    if method != "exact":
        pytest.importorskip("statsmodels")
    report = make_smear({"counting": CountingOptions(method)}, neutrophil=70, lymphocyte=30)
    assert words in view_of(report).notes[0]


def test_unidentified_cells_bound_each_share(
    make_smear: Callable[..., SmearReport],
) -> None:
    found = view_of(make_smear(neutrophil=60, lymphocyte=30, unidentified=10))
    assert (found.n, found.n_unidentified) == (90, 10)
    assert [row.unidentified_bounds for row in found.shares[:2]] == ["60.0–70.0", "30.0–40.0"]


def test_counts_in_blood_need_the_analyzers(make_smear: Callable[..., SmearReport]) -> None:
    assert not view_of(make_smear(neutrophil=50)).blood
    rows = view_of(make_smear({"sample": Sample(wbc_count=8)}, neutrophil=50, lymphocyte=50)).blood
    assert [(row.value, row.unit) for row in rows[:3]] == [
        ("8.00", "10⁹/L"),
        ("4.00", "10⁹/L"),
        ("4.00", "10⁹/L"),
    ]
    assert [row.interval for row in rows[:2]] == ["–", "3.19–4.81"]


def test_abnormal_and_unidentified_cells_come_first(
    make_smear: Callable[..., SmearReport], make_cell: MakeCell
) -> None:
    odd = make_cell("unidentified", 99, is_atypical=True, atypical=0.9)
    kinds = [kind.name for kind in CELL_TYPES if kind.name not in ("red_cell", "white_cell")]
    report = make_smear(**dict.fromkeys(kinds, 1))
    report = replace(report, cells=(*report.cells, odd))
    found = [section.kind.name for section in view_of(report).gallery]
    first = [ATYPICAL.name, "immature_granulocyte", "erythroblast", "unidentified"]
    assert found == [*first, *(name for name in kinds if name not in first)]
    text = report_html(report, {})
    places = [
        text.index(f"</span>{name} <") for name in ("Atypical", "Unidentified", "Neutrophils")
    ]
    assert places == sorted(places)


def test_names_are_escaped_and_shown(make_cell: MakeCell, make_report: MakeReport) -> None:
    name = b"<b>\xff\n".decode("utf-8", "surrogateescape") + "\u202e" + "x" * 300
    sample = Sample(sample_id=name, patient=name)
    cell = make_cell(field_id=name, cell_id=name, is_atypical=True)
    fields = (FieldResult(name, status="failed", error=name), FieldResult(name))
    report = make_report(cell, slide_id=name, sample=sample, fields=fields)
    html = report_html(report, {name: b""})
    html.encode("utf-8")
    assert r"&lt;b&gt;\xff\n\u202exxx" in html
    assert "<b>\\xff" not in html
    assert "\u202e" not in html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Müller №1 – Иван 李", "Müller №1 – Иван 李", id="any script"),
        pytest.param("a\x00\x1b[1m\tb", r"a\x00\x1b[1m\tb", id="control letters"),
        pytest.param("a\udcffb", r"a\xffb", id="a byte that is no text"),
        pytest.param("a\ud800b", r"a\ud800b", id="half a letter"),
        pytest.param("a\u2028b\u202ec", r"a\u2028b\u202ec", id="breaks and turns"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_name_is_readable(text: str, shown: str) -> None:
    assert readable(text) == shown


def test_a_number_that_is_none_is_a_dash() -> None:
    english = load_texts()
    wrong = (None, float("nan"), float("inf"))
    assert {number(one, 1, english) for one in wrong} == {"–"}
    assert {between(one, 1.0, 1, english) for one in wrong} == {"–"}
    assert between(0.0, 2.25, 1, load_texts("de")) == "0,0–2,2"


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_the_page_is_accessible_to_screen_readers(
    make_smear: Callable[..., SmearReport], language: str
) -> None:
    counts = {"neutrophil": 70, "lymphocyte": 20, "eosinophil": 9, "unidentified": 3}
    report = make_smear({"sample": Sample(wbc_count=9)}, **counts)
    page = Page(
        report_html(
            report, {report.cells[0].cell_id: b""}, options=ReportOptions(load_texts(language))
        )
    )
    assert page.all("html")[0]["lang"] == language
    assert all(header.get("scope") in ("col", "row") for header in page.all("th"))
    assert all(image["alt"] for image in page.all("img"))
    drawn = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    assert len(drawn) == 6
    assert all(svg["aria-label"] for svg in drawn)


@pytest.mark.parametrize("kind", [*CELL_TYPES, ATYPICAL], ids=lambda kind: kind.name)
def test_letters_stand_out_on_every_color(kind: object) -> None:
    color = kind.color  # type: ignore[attr-defined]
    assert contrast(text_color_on(color), color) >= 4.5


def test_the_pages_own_colors_stand_out() -> None:
    html = report_html.__globals__["TEMPLATES"].joinpath("report.html").read_text(encoding="utf-8")
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", html))
    for name in ("ink", "soft", "warn", "critical"):
        assert contrast(colors[name], "#ffffff") >= 4.5
    assert contrast(colors["critical"], "#ffffff") >= 7


@pytest.mark.parametrize("most", [0, 0.4, 1, 7, 8, 9, 33, 99, 1000, 123456])
def test_an_axis_has_whole_steps_and_room(most: float) -> None:
    found = ticks(most)
    assert found[0] == 0
    assert found[-1] >= most
    assert 2 <= len(found) <= 9


def test_the_axis_of_shares_runs_from_0_to_100() -> None:
    assert [on_axis(share) for share in (-1, 0, 25, 100, 101)] == [0, 0, 0.5, 1, 1]


def test_200_cells_are_small_and_quick(make_smear: Callable[..., SmearReport]) -> None:
    kinds = [kind.name for kind in CELL_TYPES[:7]] + ["unidentified"]
    report = make_smear(**dict.fromkeys(kinds, 25))
    noise = np.random.default_rng(0).integers(0, 255, (112, 112, 3), np.uint8)
    picture = encode_jpeg(np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.5), np.uint8))
    assert len(picture) > 2500  # as much as a real one
    crops = {cell.cell_id: picture for cell in report.cells}
    report_html(report, crops)
    begun = time.process_time()
    html = report_html(report, crops)
    assert time.process_time() - begun < 5
    assert len(html.encode()) < 3_000_000


def test_importing_it_is_cheap() -> None:
    code = "import sys, leukodiff.pipeline.exports.html as h; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"jinja2", "reportlab", "statsmodels", "openvino", "torch"} & set(run.stdout.split())
