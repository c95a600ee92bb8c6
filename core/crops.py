"""Square windows of an image, padded where they reach beyond its edge."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Square:
    """A square window, px of an image; parts of it may lie beyond the image."""

    left: int
    top: int
    side: int

    @classmethod
    def around(cls, x: float, y: float, side: float) -> "Square":
        """The square with its center at (x, y), rounded to whole pixels, at least 1 px wide."""
        whole = max(1, round(side))
        return cls(round(x - whole / 2), round(y - whole / 2), whole)

    def within(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the part inside an image of this size; it may be empty."""
        x0, y0 = min(max(self.left, 0), width), min(max(self.top, 0), height)
        x1, y1 = min(self.left + self.side, width), min(self.top + self.side, height)
        return x0, y0, max(x1, x0), max(y1, y0)

    def read(
        self,
        size: tuple[int, int],
        read: Callable[[int, int, int, int], Rgb],
        fill: ArrayLike,
    ) -> Rgb:
        """The pixels (S, S, 3) of an image of `size` (width, height), `fill` (3,) beyond it.

        `read(x, y, width, height)` gives the pixels of the part inside.
        """
        x0, y0, x1, y1 = self.within(*size)
        if (x1 - x0, y1 - y0) == (self.side, self.side):
            return read(x0, y0, self.side, self.side)
        window = np.empty((self.side, self.side, 3), np.uint8)
        window[:] = np.rint(fill)
        if x1 > x0 and y1 > y0:
            inside = read(x0, y0, x1 - x0, y1 - y0)
            window[y0 - self.top : y1 - self.top, x0 - self.left : x1 - self.left] = inside
        return window

    def cut(self, image: Rgb, fill: ArrayLike) -> Rgb:
        """The same of an image (H, W, 3) in memory."""
        height, width = image.shape[:2]
        return self.read((width, height), lambda x, y, w, h: image[y : y + h, x : x + w], fill)


def resize_square(window: Rgb, px: int, enlarging: int = cv2.INTER_CUBIC) -> Rgb:
    """A square (S, S, 3) resized to (px, px, 3), `enlarging` the interpolation where it grows."""
    method = cv2.INTER_AREA if window.shape[0] > px else enlarging
    return np.asarray(cv2.resize(window, (px, px), interpolation=method), np.uint8)
