"""A first guess of a scan's scale from the outlines of its red cells, without any model."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from leukodiff.core.units import RED_CELL_UM
from leukodiff.pipeline.slides import Rgb

LEAST_ROUND = 0.8
"""4 pi area / perimeter^2 of an outline that may be one red cell: 1 for a disc."""

LEAST_PX, LEAST_CELLS = 30, 12
"""An outline is at least so large (px), and with fewer of them there is no guess."""


def rough_um_per_px(probes: Sequence[Rgb]) -> float | None:
    """The scale at which the round outlines in some probes are 7.5 um wide; None with too few.

    Their diameters are weighed by area, so that platelets and dirt, many as they may be, don't
    count for much. Good for what is then measured with care: a look for a scale near the guess.

    Args:
        probes: (H, W, 3) uint8 RGB at full resolution, of one scan.
    """
    areas = np.sort(np.concatenate([np.zeros(0), *(_round_areas(probe) for probe in probes)]))
    if len(areas) < LEAST_CELLS:
        return None
    weight = np.cumsum(areas)
    median = areas[int(np.searchsorted(weight, weight[-1] / 2))]
    return float(RED_CELL_UM / (2 * math.sqrt(median / math.pi)))


def _round_areas(probe: Rgb) -> np.ndarray:
    """Areas (px) of the outlines that are round and whole; holes in them count as filled."""
    green = cv2.GaussianBlur(probe[:, :, 1], (3, 3), 0)
    _, mask = cv2.threshold(green, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    height, width = mask.shape
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = []
    for outline in outlines:
        x, y, w, h = cv2.boundingRect(outline)
        whole = x > 0 and y > 0 and x + w < width and y + h < height
        area = cv2.contourArea(outline) if whole else 0.0
        if area >= LEAST_PX and 4 * math.pi * area >= LEAST_ROUND * _length(outline) ** 2:
            found.append(area)
    return np.array(found, np.float64)


def _length(outline: np.ndarray) -> float:
    return cv2.arcLength(outline, closed=True)
