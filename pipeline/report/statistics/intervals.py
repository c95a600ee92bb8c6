"""Counts -> how sure the share of each is."""

from collections.abc import Sequence

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
