from dataclasses import astuple

import numpy as np
import pytest

from leukodiff.pipeline.comparison.bland_altman import bland_altman, correlation

WRIGHT = np.array(
    [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427], float
)
MINI = np.array(
    [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451], float
)


def test_bland_and_altman_s_own_example() -> None:
    """Peak flow, Lancet 1986: -2.1 (-22.0 to 17.8), SD 38.8, r 0.94."""
    found = bland_altman(MINI, WRIGHT)
    assert found is not None
    assert (found.bias, found.bias_low, found.bias_high) == pytest.approx(
        (-2.1, -22.0, 17.8), abs=0.06
    )
    assert found.sd == pytest.approx(38.8, abs=0.05)
    assert (found.lower, found.upper) == pytest.approx((-78.1, 73.9), abs=0.06)
    # their approximate intervals, -114.3 to -45.1 and 40.9 to 110.1, less exact than ours
    assert found.lower_low < found.lower < found.lower_high
    assert (found.upper_low, found.upper_high) == pytest.approx((40.9, 110.1), abs=11)
    together = correlation(MINI, WRIGHT)
    assert together is not None
    assert together.pearson == pytest.approx(0.94, abs=0.005)


def test_the_limits_intervals_cover() -> None:
    """Of 20 differences each: the true limit is +-1.96."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        found = bland_altman(np.zeros(20), rng.normal(size=20))
        assert found is not None
        held += found.upper_low <= 1.96 <= found.upper_high
    assert 0.92 <= held / 400 <= 0.98


def test_the_sides_may_change_places() -> None:
    one, other = bland_altman(MINI, WRIGHT), bland_altman(WRIGHT, MINI)
    assert one is not None
    assert other is not None
    assert one.bias == -other.bias
    assert one.lower_low == pytest.approx(-other.upper_high)


def test_a_constant_difference_has_no_width() -> None:
    found = bland_altman(np.array([1.0, 2, 3]), np.array([2.0, 3, 4]))
    assert found is not None
    assert astuple(found) == pytest.approx((1, 1, 1, 0, 1, 1, 1, 1, 1, 1))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few(n: int) -> None:
    few = np.arange(n, dtype=float)
    assert bland_altman(few, few) is None
    assert correlation(few, few) is None


def test_a_constant_goes_with_nothing() -> None:
    assert correlation(np.zeros(5), np.arange(5.0)) is None
    assert correlation(np.arange(5.0), np.full(5, 0.1)) is None


def test_perfect_and_three() -> None:
    for n in (3, 9):
        found = correlation(np.arange(n) / 3, np.arange(n) / 7)
        assert found is not None
        assert found.pearson == pytest.approx(1)
        assert found.spearman == pytest.approx(1)
        assert (found.pearson_low, found.pearson_high) == (None, None)
