"""Candidates: places where nucleated cells may lie, by stain color at about 1 um/px."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from .letterbox import STRIDE, Image, resized

Boxes = NDArray[np.float32]
Plane = NDArray[np.uint8]

MARGIN_UM = 12.0
"""Room (um) that a window must have round a candidate: the cell's own rim beyond its nucleus."""

WORKING_UM_PER_PX = 1.0
"""Finer images are brought to this scale first."""

LARGEST_UM = 24.0
"""No candidate is longer (um): what is, dirt or a clump of cells, is cut into pieces."""

NUCLEUS_UM = 7.0
"""Side of the square (um) over which the stain is averaged: a lymphocyte's nucleus."""

LEAST_AREA_UM2 = 20.0
"""A candidate is at least so large (um2), a ninth of it where the picture's edge cuts it; a
platelet is smaller."""

STAIN = (0.4, 0.6, -1.0)
"""Weights of the optical densities in red, green and blue: nuclear stain takes red and green and
lets blue pass, hemoglobin takes blue most, dirt and shade take all three alike."""

LEVELS_PER_DENSITY = 200
"""Gray levels in which stain is kept, to a unit of optical density."""

ZERO = 100
"""Gray level of no stain."""

BLOCK_UM = 8
"""Side of a block (um) over which the stain of the ground is averaged."""

NEIGHBORHOOD_BLOCKS = 7
"""Blocks each way (56 um) over which the median is taken."""

MIN_CONTRAST = 0.035
"""Mean stain over the ground (optical density) up to which nothing is a candidate."""

ENOUGH_CONTRAST = 0.08
"""Mean stain over the ground (optical density) above which everything is."""

RED_CELL_PERCENTILE = 90.0
"""Percentile of a picture's contrast that red cells show."""

RED_CELL_FACTOR = 2.0
"""Between the two contrasts, a candidate has so many times the contrast that red cells show."""


def window_side(um_per_px: float) -> int:
    """Side (px at a detector's working scale) of a window that holds any candidate, its margin too.

    A multiple of `STRIDE`, so that no gray is laid beside it.
    """
    return STRIDE * math.ceil((LARGEST_UM + 2 * MARGIN_UM) / um_per_px / STRIDE)


def propose_candidates(image: Image, um_per_px: float) -> Boxes:
    """Boxes (N, 4) round what may be a nucleated cell, xyxy px of the image, from top to bottom.

    Args:
        image: (H, W, 3) uint8 RGB at about 1 um/px (0.5 to 1.5; finer is shrunk first).
        um_per_px: scale of the image.
    """
    small, factor = _at_working_scale(image, um_per_px)
    if not small.size:
        return np.zeros((0, 4), np.float32)
    scale = um_per_px * factor
    contrast = _nuclear_contrast(small, scale)
    mask = np.asarray(contrast > _least_contrast(contrast), np.uint8)
    boxes = _boxes(mask, LEAST_AREA_UM2 / scale**2, max(1, round(LARGEST_UM / scale)))
    limits = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    return np.asarray(np.minimum(boxes * np.float32(factor), limits), np.float32)


def _at_working_scale(image: Image, um_per_px: float) -> tuple[Image, float]:
    """The image, shrunk where it is much finer than needed, and the factor."""
    factor = max(1.0, WORKING_UM_PER_PX / um_per_px)
    if factor < 1.5 or not image.size:
        return image, 1.0
    height, width = image.shape[:2]
    return resized(image, max(1, round(width / factor)), max(1, round(height / factor))), factor


def _nuclear_contrast(image: Image, um_per_px: float) -> Plane:
    """Stain over the ground (H, W), the mean over a nucleus' size, in gray levels."""
    stain = np.asarray(cv2.transform(cv2.LUT(image, _DENSITY), _WEIGHTS), np.uint8)
    side = 2 * int((NUCLEUS_UM / um_per_px - 1) / 2) + 1  # odd, or the mean would be off center
    mean = cv2.blur(stain, (side, side), borderType=cv2.BORDER_REPLICATE)  # a cut cell goes on
    return np.asarray(cv2.subtract(mean, _ground(stain, um_per_px)), np.uint8)


_DENSITY = np.clip(
    np.round(-LEVELS_PER_DENSITY * np.log10(np.maximum(np.arange(256), 1) / 255)), 0, 255
).astype(np.uint8)
_WEIGHTS = np.array([[*STAIN, ZERO]], np.float32)


def _ground(stain: Plane, um_per_px: float) -> Plane:
    """The stain round about (H, W): background and red cells, under an uneven light."""
    height, width = stain.shape
    block = BLOCK_UM / um_per_px
    size = max(1, round(width / block)), max(1, round(height / block))
    blocks = np.asarray(cv2.resize(stain, size, interpolation=cv2.INTER_AREA), np.uint8)
    low = np.asarray(cv2.erode(blocks, np.ones((3, 3), np.uint8)), np.uint8)
    middle = cv2.medianBlur(low, NEIGHBORHOOD_BLOCKS)
    return np.asarray(cv2.resize(middle, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _least_contrast(contrast: Plane) -> float:
    least = RED_CELL_FACTOR * float(np.percentile(contrast[::4, ::4], RED_CELL_PERCENTILE))
    low, high = MIN_CONTRAST * LEVELS_PER_DENSITY, ENOUGH_CONTRAST * LEVELS_PER_DENSITY
    return min(max(least, low), high)


def _boxes(mask: Plane, least_px: float, largest_px: int) -> Boxes:
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found = stats[1:].astype(np.int64)
    corners = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:4]], axis=1)
    is_cut = np.any(corners[:, :2] == 0, axis=1) | np.any(
        corners[:, 2:] == mask.shape[::-1], axis=1
    )
    enough = found[:, 4] >= np.where(is_cut, least_px / 9, least_px)
    is_large = np.max(found[:, 2:4], axis=1, initial=0) > largest_px
    parts = [_pieces(mask, box, largest_px) for box in corners[enough & is_large]]
    boxes = np.concatenate([corners[enough & ~is_large], *parts])
    return boxes[np.lexsort((boxes[:, 0], boxes[:, 1]))].astype(np.float32)


def _pieces(mask: Plane, box: NDArray[np.int64], largest_px: int) -> NDArray[np.int64]:
    """A large box cut into a grid: the box of the mask in each part."""
    x_min, y_min, x_max, y_max = box.tolist()
    pieces = []
    for y in range(y_min, y_max, largest_px):
        for x in range(x_min, x_max, largest_px):
            part = mask[y : min(y + largest_px, y_max), x : min(x + largest_px, x_max)]
            left, top, width, height = cv2.boundingRect(part)
            if width:
                pieces.append((x + left, y + top, x + left + width, y + top + height))
    return np.array(pieces, np.int64).reshape(-1, 4)
