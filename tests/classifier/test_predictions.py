"""Predictions, softmax, calibration and the reject threshold, worked out by hand."""

import numpy as np
import pytest

from leukodiff.classifier.calibration import (
    expected_calibration_error,
    fit_temperature,
    fit_temperatures,
    reject_threshold,
)
from leukodiff.classifier.facts import CellFacts, CellNote
from leukodiff.classifier.infer import softmax, temperatures
from leukodiff.classifier.predictions import Predictions, joined

NAMES = ("neutrophil", "lymphocyte")

CUT = CellNote.CUT


def predictions(rows, threshold=0.0):
    return Predictions(np.array(rows, np.float32).reshape(-1, 2), NAMES, threshold)


@pytest.mark.parametrize(
    ("rows", "threshold", "expected"),
    [
        pytest.param([], 0.5, (), id="none"),
        pytest.param([[0.9, 0.1]], 0.5, ("neutrophil",), id="one"),
        pytest.param([[0.2, 0.8], [0.6, 0.4]], 0.7, ("lymphocyte", "unidentified"), id="rejected"),
        pytest.param([[0.7, 0.3]], 0.7, ("neutrophil",), id="on the threshold"),
    ],
)
def test_cell_types(rows, threshold, expected):
    assert predictions(rows, np.float32(threshold)).cell_types == expected


def test_the_wrong_number_of_classes_is_refused():
    with pytest.raises(ValueError, match=r"expected probabilities of shape \(N, 2\), got \(3, 8\)"):
        Predictions(np.zeros((3, 8), np.float32), NAMES)


@pytest.mark.parametrize(
    ("logits", "temperature", "expected"),
    [
        pytest.param([[0.0, 0.0]], 1, [[0.5, 0.5]], id="level"),
        pytest.param([[np.log(3), 0.0]], 1, [[0.75, 0.25]], id="three to one"),
        pytest.param([[2 * np.log(3), 0.0]], 2, [[0.75, 0.25]], id="cooled"),
        pytest.param([[5000.0, 0.0]], 1, [[1.0, 0.0]], id="huge"),
    ],
)
def test_softmax(logits, temperature, expected):
    assert softmax(np.array(logits, np.float32), temperature) == pytest.approx(np.array(expected))


def test_softmax_of_no_cells():
    assert softmax(np.zeros((0, 8), np.float32)).shape == (0, 8)


def test_temperature_takes_back_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 3))
    drawn = np.array([rng.choice(3, p=softmax(row[None])[0]) for row in logits])
    found = fit_temperature((logits * 2.5).astype(np.float32), drawn)
    assert found == pytest.approx(2.5, rel=0.1)


@pytest.mark.parametrize(
    ("confidence", "right", "expected"),
    [
        pytest.param([], [], 0.0, id="none"),
        pytest.param([1.0, 1.0], [True, True], 0.0, id="sure and right"),
        pytest.param([1.0, 1.0], [True, False], 0.5, id="sure, half right"),
        pytest.param([0.8] * 5, [True] * 4 + [False], 0.0, id="as sure as right"),
    ],
)
def test_expected_calibration_error(confidence, right, expected):
    found = expected_calibration_error(np.array(confidence, np.float32), np.array(right, bool))
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("confidence", "right", "most", "expected"),
    [
        pytest.param([], [], 0.5, 0.0, id="no cells"),
        pytest.param([0.9, 0.8, 0.7], [True] * 3, 0.5, 0.0, id="all right, none rejected"),
        pytest.param([0.9, 0.8, 0.7, 0.6], [True, True, True, False], 0.5, 0.7, id="one wrong"),
        pytest.param([0.9, 0.8, 0.7, 0.6], [True, False, False, False], 0.5, 0.8, id="capped"),
    ],
)
def test_reject_threshold(confidence, right, most, expected):
    found = reject_threshold(np.array(confidence), np.array(right, bool), 0.99, most)
    assert found == pytest.approx(expected)


def judged(atypical=(0.1, 0.9), threshold=0.5, note=CellNote.NONE, far=1.0):
    facts = (CellFacts(), CellFacts(note=note))
    rows = np.array([[0.9, 0.1], [0.9, 0.1]], np.float32)
    scores = None if atypical is None else np.array(atypical, np.float32)
    return Predictions(rows, NAMES, 0.5, facts, scores, threshold, far)


@pytest.mark.parametrize(
    ("made", "odd", "notes"),
    [
        pytest.param(judged(None), [False, False], ("", ""), id="the model does not tell"),
        pytest.param(
            judged(), [False, True], ("", ""), id="one above the threshold: named, and marked"
        ),
        pytest.param(
            judged(far=0.8), [False, True], ("", CellNote.ATYPICAL), id="one far above: not named"
        ),
        pytest.param(judged((0.5, 0.5)), [False, False], ("", ""), id="on the threshold"),
        pytest.param(judged(note=CUT), [False, False], ("", CUT), id="a bad picture"),
        pytest.param(judged(None, note=CUT), [False, False], ("", CUT), id="a note alone"),
        pytest.param(
            Predictions(np.array([[0.6, 0.4]], np.float32), NAMES, 0.7),
            [False],
            (CellNote.UNSURE,),
            id="unsure",
        ),
    ],
)
def test_why_a_cell_is_not_named(made, odd, notes):
    assert made.is_atypical.tolist() == odd
    assert made.notes == notes
    assert made.named.tolist() == [not note for note in notes]
    kinds = tuple("unidentified" if note else "neutrophil" for note in notes)
    assert made.cell_types == kinds
    assert made.probabilities.argmax(axis=1).tolist() == [0] * len(made)  # its class is kept


def test_a_note_does_not_take_the_place_of_another():
    made = judged(note=CUT).noted(np.array([True, True]), CellNote.OVERLAPPING)
    assert [one.note for one in made.facts] == [CellNote.OVERLAPPING, CUT]
    assert judged().noted(np.array([False, False]), CellNote.OVERLAPPING).facts == judged().facts


def test_predictions_are_joined_in_order():
    one, two = judged(far=0.8), judged((0.3, 0.4), note=CUT)
    both = joined([one, two])
    assert len(both) == 4
    assert both.atypical is not None
    assert both.atypical.tolist() == pytest.approx([0.1, 0.9, 0.3, 0.4])
    assert both.notes == ("", CellNote.ATYPICAL, "", CUT)
    assert joined([judged(None), judged(None)]).atypical is None
    nothing = predictions([], 0.5)
    assert joined([nothing, predictions([[0.6, 0.4]])]).reject_threshold == 0.5
    assert len(joined([nothing])) == 0


@pytest.mark.parametrize(
    "wrong", [{"facts": (CellFacts(),) * 3}, {"atypical": np.zeros(3, np.float32)}]
)
def test_facts_of_other_cells_are_refused(wrong):
    with pytest.raises(ValueError, match="facts and atypical scores of 2 cells"):
        Predictions(np.full((2, 2), 0.5, np.float32), NAMES, **wrong)


def test_probabilities_of_what_is_unlike_are_believed_less():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 4000)
    atypical = np.repeat([0.1, 0.9], 2000).astype(np.float32)
    signal = np.where(atypical < 0.5, 4.0, 1.0)[:, None] * np.eye(3)[truth]
    logits = (4 * (signal + rng.normal(size=(4000, 3)))).astype(np.float32)
    base, rise = fit_temperatures(logits, truth, atypical)
    assert rise > 0
    temperature = temperatures({"temperature": base, "temperature_rise": rise}, atypical)
    predictions = softmax(logits, temperature)
    for part in (slice(0, 2000), slice(2000, None)):
        right = predictions[part].argmax(axis=1) == truth[part]
        assert expected_calibration_error(predictions[part].max(axis=1), right) < 0.05


def test_without_scores_there_is_one_temperature():
    assert temperatures({"temperature": 1.7, "temperature_rise": 3.0}, None) == 1.7
    assert temperatures({}, None) == 1.0


def test_a_rise_is_never_negative():
    logits = np.array([[4, 0], [0, 4], [1, 0], [0, 1]] * 20, np.float32)
    truth = np.array([0, 1, 0, 1] * 20)
    truth[:8] = 1 - truth[:8]
    _, rise = fit_temperatures(logits, truth, np.array([0.0, 0, 1, 1] * 20, np.float32))
    assert rise >= 0
