from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukodiff.pipeline.report.statistics import METHODS, intervals


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        # Rumke's table of 95 % limits, as printed in CLSI H20.
        pytest.param(5, 100, 1.6, 11.3, id="5 % of 100"),
        pytest.param(10, 200, 2.4, 9.0, id="5 % of 200"),
        pytest.param(20, 400, 3.1, 7.6, id="5 % of 400"),
        pytest.param(50, 1000, 3.7, 6.5, id="5 % of 1000"),
        pytest.param(0, 100, 0.0, 3.6, id="none of 100"),
        pytest.param(100, 100, 96.4, 100.0, id="all of 100"),
        pytest.param(50, 100, 39.8, 60.2, id="half of 100"),
        pytest.param(1, 1, 2.5, 100.0, id="one"),
    ],
)
def test_the_exact_interval_is_the_published_one(
    count: int, n: int, low: float, high: float
) -> None:
    found, _ = intervals([count, n - count])
    assert found is not None
    assert np.round(100 * np.array(found), 1).tolist() == [low, high]


def test_wilson_is_the_published_one() -> None:
    # Newcombe, Statistics in Medicine 17 (1998) 857, table I: 81 of 263 and 0 of 20.
    first, _ = intervals([81, 182], "wilson")
    assert first == pytest.approx((0.2553, 0.3662), abs=5e-5)
    none, every = intervals([0, 20], "wilson")
    assert none == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert every == pytest.approx((0.8389, 1.0), abs=5e-5)


def test_simultaneous_is_worked_out_by_hand() -> None:
    """Goodman: the ends solve (p - x/n)^2 = A p (1 - p) / n, A = 5.731 = chi2(1 - 0.05 / 3)."""
    n, a = 100, 5.7311
    found = intervals([50, 30, 20], "simultaneous")
    for count, ends in zip((50, 30, 20), found, strict=True):
        assert ends is not None
        for p in ends:
            assert (p - count / n) ** 2 == pytest.approx(a * p * (1 - p) / n, rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("counts", "size"),
    [
        pytest.param([], 0, id="no class"),
        pytest.param([0], 1, id="one class without a cell"),
        pytest.param([0, 0, 0], 3, id="no cell"),
    ],
)
def test_nothing_counted_has_no_interval(method: str, counts: Sequence[int], size: int) -> None:
    assert intervals(counts, method) == [None] * size


@pytest.mark.parametrize("method", METHODS)
@given(counts=st.lists(st.integers(0, 300), min_size=2, max_size=6).filter(any))
def test_every_interval_holds_its_share(method: str, counts: list[int]) -> None:
    for count, ends in zip(counts, intervals(counts, method), strict=True):
        assert ends is not None
        low, high = ends
        assert 0 <= low <= count / sum(counts) + 1e-12
        assert count / sum(counts) - 1e-12 <= high <= 1


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_classes_does_not_matter(method: str) -> None:
    counts = [62, 25, 8, 4, 1, 0]
    assert intervals(counts[::-1], method) == intervals(counts, method)[::-1]


def test_exact_agrees_with_statsmodels_and_all_at_once_is_wider_than_wilson() -> None:
    from statsmodels.stats.proportion import proportion_confint

    counts = [620, 250, 80, 40, 9, 1, 0]
    theirs = np.column_stack(proportion_confint(np.array(counts), 1000, method="beta"))
    np.testing.assert_allclose(np.array(intervals(counts)), theirs, atol=1e-10)
    wilson, every = (np.array(intervals(counts, name)) for name in METHODS[1:])
    assert np.all(np.ptp(wilson, axis=1) < np.ptp(every, axis=1))


@pytest.mark.parametrize(
    ("counts", "method", "text"),
    [
        pytest.param([1, -1], "exact", "0 or more", id="negative"),
        pytest.param([1, 2], "bayes", "exact, wilson, simultaneous", id="unknown method"),
    ],
)
def test_what_is_refused(counts: Sequence[int], method: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        intervals(counts, method)
