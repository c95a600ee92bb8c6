"""A scan as openslide-python's `AbstractSlide`, as its `DeepZoomGenerator` takes it."""

import threading
from collections.abc import Mapping

import cv2
import numpy as np
import openslide
from PIL import Image

from .scan import Rgb, Scan

SMALL_PX = 2048
"""Levels up to this (longer side, px) come from one picture of the whole, made once: a scan without
a pyramid would else be read from end to end for every tile of theirs."""


class ScanSlide(openslide.AbstractSlide):
    """A `Scan`, or an image as one, behind OpenSlide's interface. Safe to use from many threads.

    Level k is the scan shrunk by 2**k, whatever levels its file has: `Scan.read_at` chooses among
    those and shrinks evenly, within bounded memory. `DeepZoomGenerator` then asks for each tile at
    its own size and has nothing to resample.
    """

    def __init__(self, scan: Scan) -> None:
        super().__init__()
        self.scan = scan
        sizes = [(scan.width, scan.height)]
        while max(sizes[-1]) > 1:
            width, height = sizes[-1]
            sizes.append((-(-width // 2), -(-height // 2)))
        self._sizes = tuple(sizes)
        self._small: Rgb | None = None
        self._lock = threading.Lock()

    @classmethod
    def detect_format(cls, filename: object) -> str | None:
        """None: such a slide is made of an open scan, never of a file's name."""
        return None

    def close(self) -> None:
        """Closes the scan."""
        self.scan.close()

    @property
    def level_count(self) -> int:
        """The number of levels, the last of one px."""
        return len(self._sizes)

    @property
    def level_dimensions(self) -> tuple[tuple[int, int], ...]:
        """Width and height of each level, px."""
        return self._sizes

    @property
    def level_downsamples(self) -> tuple[float, ...]:
        """Px of level 0 to one of each level: 1, 2, 4 and so on."""
        return tuple(2.0**level for level in range(self.level_count))

    @property
    def properties(self) -> Mapping[str, str]:
        """`openslide.mpp-x` and `-y` (um/px), where the file has a scale."""
        if self.scan.um_per_px is None:
            return {}
        return {f"openslide.mpp-{axis}": str(self.scan.um_per_px) for axis in "xy"}

    @property
    def associated_images(self) -> Mapping[str, Image.Image]:
        """None: labels and macro pictures are not read."""
        return {}

    def get_best_level_for_downsample(self, downsample: float) -> int:
        """The coarsest level that is no coarser than `downsample`."""
        fit = [i for i, by in enumerate(self.level_downsamples) if by <= downsample * 1.001]
        return max(fit, default=0)

    def read_region(
        self, location: tuple[int, int], level: int, size: tuple[int, int]
    ) -> Image.Image:
        """A region, (x, y) in px of level 0 and its size in px of the level, as RGBA.

        What lies beyond the scan is transparent.

        Raises:
            InputError: the file can't be read there: cut off, damaged or gone.
        """
        downsample = 2.0**level
        left, top = (round(at / downsample) for at in location)
        across, down = self._sizes[level]
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + size[0], across), min(top + size[1], down)
        rgba = np.zeros((size[1], size[0], 4), np.uint8)
        if x0 < x1 and y0 < y1:
            pixels = self.read_box((x0, y0, x1, y1), level)
            rgba[y0 - top : y1 - top, x0 - left : x1 - left, :3] = pixels
            rgba[y0 - top : y1 - top, x0 - left : x1 - left, 3] = 255
        return Image.fromarray(rgba)

    def read_box(self, box: tuple[int, int, int, int], level: int) -> Rgb:
        """A box (left, top, right, bottom; px of a level, inside it), (h, w, 3) RGB.

        Raises:
            InputError: the file can't be read there: cut off, damaged or gone.
        """
        downsample = 2.0**level
        if max(self._sizes[level]) <= SMALL_PX < max(self.scan.levels[0][:2]):
            pixels = _cut_scaled(self._whole(), box, downsample, self.scan)
        else:
            left, top = box[0] * downsample, box[1] * downsample
            right = min(float(self.scan.width), box[2] * downsample)
            below = min(float(self.scan.height), box[3] * downsample)
            pixels = self.scan.read_at(left, top, right - left, below - top, downsample)
        width, height = box[2] - box[0], box[3] - box[1]
        if pixels.shape[:2] == (height, width):
            return pixels
        how = cv2.INTER_AREA if pixels.shape[1] > width else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.uint8)

    def _whole(self) -> Rgb:
        """The scan in small, its longer side of `SMALL_PX`."""
        with self._lock:
            if self._small is None:
                scan = self.scan
                downsample = max(scan.width, scan.height) / SMALL_PX
                self._small = scan.read_at(0, 0, scan.width, scan.height, downsample)
            return self._small


def _cut_scaled(whole: Rgb, box: tuple[int, ...], downsample: float, scan: Scan) -> Rgb:
    """A box (px of a level) from a picture of the whole scan, in that picture's px: 1 at least."""
    factor_x, factor_y = whole.shape[1] / scan.width, whole.shape[0] / scan.height
    x0, x1 = (min(round(at * downsample * factor_x), whole.shape[1]) for at in (box[0], box[2]))
    y0, y1 = (min(round(at * downsample * factor_y), whole.shape[0]) for at in (box[1], box[3]))
    x0, y0 = min(x0, whole.shape[1] - 1), min(y0, whole.shape[0] - 1)
    return whole[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
