"""Matching of detections to labeled cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.boxes import iou_matrix

from .detections import Detections

IOU_LEVELS: NDArray[np.float64] = np.linspace(0.5, 0.95, 10)
"""The overlaps at which COCO's average precision is taken (Lin et al., ECCV 2014)."""


@dataclass(frozen=True)
class Match:
    """Detections set against the labels of one field.

    `right` (N, 10): whether a detection is a labeled cell at each of `IOU_LEVELS`; `label_of`
    (N,): the label it stands for at the first level, -1 for none. Detections are in their own
    order.
    """

    right: NDArray[np.bool_]
    label_of: NDArray[np.int64]


def match_detections(
    found: Detections, xyxy: NDArray[np.float32], class_id: NDArray[np.int64]
) -> Match:
    """Give each label to at most one detection of its class, the surest detection first.

    COCO's rule: a detection takes the free label that it overlaps most, if the overlap reaches the
    level. `found` must be sorted by falling confidence, so that a subset above a threshold matches
    alike.
    """
    overlap = iou_matrix(found.xyxy, xyxy) * (found.class_id[:, None] == class_id[None])
    right = np.zeros((len(found), len(IOU_LEVELS)), bool)
    label_of = np.full(len(found), -1, np.int64)
    for level, least in enumerate(IOU_LEVELS):
        free = overlap.copy()
        for i in np.flatnonzero((overlap >= least).any(axis=1)):
            label = int(free[i].argmax())
            if free[i, label] >= least:
                right[i, level] = True
                free[:, label] = 0
                if level == 0:
                    label_of[i] = label
    return Match(right, label_of)
