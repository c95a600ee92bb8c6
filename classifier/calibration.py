"""Calibration of probabilities, and the threshold below which the classifier names nothing."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from .infer import softmax


def fit_temperature(logits: NDArray[np.float32], class_id: NDArray[np.int64]) -> float:
    """The temperature of least negative log-likelihood (Guo et al., ICML 2017), 0.05-20.

    Args:
        logits: (N, K) of validation cells, never of the test split.
        class_id: (N,) true classes.
    """

    def loss(log_temperature: float) -> float:
        return _mean_surprise(softmax(logits, float(np.exp(log_temperature))), class_id)

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def fit_temperatures(
    logits: NDArray[np.float32],
    class_id: NDArray[np.int64],
    atypical: NDArray[np.float32],
    weights: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """The temperature at an atypical score of 0, and how its logarithm rises with the score.

    Of least negative log-likelihood; the rise is never negative: what is unlike the cells that were
    learned is not believed more for it.

    Args:
        logits: (N, K) of validation cells, as they are and in other looks.
        class_id: (N,) true classes.
        atypical: (N,) scores, 0-1.
        weights: (K,) of a prior; `None` for none.
    """

    def loss(chosen: NDArray[np.float64]) -> float:
        temperature = np.exp(chosen[0] + max(chosen[1], 0.0) * atypical)
        return _mean_surprise(softmax(logits, temperature, weights), class_id)

    start = np.array([np.log(fit_temperature(logits, class_id)), 0.5])
    found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6})
    return float(np.exp(found.x[0])), float(max(found.x[1], 0.0))


def _mean_surprise(probabilities: NDArray[np.float32], class_id: NDArray[np.int64]) -> float:
    return -float(np.log(probabilities[np.arange(len(class_id)), class_id] + 1e-12).mean())


def expected_calibration_error(
    confidence: NDArray[np.float32], right: NDArray[np.bool_], bins: int = 15
) -> float:
    """Mean gap between confidence and share right over equal-width bins, 0-1 (Naeini 2015)."""
    if not len(right):
        return 0.0
    return float(
        sum(share * abs(mean - hit) for mean, hit, share in bin_table(confidence, right, bins))
    )


def bin_table(
    confidence: NDArray[np.float32], right: NDArray[np.bool_], bins: int = 15
) -> list[tuple[float, float, float]]:
    """Mean confidence, share right and share of all cells of each bin that holds any, 0-1."""
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        (float(confidence[at].mean()), float(right[at].mean()), float(at.mean()))
        for at in (bin_of == b for b in range(bins))
        if at.any()
    ]


def reject_threshold(
    confidence: NDArray[np.float32],
    right: NDArray[np.bool_],
    target: float = 0.995,
    most_rejected: float = 0.06,
) -> float:
    """The lowest confidence from which on named cells are right often enough, 0-1.

    Of the validation cells at or above it at least `target` are right; it never leaves more than
    `most_rejected` of them unnamed, even if the target is missed.
    """
    if not len(right):
        return 0.0
    order = np.argsort(-confidence, kind="stable")
    share_right = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(share_right >= target)
    named = max(
        int(enough[-1]) + 1 if len(enough) else 0, int(np.ceil(len(order) * (1 - most_rejected)))
    )
    return 0.0 if named == len(order) else float(confidence[order[named - 1]])


def risk_coverage(
    confidence: NDArray[np.float32], right: NDArray[np.bool_], points: int = 200
) -> list[tuple[float, float, float]]:
    """Accuracy if fewer cells were named: a row a threshold, from the highest to the lowest.

    Each row is the threshold (0-1), the share of cells below it, which stay unidentified, and the
    share of the others that is right (El-Yaniv and Wiener, JMLR 2010). At most about `points` rows.
    """
    if not len(right):
        return []
    order = np.argsort(-confidence, kind="stable")
    sure, n_right = confidence[order], np.cumsum(right[order])
    # Cells of the same confidence are named together: only the last of them ends a row.
    ends = np.flatnonzero(np.append(sure[1:] != sure[:-1], True))
    kept = np.unique(np.linspace(0, len(ends) - 1, min(points, len(ends))).round().astype(int))
    return [
        (float(sure[i]), 1 - (i + 1) / len(sure), float(n_right[i]) / (i + 1))
        for i in ends[kept].tolist()
    ]
