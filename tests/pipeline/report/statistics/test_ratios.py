import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukodiff.pipeline.report.statistics import Estimate, per_hundred, ratio, with_unidentified


@pytest.mark.parametrize(
    ("a", "b", "value", "low", "high"),
    [
        # Clopper-Pearson of 6 of 10 is 0.2624-0.8784 in printed tables, of 0 of 10 it is 0-0.3085.
        pytest.param(6, 4, 1.5, 0.2624 / 0.7376, 0.8784 / 0.1216, id="6 to 4"),
        pytest.param(0, 10, 0.0, 0.0, 0.3085 / 0.6915, id="none to 10"),
        pytest.param(1, 1, 1.0, 0.0126 / 0.9874, 0.9874 / 0.0126, id="1 to 1"),
        pytest.param(0, 1, 0.0, 0.0, 0.975 / 0.025, id="none to 1"),
    ],
)
def test_ratios_worked_out_by_hand(a: int, b: int, value: float, low: float, high: float) -> None:
    found = ratio(a, b)
    assert found is not None
    assert found.value == value
    assert (found.low, found.high) == pytest.approx((low, high), rel=5e-3)


@pytest.mark.parametrize("a", [0, 1, 50])
def test_of_nothing_there_is_no_ratio(a: int) -> None:
    assert ratio(a, 0) is None
    assert per_hundred(a, 0) is None


@given(st.integers(1, 400), st.integers(1, 400))
def test_a_ratio_upside_down_is_the_reciprocal(a: int, b: int) -> None:
    found, other = ratio(a, b), ratio(b, a)
    assert found is not None
    assert other is not None
    assert 0 < found.low < found.value < found.high
    assert found.low == pytest.approx(1 / other.high, rel=1e-6)


def test_per_hundred_is_the_ratio_in_another_unit() -> None:
    found = per_hundred(3, 200)
    assert found is not None
    assert found.value == 1.5
    # Three of a Poisson count have limits 0.619-8.767 (Garwood 1936): of 200 little else matters.
    assert found.low == pytest.approx(0.31, abs=0.01)
    assert found.high == pytest.approx(4.4, abs=0.1)
    assert Estimate(1.0, 0.5, 2.0).times(100) == Estimate(100.0, 50.0, 200.0)


def test_intervals_of_a_ratio_cover() -> None:
    rng = np.random.default_rng(0)
    hits = []
    for a, b in rng.poisson((12.0, 30.0), (400, 2)).tolist():
        found = ratio(a, b)
        hits.append(found is not None and found.low <= 0.4 <= found.high)
    assert np.mean(hits) >= 0.93


@pytest.mark.parametrize(
    ("count", "n", "unidentified", "expected"),
    [
        pytest.param(0, 0, 0, None, id="empty"),
        pytest.param(0, 0, 4, (0.0, 100.0), id="none named"),
        pytest.param(5, 90, 10, (5.0, 15.0), id="ten of a hundred not named"),
        pytest.param(5, 100, 0, (5.0, 5.0), id="all named"),
        pytest.param(1, 1, 0, (100.0, 100.0), id="one"),
    ],
)
def test_what_cells_not_named_may_change(
    count: int, n: int, unidentified: int, expected: tuple[float, float] | None
) -> None:
    assert with_unidentified(count, n, unidentified) == expected


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        ratio(-1, 3)
    with pytest.raises(ValueError, match="a part no larger"):
        with_unidentified(5, 4, 0)
    with pytest.raises(ValueError, match="0 or more"):
        with_unidentified(5, 10, -1)
