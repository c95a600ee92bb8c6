"""What is said of a slide: its atypical cells, and what chance gives."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leukodiff.classifier.facts import CellFacts, CellNote
from leukodiff.classifier.infer import Classifier
from leukodiff.classifier.predictions import Predictions
from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES
from leukodiff.detector.detections import Detections
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.analysis.slide import make_cells
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.runs.analyze import analyze
from leukodiff.pipeline.slides.discover import Field

MakeCell = Callable[..., Cell]
MakeReport = Callable[..., SmearReport]


@pytest.mark.parametrize(
    ("atypical", "judged", "rate", "flagged"),
    [
        pytest.param(0, 100, 0.01, False, id="none"),
        pytest.param(1, 1, 0.05, False, id="one of one: as chance gives"),
        pytest.param(1, 100, 0.01, False, id="one of a hundred"),
        pytest.param(4, 100, 0.01, False, id="four of a hundred: p 0.018"),
        pytest.param(5, 100, 0.01, True, id="five of a hundred: p 0.003"),
        pytest.param(2, 2, 0.01, True, id="two of two"),
        pytest.param(50, 100, None, False, id="the model does not tell"),
    ],
)
def test_a_slide_is_flagged_when_more_are_atypical_than_chance_gives(
    make_cell: MakeCell,
    make_report: MakeReport,
    atypical: int,
    judged: int,
    rate: float | None,
    flagged: bool,
) -> None:
    cells = [make_cell(number=i, atypical=0.9, is_atypical=i < atypical) for i in range(judged)]
    report = make_report(*cells, atypical_rate=rate)
    words = f"{atypical} of {judged} cells are unlike any class: more than chance gives"
    assert str(report.atypical_remark or "") == (words if flagged else "")
    assert (words in map(str, report.remarks)) == flagged


def test_cells_in_bad_pictures_are_not_judged(make_cell: MakeCell, make_report: MakeReport) -> None:
    odd = [make_cell(number=i, atypical=0.9, is_atypical=True) for i in range(2)]
    cut = CellFacts(note=CellNote.CUT)
    bad = [make_cell(number=i, atypical=0.9, facts=cut) for i in range(2, 9)]
    unknown = [make_cell(number=9)]
    report = make_report(*odd, *bad, *unknown, atypical_rate=0.01)
    assert str(report.atypical_remark).startswith("2 of 2 cells")


def field(name: str = "a.png") -> Field:
    return Field(name, Path(name), name.partition(".")[0])


def named(**more: object) -> Predictions:
    chances = np.full((3, 8), 0.02, np.float32)
    chances[:, 2] = 0.86
    return Predictions(chances, CLASSIFIER_CLASSES, 0.5, **more)  # type: ignore[arg-type]


def found(n: int) -> Detections:
    boxes = np.tile(np.array([[1, 2, 30, 40]], np.float32), (n, 1))
    return Detections(boxes, np.full(n, 0.9, np.float32), np.zeros(n, np.int64), ("white_cell",))


def test_a_cell_has_what_was_predicted_of_it() -> None:
    facts = (CellFacts(150.0, 60.0, 2), CellFacts(), CellFacts(note=CellNote.BLURRED))
    scores = np.array([0.1, 0.9, 0.9], np.float32)
    beyond = {"atypical_threshold": 0.5, "far_threshold": 0.8}
    predicted = named(facts=facts, atypical=scores, **beyond)
    plain, odd, bad = make_cells(field(), found(3), predicted)
    assert (plain.cell_type, plain.note, plain.facts) == ("monocyte", "", facts[0])
    assert (odd.cell_type, odd.note, odd.is_atypical) == ("unidentified", CellNote.ATYPICAL, True)
    assert (bad.cell_type, bad.note, bad.is_atypical) == ("unidentified", "out of focus", False)
    assert [cell.atypical for cell in (plain, odd)] == pytest.approx([0.1, 0.9])
    groups = [cell.display_group for cell in (plain, odd, bad)]
    assert groups == ["monocyte", "atypical", "unidentified"]
    assert plain.leading(CLASSIFIER_CLASSES)[0] == "MON 86%"


def test_a_cell_that_is_atypical_and_named_is_doubtful() -> None:
    scores = np.array([0.1, 0.9, 0.9], np.float32)
    plain, odd, _ = make_cells(field(), found(3), named(atypical=scores, atypical_threshold=0.5))
    assert (odd.cell_type, odd.note, odd.is_atypical) == ("monocyte", CellNote.NONE, True)
    assert (odd.counted_as, odd.display_group) == ("monocyte", "atypical")
    assert (plain.is_doubtful, odd.is_doubtful) == (False, True)
    assert not replace(odd, reviewed_as="monocyte").is_doubtful
    assert replace(plain, confidence=0.7).is_doubtful
    assert not replace(plain, cell_type="unidentified", confidence=0.3).is_doubtful


def test_a_cell_of_a_model_without_a_score() -> None:
    cell = make_cells(field(), found(3), named())[0]
    assert (cell.atypical, cell.is_atypical, cell.note, cell.facts) == (
        None,
        False,
        "",
        CellFacts(),
    )


def test_a_model_that_finds_every_cell_atypical_flags_the_slide(
    tmp_path: Path, smear: Callable[..., Path], models: Models, write_classifier: Any
) -> None:
    facts = {"thresholds": {"atypical": 0.001}, "calibration": {"atypical_rate": 0.01}}
    classifier = Classifier.load(write_classifier(atypical=True, **facts), threads=1)
    folder = smear(a=("neutrophil", "lymphocyte"), b=("neutrophil",))
    out = tmp_path / "out"
    summary = analyze([folder], out, models=replace(models, classifier=classifier))
    words = "3 of 3 cells are unlike any class: more than chance gives"
    assert words in str(summary.rows[0]["flags"])
    assert "n = 0" in str(summary.rows[0]["flags"])  # none of them is in the percentages
    with (out / "smear/cells.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(row["cell_type"], row["note"]) for row in rows} == {
        ("unidentified", CellNote.ATYPICAL)
    }
    assert all(0 < float(row["atypical"]) < 1 for row in rows)
    html = (out / "smear/report.html").read_text(encoding="utf-8")
    assert html.index(">Atypical <") < html.index("Fields (")
    assert words in html


def test_a_person_s_name_takes_a_cell_out_of_its_group(make_cell: MakeCell) -> None:
    cell = make_cell("unidentified", is_atypical=True, reviewed_as="lymphocyte")
    assert (cell.display_group, cell.counted_as) == ("lymphocyte", "lymphocyte")
