"""Shares and their intervals."""

import pytest
from scipy.stats import binom, binomtest

from leukodiff.core.intervals import binomial_at_least, clopper_pearson, share_with_interval


@pytest.mark.parametrize(
    ("count", "n"),
    [
        *[(0, 1), (1, 1), (1, 2), (0, 100), (3, 100), (57, 100), (99, 100), (100, 100)],
        *[(1, 100_000), (60_001, 100_000), (99_999, 100_000), (499_999, 1_000_000)],
    ],
)
@pytest.mark.parametrize("level", [0.5, 0.95, 0.9999])
def test_clopper_pearson_is_scipys(count: int, n: int, level: float) -> None:
    expected = binomtest(count, n).proportion_ci(level, method="exact")
    found = clopper_pearson(count, n, level)
    assert found == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("count", "n"), [(-1, 3), (4, 3)])
def test_an_impossible_count_is_refused(count: int, n: int) -> None:
    with pytest.raises(ValueError, match="0 <= count <= n"):
        clopper_pearson(count, n)


def test_without_a_cell_a_share_may_be_anything() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([], (0, None, None, None)),
        ([True], (1, 1.0, 0.025, 1.0)),
        # Clopper and Pearson's interval of 5 in 10, from tables.
        ([True] * 5 + [False] * 5, (10, 0.5, 0.187, 0.813)),
    ],
    ids=["none", "one", "half of ten"],
)
def test_share(hits: list[bool], expected: tuple[float | None, ...]) -> None:
    assert tuple(share_with_interval(hits).values()) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("share", [1e-4, 0.01, 0.5, 0.99])
@pytest.mark.parametrize(
    ("count", "n"), [(0, 0), (0, 5), (1, 1), (1, 200), (7, 200), (200, 200), (60, 5000)]
)
def test_the_tail_of_the_binomial_is_scipys(count: int, n: int, share: float) -> None:
    expected = binom.sf(count - 1, n, share)
    assert binomial_at_least(count, n, share) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(
    ("count", "share", "expected"), [(0, 0.0, 1.0), (1, 0.0, 0.0), (2, 1.0, 1.0)]
)
def test_the_tail_where_nothing_or_everything_hits(
    count: int, share: float, expected: float
) -> None:
    assert binomial_at_least(count, 2, share) == expected


@pytest.mark.parametrize(("count", "n", "share"), [(-1, 2, 0.5), (3, 2, 0.5), (1, 2, 1.5)])
def test_an_impossible_tail_is_refused(count: int, n: int, share: float) -> None:
    with pytest.raises(ValueError, match="0 <= count <= n and a share of 0-1"):
        binomial_at_least(count, n, share)
