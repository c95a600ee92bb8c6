"""Weak boxes: what is no white cell to the detector alone is one where the classifier names it.

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

MOST_ELONGATED, LONGEST_UM = 1.4, 22.0
"""A weak box is no longer than so many times its width, and than so many um. Of 775 white cells
boxed whole in BCCD, TXL-PBC and Chula (train and val) 97 and 96 % are not; pieces of dirt are."""


@dataclass(frozen=True)
class Found:
    """What a detector found: `cells` by its own thresholds, and the `weak` white cells below them.

    A weak one has the form and size of most cells, and overlaps no white cell nor another weak one.
    Boxes in px of the field or window.
    """

    cells: Detections
    weak: Detections


@dataclass(frozen=True)
class Named:
    """The white cells of a field, from top to bottom, what they are `said` to be, and all else."""

    white: Detections
    said: Predictions
    beside: Detections


def find(detector: FindsCells, image: Rgb, um_per_px: float) -> Found:
    """The cells of a field (H, W, 3) uint8 RGB; see `FindsCells.detect`."""
    return _apart(detector, detector.detect(image, um_per_px, _least(detector)), um_per_px)


def find_many(detector: FindsCells, images: Sequence[Rgb], um_per_px: float) -> list[Found]:
    """The cells of each of several windows of a scan; see `FindsCells.detect_many`."""
    found = detector.detect_many(images, um_per_px, _least(detector), framed=False)
    return [_apart(detector, one, um_per_px) for one in found]


def named(classifier: NamesCells, image: Rgb, found: Found, um_per_px: float) -> Named:
    """What was found in a field (H, W, 3) uint8 RGB, its white cells named."""
    white = found.cells.of(WHITE_CELL)
    white = white.select(white.top_to_bottom())  # in the same order however sure the detector is
    said = classifier.classify(image, white.xyxy, um_per_px)
    if not len(found.weak):
        return Named(white, said, beside(found))
    of_weak = classifier.classify(image, found.weak.xyxy, um_per_px)
    sure = np.flatnonzero(confirmed(of_weak))
    more = found.weak.select(sure)
    both, all_said = white.joined(more), joined([said, of_weak.select(sure)])
    order = both.top_to_bottom()
    return Named(both.select(order), all_said.select(order), beside(found, more))


def beside(found: Found, more: Detections | None = None) -> Detections:
    """The cells that are no white ones; what has the box of one of `more`, confirmed, is not."""
    others = found.cells.select(found.cells.class_id != found.cells.class_names.index(WHITE_CELL))
    if more is None or not len(more):
        return others
    same = iou_matrix(others.xyxy, more.xyxy) >= SAME_CELL_IOU
    return others.select(np.flatnonzero(~same.any(axis=1)))


def confirmed(said: Predictions) -> Mask:
    """Which weak boxes (N,) hold a cell: those that are named, if not as platelets."""
    return np.array([name not in (UNIDENTIFIED, "platelet") for name in said.cell_types], np.bool_)


def _least(detector: FindsCells) -> Mapping[str, float] | None:
    """The detector's thresholds, the white cell's lowered; `None` where nothing is confirmed."""
    facts = detector.metadata
    weak_from = facts.calibration.get("confirm_from")
    if weak_from is None or WHITE_CELL not in facts.thresholds:
        return None
    least = min(float(weak_from), facts.thresholds[WHITE_CELL])
    return {**facts.thresholds, WHITE_CELL: least}


def suppress_overlaps(detector: FindsCells, white: Detections) -> Detections:
    """White cells that several windows saw, without the weak ones that overlap another."""
    is_weak = _is_weak(detector, white)
    if not is_weak.any():
        return white
    weak = np.flatnonzero(is_weak)
    kept = weak[_free(white.select(weak), white.select(~is_weak))]
    return white.select(np.sort(np.concatenate([np.flatnonzero(~is_weak), kept])))


def _apart(detector: FindsCells, found: Detections, um_per_px: float) -> Found:
    is_weak = _is_weak(detector, found)
    weak, sure = found.select(is_weak), found.select(~is_weak)
    if not len(weak):
        return Found(sure, weak)
    weak = weak.select(_has_usual_form(weak, um_per_px))
    return Found(sure, weak.select(_free(weak, sure.of(WHITE_CELL))))


def _is_weak(detector: FindsCells, found: Detections) -> Mask:
    """Which of the boxes (N,) are of white cells that the detector alone would not call so."""
    is_white = found.class_id == found.class_names.index(WHITE_CELL)
    sure_from = np.float32(detector.metadata.thresholds.get(WHITE_CELL, 0.0))
    return np.asarray(is_white & (found.confidence < sure_from), np.bool_)


def _has_usual_form(weak: Detections, um_per_px: float) -> Mask:
    sides = weak.xyxy[:, 2:] - weak.xyxy[:, :2]
    longer, shorter = sides.max(axis=1, initial=0), sides.min(axis=1, initial=np.inf)
    return np.asarray((longer <= MOST_ELONGATED * shorter) & (longer * um_per_px <= LONGEST_UM))


def _free(weak: Detections, sure: Detections) -> NDArray[np.int64]:
    """Which weak boxes overlap no sure one; of those that overlap each other the surest."""
    taken = np.asarray(overlap(weak.xyxy, sure.xyxy).any(axis=1))
    met, kept = overlap(weak.xyxy, weak.xyxy), list[int]()
    for i in np.argsort(-weak.confidence, kind="stable").tolist():
        if not (taken[i] or met[i, kept].any()):
            kept.append(i)
    return np.array(sorted(kept), np.int64)
