"""Out-of-distribution score of a cell: blasts, atypical forms, artifacts.

Two things together. How far the network's last features, each brought to length 1, lie from the
nearest class (Mahalanobis distance with one covariance for all classes: Lee et al., NeurIPS 2018;
of features of length 1: Mueller and Hein, arXiv:2505.18032). And how little the classes hold for it
at all: the energy of its logits (Liu et al., NeurIPS 2020). A few matrix products: they are part of
the exported graph.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

KEPT = 384
"""Directions of the feature space that are kept: those of the largest variance."""

SHRINKAGE = 3.0
"""Mean variance added to each direction's own, times (Ledoit and Wolf, 2004)."""

SOFT = 3.0
"""Spreads beyond the typical score by which the result rises from 0.5 to 0.73: a slow rise keeps
scores far out distinct."""

REFERENCE_TYPES = ("neutrophil", "eosinophil")
"""Types whose ordinary cells tell how a smear's scores lie: no blast is taken for a granulocyte of
many lobes, or for one of orange grain, with much confidence."""

REFERENCE_CONFIDENCE = 0.9
"""Least confidence of such a cell, 0-1."""

MIN_REFERENCE_CELLS = 10
"""With fewer of them a smear's scores are taken as they are."""

MAX_SHIFT = 1.5
"""Largest shift of a smear's scores, in logits."""

Features = NDArray[np.float32]


@dataclass(frozen=True)
class OodScorer:
    """Places of the classes' cells in the feature space, and the typical score of them.

    `projection` (D, d) takes features of length 1 to whitened ones, `centers` (K, d) are the
    classes' means there. `distance` and `energy` are each the typical value of the cells that were
    learned (their median) and its spread (their standard deviation).
    """

    projection: Features
    centers: Features
    distance: tuple[float, float] = (0.0, 1.0)
    energy: tuple[float, float] = (0.0, 1.0)

    def score(self, features: Features, logits: Features) -> NDArray[np.float32]:
        """Scores (N,), 0-1, of cells with these features (N, D) and logits (N, K).

        About 0.5 is typical.
        """
        parts = (self.distances(features), self.distance), (energies(logits), self.energy)
        beyond = sum((found - typical) / spread for found, (typical, spread) in parts) / SOFT
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * beyond), np.float32)

    def distances(self, features: Features) -> NDArray[np.float64]:
        """The squared distance of features (N, D) to the nearest class, (N,)."""
        flat = of_length_1(features) @ self.projection
        squared = ((flat[:, None] - self.centers[None]) ** 2).sum(axis=2)
        return np.asarray(squared.min(axis=1), np.float64)


def energies(logits: Features) -> NDArray[np.float64]:
    """The energy of logits (N, K), (N,): the higher, the less any class holds."""
    return np.asarray(-np.logaddexp.reduce(logits.astype(np.float64), axis=1), np.float64)


def of_length_1(features: Features) -> Features:
    """Features (N, D), each divided by its length."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(length, 1e-9), np.float32)


def fit_ood(
    features: Features, logits: Features, class_id: NDArray[np.int64], n_classes: int
) -> OodScorer:
    """Fits a score to training cells: their features (N, D), logits (N, K) and classes (N,).

    A class without cells has no center.
    """
    flat = of_length_1(features)
    present = [k for k in range(n_classes) if (class_id == k).any()]
    means = np.stack([flat[class_id == k].mean(axis=0) for k in present])
    own = flat - means[np.searchsorted(present, class_id)]
    variance, directions = np.linalg.eigh(np.cov(own.T.astype(np.float64)))
    kept = slice(-min(KEPT, len(variance)), None)
    scale = np.maximum(variance[kept] + SHRINKAGE * variance.mean(), 1e-9)
    projection = (directions[:, kept] / np.sqrt(scale)).astype(np.float32)
    found = OodScorer(projection, (means @ projection).astype(np.float32))
    return replace(
        found, distance=_typical(found.distances(features)), energy=_typical(energies(logits))
    )


def smear_threshold(threshold: float, reference: Sequence[float]) -> float:
    """The score from which a cell of a smear is unlike every class, 0-1.

    In a laboratory that the classifier has not seen the scores of all cells are higher. The
    threshold then moves, in logits, by as much as those of its ordinary granulocytes do.

    Args:
        threshold: the model's own, 0-1.
        reference: scores of the smear's cells that are surely of `REFERENCE_TYPES`.
    """
    if len(reference) < MIN_REFERENCE_CELLS or not 0 < threshold < 1:
        return threshold
    beyond = float(np.median(logit(np.clip(reference, 1e-6, 1 - 1e-6))))
    return float(expit(logit(threshold) + np.clip(beyond, 0.0, MAX_SHIFT)))


def _typical(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(np.median(values)), max(float(values.std()), 1e-6)
