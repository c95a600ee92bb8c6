"""How sure a share is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

CONFIDENCE_LEVEL = 0.95


def clopper_pearson(count: int, n: int, level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    """The exact interval of a share, 0-1 (Clopper and Pearson, Biometrika 1934).

    With a = (1 - level) / 2 the limits are the quantiles B(a; k, n-k+1) and B(1-a; k+1, n-k) of the
    beta distribution; without any observation the share may be anything.
    """
    if not 0 <= count <= n:
        raise ValueError(f"expected 0 <= count <= n, got count {count} and n {n}")
    tail = (1 - level) / 2
    low = float(betaincinv(count, n - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
    return low, high


def share_with_interval(
    hits: Sequence[bool] | NDArray[np.bool_],
) -> dict[str, float | int | None]:
    """Share of hits, 0-1, with its exact 95 % interval; all but `n` are `None` of nothing."""
    n, count = len(hits), int(np.sum(hits))
    if not n:
        return {"n": 0, "share": None, "low": None, "high": None}
    low, high = clopper_pearson(count, n)
    return {"n": n, "share": count / n, "low": low, "high": high}
