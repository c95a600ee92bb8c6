"""Windows and tiles of a scan through the models, and their cells put together, each once."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from leukodiff.classifier.facts import CellNote
from leukodiff.classifier.morphometry import overlapping
from leukodiff.classifier.predictions import Predictions, joined
from leukodiff.datasets.vocabulary import WHITE_CELL
from leukodiff.detector.candidates import MARGIN_UM, window_side
from leukodiff.detector.detections import Detections
from leukodiff.detector.infer import OVERLAP_UM, TILE_PX
from leukodiff.detector.letterbox import MARGIN
from leukodiff.detector.tile_merge import CUT_UM, merge_across_tiles
from leukodiff.detector.tiles import on_scan, read_window, tile_boxes, windows_round
from leukodiff.pipeline.slides import Scan

from .low_confidence import (
    DetectorResult,
    accepted,
    detect_many,
    other_cells,
    suppress_overlaps,
)
from .models import Models, Rgb

SURROUNDINGS_UM = 40.0
"""Side of the square of the scan that a cell is classified from: its crop and what lies about."""

LARGE_UM = 25.0
"""A cut box this long is of a cell too large for a window."""

NONE = np.zeros(0, np.int64)

Box = tuple[float, ...]
Window = tuple[int, ...]


@dataclass(frozen=True)
class WindowResult:
    """Cells of one window, in px of the scan.

    `white`: its white cells, those accepted at low confidence among them. `other_cells`: all other
    cells; empty where windows lie round candidates alone. `predictions`: of each white cell that
    the window shows whole, by its box.
    """

    window: Window
    white: Detections
    other_cells: Detections
    predictions: Mapping[Box, Predictions]


@dataclass(frozen=True)
class ScanContext:
    """A scan and its models, at the scan's scale. Safe to use from many threads at once."""

    scan: Scan
    um_per_px: float
    models: Models

    @property
    def to_scan(self) -> float:
        """Px of the scan to one at the detector's working scale."""
        return self.models.detector.um_per_px / self.um_per_px

    @property
    def downsample(self) -> float:
        """Px of the scan to one of a window as it is read; a coarser scan is not enlarged."""
        return max(1.0, self.to_scan)

    @property
    def window_px(self) -> int:
        """Side of a window (px of the scan) that holds any candidate with its margin."""
        return round(window_side(self.models.detector.um_per_px) * self.to_scan)

    @property
    def frame_px(self) -> int:
        """Px by which a window may stick out of the scan; gray is laid there as in training."""
        return round(MARGIN * self.to_scan)

    def windows(self, candidates: NDArray[np.float32]) -> list[Window]:
        """Windows that hold every candidate with its margin, in the order of the file's tiles."""
        size, margin = (self.scan.width, self.scan.height), MARGIN_UM / self.um_per_px
        found = windows_round(candidates, self.window_px, margin, *size, self.frame_px)
        strip = found[:, 1] // (4 * self.window_px)
        return [tuple(row) for row in found[np.lexsort((found[:, 0], strip))].tolist()]

    def tiles(self) -> NDArray[np.int64]:
        """Overlapping tiles (N, 4) of the whole scan, its frame of gray included."""
        frame = self.frame_px
        width, height = self.scan.width + 2 * frame, self.scan.height + 2 * frame
        side, overlap = round(TILE_PX * self.to_scan), math.ceil(OVERLAP_UM / self.um_per_px)
        return np.asarray(tile_boxes(width, height, side, overlap) - frame)

    def detect(self, windows: Sequence[Window]) -> list[WindowResult]:
        """Detects cells in a few windows of one size, and classifies the white ones."""
        size = self.scan.width, self.scan.height
        images = [
            read_window(self.scan.read_at, window, *size, self.downsample) for window in windows
        ]
        left, _, right, _ = windows[0]
        image_um_per_px = self.um_per_px * (right - left) / images[0].shape[1]
        found = detect_many(self.models.detector, images, image_um_per_px)
        return [
            self._result(window, image, one)
            for window, image, one in zip(windows, images, found, strict=True)
        ]

    def classify(self, box: Sequence[float]) -> Predictions:
        """The prediction for the cell in a box (px of the scan), from full resolution."""
        left, top, width, height = square_around(self.scan, box, SURROUNDINGS_UM / self.um_per_px)
        surroundings = self.scan.read(left, top, width, height)
        moved = np.array([box], np.float32) - np.array([left, top] * 2, np.float32)
        return self.models.classifier.classify(surroundings, moved, self.um_per_px)

    def cut(self, xyxy: NDArray[np.float32], window: Window) -> NDArray[np.bool_]:
        """Mask of the boxes (N, 4) that end at the window's edge; the scan's own cuts nothing."""
        size = np.array([self.scan.width, self.scan.height])
        low, high = np.array(window[:2]), np.array(window[2:])
        low = np.where(low <= 0, -np.inf, low)
        high = np.where(high >= size, np.inf, high)
        near = CUT_UM / self.um_per_px
        cut = (xyxy[:, :2] - low <= near) | (high - xyxy[:, 2:] <= near)
        return np.asarray(cut.any(axis=1), np.bool_)

    def _result(self, window: Window, image: Rgb, found: DetectorResult) -> WindowResult:
        size = self.scan.width, self.scan.height
        found = DetectorResult(
            on_scan(found.cells, window, image.shape[1::-1], size),
            on_scan(found.low_confidence, window, image.shape[1::-1], size),
        )
        white, low = found.cells.of(WHITE_CELL), found.low_confidence
        of_low = self._predictions(low, window)
        kept = {box: one for box, one in of_low.items() if accepted(one)[0]}
        chosen = [i for i, box in enumerate(low.xyxy.tolist()) if tuple(box) in kept]
        more = low.select(np.array(chosen, np.int64))
        predictions = self._predictions(white, window) | kept
        return WindowResult(window, white.joined(more), other_cells(found, more), predictions)

    def _predictions(self, white: Detections, window: Window) -> dict[Box, Predictions]:
        """Predictions for the cells that a window shows whole, by their boxes."""
        whole = ~self.cut(white.xyxy, window)
        return {tuple(box): self.classify(box) for box in white.xyxy[whole].tolist()}


@dataclass
class ScanCells:
    """The white cells of a scan, collected window by window.

    `whole_windows`: the windows lie round candidates, each of which is whole in one of them. A box
    that is cut by its window's edge is then dropped, and so are cells that are no white ones.
    """

    context: ScanContext
    whole_windows: bool
    _windows: list[WindowResult] = field(default_factory=list)
    _predictions: dict[Box, Predictions] = field(default_factory=dict)

    def __post_init__(self) -> None:
        blank, no_box = np.full((1, 1, 3), 255, np.uint8), np.zeros((0, 4), np.float32)
        classify = self.context.models.classifier.classify
        self._no_predictions = classify(blank, no_box, self.context.um_per_px)

    def add(self, results: Iterable[WindowResult]) -> None:
        """Takes in the cells of some windows."""
        for one in results:
            self._predictions |= one.predictions
            kept = self._whole(one) if self.whole_windows else one
            if len(kept.white) or len(kept.other_cells):
                self._windows.append(kept)

    def white(self) -> Detections:
        """The white cells found so far, in px of the scan, from top to bottom."""
        scan, names = self.context.scan, self.context.models.detector.metadata.classes
        pieces = [w.white.xyxy[self.context.cut(w.white.xyxy, w.window)] for w in self._windows]
        cut = np.concatenate([np.zeros((0, 4), np.float32), *pieces])
        parts = [
            (one.window, one.white.joined(_touching(one.other_cells, cut))) for one in self._windows
        ]
        merged = merge_across_tiles(parts, scan.width, scan.height, self.context.um_per_px, names)
        white = suppress_overlaps(self.context.models.detector, merged.of(WHITE_CELL))
        return white.select(white.top_to_bottom())

    def predictions(self, white: Detections) -> Predictions:
        """The prediction for each white cell; those that no window showed whole are read anew."""
        each = []
        for box in map(tuple, white.xyxy.tolist()):
            if box not in self._predictions:
                self._predictions[box] = self.context.classify(box)
            each.append(self._predictions[box])
        return joined([self._no_predictions, *each]).noted(
            overlapping(white.xyxy), CellNote.OVERLAPPING
        )

    def _whole(self, one: WindowResult) -> WindowResult:
        sides = (one.white.xyxy[:, 2:] - one.white.xyxy[:, :2]).max(axis=1, initial=0)
        large = sides >= LARGE_UM / self.context.um_per_px
        whole = large | ~self.context.cut(one.white.xyxy, one.window)
        return replace(one, white=one.white.select(whole), other_cells=one.other_cells.select(NONE))


def _touching(found: Detections, cut: NDArray[np.float32]) -> Detections:
    """What a cut white cell (one of the boxes `cut`) may be a piece of."""
    if not len(found) or not len(cut):
        return found.select(NONE)
    a, b = found.xyxy[:, None], cut[None]
    meets = ((a[..., :2] < b[..., 2:]) & (a[..., 2:] > b[..., :2])).all(axis=2)
    return found.select(np.flatnonzero(meets.sum(axis=1)))


def square_around(scan: Scan, box: Sequence[float], side_px: float) -> tuple[int, int, int, int]:
    """x, y, width and height (px) of a square round a box, as far as it lies in the scan."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = max(side_px, box[2] - box[0], box[3] - box[1]) / 2
    left, top = max(0, math.floor(x - half)), max(0, math.floor(y - half))
    right, below = min(scan.width, math.ceil(x + half)), min(scan.height, math.ceil(y + half))
    return left, top, right - left, below - top


def batches(windows: Sequence[Window], n: int) -> Iterator[Sequence[Window]]:
    """Windows, `n` at a time."""
    for start in range(0, len(windows), n):
        yield windows[start : start + n]


def own_px(tiles: NDArray[np.int64]) -> Callable[[int], tuple[float, ...]]:
    """The part (xyxy) that each tile counts: up to the middle of its overlap with a neighbor."""
    shares = [_shares(tiles[:, side], tiles[:, side + 2]) for side in (0, 1)]

    def of(index: int) -> tuple[float, ...]:
        (left, right), (top, below) = (shares[side][int(tiles[index, side])] for side in (0, 1))
        return left, top, right, below

    return of


def _shares(low: NDArray[np.int64], high: NDArray[np.int64]) -> dict[int, tuple[float, float]]:
    starts, ends = np.unique(low), np.unique(high)
    middles = ((starts[1:] + ends[:-1]) / 2).tolist()
    edges = [-math.inf, *middles, math.inf]
    return {int(start): (edges[i], edges[i + 1]) for i, start in enumerate(starts)}
