"""Exact binomial intervals of shares."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CONFIDENCE_LEVEL = 0.95


def clopper_pearson(count: int, n: int, level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    """The exact interval of a share, 0-1 (Clopper and Pearson, Biometrika 1934).

    With a = (1 - level) / 2 the limits are the quantiles B(a; k, n-k+1) and B(1-a; k+1, n-k) of the
    beta distribution; without any observation the share may be anything.
    """
    if not 0 <= count <= n:
        raise ValueError(f"expected 0 <= count <= n, got count {count} and n {n}")
    tail = (1 - level) / 2
    low = _beta_quantile(count, n - count + 1, tail) if count else 0.0
    high = _beta_quantile(count + 1, n - count, 1 - tail) if count < n else 1.0
    return low, high


def binomial_at_least(count: int, n: int, share: float) -> float:
    """The chance of `count` hits or more in `n` tries that each hit with chance `share`, 0-1.

    The upper tail of the binomial distribution, exactly: I_p(k, n - k + 1).
    """
    if not 0 <= count <= n or not 0 <= share <= 1:
        raise ValueError(f"expected 0 <= count <= n and a share of 0-1, got {count}, {n}, {share}")
    if count == 0 or share == 1:
        return 1.0
    return _beta_below(share, count, n - count + 1) if share else 0.0


def _beta_quantile(a: int, b: int, probability: float) -> float:
    """Where a beta distribution has this probability below it; Newton's steps, kept in bounds.

    SciPy has it too (`betaincinv`), and takes a third of a second to import: longer than a smear's
    report is in the making.
    """
    low, high, x = 0.0, 1.0, a / (a + b)
    for _ in range(200):
        over = _beta_below(x, a, b) - probability
        low, high = (low, x) if over > 0 else (x, high)
        density = math.exp(_log_density(x, a, b))
        step = x - over / density if density > 0 else -1.0
        following = step if low < step < high else (low + high) / 2
        if abs(following - x) <= 1e-15 * x or low == high:
            return following
        x = following
    return x


def _log_density(x: float, a: int, b: int) -> float:
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return scale + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x)


def _beta_below(x: float, a: int, b: int) -> float:
    """The regularized incomplete beta function, 0-1 (NIST DLMF 8.17.22: a continued fraction)."""
    if x > (a + 1) / (a + b + 2):  # on this side of the mean the fraction converges fast
        return 1 - _beta_below(1 - x, b, a)
    front = math.exp(_log_density(x, a, b)) * x * (1 - x) / a
    numerator, denominator = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = denominator
    for m in range(1, 20_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for term in (even, odd):
            denominator = 1 / (1 + term * denominator)
            numerator = 1 + term / numerator
            value *= denominator * numerator
        if abs(value - before) <= 1e-16 * abs(value):
            break
    return front * value


def share_with_interval(
    hits: Sequence[bool] | NDArray[np.bool_],
) -> dict[str, float | int | None]:
    """Share of hits, 0-1, with its exact 95 % interval; all but `n` are `None` of nothing."""
    n, count = len(hits), int(np.sum(hits))
    if not n:
        return {"n": 0, "share": None, "low": None, "high": None}
    low, high = clopper_pearson(count, n)
    return {"n": n, "share": count / n, "low": low, "high": high}
