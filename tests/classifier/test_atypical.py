"""A cell unlike every class scores high, wherever the classes lie."""

import numpy as np
import pytest

from leukodiff.classifier.atypical import familiar


def cells(n: int, at: list[float], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, 6)) * [1, 1, 1, 0.1, 1, 1] + at).astype(np.float32)


ONE, TWO = [5.0, 0, 0, 0, 0, 0], [0.0, 5, 0, 0, 0, 0]
LEARNT = familiar(
    np.concatenate([cells(200, ONE, 1), cells(200, TWO, 2)]), np.repeat([0, 1], 200), 2
)


def test_half_of_the_cells_it_learnt_from_score_below_a_half():
    score = LEARNT.score(np.concatenate([cells(200, ONE, 1), cells(200, TWO, 2)]))
    assert float((score < 0.5).mean()) == pytest.approx(0.5, abs=0.02)
    assert ((score >= 0) & (score < 1)).all()


@pytest.mark.parametrize(
    "place",
    [
        pytest.param([2.5, 2.5, 0, 0, 0, 0], id="between the classes"),
        pytest.param([5, 0, 0, 1.5, 0, 0], id="off where classes hardly vary"),
        pytest.param([-20, 0, 0, 0, 0, 0], id="far from both"),
    ],
)
def test_a_cell_elsewhere_scores_higher_than_those_of_the_classes(place):
    usual = LEARNT.score(np.concatenate([cells(100, ONE, 3), cells(100, TWO, 4)]))
    odd = LEARNT.score(cells(100, place, 5))
    assert float(np.median(odd)) > float(np.quantile(usual, 0.9))


def test_a_class_without_cells_has_no_centre_and_no_cells_have_no_scores():
    learnt = familiar(cells(50, TWO, 6), np.ones(50, np.int64), 3)
    assert learnt.centres.shape == (1, 6)
    assert learnt.score(np.zeros((0, 6), np.float32)).shape == (0,)


def test_cells_that_are_all_alike_are_still_told_from_another():
    alike = np.ones((9, 4), np.float32)
    learnt = familiar(alike, np.zeros(9, np.int64), 1)
    assert learnt.score(alike).max() < 0.5 < learnt.score(np.zeros((1, 4), np.float32))[0]
