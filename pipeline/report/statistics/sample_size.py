"""Numbers of cells that must be counted for a share to be known well enough.

A share of n cells is hardly ever a whole count, and rounded to one its interval jumps from n to n:
a saw tooth. So both functions look at the envelope of the teeth, the interval's upper end at half a
cell more and its lower end at half a cell less than expected (exact limits of counts that are not
whole), which only narrows as n grows. Hence their promise: at the number returned and at every
larger one the interval of the nearest whole count will do. Somewhat fewer may do by luck of
rounding, about 1 / distance cells (of the half width, or from the limit): 33 for +-3 %.
"""

from collections.abc import Callable
from typing import cast

from leukodiff.core.intervals import CONFIDENCE_LEVEL, binomial_at_least

MOST_CELLS = 100_000
"""Nobody counts more cells than this for one differential."""

TAIL = (1 - CONFIDENCE_LEVEL) / 2


def cells_needed(share: float, half_width: float) -> int | None:
    """Cells until the exact 95 % interval of a share keeps within +-half_width of it.

    Both ends count: of a rare type the upper one decides. `None` above `MOST_CELLS`.

    Args:
        share: 0-1, as it is expected or was found.
        half_width: between 0 and 1.

    Raises:
        ValueError: a share or a width out of range.
    """
    _refuse_unless_share(share)
    if not 0 < half_width < 1:
        raise ValueError(f"expected a half width between 0 and 1, got {half_width}")
    low, high = share - half_width, share + half_width
    return _first(
        lambda n: (low <= 0 or _above(share, n, low)) and (high >= 1 or _below(share, n, high))
    )


def cells_to_settle(share: float, limit: float) -> int | None:
    """Cells until the exact 95 % interval of a share, if it stays, leaves a limit outside.

    `None` where that takes more than `MOST_CELLS`, and where the share is the limit: never.

    Args:
        share: 0-1, as found.
        limit: 0-1, as the end of a reference range.

    Raises:
        ValueError: a share or a limit out of range.
    """
    _refuse_unless_share(share)
    _refuse_unless_share(limit)
    if share == limit:
        return None
    side = _above if share > limit else _below
    return _first(lambda n: side(share, n, limit))


def _above(share: float, n: int, limit: float) -> bool:
    """Whether the lower end is above a limit: P(X >= k) there, quicker than the end itself."""
    count = share * n - _half(share)
    return count > 0 and _at_least(count, n, limit) <= TAIL


def _below(share: float, n: int, limit: float) -> bool:
    """Whether the upper end is below a limit: 1 - P(X >= k + 1) there."""
    count = share * n + _half(share)
    return count + 1 <= n and _at_least(count + 1, n, limit) >= 1 - TAIL


def _half(share: float) -> float:
    """By how much rounding may move a count; none and all are whole numbers of any n."""
    return 0.5 if 0 < share < 1 else 0.0


def _at_least(count: float, n: int, share: float) -> float:
    """The binomial's upper tail I_p(k, n - k + 1), which is defined for any real k."""
    return binomial_at_least(cast("int", count), n, share)


def _first(holds: Callable[[int], bool]) -> int | None:
    """The first n up to `MOST_CELLS` at which something holds that goes on holding; by halves."""
    low, high = 1, MOST_CELLS
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _refuse_unless_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share of 0-1 (not percent), got {share}")
