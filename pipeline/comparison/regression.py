"""Lines through two methods' results that both have error: Deming, and Passing and Bablok.

Our own: no well-kept Python library has them with their intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.intervals import CONFIDENCE_LEVEL

Floats = NDArray[np.float64]

FEWEST = 3
"""Slides below which no line is drawn."""
SAME = 1e-10
"""Differences below this part of the largest value are none: 0.3 is 0.1 + 0.2."""


@dataclass(frozen=True)
class Line:
    """y = intercept + slope x, with 95 % intervals; a limit that does not exist is `None`."""

    slope: float
    slope_low: float | None
    slope_high: float | None
    intercept: float
    intercept_low: float | None
    intercept_high: float | None


@dataclass(frozen=True)
class PassingBablok(Line):
    """Passing and Bablok's line; `linearity_p` is that of their cusum test, `None` without one."""

    linearity_p: float | None


def deming(x: Floats, y: Floats, error_ratio: float = 1.0) -> Line | None:
    """Deming's line, which allows for errors of a constant size in x and y.

    With d = `error_ratio` and the sums of squares about the means,
    slope = (Syy - d Sxx + sqrt((Syy - d Sxx)^2 + 4 d Sxy^2)) / (2 Sxy). The intervals are by the
    jackknife with n - 2 degrees of freedom (Linnet 1990, Statistics in Medicine 9:1463; Linnet
    1993, Clinical Chemistry 39:424).

    Args:
        x: the comparison method, (N,).
        y: the method under test, (N,).
        error_ratio: variance of y's error over that of x's (EP09 calls its inverse lambda).

    Returns:
        `None` for fewer than 3 points, and where x and y do not vary together.
    """
    from scipy.stats import t as student

    n = len(x)
    whole = _deming_fit(x, y, error_ratio) if n >= FEWEST else None
    if whole is None:
        return None
    rest = ~np.eye(n, dtype=bool)
    fits = [_deming_fit(x[keep], y[keep], error_ratio) for keep in rest]
    without = np.array([fit for fit in fits if fit is not None])
    if len(without) < n:
        return Line(whole[0], None, None, whole[1], None, None)
    error = np.sqrt((n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    slope_error, intercept_error = (float(student.ppf(_UPPER, n - 2)) * error).tolist()
    return Line(
        whole[0],
        whole[0] - slope_error,
        whole[0] + slope_error,
        whole[1],
        whole[1] - intercept_error,
        whole[1] + intercept_error,
    )


def passing_bablok(x: Floats, y: Floats) -> PassingBablok | None:
    """Passing and Bablok's line: the median of the slopes between all pairs of points.

    It takes no outlier to heart and is the same whichever method is x. Pairs that coincide and
    slopes of -1 are left out, and slopes below -1 rank above all others, which makes it so (Passing
    and Bablok 1983, J Clin Chem Clin Biochem 21:709). Slopes are angles here, so that vertical ones
    need no rule, as in R's mcr.

    Returns:
        `None` for fewer than 3 points, and where the two do not rise together.
    """
    angles = _angles(x, y)
    if len(x) < FEWEST or not len(angles):
        return None
    middle = float(np.median(angles))
    if not _FLAT < middle < math.pi / 2 - _FLAT:
        return None
    slope = math.tan(middle)
    low, high = _slope_limits(angles, len(x))
    intercept = float(np.median(y - slope * x))
    return PassingBablok(
        slope,
        low,
        high,
        intercept,
        None if high is None else float(np.median(y - high * x)),
        None if low is None else float(np.median(y - low * x)),
        cusum_p(x, y, slope, intercept),
    )


def cusum_p(x: Floats, y: Floats, slope: float, intercept: float) -> float | None:
    """Passing and Bablok's test that a straight line fits: p, 0-1.

    Points above the line score sqrt(L / l), those below -sqrt(l / L), of l above and L below.
    Summed along the line, the largest sum over sqrt(L + 1) goes by Kolmogorov's distribution.
    `None` where no point lies above or none below. By simulation it rejects a true line at the 5 %
    level in 4 to 9 % with 40 points or more, in 2 % or less with 20 or fewer.
    """
    from scipy.special import kolmogorov

    rest = y - intercept - slope * x
    side = np.sign(np.where(np.abs(rest) <= SAME * _size(x, y), 0, rest))
    above, below = int((side > 0).sum()), int((side < 0).sum())
    if not above or not below:
        return None
    scores = np.where(side > 0, math.sqrt(below / above), math.sqrt(above / below)) * side
    along = np.argsort(y + x / slope, kind="stable")
    largest = float(np.abs(np.cumsum(scores[along])).max())
    return float(kolmogorov(largest / math.sqrt(below + 1)))


_UPPER = (1 + CONFIDENCE_LEVEL) / 2
_FLAT = 1e-9


def _deming_fit(x: Floats, y: Floats, error_ratio: float) -> tuple[float, float] | None:
    """Slope and intercept; `None` where x and y do not vary together."""
    dx, dy = x - x.mean(), y - y.mean()
    sxx, syy, sxy = float(dx @ dx), float(dy @ dy), float(dx @ dy)
    if abs(sxy) <= SAME * max(sxx, syy):
        return None
    apart = syy - error_ratio * sxx
    slope = (apart + math.hypot(apart, 2 * math.sqrt(error_ratio) * sxy)) / (2 * sxy)
    if not slope:
        return None
    return slope, float(y.mean() - slope * x.mean())


def _angles(x: Floats, y: Floats) -> Floats:
    """The angles of the lines through all pairs of points, sorted, radians in (-pi/4, 3 pi/4)."""
    i, j = np.triu_indices(len(x), 1)
    dx, dy = x[j] - x[i], y[j] - y[i]
    least = SAME * _size(x, y)
    dx, dy = (np.where(np.abs(one) <= least, 0, one) for one in (dx, dy))
    keep = ((dx != 0) | (dy != 0)) & (np.abs(dx + dy) > least)
    turned = np.where(dx + dy < 0, -1, 1)  # each line points to the upper right of x = -y
    return np.sort(np.arctan2((turned * dy)[keep], (turned * dx)[keep]))


def _size(x: Floats, y: Floats) -> float:
    return float(max(np.abs(x).max(initial=0), np.abs(y).max(initial=0)))


def _slope_limits(angles: Floats, n: int) -> tuple[float | None, float | None]:
    """95 % limits by rank; `None` beyond the last angle, and for one that is vertical."""
    from scipy.stats import norm

    spread = float(norm.ppf(_UPPER)) * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    first = round((len(angles) - spread) / 2)
    if first < 1:
        return None, None
    low, high = float(angles[first - 1]), float(angles[len(angles) - first])
    upright = math.pi / 2 - _FLAT
    return (
        math.tan(low) if low < upright else None,
        math.tan(high) if high < upright else None,
    )
