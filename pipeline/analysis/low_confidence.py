"""Low-confidence boxes: below the detector's threshold, kept where the classifier names a cell.

In a laboratory that it has not seen a detector is less sure of pale and blurred cells than where it
learned. `docs/attempts.md` has what this gains, and that it adds nothing false.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukodiff.classifier.morphometry import overlap
from leukodiff.classifier.predictions import Predictions, joined
from leukodiff.core.boxes import iou_matrix
from leukodiff.datasets.vocabulary import UNIDENTIFIED, WHITE_CELL
from leukodiff.detector.detections import Detections
from leukodiff.detector.tile_merge import SAME_CELL_IOU

from .models import FindsCells, NamesCells, Rgb

Mask = NDArray[np.bool_]

MAX_ELONGATION = 1.4
"""A low-confidence box is no longer than so many times its width, nor than `MAX_LENGTH_UM`. Of 775
white cells boxed whole in BCCD, TXL-PBC and Chula (train and val) 97 and 96 % are not; pieces of
dirt are."""

MAX_LENGTH_UM = 22.0

CONFIRMING_CONFIDENCE = 0.87
"""Least confidence of the classifier, 0-1, that makes a cell of a low-confidence box."""


@dataclass(frozen=True)
class DetectorResult:
    """Cells that a detector found, boxes in px of the field or window.

    `cells` are by its own thresholds, `low_confidence` the white cells below them: each has the
    form and size of most cells, and overlaps no white cell nor another of its kind.
    """

    cells: Detections
    low_confidence: Detections


@dataclass(frozen=True)
class ClassifiedCells:
    """White cells of a field, from top to bottom, with their predictions, and all other cells."""

    white: Detections
    predictions: Predictions
    other_cells: Detections


def detect(detector: FindsCells, image: Rgb, um_per_px: float) -> DetectorResult:
    """The cells of a field (H, W, 3) uint8 RGB; see `FindsCells.detect`."""
    found = detector.detect(image, um_per_px, _thresholds(detector))
    return _split(detector, found, um_per_px)


def detect_many(
    detector: FindsCells, images: Sequence[Rgb], um_per_px: float
) -> list[DetectorResult]:
    """The cells of each of several windows of a scan; see `FindsCells.detect_many`."""
    found = detector.detect_many(images, um_per_px, _thresholds(detector), framed=False)
    return [_split(detector, one, um_per_px) for one in found]


def classify(
    classifier: NamesCells, image: Rgb, found: DetectorResult, um_per_px: float
) -> ClassifiedCells:
    """The cells of a field (H, W, 3) uint8 RGB, its white cells with their predictions."""
    white = found.cells.of(WHITE_CELL)
    white = white.select(white.top_to_bottom())  # in the same order however sure the detector is
    predictions = classifier.classify(image, white.xyxy, um_per_px)
    if not len(found.low_confidence):
        return ClassifiedCells(white, predictions, other_cells(found))
    of_low = classifier.classify(image, found.low_confidence.xyxy, um_per_px)
    chosen = np.flatnonzero(accepted(of_low))
    more = found.low_confidence.select(chosen)
    both, of_both = white.joined(more), joined([predictions, of_low.select(chosen)])
    order = both.top_to_bottom()
    return ClassifiedCells(both.select(order), of_both.select(order), other_cells(found, more))


def other_cells(found: DetectorResult, more: Detections | None = None) -> Detections:
    """The cells that are no white ones, without those that have the box of one of `more`."""
    others = found.cells.select(found.cells.class_id != found.cells.class_names.index(WHITE_CELL))
    if more is None or not len(more):
        return others
    same = iou_matrix(others.xyxy, more.xyxy) >= SAME_CELL_IOU
    return others.select(np.flatnonzero(~same.any(axis=1)))


def accepted(predictions: Predictions) -> Mask:
    """Mask (N,) of the low-confidence boxes that hold a cell: surely named, and as no platelet."""
    is_cell = np.array(
        [name not in (UNIDENTIFIED, "platelet") for name in predictions.cell_types], np.bool_
    )
    sure = predictions.confidence >= CONFIRMING_CONFIDENCE
    return np.asarray(is_cell & sure & ~predictions.is_atypical, np.bool_)


def _thresholds(detector: FindsCells) -> Mapping[str, float] | None:
    """The detector's thresholds, the white cell's lowered; its own where nothing is accepted."""
    facts = detector.metadata
    low_from = facts.calibration.get("confirm_from")
    if low_from is None or WHITE_CELL not in facts.thresholds:
        return None
    least = min(float(low_from), facts.thresholds[WHITE_CELL])
    return {**facts.thresholds, WHITE_CELL: least}


def suppress_overlaps(detector: FindsCells, white: Detections) -> Detections:
    """White cells of several windows, without those of low confidence that overlap another."""
    is_low = _is_low(detector, white)
    if not is_low.any():
        return white
    low = np.flatnonzero(is_low)
    kept = low[_not_overlapping(white.select(low), white.select(~is_low))]
    return white.select(np.sort(np.concatenate([np.flatnonzero(~is_low), kept])))


def _split(detector: FindsCells, found: Detections, um_per_px: float) -> DetectorResult:
    is_low = _is_low(detector, found)
    low, sure = found.select(is_low), found.select(~is_low)
    if not len(low):
        return DetectorResult(sure, low)
    low = low.select(_is_cell_shaped(low, um_per_px))
    return DetectorResult(sure, low.select(_not_overlapping(low, sure.of(WHITE_CELL))))


def _is_low(detector: FindsCells, found: Detections) -> Mask:
    """Mask (N,) of the white-cell boxes below the detector's own threshold."""
    is_white = found.class_id == found.class_names.index(WHITE_CELL)
    sure_from = np.float32(detector.metadata.thresholds.get(WHITE_CELL, 0.0))
    return np.asarray(is_white & (found.confidence < sure_from), np.bool_)


def _is_cell_shaped(low: Detections, um_per_px: float) -> Mask:
    sides = low.xyxy[:, 2:] - low.xyxy[:, :2]
    longer, shorter = sides.max(axis=1, initial=0), sides.min(axis=1, initial=np.inf)
    return np.asarray((longer <= MAX_ELONGATION * shorter) & (longer * um_per_px <= MAX_LENGTH_UM))


def _not_overlapping(low: Detections, sure: Detections) -> NDArray[np.int64]:
    """Indices of the boxes `low` that overlap no sure one; of several that overlap, the surest."""
    taken = np.asarray(overlap(low.xyxy, sure.xyxy).any(axis=1))
    met, kept = overlap(low.xyxy, low.xyxy), list[int]()
    for i in np.argsort(-low.confidence, kind="stable").tolist():
        if not (taken[i] or met[i, kept].any()):
            kept.append(i)
    return np.array(sorted(kept), np.int64)
