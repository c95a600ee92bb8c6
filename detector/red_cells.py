"""Diameters of a field's red cells, measured on their outlines rather than on their boxes."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from .letterbox import Image, resized

CROP_PX = 64
"""Side at which a red cell and its surroundings are outlined, px."""

AROUND = 1.5
"""Side of that crop over the box's longer side: the glass round the cell shows."""

LEAST_ROUND = 0.82
"""4 pi area / perimeter^2 of an outline that is one whole red cell: 1 for a disc."""

LIKE_ITS_BOX = (0.7, 1.1)
"""An outline is between so many times as wide as its box; what is wider is two cells."""


def outlined_diameters(image: Image, xyxy: NDArray[np.float32]) -> NDArray[np.float64]:
    """Diameters (N,) px of the discs as large as the red cells in N boxes; `nan` where unclear.

    A cell's outline is where the green light, which hemoglobin absorbs, is half-way between cell
    and glass (Otsu's threshold). It is clear where it is round, fits its box and touches no other.

    Args:
        image: (H, W, 3) uint8 RGB.
        xyxy: (N, 4) boxes of red cells, px of the image.
    """
    return np.array([_diameter(image, box) for box in xyxy.astype(float).tolist()], np.float64)


def _diameter(image: Image, box: list[float]) -> float:
    x0, y0, x1, y1 = box
    side = AROUND * max(x1 - x0, y1 - y0)
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    crop = image[max(top, 0) : top + round(side), max(left, 0) : left + round(side)]
    if min(crop.shape[:2]) < 8:
        return math.nan
    factor = CROP_PX / max(crop.shape[:2])
    size = [max(1, round(length * factor)) for length in crop.shape[1::-1]]
    green = resized(np.ascontiguousarray(crop[:, :, 1:2]), *size).reshape(size[::-1])
    center = ((x0 + x1) / 2 - max(left, 0)) * factor, ((y0 + y1) / 2 - max(top, 0)) * factor
    outline = _outline_round(green, center)
    if outline is None:
        return math.nan
    diameter = math.sqrt(4 * cv2.contourArea(outline) / math.pi) / factor
    low, high = LIKE_ITS_BOX
    fits = low <= diameter / math.sqrt((x1 - x0) * (y1 - y0)) <= high
    return diameter if fits else math.nan


def _outline_round(
    green: NDArray[np.uint8], center: tuple[float, float]
) -> NDArray[np.int32] | None:
    """The outline of the whole, round, dark thing at the center of a crop."""
    _, mask = cv2.threshold(green, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    height, width = mask.shape
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for outline in outlines:
        x, y, w, h = cv2.boundingRect(outline)
        if cv2.pointPolygonTest(outline, center, False) < 0:
            continue
        whole = x > 0 and y > 0 and x + w < width and y + h < height
        length = cv2.arcLength(outline, closed=True)
        is_round = 4 * math.pi * cv2.contourArea(outline) >= LEAST_ROUND * length**2
        return np.asarray(outline, np.int32) if whole and is_round else None
    return None
