"""Figures worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="figures of a classifier need the `train` extra")

from leukodiff.classifier.calibration import risk_coverage
from leukodiff.classifier.evaluation.cell_predictions import CellPredictions, figures, resampled
from leukodiff.classifier.evaluation.leave_one_out import LaboratoryRow
from leukodiff.classifier.evaluation.leave_one_out_table import (
    HEADER,
    SCREEN,
    flat,
    markdown,
    screen_row,
)
from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES, FIVE_PART
from leukodiff.runtime.metadata import ModelMetadata

NEU, LYM, MON, EOS, BAS, IG, NRBC, PLT = range(8)


def readings(
    pairs: list[tuple[int, int]], sure: float = 0.9, groups: list[str] | None = None
) -> CellPredictions:
    """Cells as (true, said) pairs; what is not said shares the rest evenly."""
    probabilities = np.full((len(pairs), 8), (1 - sure) / 7, np.float32)
    for row, (_, predictions) in zip(probabilities, pairs, strict=True):
        row[predictions] = sure
    return CellPredictions(
        np.array([true for true, _ in pairs], np.int64),
        probabilities,
        np.ones(len(pairs), bool),
        np.array(groups or [str(i) for i in range(len(pairs))], str),
        CLASSIFIER_CLASSES,
        0.5,
    )


def test_recall_f1_and_their_mean_by_hand():
    cells = readings([(NEU, NEU), (NEU, NEU), (NEU, LYM), (LYM, LYM)])
    found = figures(cells)
    assert (found["n"], found["accuracy"]["share"]) == (4, 0.75)
    assert set(found["classes"]) == {"neutrophil", "lymphocyte"}
    assert found["classes"]["neutrophil"]["recall"]["share"] == pytest.approx(2 / 3)
    assert found["classes"]["neutrophil"]["f1"] == pytest.approx(4 / 5)
    assert found["classes"]["lymphocyte"]["f1"] == pytest.approx(2 / 3)
    assert found["macro_f1"]["value"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found["macro_f1"]["low"] <= found["macro_f1"]["value"] <= found["macro_f1"]["high"]
    assert found["calibration_error"] == pytest.approx(0.15)


def test_other_types_cost_the_five_nothing_but_are_never_right():
    cells = readings([(NEU, NEU), (LYM, LYM), (IG, NEU), (LYM, PLT)])
    found = figures(cells)
    assert found["n"] == 3
    assert found["classes"]["neutrophil"]["f1"] == 1
    assert found["classes"]["lymphocyte"]["recall"]["share"] == 0.5


def test_among_five_the_likeliest_of_the_five_counts():
    cells = readings([(LYM, PLT), (NEU, NEU), (IG, IG)])
    cells.probabilities[0] = [0.05, 0.2, 0.05, 0, 0, 0, 0, 0.7]
    five = cells.among(FIVE_PART)
    assert len(five) == 2
    assert five.class_names == FIVE_PART
    assert five.probabilities[0] == pytest.approx([1 / 6, 4 / 6, 1 / 6, 0, 0])
    assert five.right.tolist() == [True, True]
    assert figures(five)["macro_f1"]["value"] == 1
    assert figures(cells)["macro_f1"]["value"] == 0.5


def test_what_is_left_unidentified_is_out_of_the_named():
    cells = readings([(NEU, NEU), (NEU, LYM), (LYM, LYM), (LYM, LYM)])
    found = figures(replace(cells, named=np.array([True, False, True, True])))
    assert found["unidentified"]["share"] == 0.25
    assert found["right_of_named"] | {"low": 0} == {"n": 3, "share": 1.0, "low": 0, "high": 1.0}


@pytest.mark.parametrize(
    ("pairs", "classes"),
    [
        pytest.param([], 0, id="no cells"),
        pytest.param([(IG, IG)], 0, id="none of the five"),
        pytest.param([(BAS, BAS), (BAS, MON)], 1, id="a slide of one type"),
    ],
)
def test_no_mean_of_less_than_two_types(pairs, classes):
    found = figures(readings(pairs))
    assert found["macro_f1"] == {"classes": classes, "value": None, "low": None, "high": None}
    assert len(found["classes"]) == classes


def test_groups_are_drawn_whole_and_no_type_is_lost():
    pairs = [(NEU, NEU)] * 4 + [(LYM, MON)] * 4 + [(EOS, EOS)] * 3
    groups = ["a"] * 2 + ["b"] * 2 + ["c"] * 2 + ["d"] * 2 + ["e"] * 3
    drawn = resampled(readings(pairs, groups=groups), resamples=50)
    assert drawn[:, NEU, NEU].tolist() == [4] * 50, "two groups of two, drawn twice"
    assert set(drawn[:, EOS, EOS]) == {3}, "a type of one group keeps its cells"
    assert drawn.sum() == 50 * 11


def test_alike_cells_make_the_interval_wide():
    pairs = [(NEU, NEU)] * 10 + [(NEU, LYM)] * 10 + [(LYM, LYM)] * 20
    apart = figures(readings(pairs))["macro_f1"]
    slides = [f"slide {i // 10}" for i in range(40)]
    together = figures(readings(pairs, groups=slides))["macro_f1"]
    assert together["value"] == apart["value"]
    assert together["high"] - together["low"] > 2 * (apart["high"] - apart["low"])


def test_the_same_cells_give_the_same_interval():
    cells = readings([(NEU, NEU), (NEU, LYM), (LYM, LYM), (LYM, LYM)])
    assert figures(cells) == figures(cells)


@pytest.mark.parametrize(
    ("confidence", "right", "expected"),
    [
        pytest.param([], [], [], id="no cells"),
        pytest.param([0.8], [True], [(0.8, 0.0, 1.0)], id="one"),
        pytest.param(
            [0.9, 0.8, 0.6, 0.5],
            [True, True, False, True],
            [(0.9, 0.75, 1.0), (0.8, 0.5, 1.0), (0.6, 0.25, 2 / 3), (0.5, 0.0, 0.75)],
            id="four",
        ),
        pytest.param([0.7, 0.7], [True, False], [(0.7, 0.0, 0.5)], id="equally sure"),
    ],
)
def test_risk_coverage_by_hand(confidence, right, expected):
    rows = risk_coverage(np.array(confidence, np.float32), np.array(right, bool))
    assert rows == [pytest.approx(row) for row in expected]


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    confidence = np.linspace(0.3, 1, 5000, dtype=np.float32)
    rows = risk_coverage(confidence, confidence > 0.5, points=50)
    assert len(rows) == 50
    assert rows[0][1] == pytest.approx(1 - 1 / 5000)
    assert rows[-1][1] == 0


def test_a_row_of_the_table_in_every_form():
    facts = ModelMetadata("m", "3", "classifier", CLASSIFIER_CLASSES, 128, 0.2, "0" * 64)
    cells = readings([(NEU, NEU), (NEU, LYM), (LYM, LYM), (IG, IG)])
    row = LaboratoryRow("mine", "left out", "s1", facts, cells).as_dict()
    assert row["other_types"]["immature_granulocyte"]["share"] == 1
    assert len(screen_row(row)) == len(SCREEN)
    assert "0.50 0.67" in screen_row(row)
    header, _, line = markdown([row]).splitlines()
    assert line.count("|") == header.count("|") == len(HEADER) + 1
    assert "left out, slide s1" in line
    assert "50.0 % (1.3-98.7) of 2; 0.667" in line
    numbers = flat(row)
    assert (numbers["n"], numbers["recall_neutrophil"], numbers["n_basophil"]) == (3, 0.5, 0)
    assert numbers["recall_basophil"] is None


def test_an_unidentified_cell_is_wrong_in_the_f1_of_names():
    cells = readings([(NEU, NEU), (NEU, NEU), (LYM, LYM), (LYM, NEU)])
    one_left = replace(cells, named=np.array([True, False, True, True]))
    found = figures(one_left)
    assert found["macro_f1"] == figures(cells)["macro_f1"]
    assert found["macro_f1_named"]["value"] == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert figures(cells)["macro_f1_named"] == figures(cells)["macro_f1"]
    assert one_left.with_unidentified().chosen.tolist() == [NEU, 8, LYM, NEU]
