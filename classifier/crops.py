"""Cuts cells out of a field at a fixed physical size, with the slide's own background made white.

Size is information (a lymphocyte is small, a monocyte large), so a crop always spans the same
number of micrometers, whatever the cell's box.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.core.crops import Square, resize_square
from leukodiff.core.units import CROP_UM

Image = NDArray[np.uint8]

BACKGROUND_WINDOW_UM = 36.0
"""Side of the neighborhood whose brightest pixels are taken for background, um."""

BRIGHTEST_SHARE = 0.1
"""Share of that neighborhood taken for background, 0-1."""

WHITE = 245.0
"""Level of the background in every channel after white balance, 0-255: a little headroom above."""


@dataclass(frozen=True)
class CropSettings:
    """Size of a crop: `window_um` is its side on the slide, um, `size_px` in pixels."""

    window_um: float = CROP_UM
    size_px: int = 128

    @property
    def um_per_px(self) -> float:
        """The scale of a crop, um/px."""
        return self.window_um / self.size_px


def cut_crops(
    image: Image, xyxy: NDArray[np.float32], um_per_px: float, settings: CropSettings
) -> Image:
    """Cuts one crop a box, centered on the box, white-balanced by its own neighborhood.

    Args:
        image: (H, W, 3) uint8 RGB at full resolution.
        xyxy: (N, 4) boxes, px of the image.
        um_per_px: scale of the image.
        settings: side of the crop in um and in px.

    Returns:
        (N, S, S, 3) uint8 RGB; what lies outside the field is white.
    """
    crops = np.empty((len(xyxy), settings.size_px, settings.size_px, 3), np.uint8)
    for crop, (x0, y0, x1, y1) in zip(crops, xyxy, strict=True):
        center = (float(x0 + x1) / 2, float(y0 + y1) / 2)
        background = background_color(image, center, BACKGROUND_WINDOW_UM / um_per_px)
        window = Square.around(*center, settings.window_um / um_per_px).cut(image, background)
        cut = resize_square(window, settings.size_px, enlarging=cv2.INTER_LINEAR)
        crop[:] = white_balance(cut, background)
    return crops


def background_color(
    image: Image, center: tuple[float, float], side_px: float
) -> NDArray[np.float32]:
    """The color of the background around a point: median of its brightest tenth, (3,) RGB 1-255."""
    height, width = image.shape[:2]
    left, top, right, bottom = Square.around(*center, side_px).within(width, height)
    around = image[top:bottom, left:right]
    step = max(1, int(side_px) // 48)
    pixels = around[::step, ::step].reshape(-1, 3)
    if not len(pixels):
        return np.full(3, 255, np.float32)
    # Green: hemoglobin and every Romanowsky dye absorb it, the background does not.
    n = max(1, int(len(pixels) * BRIGHTEST_SHARE))
    brightest = np.argpartition(pixels[:, 1], -n)[-n:]
    return np.asarray(np.maximum(np.median(pixels[brightest], axis=0), 1), np.float32)


def white_balance(crop: Image, background: NDArray[np.float32]) -> Image:
    """Scales each channel so that `background` (3,) becomes white; (..., 3) uint8 in and out."""
    levels = np.arange(256, dtype=np.float32)[:, None] * (WHITE / background)
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(crop, table.reshape(1, 256, 3)), np.uint8)
