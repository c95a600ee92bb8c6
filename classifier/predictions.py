"""What the classifier says of each cell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukodiff.datasets.vocabulary import UNIDENTIFIED


@dataclass(frozen=True)
class Predictions:
    """Calibrated class probabilities of N cells.

    `probabilities` (N, K) float32, rows sum to 1, columns in the order of `class_names`.
    A cell whose largest probability is below `reject_threshold` (0-1) is `unidentified`.
    """

    probabilities: NDArray[np.float32]
    class_names: tuple[str, ...]
    reject_threshold: float = 0.0

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 2 or self.probabilities.shape[1] != len(self.class_names):
            raise ValueError(
                f"expected probabilities of shape (N, {len(self.class_names)}), "
                f"got {self.probabilities.shape}"
            )

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The largest probability of each cell, (N,), 0-1."""
        if not len(self):
            return np.zeros(0, np.float32)
        return np.asarray(self.probabilities.max(axis=1), np.float32)

    @property
    def cell_types(self) -> tuple[str, ...]:
        """The name of each cell, `unidentified` where the classifier will not say."""
        if not len(self):
            return ()
        best = self.probabilities.argmax(axis=1)
        sure = self.confidence >= self.reject_threshold
        return tuple(
            self.class_names[i] if named else UNIDENTIFIED
            for i, named in zip(best, sure, strict=True)
        )
