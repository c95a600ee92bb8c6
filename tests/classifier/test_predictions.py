"""Predictions, softmax, calibration and the reject threshold, worked out by hand."""

import numpy as np
import pytest

from leukodiff.classifier.calibration import (
    expected_calibration_error,
    fit_temperature,
    reject_threshold,
)
from leukodiff.classifier.infer import softmax
from leukodiff.classifier.predictions import Predictions

NAMES = ("neutrophil", "lymphocyte")


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
