"""What the windows of a scan saw, put together: each cell once, with its name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from leukodiff.classifier.facts import CellNote
from leukodiff.classifier.morphometry import overlapping
from leukodiff.classifier.predictions import Predictions, joined
from leukodiff.datasets.vocabulary import WHITE_CELL
from leukodiff.detector.detections import Detections
from leukodiff.detector.tile_merge import merge_across_tiles

from .low_confidence import suppress_overlaps
from .windows import Box, ScanContext, WindowResult

LARGE_UM = 25.0
"""A cut box this long is of a cell too large for a window."""

NONE = np.zeros(0, np.int64)


@dataclass
class Cells:
    """The white cells of a scan as they are found.

    `whole_windows`: the windows lie round candidates, each of which is whole in one of them. A box
    that is cut by its window's edge then says nothing, and what is no white cell is not kept.
    """

    glass: ScanContext
    whole_windows: bool
    _seen: list[WindowResult] = field(default_factory=list)
    _named: dict[Box, Predictions] = field(default_factory=dict)

    def __post_init__(self) -> None:
        blank, no_box = np.full((1, 1, 3), 255, np.uint8), np.zeros((0, 4), np.float32)
        classify = self.glass.models.classifier.classify
        self._nothing = classify(blank, no_box, self.glass.um_per_px)

    def add(self, seen: Iterable[WindowResult]) -> None:
        """Takes note of what some windows saw."""
        for one in seen:
            self._named |= one.named
            kept = self._whole(one) if self.whole_windows else one
            if len(kept.white) or len(kept.beside):
                self._seen.append(kept)

    def white(self) -> Detections:
        """The white cells found so far, in px of the scan, from top to bottom."""
        scan, names = self.glass.scan, self.glass.models.detector.metadata.classes
        parts = self._parts()
        merged = merge_across_tiles(parts, scan.width, scan.height, self.glass.um_per_px, names)
        white = suppress_overlaps(self.glass.models.detector, merged.of(WHITE_CELL))
        return white.select(white.top_to_bottom())

    def named(self, white: Detections) -> Predictions:
        """What each white cell is."""
        each = [self._name(box) for box in white.xyxy.tolist()]
        return joined([self._nothing, *each]).noted(overlapping(white.xyxy), CellNote.OVERLAPPING)

    def _whole(self, one: WindowResult) -> WindowResult:
        sides = (one.white.xyxy[:, 2:] - one.white.xyxy[:, :2]).max(axis=1, initial=0)
        large = sides >= LARGE_UM / self.glass.um_per_px
        whole = large | ~self.glass.cut(one.white.xyxy, one.window)
        return replace(one, white=one.white.select(whole), beside=one.beside.select(NONE))

    def _parts(self) -> list[tuple[Sequence[int], Detections]]:
        """The white cells by window, and what a cut one may be a piece of."""
        pieces = [w.white.xyxy[self.glass.cut(w.white.xyxy, w.window)] for w in self._seen]
        cut = np.concatenate([np.zeros((0, 4), np.float32), *pieces])
        beside = [_that_meet(one.beside, cut) for one in self._seen]
        both = zip(self._seen, beside, strict=True)
        return [(one.window, one.white.joined(other)) for one, other in both]

    def _name(self, box: Sequence[float]) -> Predictions:
        key = tuple(box)
        if key not in self._named:
            self._named[key] = self.glass.name(box)
        return self._named[key]


def _that_meet(found: Detections, cut: NDArray[np.float32]) -> Detections:
    if not len(found) or not len(cut):
        return found.select(NONE)
    a, b = found.xyxy[:, None], cut[None]
    meets = ((a[..., :2] < b[..., 2:]) & (a[..., 2:] > b[..., :2])).all(axis=2)
    return found.select(np.flatnonzero(meets.sum(axis=1)))
