from collections.abc import Sequence
from dataclasses import astuple
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leukodiff.pipeline.comparison.regression import (
    Line,
    PassingBablok,
    cusum_p,
    deming,
    passing_bablok,
)

X = np.array([7, 8.3, 10.5, 9, 5.1, 8.2, 10.2, 10.3, 7.1, 5.9])
Y = np.array([7.9, 8.2, 9.6, 9, 6.5, 7.3, 10.2, 10.6, 6.3, 5.2])


def floats(values: Sequence[float]) -> Any:
    return np.array(values, float)


def test_deming_s_published_example() -> None:
    """NCSS, Deming Regression, example 1: x has four times the error variance of y."""
    line = deming(X, Y, error_ratio=0.25)
    assert line is not None
    assert (line.slope, line.slope_low, line.slope_high) == pytest.approx(
        (1.001194, 0.56956, 1.43283), abs=1e-5
    )
    assert (line.intercept, line.intercept_low, line.intercept_high) == pytest.approx(
        (-0.0897449, -4.06065, 3.88117), abs=1e-5
    )


def test_deming_by_hand() -> None:
    """x = 0, 1, 2 and y = 0, 2, 1: Sxx = Syy = 2, Sxy = 1, so slope 1 and intercept 0."""
    line = deming(floats([0, 1, 2]), floats([0, 2, 1]))
    assert line is not None
    assert (line.slope, line.intercept) == pytest.approx((1, 0))


def test_deming_becomes_least_squares_without_error_in_x() -> None:
    line = deming(X, Y, error_ratio=1e9)
    assert line is not None
    assert line.slope == pytest.approx(np.polyfit(X, Y, 1)[0], rel=1e-6)


def by_definition(x: Any, y: Any) -> tuple[float, float]:
    """Passing and Bablok's slope and intercept in their own words: sort, shift, take the median."""
    slopes = [
        (y[j] - y[i]) / (x[j] - x[i]) if x[j] != x[i] else np.inf * (y[j] - y[i])
        for i, j in combinations(range(len(x)), 2)
        if (x[i], y[i]) != (x[j], y[j]) and y[j] - y[i] != x[i] - x[j]
    ]
    slopes.sort()
    shift, n = sum(one < -1 for one in slopes), len(slopes)
    middle = slopes[(n - 1) // 2 + shift], slopes[n // 2 + shift]
    slope = float(np.mean(middle))
    return slope, float(np.median(y - slope * x))


def test_passing_bablok_by_definition() -> None:
    """Whole tenths, so that the definition's comparisons are exact."""
    x, y = 10 * X, 10 * Y
    line = passing_bablok(x.round(), y.round())
    assert line is not None
    slope, intercept = by_definition(x.round(), y.round())
    assert (line.slope, line.intercept) == pytest.approx((slope, intercept))
    assert slope == 1


def test_passing_bablok_by_hand() -> None:
    """The six slopes between (0,0), (1,1), (2,2) and (3,9): 1, 1, 1, 3, 4, 7."""
    line = passing_bablok(floats([0, 1, 2, 3]), floats([0, 1, 2, 9]))
    assert line is not None
    # between the angles of 1 and 3, where the arithmetic mean of the slopes would be 2
    assert line.slope == pytest.approx(np.tan((np.arctan(1) + np.arctan(3)) / 2))
    rest = [0, 1 - line.slope, 2 - 2 * line.slope, 9 - 3 * line.slope]
    assert line.intercept == pytest.approx(np.median(rest))
    assert (line.slope_low, line.slope_high) == (None, None)  # four slides can't give 95 %


def test_an_outlier_does_not_move_passing_bablok() -> None:
    x = floats(range(20))
    y = x.copy()
    y[7] = 900
    line = passing_bablok(x, y)
    assert line is not None
    assert (line.slope, line.intercept) == pytest.approx((1, 0))


shares = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=3, max_size=25)


def backwards(line: Line | None) -> tuple[float, ...] | None:
    return None if line is None else (1 / line.slope, -line.intercept / line.slope)


@given(shares)
@settings(max_examples=60, deadline=None)
def test_which_method_is_x_does_not_matter(points: list[tuple[int, int]]) -> None:
    x, y = floats([one for one, _ in points]) / 2, floats([one for _, one in points]) / 2
    there, back = passing_bablok(x, y), passing_bablok(y, x)
    assert (there is None) == (back is None)
    if there and back:
        assert there.slope == pytest.approx(1 / back.slope, rel=1e-6)
    line, other = deming(x, y, 2), deming(y, x, 0.5)
    assert (line is None) == (other is None)
    if line and other:
        assert (line.slope, line.intercept) == pytest.approx(backwards(other), rel=1e-6, abs=1e-6)


@given(shares)
@settings(max_examples=60, deadline=None)
def test_never_nan_or_inf(points: list[tuple[int, int]]) -> None:
    x, y = floats([one for one, _ in points]), floats([one for _, one in points])
    for line in (deming(x, y), passing_bablok(x, y)):
        if line:
            assert all(one is None or np.isfinite(one) for one in astuple(line))
            low, high = line.slope_low, line.slope_high
            assert low is None or high is None or low <= line.slope <= high


@pytest.mark.parametrize(
    ("x", "y"),
    [
        pytest.param([], [], id="none"),
        pytest.param([1], [1], id="one"),
        pytest.param([1, 2], [1, 2], id="two"),
        pytest.param([3, 3, 3], [1, 2, 3], id="x constant"),
        pytest.param([1, 2, 3], [3, 3, 3], id="y constant"),
        pytest.param([0, 0, 0], [0, 0, 0], id="nothing"),
    ],
)
def test_no_line_through_too_little(x: list[float], y: list[float]) -> None:
    assert deming(floats(x), floats(y)) is None
    assert passing_bablok(floats(x), floats(y)) is None


def test_what_falls_has_no_passing_bablok_line() -> None:
    assert passing_bablok(floats([1, 2, 3, 4]), floats([9, 5, 3, 0])) is None


def test_a_line_without_error() -> None:
    x = floats([10, 20, 30, 40, 50, 60])
    for line in (deming(x, 2 * x + 1), passing_bablok(x, 2 * x + 1)):
        assert line is not None
        assert (line.slope, line.intercept) == pytest.approx((2, 1))
        assert (line.slope_low, line.slope_high) == pytest.approx((2, 2))
    exact = passing_bablok(x, 2 * x + 1)
    assert isinstance(exact, PassingBablok)
    assert exact.linearity_p is None


def test_ties_to_the_last_decimal_are_ties() -> None:
    """0.82 - 0.79 is not 0.03 to a computer; a slope of -1 between two points is left out."""
    scaled = passing_bablok(10 * X, 10 * Y)
    plain = passing_bablok(X, Y)
    whole = passing_bablok((10 * X).round(), (10 * Y).round())
    assert scaled is not None
    assert plain is not None
    assert whole is not None
    assert plain.slope == pytest.approx(whole.slope)
    assert (plain.slope_low, plain.slope_high) == pytest.approx((whole.slope_low, whole.slope_high))
    assert scaled.intercept == pytest.approx(10 * plain.intercept)


def test_a_curve_is_no_line() -> None:
    x = np.linspace(0, 10, 60)
    line = passing_bablok(x, x**2 / 5 + 1)
    assert line is not None
    assert line.linearity_p is not None
    assert line.linearity_p < 0.01
    straight = x + 0.1 * np.resize([1, -1], 60)
    p = cusum_p(x, straight, 1, 0)
    assert p is not None
    assert p > 0.5


def test_the_cusum_by_hand() -> None:
    """Above, above, below, below: scores 1, 2, 1, 0; the largest is 2 / sqrt(3) = 1.1547."""
    from scipy.special import kolmogorov

    p = cusum_p(floats([1, 2, 3, 4]), floats([2, 3, 2, 3]), 1, 0)
    assert p == pytest.approx(float(kolmogorov(2 / 3**0.5)))


def test_intervals_hold_the_truth() -> None:
    """150 studies of 40 slides, counts of 400 and 200 cells: some 95 % of the intervals."""
    rng = np.random.default_rng(7)
    held = np.zeros(4)
    for _ in range(150):
        share = rng.uniform(0.3, 0.8, 40)
        x, y = (100 * rng.binomial(n, share) / n for n in (400, 200))
        for at, line in ((0, deming(x, y, 2)), (2, passing_bablok(x, y))):
            assert line is not None
            assert line.slope_low is not None
            assert line.slope_high is not None
            assert line.intercept_low is not None
            assert line.intercept_high is not None
            held[at] += line.slope_low <= 1 <= line.slope_high
            held[at + 1] += line.intercept_low <= 0 <= line.intercept_high
    assert (held / 150 >= 0.90).all()
    assert (held / 150 <= 0.995).all()
