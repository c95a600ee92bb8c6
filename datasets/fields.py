"""A labeled image, as every dataset adapter yields it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]


def no_boxes() -> Boxes:
    """The empty set of boxes, shape (0, 4)."""
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class LabeledField:
    """An image and what is known to be in it.

    `xyxy` is (N, 4) float32 in pixels of the image at full resolution, origin top left.
    `cell_types` has N names from the vocabulary; `white_cell` where the type is unknown.
    `split` is `train`, `val` or `test`. `group` is what a split must not cut: the slide, or the
    original image of an augmented copy. `um_per_px` is the dataset's own scale, `None` if unknown.
    `complete` says whether every cell is boxed, or only those that somebody wanted. `boxed` names
    the detector classes of which every cell is boxed where not all are; `None`: all, or with
    `complete=False` only the wanted cells.
    """

    path: Path
    xyxy: Boxes = field(default_factory=no_boxes)
    cell_types: tuple[str, ...] = ()
    split: str = "train"
    source: str = ""
    group: str = ""
    um_per_px: float | None = None
    complete: bool = True
    boxed: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.xyxy.shape != (len(self.cell_types), 4):
            raise ValueError(
                f"{self.path}: expected boxes of shape ({len(self.cell_types)}, 4), "
                f"got {self.xyxy.shape}"
            )

    @property
    def field_id(self) -> str:
        """The image's file name."""
        return self.path.name

    def boxes_every(self, class_name: str) -> bool:
        """True if every cell of a detector class is boxed: what has no box is then no such cell."""
        return self.complete and (self.boxed is None or class_name in self.boxed)

    def keep(self, indices: Sequence[int]) -> "LabeledField":
        """The same field with only the cells at `indices`."""
        chosen = [int(i) for i in indices]
        return replace(
            self,
            xyxy=self.xyxy[chosen].reshape(-1, 4),
            cell_types=tuple(self.cell_types[i] for i in chosen),
        )
