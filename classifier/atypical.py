"""How unlike every class that was learnt a cell is: blasts, atypical forms, artefacts.

The network's last features, projected to where the classes differ from their own cells the least,
and there the distance to the nearest class (Mahalanobis distance with one covariance for all
classes: Lee et al., NeurIPS 2018). A few matrix products: they are part of the exported graph.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KEPT = 128
"""Directions of the feature space that are kept: those of the largest variance."""

SHRINKAGE = 0.1
"""Share of the mean variance that is added to each direction's own (Ledoit and Wolf, 2004)."""

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Familiar:
    """Where the cells of each class lie.

    `projection` (D, d) takes features to whitened ones, `centres` (K, d) are the classes' means
    there, and `typical` is the squared distance at which the score is 0.5.
    """

    projection: Features
    centres: Features
    typical: float

    def score(self, features: Features) -> NDArray[np.float32]:
        """How atypical cells with these features (N, D) are, (N,): 0 like a class, up to 1."""
        flat = features @ self.projection
        squared = ((flat[:, None] - self.centres[None]) ** 2).sum(axis=2)
        nearest = squared.min(axis=1)
        return np.asarray(nearest / (nearest + self.typical), np.float32)


def familiar(features: Features, class_id: NDArray[np.int64], n_classes: int) -> Familiar:
    """What the training cells tell: features (N, D) and their classes (N,).

    A class without cells has no centre. The score is 0.5 at the median of these cells.
    """
    present = [k for k in range(n_classes) if (class_id == k).any()]
    means = np.stack([features[class_id == k].mean(axis=0) for k in present])
    own = features - means[np.searchsorted(present, class_id)]
    variance, directions = np.linalg.eigh(np.cov(own.T.astype(np.float64)))
    kept = slice(-min(KEPT, len(variance)), None)
    scale = np.maximum(variance[kept] + SHRINKAGE * variance.mean(), 1e-9)
    projection = (directions[:, kept] / np.sqrt(scale)).astype(np.float32)
    found = Familiar(projection, (means @ projection).astype(np.float32), 1.0)
    score = found.score(features).astype(np.float64)
    typical = float(np.median(score / np.maximum(1 - score, 1e-9)))
    return Familiar(found.projection, found.centres, max(typical, 1e-6))
