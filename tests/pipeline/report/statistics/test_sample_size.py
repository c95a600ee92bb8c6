import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaincinv

from leukodiff.pipeline.report.statistics import cells_needed, cells_to_settle

CHECKED_BEYOND = 60


def ends(share: float, n: int) -> tuple[float, float]:
    """Clopper and Pearson's interval from the beta distribution."""
    count = math.floor(share * n + 0.5)
    low = betaincinv(count, n - count + 1, 0.025) if count else 0.0
    high = betaincinv(count + 1, n - count, 0.975) if count < n else 1.0
    return float(low), float(high)


def within(share: float, half_width: float, n: int) -> bool:
    low, high = ends(share, n)
    return low >= share - half_width and high <= share + half_width


def settled(share: float, limit: float, n: int) -> bool:
    low, high = ends(share, n)
    return not low <= limit <= high


@pytest.mark.parametrize(
    ("share", "half_width", "n"),
    [
        # Without a hit the upper end is 1 - 0.025^(1/n).
        pytest.param(0.0, 0.05, math.ceil(math.log(0.025) / math.log(0.95)), id="none"),
        pytest.param(1.0, 0.05, math.ceil(math.log(0.025) / math.log(0.95)), id="all"),
        pytest.param(0.5, 0.99, 1, id="anything will do"),
        pytest.param(0.5, 0.0001, None, id="more than anyone counts"),
    ],
)
def test_needed_in_cases_known_by_formula(share: float, half_width: float, n: int | None) -> None:
    assert cells_needed(share, half_width) == n


@pytest.mark.parametrize(
    ("share", "limit", "n"),
    [
        pytest.param(0.0, 0.05, math.ceil(math.log(0.025) / math.log(0.95)), id="none"),
        pytest.param(1.0, 0.95, math.ceil(math.log(0.025) / math.log(0.95)), id="all"),
        pytest.param(0.05, 0.05, None, id="at the limit: never"),
        pytest.param(0.05, 0.0501, None, id="more than anyone counts"),
        pytest.param(0.0, 0.0, None, id="none, and none is the limit"),
        # However it is rounded, 0.4 n is 1 of 2 at least and 2 of 3 at most.
        pytest.param(0.4, 0.0, 2, id="some against none"),
        pytest.param(0.4, 1.0, 3, id="some against all"),
    ],
)
def test_settled_in_cases_known_by_formula(share: float, limit: float, n: int | None) -> None:
    assert cells_to_settle(share, limit) == n


SHARES = [0.002, 0.01, 0.05, 0.3, 0.5, 0.875, 0.997]


def luck(share: float, apart: float) -> int:
    """How many fewer may do: half a cell counts for 1 / distance cells, or one turn of rounding."""
    return math.ceil(max(1.5 / min(share, 1 - share), 1.2 / apart))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("half_width", [0.015, 0.04, 0.1])
def test_needed_holds_from_there_on_and_hardly_before(share: float, half_width: float) -> None:
    n = cells_needed(share, half_width)
    assert n is not None
    assert all(within(share, half_width, m) for m in range(n, n + CHECKED_BEYOND))
    before = range(max(1, n - luck(share, half_width)), n)
    assert n == 1 or not all(within(share, half_width, m) for m in before)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("by", [-0.07, -0.03, 0.03, 0.07])
def test_settled_holds_from_there_on_and_hardly_before(share: float, by: float) -> None:
    limit = min(max(share + by, 0.0), 1.0)
    n = cells_to_settle(share, limit)
    assert n is not None
    assert all(settled(share, limit, m) for m in range(n, n + CHECKED_BEYOND))
    before = range(max(1, n - luck(share, abs(share - limit))), n)
    assert n == 1 or not all(settled(share, limit, m) for m in before)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.0, 1.0), st.floats(0.02, 0.5))
def test_any_share_is_known_from_there_on(share: float, half_width: float) -> None:
    n = cells_needed(share, half_width)
    assert n is not None
    assert all(within(share, half_width + 1e-12, m) for m in range(n, n + 20))


def test_more_precision_takes_more_cells() -> None:
    found = [cells_needed(0.05, width) or 0 for width in (0.1, 0.05, 0.03, 0.02, 0.01, 0.005)]
    assert found == sorted(found)
    assert len(set(found)) == len(found)


def test_both_are_quick() -> None:
    start = time.process_time()
    for share in SHARES:
        cells_needed(share, 0.01)
        cells_to_settle(share, share + 0.002)
    assert (time.process_time() - start) / (2 * len(SHARES)) < 0.05


@pytest.mark.parametrize("share", [-0.1, 5.0, math.nan])
def test_a_share_in_percent_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="not percent"):
        cells_needed(share, 0.1)
    with pytest.raises(ValueError, match="not percent"):
        cells_to_settle(0.5, share)


@pytest.mark.parametrize("half_width", [0.0, 1.0, -0.1, 3.0])
def test_a_width_out_of_range_is_refused(half_width: float) -> None:
    with pytest.raises(ValueError, match="half width"):
        cells_needed(0.1, half_width)
