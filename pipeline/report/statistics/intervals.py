"""95 % intervals of shares and of ratios of counts; bounds for the cells that were not named."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leukodiff.core.intervals import CONFIDENCE_LEVEL, clopper_pearson

METHODS = ("exact", "wilson", "simultaneous")
"""The ways to put an interval round a share; the first needs no statsmodels and is the default."""

Interval = tuple[float, float]


def intervals(counts: Sequence[int], method: str = "exact") -> list[Interval | None]:
    """95 % intervals of each count's share of all counts, 0-1; each `None` of nothing counted.

    - `exact`: Clopper and Pearson, Biometrika 26 (1934) 404. Covers at least 95 %, class by class.
    - `wilson`: Wilson, J. Am. Stat. Assoc. 22 (1927) 209. Narrower; covers 95 % on average.
    - `simultaneous`: Goodman, Technometrics 7 (1965) 247. Covers 95 % for all classes at once.
      Sison and Glaz's, the other that statsmodels has, is as wide for basophils as for neutrophils
      (of 100 cells without a basophil 0-10 % rather than 0-6 %), and covers less than it says of
      100 cells of a usual differential.

    Raises:
        ValueError: a negative count, or a method that is not in `METHODS`.
    """
    if method not in METHODS:
        raise ValueError(f"no method {method!r}: choose one of {', '.join(METHODS)}")
    if any(count < 0 for count in counts):
        raise ValueError(f"expected counts of 0 or more, got {list(counts)}")
    n = sum(counts)
    if not n:
        return [None] * len(counts)
    if method == "exact":
        return [clopper_pearson(count, n) for count in counts]
    return _wilson(counts, n) if method == "wilson" else _goodman(counts)


def _wilson(counts: Sequence[int], n: int) -> list[Interval | None]:
    from statsmodels.stats.proportion import proportion_confint

    tail = 1 - CONFIDENCE_LEVEL
    low, high = proportion_confint(np.array(counts), n, alpha=tail, method="wilson")
    return _pairs(low, high)


def _goodman(counts: Sequence[int]) -> list[Interval | None]:
    from statsmodels.stats.proportion import multinomial_proportions_confint

    tail = 1 - CONFIDENCE_LEVEL
    limits = multinomial_proportions_confint(np.array(counts), alpha=tail, method="goodman")
    return _pairs(*np.asarray(limits, np.float64).T)


def _pairs(low: object, high: object) -> list[Interval | None]:
    ends = np.clip(np.stack([np.asarray(low), np.asarray(high)], axis=1), 0, 1)
    return [(float(start), float(end)) for start, end in ends]


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
    """The number of one kind for every 100 of another, as nucleated red cells per 100 white cells.

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
