import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pytest

from leukodiff.classifier.facts import CellNote
from leukodiff.core.errors import InputError
from leukodiff.core.message import Message
from leukodiff.datasets.vocabulary import BY_NAME
from leukodiff.detector.areas import AreaKind
from leukodiff.detector.scale import ScaleEstimate
from leukodiff.pipeline.exports.html import report_html
from leukodiff.pipeline.exports.report_view import ReportOptions
from leukodiff.pipeline.exports.values import UNIT_KEYS
from leukodiff.pipeline.report import texts as texts_room
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.fields import Area, FieldResult, Reason, ScanReading
from leukodiff.pipeline.report.flags import Flag
from leukodiff.pipeline.report.reference_ranges import adult
from leukodiff.pipeline.report.remarks import STORED, Remark, profile_title
from leukodiff.pipeline.report.report import CountingOptions, SmearReport
from leukodiff.pipeline.report.sample import Sample
from leukodiff.pipeline.report.scale import ScaleSource, SlideScale, resolve_scale
from leukodiff.pipeline.report.statistics import METHODS, Confusion
from leukodiff.pipeline.report.texts import LANGUAGES, load_texts
from leukodiff.pipeline.slides.metadata_scale import Reading, settled

MakeCell = Callable[..., Cell]
MakeReport = Callable[..., SmearReport]

FOLDER = Path(texts_room.__file__).parent
OTHERS = [language for language in LANGUAGES if language != "en"]


def keys(language: str) -> dict[str, str]:
    tables = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    return {f"{s}.{k}": v for s, t in tables.items() for k, v in t.items()}


def warnings_of_scale() -> tuple[Remark, ...]:
    wrong = resolve_scale(None, 0.25, lambda _: ScaleEstimate(0.073, 0.1, 40)).warnings
    readings = [Reading(Message("image_resolution"), -1, -1), Reading(Message("aperio_mpp"), 9, 9)]
    oblong = [Reading(Message("tiff_resolution"), 0.1, 0.3)]
    refused = (*settled(readings).warnings, *settled(oblong).warnings)
    return (*wrong, *(Remark(one.code, **dict(one.values)) for one in refused))


CODES = [
    member
    for kind in (CellNote, AreaKind, Flag, Reason, ScaleSource)
    for member in kind
    if member.value
]


def test_german_and_french_are_shipped() -> None:
    assert {"de", "en", "fr"} <= set(LANGUAGES)


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str) -> None:
    english, own = keys("en"), keys(language)
    assert list(own) == list(english)
    for key, text in english.items():
        places = {name for _, name, _, _ in Formatter().parse(text) if name}
        assert {name for _, name, _, _ in Formatter().parse(own[key]) if name} == places, key
        if " " in text.replace("{", " {").strip() and re.search(r"[a-z]{4} ", text):
            assert own[key] != text or key.startswith("hint_source."), key


@pytest.mark.parametrize("member", CODES, ids=repr)
def test_a_code_has_words_and_its_english_ones_are_those_of_the_tables(member: StrEnum) -> None:
    assert load_texts().of(member) == member.value
    assert all(load_texts(language).of(member) not in ("", member.value) for language in OTHERS)


def test_a_code_of_nothing_has_no_words() -> None:
    assert load_texts("de").of(CellNote.NONE) == ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_words(language: str) -> None:
    words = load_texts(language)
    for name in METHODS:
        assert words(f"interval.{name}")
        assert words(f"note.interval_{name}", n=1)
    assert all(words.has(f"unit.{key}") for key in UNIT_KEYS.values())
    assert all(words(f"cells.{name}") for name in (*BY_NAME, "atypical"))


@pytest.mark.parametrize(
    ("remark", "german"),
    [
        pytest.param(
            Remark("scale_contradicted", um_per_px="0.25", red_cell_um="25.7"),
            "die Datei gibt 0.25 µm/px an, nicht verwendet: ihre Erythrozyten wären 25.7 µm breit",
            id="with values",
        ),
        pytest.param(
            Remark(
                "scale_refused",
                place=Message("aperio_mpp"),
                um_per_px="9",
                problem=Message("px_out_of_range", low="0.03", high="2.0"),
            ),
            "MPP von Aperio: 9 µm/px, nicht verwendet: ein Ausstrich hat 0.03 bis 2.0",
            id="messages within a message",
        ),
        pytest.param(
            Remark("no_scale_and", more=Remark("file_empty")),
            f"{load_texts('de')('remark.no_scale')}; die Datei ist leer (0 Bytes)",
            id="one after another",
        ),
        pytest.param(
            Remark("images_not_read", number="2"),
            "2 weitere Bilder in voller Größe (Fokusebenen?) sind nicht gelesen",
            id="a number",
        ),
        pytest.param(
            Remark.literal("something else (with braces {x})"),
            "something else (with braces {x})",
            id="nobody's",
        ),
    ],
)
def test_a_stored_warning_is_read_back(remark: Remark, german: str) -> None:
    assert Remark.from_stored(str(remark)) == remark
    assert remark.text(load_texts("de")) == german


def test_every_stored_code_is_distinct() -> None:
    english = keys("en")
    for code in STORED:
        places = re.findall(r"{(\w+)}", english[f"remark.{code}"])
        remark = Remark(code, **{name: f"<{name}>" for name in places})
        assert Remark.from_stored(str(remark)) == remark


@pytest.mark.parametrize(
    ("language", "title"), [("en", "Adults"), ("de", "Erwachsene"), ("fr", "Adultes")]
)
def test_the_shipped_profiles_title_is_translated_and_no_other(language: str, title: str) -> None:
    texts = load_texts(language)
    assert profile_title(adult(), texts) == title
    assert profile_title(replace(adult(), title="Our own"), texts) == "Our own"


def test_numbers_have_the_languages_point() -> None:
    assert [load_texts(one).number(1234.56, 1) for one in ("en", "de", "fr")] == [
        "1234.6",
        "1234,6",
        "1234,6",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('[flag]\nhigh = "hoch {x}"', "nothing to put", id="a place too many"),
        pytest.param('[flags]\nhigh = "hoch"', "unknown key", id="an unknown section"),
        pytest.param("[flag]\nhigh = 1", "must be text", id="a number"),
        pytest.param("high", "not a file of texts", id="no TOML"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_texts(str(path))


def test_a_key_left_out_is_english(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[language]\ncode = "tlh"\n[flag]\nhigh = "jen"', encoding="utf-8")
    own = load_texts(str(path))
    assert (own.language, own("flag.high"), own("flag.low")) == ("tlh", "jen", "low")


class Words(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self._style = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        self.text += " ".join(f" {v} " for k, v in attrs if k in ("alt", "aria-label") and v)

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._style else data


@pytest.fixture
def everything(make_cell: MakeCell, make_report: MakeReport) -> SmearReport:
    """A report that says nearly all that one can say."""
    kinds = ["neutrophil"] * 60 + ["lymphocyte"] * 25 + ["monocyte"] * 5 + ["eosinophil"] * 9
    kinds += ["immature_granulocyte", "erythroblast", "unidentified", "unidentified"]
    notes = {101: CellNote.UNSURE, 102: CellNote.ATYPICAL}
    cells = [
        make_cell(
            kind,
            i,
            note=notes.get(i, CellNote.NONE),
            is_atypical=i == 102,
            atypical=float(i == 102),
        )
        for i, kind in enumerate(kinds)
    ]
    names = tuple(BY_NAME)[:8]
    fields = (
        FieldResult("x1", 640, 480, len(cells), 900, 30),
        *(
            FieldResult(f"x{kind[0]}", 6, 4, status="left_out", kind=kind)
            for kind in AreaKind
            if kind
        ),
        FieldResult("x8", status="not_read"),
        FieldResult("x9", status="failed", error="the file is empty (0 bytes)"),
    )
    confusion = Confusion(names, names, np.eye(8, dtype=np.int64) * 100 + 2)
    settings: dict[str, Any] = {"engine": "x", "um_per_px": None, "target_cells": 100}
    report = make_report(*cells)
    return make_report(
        *cells,
        slide_id="x0",
        fields=fields,
        scale=SlideScale(0.073, ScaleSource.RED_CELLS, 0.1, 40, warnings_of_scale()),
        sample=Sample("x", "x", "female", 40, 0.7, "2026-11-22"),
        counting=CountingOptions(confusion=confusion),
        atypical_rate=0.0001,
        provenance=type(report.provenance)(
            "1", report.provenance.models, {**settings, "full_pass": True, "all_areas": False}
        ),
    )


def words_of(language: str) -> set[str]:
    tables = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    texts = " ".join(
        text
        for section, table in tables.items()
        if section != "hint_source"
        for text in table.values()
    )
    return set(re.findall(r"[^\W\d_]{3,}", re.sub(r"\{\w+\}", " ", texts).lower()))


@pytest.mark.parametrize("language", OTHERS)
def test_a_translated_report_has_no_english_words(everything: SmearReport, language: str) -> None:
    scan = ScanReading((Area(0, 0, 9, 9, AreaKind.USABLE, 0.5, True, 3),), True, 100, True)
    both = (everything, make_scan(everything, scan))
    crops = {cell.cell_id: b"" for cell in everything.cells}
    cited = " ".join(f"{one.source} {one.critical_source}" for one in adult().ranges) + " ".join(
        v for k, v in keys(language).items() if k.startswith("hint_source.")
    )
    allowed = words_of(language) | set(re.findall(r"\w+", cited.lower()))
    english = words_of("en") - allowed - {"field", "neu", "mon", "bas"}
    for report in both:
        text = Words(
            report_html(report, crops, {"x1": b""}, ReportOptions(load_texts(language)))
        ).text
        found = set(re.findall(r"[^\W\d_]{3,}", text.lower()))
        assert found & english == set()


def make_scan(report: SmearReport, reading: ScanReading) -> SmearReport:
    return replace(report, fields=report.fields[:1], readings={"x1": reading})
