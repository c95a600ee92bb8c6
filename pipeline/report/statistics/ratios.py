"""Ratios of two counts, and what the cells that were not named may change."""

from dataclasses import dataclass

from leukodiff.core.intervals import clopper_pearson


@dataclass(frozen=True)
class Estimate:
    """A figure with the ends of its 95 % interval, all in one unit."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Estimate":
        """The same in another unit; `factor` is positive."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


def ratio(a: int, b: int) -> Estimate | None:
    """One count over another, a / b, with its 95 % interval; `None` where b is 0.

    Given a + b, the share a / (a + b) has an exact interval (Clopper and Pearson), and a share p
    is the ratio p / (1 - p): the ends are turned into odds. It holds for two counts of one smear
    and for two that are each Poisson (Przyborowski and Wilenski, Biometrika 31 (1940) 313).
    """
    _refuse_negative(a, b)
    if not b:
        return None
    low, high = clopper_pearson(a, a + b)
    return Estimate(a / b, low / (1 - low), high / (1 - high))


def per_hundred(count: int, n: int) -> Estimate | None:
    """How many of one kind for every 100 of another, as nucleated red cells per 100 white cells.

    The `count` is not among the `n`; the interval is that of `ratio`. `None` where n is 0.
    """
    found = ratio(count, n)
    return found.times(100) if found else None


def with_unidentified(count: int, n: int, unidentified: int) -> tuple[float, float] | None:
    """A class's percent, 0-100, if none and if all of the cells not named were of it.

    Both are bounds, not an interval of chance. `None` where there is no cell at all.

    Args:
        count: cells of the class.
        n: all cells that were named and count in the differential, the class's among them.
        unidentified: white cells that were not named.
    """
    _refuse_negative(count, n - count, unidentified)
    whole = n + unidentified
    return (100 * count / whole, 100 * (count + unidentified) / whole) if whole else None


def _refuse_negative(*counts: int) -> None:
    if min(counts) < 0:
        raise ValueError(f"expected counts of 0 or more and a part no larger, got {counts}")
