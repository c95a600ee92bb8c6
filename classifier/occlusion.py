"""Occlusion map: the evidence that the classifier loses when a part of the cell is hidden.

A square of blur is moved over the crop; where it lowers the leading class most, there is what
spoke for the class (Zeiler and Fergus, ECCV 2014). Nothing but the classifier itself is needed.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from .crops import Image
from .infer import Classifier

HIDDEN_UM = 3.0
"""Side of the square that is hidden: about a lobe of a nucleus."""
STEPS = 2
"""Steps in which the square passes its own side."""
BLUR_UM = 3.0
"""Blur of the hidden square: its color stays about the same, its structure does not."""


def occlusion_map(classifier: Classifier, crop: Image, index: int) -> NDArray[np.float32]:
    """Evidence for a class that each part of a crop holds.

    Args:
        classifier: the classifier to be explained.
        crop: (S, S, 3) uint8 RGB of `cut_crops`.
        index: the class.

    Returns:
        (S, S) float32: by how much hiding a pixel's neighborhood lowers the log-odds of the class,
        the mean over the squares that hide it; negative where it raises them.
    """
    um_per_px = classifier.crop.um_per_px
    side = max(2, round(HIDDEN_UM / um_per_px))
    corners = _corners(crop.shape[0], side)
    blurred = cv2.GaussianBlur(crop, (0, 0), BLUR_UM / um_per_px)
    hidden = np.repeat(crop[None], len(corners) + 1, axis=0)
    for one, (x, y) in zip(hidden[1:], corners, strict=True):
        one[y : y + side, x : x + side] = blurred[y : y + side, x : x + side]
    odds = _log_odds(classifier.classify_crops(hidden).probabilities[:, index])
    lost, times = np.zeros(crop.shape[:2], np.float32), np.zeros(crop.shape[:2], np.float32)
    for (x, y), drop in zip(corners, odds[0] - odds[1:], strict=True):
        lost[y : y + side, x : x + side] += drop
        times[y : y + side, x : x + side] += 1
    return lost / times


def _corners(size: int, side: int) -> list[tuple[int, int]]:
    """The top left corners of squares that cover a crop, evenly, its edges too."""
    n = max(2, round(STEPS * (size - side) / side) + 1)
    at = np.linspace(0, size - side, n).round().astype(int).tolist()
    return [(x, y) for y in at for x in at]


def _log_odds(chances: NDArray[np.float32]) -> NDArray[np.float64]:
    sure = np.clip(chances.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(sure / (1 - sure)))
