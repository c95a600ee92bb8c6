"""A cell unlike every class scores high, wherever the classes lie."""

import numpy as np
import pytest

from leukodiff.classifier.ood import fit_ood, smear_threshold


def cells(n: int, at: list[float], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, 6)) * [1, 1, 1, 0.1, 1, 1] + at).astype(np.float32)


ONE, TWO = [5.0, 0, 0, 0, 0, 0], [0.0, 5, 0, 0, 0, 0]
SURE = np.array([[9.0, 0, 0]], np.float32)


def sure(n: int) -> np.ndarray:
    """Logits of cells that one class holds for, more or less."""
    return SURE.repeat(n, 0) + np.linspace(-1, 1, n, dtype=np.float32)[:, None]


LEARNED = fit_ood(
    np.concatenate([cells(200, ONE, 1), cells(200, TWO, 2)]), sure(400), np.repeat([0, 1], 200), 2
)


def test_what_it_learned_from_scores_about_a_half():
    score = LEARNED.score(np.concatenate([cells(200, ONE, 1), cells(200, TWO, 2)]), sure(400))
    assert float(np.median(score)) == pytest.approx(0.5, abs=0.1)
    assert ((score > 0) & (score < 1)).all()


@pytest.mark.parametrize(
    "place",
    [
        pytest.param([2.5, 2.5, 0, 0, 0, 0], id="between the classes"),
        pytest.param([5, 0, 0, 3, 0, 0], id="off where classes hardly vary"),
        pytest.param([-20, 0, 0, 0, 0, 0], id="far from both"),
    ],
)
def test_a_cell_elsewhere_scores_higher_than_those_of_the_classes(place):
    typical = LEARNED.score(np.concatenate([cells(100, ONE, 3), cells(100, TWO, 4)]), sure(200))
    odd = LEARNED.score(cells(100, place, 5), sure(100))
    assert float(np.median(odd)) > float(np.quantile(typical, 0.85))


def test_a_cell_that_no_class_holds_for_scores_higher():
    same = cells(1, ONE, 3)
    none = np.zeros((1, 3), np.float32)
    assert LEARNED.score(same, none) > LEARNED.score(same, SURE)


def test_a_class_without_cells_has_no_center_and_no_cells_have_no_scores():
    learned = fit_ood(cells(50, TWO, 6), sure(50), np.ones(50, np.int64), 3)
    assert learned.centers.shape == (1, 6)
    assert learned.score(np.zeros((0, 6), np.float32), np.zeros((0, 3), np.float32)).shape == (0,)


def test_cells_that_are_all_alike_still_differ_from_another():
    alike = np.ones((9, 4), np.float32)
    learned = fit_ood(alike, sure(9), np.zeros(9, np.int64), 1)
    typical = learned.score(alike, sure(9)).max()
    assert typical < learned.score(np.zeros((1, 4), np.float32), SURE)[0]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        pytest.param([], 0.8, id="no cell to go by"),
        pytest.param([0.9] * 9, 0.8, id="too few"),
        pytest.param([0.5] * 10, 0.8, id="as where it learned"),
        pytest.param([0.2] * 10, 0.8, id="never lower"),
        pytest.param([0.75] * 11 + [1.0] * 3, 12 / 13, id="odds three times as high"),
        pytest.param([0.999] * 10, 0.9472, id="no more than so much"),
    ],
)
def test_the_threshold_goes_with_a_smear_s_ordinary_cells(reference, expected):
    assert smear_threshold(0.8, reference) == pytest.approx(expected, abs=1e-4)
