"""Windows and tiles of a scan through the models: where its white cells are and what they are."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukodiff.classifier.predictions import Predictions
from leukodiff.datasets.vocabulary import WHITE_CELL
from leukodiff.detector.candidates import MARGIN_UM, window_side
from leukodiff.detector.detections import Detections
from leukodiff.detector.infer import OVERLAP_UM, TILE_PX
from leukodiff.detector.letterbox import MARGIN
from leukodiff.detector.tile_merge import CUT_UM
from leukodiff.detector.tiles import on_scan, read_window, tile_boxes, windows_round
from leukodiff.pipeline.slides import Scan

from .low_confidence import Found, beside, confirmed, find_many
from .models import Models, Rgb

ROUND_A_CELL_UM = 40.0
"""Side of the piece of the scan that a cell is named from: its crop and the glass about it."""

Box = tuple[float, ...]
Window = tuple[int, ...]


@dataclass(frozen=True)
class WindowResult:
    """What was found in one window, in px of the scan.

    `white`: its white cells, the confirmed among them; `beside`: all else, empty where windows lie
    round candidates alone.
    `named`: what each white cell is, by its box.
    """

    window: Window
    white: Detections
    beside: Detections
    named: Mapping[Box, Predictions]


@dataclass(frozen=True)
class ScanContext:
    """A scan under the models, at its scale. Safe to use from many threads at once."""

    scan: Scan
    um_per_px: float
    models: Models

    @property
    def to_scan(self) -> float:
        """Px of the scan to one at the detector's working scale."""
        return self.models.detector.um_per_px / self.um_per_px

    @property
    def downsample(self) -> float:
        """How windows are read: a scan coarser than the detector is not enlarged by its reader."""
        return max(1.0, self.to_scan)

    @property
    def window_px(self) -> int:
        """Side of a window (px of the scan) that holds any candidate with its margin."""
        return round(window_side(self.models.detector.um_per_px) * self.to_scan)

    @property
    def frame_px(self) -> int:
        """How far a window may stick out of the scan, where gray is laid as in training."""
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

    def look(self, windows: Sequence[Window]) -> list[WindowResult]:
        """What is in each of a few windows of one size; the white cells among it named."""
        images = [self._read(window) for window in windows]
        left, _, right, _ = windows[0]
        image_um_per_px = self.um_per_px * (right - left) / images[0].shape[1]
        found = find_many(self.models.detector, images, image_um_per_px)
        return [
            self._seen(window, image, one)
            for window, image, one in zip(windows, images, found, strict=True)
        ]

    def name(self, box: Sequence[float]) -> Predictions:
        """What the cell in a box (px of the scan) is, cut from full resolution."""
        left, top, width, height = round_about(self.scan, box, ROUND_A_CELL_UM / self.um_per_px)
        around = self.scan.read(left, top, width, height)
        moved = np.array([box], np.float32) - np.array([left, top] * 2, np.float32)
        return self.models.classifier.classify(around, moved, self.um_per_px)

    def _read(self, window: Window) -> Rgb:
        size = self.scan.width, self.scan.height
        return read_window(self.scan.read_at, window, *size, self.downsample)

    def _seen(self, window: Window, image: Rgb, found: Found) -> WindowResult:
        size = self.scan.width, self.scan.height
        found = Found(
            on_scan(found.cells, window, image.shape[1::-1], size),
            on_scan(found.weak, window, image.shape[1::-1], size),
        )
        white = found.cells.of(WHITE_CELL)
        of_weak = self._named(found.weak, window)
        sure = {box: said for box, said in of_weak.items() if confirmed(said)[0]}
        counts = [i for i, box in enumerate(found.weak.xyxy.tolist()) if tuple(box) in sure]
        more = found.weak.select(np.array(counts, np.int64))
        named = self._named(white, window) | sure
        return WindowResult(window, white.joined(more), beside(found, more), named)

    def _named(self, white: Detections, window: Window) -> dict[Box, Predictions]:
        """What the cells are that a window shows whole, by their boxes."""
        whole = ~self.cut(white.xyxy, window)
        return {tuple(box): self.name(box) for box in white.xyxy[whole].tolist()}

    def cut(self, xyxy: NDArray[np.float32], window: Window) -> NDArray[np.bool_]:
        """Which boxes (N, 4) end at the window's edge; the scan's own edge cuts nothing."""
        size = np.array([self.scan.width, self.scan.height])
        low, high = np.array(window[:2]), np.array(window[2:])
        low = np.where(low <= 0, -np.inf, low)
        high = np.where(high >= size, np.inf, high)
        near = CUT_UM / self.um_per_px
        cut = (xyxy[:, :2] - low <= near) | (high - xyxy[:, 2:] <= near)
        return np.asarray(cut.any(axis=1), np.bool_)


def round_about(scan: Scan, box: Sequence[float], side_px: float) -> tuple[int, int, int, int]:
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
    """What each tile counts (xyxy): up to the middle of what it shares with its neighbors."""
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
