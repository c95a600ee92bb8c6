"""Two methods' differences and how they go together: Bland and Altman, and correlation.

Our own: no well-kept Python library has limits of agreement with exact intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.intervals import CONFIDENCE_LEVEL

Floats = NDArray[np.float64]

FEWEST = 3
FEWEST_FOR_INTERVAL = 4
"""Of a correlation's interval: Fisher's z has n - 3 in it."""
WIDTH = 1.96
"""The limits of agreement lie so many standard deviations from the bias."""


@dataclass(frozen=True)
class BlandAltman:
    """`bias` is the mean of y - x, `sd` their standard deviation; each limit with 95 % interval."""

    bias: float
    bias_low: float
    bias_high: float
    sd: float
    lower: float
    lower_low: float
    lower_high: float
    upper: float
    upper_low: float
    upper_high: float


@dataclass(frozen=True)
class Correlation:
    """Pearson's r with 95 % interval (Fisher's z, from 4 points on) and Spearman's rho, -1 to 1."""

    pearson: float
    pearson_low: float | None
    pearson_high: float | None
    spearman: float


def bland_altman(x: Floats, y: Floats) -> BlandAltman | None:
    """Bias and 95 % limits of agreement (Bland and Altman, Lancet 1986).

    The limits' intervals are exact for normal differences: those of a quantile, by the non-central
    t distribution (Carkeet 2015, Optometry and Vision Science 92:e71). `None` below 3 points.
    """
    from scipy.stats import nct
    from scipy.stats import t as student

    n = len(x)
    if n < FEWEST:
        return None
    gaps = y - x
    bias, sd = float(gaps.mean()), float(gaps.std(ddof=1))
    tails = ((1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2)
    off = float(student.ppf(tails[1], n - 1)) * sd / math.sqrt(n)
    near, far = (float(nct.ppf(q, n - 1, WIDTH * math.sqrt(n))) / math.sqrt(n) for q in tails)
    return BlandAltman(
        bias,
        bias - off,
        bias + off,
        sd,
        bias - WIDTH * sd,
        bias - far * sd,
        bias - near * sd,
        bias + WIDTH * sd,
        bias + near * sd,
        bias + far * sd,
    )


def correlation(x: Floats, y: Floats) -> Correlation | None:
    """Correlation of x and y; `None` below 3 points, and where one of them is constant."""
    from scipy.stats import pearsonr, spearmanr

    if len(x) < FEWEST or np.ptp(x) <= 1e-12 or np.ptp(y) <= 1e-12:
        return None
    found = pearsonr(x, y)
    low = high = None
    if len(x) >= FEWEST_FOR_INTERVAL and abs(found.statistic) < 1 - 1e-12:
        interval = found.confidence_interval(CONFIDENCE_LEVEL)
        low, high = float(interval.low), float(interval.high)
    return Correlation(float(found.statistic), low, high, float(spearmanr(x, y).statistic))
