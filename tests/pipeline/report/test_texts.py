import re
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pytest

from leukodiff.classifier import morphometry as closer_look
from leukodiff.classifier import predictions
from leukodiff.core.errors import InputError
from leukodiff.datasets.vocabulary import BY_NAME
from leukodiff.detector.areas import REASONS
from leukodiff.detector.scale import ScaleEstimate
from leukodiff.pipeline.exports.html import report_html
from leukodiff.pipeline.exports.report_view import ReportOptions
from leukodiff.pipeline.exports.values import UNIT_KEYS
from leukodiff.pipeline.report import texts as texts_room
from leukodiff.pipeline.report.flags import FLAGS
from leukodiff.pipeline.report.profiles import adult
from leukodiff.pipeline.report.report import (
    ENOUGH,
    Area,
    Cell,
    CountingOptions,
    FieldResult,
    ScanReading,
    SmearReport,
)
from leukodiff.pipeline.report.sample import Sample
from leukodiff.pipeline.report.scale import (
    FROM_METADATA,
    FROM_RED_CELLS,
    FROM_USER,
    NO_SCALE,
    SlideScale,
    resolve_scale,
)
from leukodiff.pipeline.report.statistics import METHODS, Confusion
from leukodiff.pipeline.report.texts import LANGUAGES, load_texts
from leukodiff.pipeline.slides.metadata_scale import Reading, settled

MakeCell = Callable[..., Cell]
MakeReport = Callable[..., SmearReport]

FOLDER = Path(texts_room.__file__).parent
OTHERS = [language for language in LANGUAGES if language != "en"]


def keys(language: str) -> dict[str, str]:
    tables = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    return {f"{s}.{k}": v for s, t in tables.items() if s != "phrases" for k, v in t.items()}


def warnings_of_scale() -> tuple[str, ...]:
    wrong = resolve_scale(None, 0.25, lambda _: ScaleEstimate(0.073, 0.1, 40))
    places = settled([Reading("its resolution", -1, -1), Reading("Aperio's MPP", 9, 9)]).warnings
    return (*wrong.warnings, *places, *settled([Reading("TIFF's XResolution", 0.1, 0.3)]).warnings)


PHRASES = [
    *(words for pair in REASONS.items() for words in pair if words),
    closer_look.CUT,
    closer_look.BLURRED,
    closer_look.OVERLAPPING,
    closer_look.DIRT,
    predictions.ATYPICAL,
    predictions.UNSURE,
    ENOUGH,
    FROM_METADATA,
    FROM_USER,
    FROM_RED_CELLS,
    NO_SCALE,
    adult().title,
    *warnings_of_scale(),
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


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("english", PHRASES)
def test_every_phrase_of_the_code_is_translated(language: str, english: str) -> None:
    assert load_texts(language).phrase(english) != english


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_words(language: str) -> None:
    said = load_texts(language)
    for name in FLAGS:
        assert said(f"flag.{name.replace(' ', '_')}")
    for name in METHODS:
        assert said(f"interval.{name}")
        assert said(f"note.interval_{name}", n=1)
    assert all(said.has(f"unit.{key}") for key in UNIT_KEYS.values())
    assert all(said(f"cells.{name}") for name in (*BY_NAME, "atypical"))


def test_a_phrase_with_places_is_filled() -> None:
    english = "the file says 0.25 um/px, not used: its red cells would be 25.7 um wide"
    german = "die Datei gibt 0.25 µm/px an, nicht verwendet: ihre Erythrozyten wären 25.7 µm breit"
    assert load_texts("de").phrase(english) == german
    assert load_texts("de").phrase("something else (with braces {x})") == (
        "something else (with braces {x})"
    )


def test_numbers_have_the_languages_point() -> None:
    assert [load_texts(one).number(1234.56, 1) for one in ("en", "de", "fr")] == [
        "1234.6",
        "1234,6",
        "1234,6",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param('[flag]\nhigh = "hoch {x}"', "nothing to put", id="a place too many"),
        pytest.param('[flags]\nhigh = "hoch"', "unknown key", id="an unknown section"),
        pytest.param('[phrases]\n"empty" = "leer {x}"', "nothing to put", id="in a phrase"),
        pytest.param('[phrases]\n"empty" = 1', "texts by their English", id="a number"),
        pytest.param("high", "not a file of texts", id="no TOML"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        load_texts(str(path))


def test_a_key_left_out_is_said_in_english(tmp_path: Path) -> None:
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
    notes = {101: predictions.UNSURE, 102: predictions.ATYPICAL}
    cells = [
        make_cell(kind, i, note=notes.get(i, ""), is_atypical=i == 102, atypical=float(i == 102))
        for i, kind in enumerate(kinds)
    ]
    names = tuple(BY_NAME)[:8]
    fields = (
        FieldResult("x1", 640, 480, len(cells), 900, 30),
        *(
            FieldResult(f"x{k}", 6, 4, None, None, None, "left_out", "", k, REASONS[k])
            for k in REASONS
        ),
        FieldResult("x8", status="not_read", reason=ENOUGH),
        FieldResult("x9", status="failed", error="the file is empty (0 bytes)"),
    )
    confusion = Confusion(names, names, np.eye(8, dtype=np.int64) * 100 + 2)
    settings: dict[str, Any] = {"engine": "x", "um_per_px": None, "target_cells": 100}
    report = make_report(*cells)
    return make_report(
        *cells,
        slide_id="x0",
        fields=fields,
        scale=SlideScale(0.073, "red cells", 0.1, 40, warnings_of_scale()),
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
    scan = ScanReading((Area(0, 0, 9, 9, "usable", "", 0.5, True, 3),), True, 100, True)
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
        assert not found & english


def make_scan(report: SmearReport, reading: ScanReading) -> SmearReport:
    from dataclasses import replace

    return replace(report, fields=report.fields[:1], readings={"x1": reading})
