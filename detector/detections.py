"""Detections: the cells that a detector found in a field."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """Boxes found in one field.

    `xyxy` (N, 4) float32, pixels of the field at full resolution, origin top left;
    `confidence` (N,) float32, 0-1; `class_id` (N,) int64, an index into `class_names`.
    """

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int64]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        shapes = (self.xyxy.shape, self.confidence.shape, self.class_id.shape)
        if shapes != ((n, 4), (n,), (n,)):
            raise ValueError(f"expected shapes ({n}, 4), ({n},), ({n},), got {shapes}")

    def __len__(self) -> int:
        return len(self.xyxy)

    @classmethod
    def empty(cls, class_names: tuple[str, ...]) -> "Detections":
        """No boxes."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int64),
            class_names,
        )

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Detections":
        """The boxes that a mask (N,) or an index array picks, in that order."""
        return Detections(
            self.xyxy[chosen], self.confidence[chosen], self.class_id[chosen], self.class_names
        )

    def joined(self, other: "Detections") -> "Detections":
        """These boxes, then another's of the same classes."""
        return Detections(
            np.concatenate([self.xyxy, other.xyxy]),
            np.concatenate([self.confidence, other.confidence]),
            np.concatenate([self.class_id, other.class_id]),
            self.class_names,
        )

    def top_to_bottom(self) -> NDArray[np.int64]:
        """The boxes' indices from top to bottom, which no confidence changes, (N,)."""
        return np.lexsort((self.xyxy[:, 0], self.xyxy[:, 1]))

    def of(self, class_name: str) -> "Detections":
        """The boxes of one class."""
        return self.select(self.class_id == self.class_names.index(class_name))
