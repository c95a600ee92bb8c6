"""Fields of a smear that show the same place: photographed twice, or overlapping.

Two fields are of one place where enough of their SIFT features lie on each other after one move,
turn and change of size (RANSAC). What never moves from field to field (dirt on the camera) says
nothing of the place: a move of less than `LEAST_MOVE` px is not taken for one, unless nearly all
features agree on it.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import cv2
import numpy as np

from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.images import read_rgb

SIDE_PX = 800
"""The longer side of a field when features are looked for."""

FEATURES = 1500
RATIO = 0.75
"""A match counts where the next best is farther than this share (Lowe, 2004)."""

TIED = 15
"""Features that agree on one move."""

LEAST_MOVE = 3.0
ALL_BUT = 200
"""Features that agree where nothing moved: the same photograph."""

Features = tuple[Any, Any]


def places(fields: Sequence[LabeledField]) -> list[int]:
    """The place of each field, as the number of the first field that shows it; within groups."""
    found = list(range(len(fields)))
    features = [_features(field) for field in fields]
    for i, j in combinations(range(len(fields)), 2):
        same_slide = fields[i].group == fields[j].group
        if same_slide and found[i] != found[j] and same_place(features[i], features[j]):
            low, high = sorted((found[i], found[j]))
            found = [low if one == high else one for one in found]
    return found


def same_place(a: Features, b: Features) -> bool:
    """True if enough features of two fields lie on each other."""
    n, move = agreeing(a, b)
    return n >= (TIED if move >= LEAST_MOVE else ALL_BUT)


def agreeing(a: Features, b: Features) -> tuple[int, float]:
    """Number of features that agree on one move, and its length (px at `SIDE_PX`)."""
    if len(a[0]) < 4 or len(b[0]) < 4:
        return 0, 0.0
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(a[1], b[1], k=2)
    good = [one[0] for one in pairs if len(one) == 2 and one[0].distance < RATIO * one[1].distance]
    if len(good) < 4:
        return 0, 0.0
    here = np.array([a[0][one.queryIdx] for one in good], np.float32)
    there = np.array([b[0][one.trainIdx] for one in good], np.float32)
    turn, inside = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=3.0)
    if turn is None:
        return 0, 0.0
    size = float(np.hypot(turn[0, 0], turn[1, 0]))
    move = float(np.hypot(turn[0, 2], turn[1, 2]))
    return (int(inside.sum()), move) if 0.8 < size < 1.25 else (0, move)


def _features(field: LabeledField) -> Features:
    gray = cv2.cvtColor(read_rgb(field.path), cv2.COLOR_RGB2GRAY)
    share = SIDE_PX / max(gray.shape)
    small = cv2.resize(gray, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    points, descriptors = cv2.SIFT_create(FEATURES).detectAndCompute(small, None)  # type: ignore[attr-defined]
    return [one.pt for one in points], descriptors
