"""Is the difference between two differential counts more than chance in counting?

Rümke's question (Rümke 1977, in Koepke: Differential leukocyte counting, CAP; Rümke 1985, Blood
Cells 11). Two readers who count the same blood differ, since each sees other cells: only what
goes beyond that needs another reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from leukodiff.core.intervals import CONFIDENCE_LEVEL, clopper_pearson

from .readings import Reading, in_order

ALPHA = 1 - CONFIDENCE_LEVEL
RESAMPLES = 19_999
"""Draws of the overall test, where counts are small."""

SEED = 1985
"""Seed of these draws: the same p every time."""


@dataclass(frozen=True)
class Share:
    """`count` of `n` cells; `percent` and its exact 95 % interval 0-100, `None` of no cells."""

    count: int
    n: int
    percent: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class TypeComparison:
    """One cell type in two counts.

    `difference` is B less A in percentage points with its 95 % interval; `p` of an exact test,
    `p_holm` corrected for the number of types. All are `None` where a count is of no cells, the p
    also where neither count has a cell of the type.
    """

    cell_type: str
    a: Share
    b: Share
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    p: float | None = None
    p_holm: float | None = None

    @property
    def beyond_chance(self) -> bool | None:
        """True when it differs beyond counting error at the 5 % level, all types considered."""
        return None if self.p_holm is None else self.p_holm < ALPHA


@dataclass(frozen=True)
class OverallTest:
    """All types at once: chi-square of the table of types and readings, `p` 0-1."""

    chi_square: float
    degrees_of_freedom: int
    p: float
    method: str


@dataclass(frozen=True)
class CountComparison:
    """Two counts set against each other; `overall` is `None` where there is nothing to test."""

    a: Reading
    b: Reading
    types: tuple[TypeComparison, ...]
    overall: OverallTest | None

    @property
    def beyond_chance(self) -> tuple[TypeComparison, ...]:
        """The types that differ beyond counting error."""
        return tuple(one for one in self.types if one.beyond_chance)


def compare_counts(a: Reading, b: Reading) -> CountComparison:
    """Each type of the differential in two counts, and all types at once."""
    names = in_order(a.types | b.types)
    rows = [_one_type(name, a, b) for name in names]
    corrected = iter(holm([row.p for row in rows if row.p is not None]))
    types = tuple(row if row.p is None else replace(row, p_holm=next(corrected)) for row in rows)
    table = [[reading.count(name) for name in names] for reading in (a, b)]
    return CountComparison(a, b, types, overall_test(*table))


def share(count: int, n: int, percent: float | None = None) -> Share:
    """A share with its exact 95 % interval (Clopper and Pearson 1934)."""
    if not n:
        return Share(count, n, None, None, None)
    low, high = clopper_pearson(count, n)
    return Share(count, n, 100 * count / n if percent is None else percent, 100 * low, 100 * high)


def difference_interval(count_a: int, n_a: int, count_b: int, n_b: int) -> tuple[float, float]:
    """95 % interval of B's share less A's, in percentage points.

    Newcombe's hybrid of Wilson's score intervals (Newcombe 1998, Statistics in Medicine 17:873,
    method 10): right for shares near 0 and 100 % too, where the plain formula is not.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(count_b, n_b, count_a, n_a, method="newcomb")
    return 100 * float(low), 100 * float(high)


def exact_p(count_a: int, n_a: int, count_b: int, n_b: int) -> float:
    """Chance of a difference at least as unlikely, were the shares the same (Fisher, two-sided).

    Exact for any number of cells, and cautious: it cries wolf in less than 5 %.
    """
    from scipy.stats import fisher_exact

    found = fisher_exact(np.array([[count_a, n_a - count_a], [count_b, n_b - count_b]]))
    return min(1.0, float(found.pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm 1979), in their own order."""
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return []
    return [float(p) for p in multipletests(p_values, method="holm")[1]]


def overall_test(a: Sequence[int], b: Sequence[int]) -> OverallTest | None:
    """Chi-square test of homogeneity of two counts by type; types that neither has are left out.

    By the chi-square distribution where Cochran's rule allows (no expected count below 1, at most a
    fifth below 5; Cochran 1954), else by drawing tables with the same margins.
    """
    from scipy.stats import MonteCarloMethod, chi2_contingency
    from scipy.stats.contingency import expected_freq

    table = np.array([a, b])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return None
    expected = expected_freq(table)
    found = chi2_contingency(table, correction=False)
    degrees = int(found.dof)
    if expected.min() >= 1 and (expected < 5).mean() <= 0.2:
        return OverallTest(float(found.statistic), degrees, float(found.pvalue), "chi-square")
    draws = MonteCarloMethod(n_resamples=RESAMPLES, rng=np.random.default_rng(SEED))
    drawn = chi2_contingency(table, correction=False, method=draws)
    return OverallTest(
        float(found.statistic), degrees, float(drawn.pvalue), f"chi-square, {RESAMPLES} draws"
    )


def _one_type(name: str, a: Reading, b: Reading) -> TypeComparison:
    shares = [share(one.count(name), one.n, one.percent(name)) for one in (a, b)]
    first, second = shares
    if first.percent is None or second.percent is None:
        return TypeComparison(name, first, second)
    four = (first.count, first.n, second.count, second.n)
    low, high = difference_interval(*four)
    p = exact_p(*four) if first.count or second.count else None
    return TypeComparison(name, first, second, second.percent - first.percent, low, high, p)
