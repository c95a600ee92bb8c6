"""A field's pixels brought to the detector's scale: the same way in training and in detection."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

PAD_GRAY = 114
"""Gray level that fills a canvas around the field."""

STRIDE = 32
"""A canvas' sides are multiples of this (px): the coarsest grid of a YOLO."""

MARGIN = 16
"""Gray that is left round a field (px): cells cut by the field's edge are found and boxed better
for it (BCCD, YOLO11n at 0.122 um/px: AP50-95 of red cells 0.595 with it, 0.554 without; white cells
0.752, 0.736)."""


def resized(image: Image, width: int, height: int) -> Image:
    """An image at another size (px): averaged over areas when shrinking, linear when growing."""
    if (width, height) == (image.shape[1], image.shape[0]):
        return image
    how = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def padded(image: Image, width: int, height: int, corner: tuple[int, int] = (0, 0)) -> Image:
    """An image with its top left at `corner` (x, y) of a gray canvas of `width` by `height` px."""
    left, top = corner
    right, below = width - image.shape[1] - left, height - image.shape[0] - top
    if not (left or top or right or below):
        return image
    gray = (PAD_GRAY, PAD_GRAY, PAD_GRAY)
    canvas = cv2.copyMakeBorder(image, top, below, left, right, cv2.BORDER_CONSTANT, value=gray)
    return np.asarray(canvas, np.uint8)


def canvas_size(width: int, height: int) -> tuple[int, int]:
    """Width and height (px) of the smallest canvas for an image, `MARGIN` px left all round."""
    wide, high = (math.ceil((side + 2 * MARGIN) / STRIDE) * STRIDE for side in (width, height))
    return wide, high


def letterbox(image: Image) -> tuple[Image, tuple[int, int]]:
    """An image in the middle of its canvas for a YOLO, and where (x, y) its top left lies there."""
    width, height = canvas_size(image.shape[1], image.shape[0])
    corner = (width - image.shape[1]) // 2, (height - image.shape[0]) // 2
    return padded(image, width, height, corner), corner
