"""Deep zoom: a field or a whole scan as tiles, read from the slide itself.

The layout is Deep Zoom's: the last level is full resolution, each one before has half of it, the
first is one px; tiles of 254 px overlap their neighbors by one. OpenSlide's DeepZoomGenerator is
not used: over a scan's own levels it took 4 to 30 times as long (it shrinks whole regions by
Lanczos, in unbounded memory); over an adapter with a level for each of its own, longer than this
file, 1.5 ms more a tile (RGBA and back).
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.core.cache import Cache
from leukodiff.pipeline.exports.drawing import encode_jpeg

from .errors import ServiceError
from .images import ImagePool, field_image, image_path

if TYPE_CHECKING:
    from leukodiff.pipeline.slides import Scan

    from .slide_store import StoredSlide

Rgb = NDArray[np.uint8]

TILE_PX = 254

OVERLAP_PX = 1

THUMBNAIL_PX = 2048
"""Levels up to this (longer side, px) come from one picture of the whole, made once: a scan without
a pyramid would else be read from end to end for each of their tiles."""

MAX_THUMBNAILS = 12
"""Pictures of the whole that are kept."""

JPEG_QUALITY = 85


def levels(width: int, height: int) -> int:
    """Number of levels of an image, full resolution and one px included."""
    return math.ceil(math.log2(max(width, height, 1))) + 1


@dataclass
class Tiles:
    """Makes tiles, and keeps those that were made."""

    images: ImagePool
    kept: Cache[bytes]
    _thumbnails: Cache[Rgb] = field(default_factory=lambda: Cache(MAX_THUMBNAILS))
    _lock: Lock = field(default_factory=Lock)

    def facts(self, slide: "StoredSlide", field_id: str) -> Mapping[str, int]:
        """Size of a field (px) and of its tiles, and its number of levels.

        Raises:
            ServiceError: `not_found`: no such field, or its image is gone.
        """
        with field_image(self.images, slide, field_id) as scan:
            size = scan.width, scan.height
        return {
            "width": size[0],
            "height": size[1],
            "tile": TILE_PX,
            "overlap": OVERLAP_PX,
            "levels": levels(*size),
        }

    def tile(self, slide: "StoredSlide", field_id: str, level: int, x: int, y: int) -> bytes:
        """A tile as a JPEG.

        Raises:
            ServiceError: `not_found`: no such field or tile, or its image is gone.
        """
        image_path(slide, field_id)  # an image that is gone is an error, though its tile is kept
        key = (slide.sha256, field_id, level, x, y)
        return self.kept.get_or_make(key, lambda: self._made(slide, field_id, level, x, y))

    def _made(self, slide: "StoredSlide", field_id: str, level: int, x: int, y: int) -> bytes:
        with field_image(self.images, slide, field_id) as scan:
            last = levels(scan.width, scan.height) - 1
            if not 0 <= level <= last:
                raise ServiceError("not_found", "no such level")
            downsample = 2.0 ** (last - level)
            box = tile_box(scan.width, scan.height, downsample, x, y)
            side = max(scan.width, scan.height)
            if side / downsample <= THUMBNAIL_PX < side:
                whole = self._thumbnail((slide.sha256, field_id), scan)
                return encode_jpeg(from_thumbnail(whole, box, downsample, scan), JPEG_QUALITY)
            return encode_jpeg(region(scan, box, downsample), JPEG_QUALITY)

    def _thumbnail(self, key: Hashable, scan: "Scan") -> Rgb:
        downsample = max(scan.width, scan.height) / THUMBNAIL_PX
        whole = 0, 0, scan.width, scan.height, downsample
        with self._lock:  # made once, however many tiles are asked for
            return self._thumbnails.get_or_make(key, lambda: scan.read_at(*whole))


def tile_box(width: int, height: int, downsample: float, x: int, y: int) -> tuple[int, ...]:
    """Left, top, right and bottom of a tile in px of its level, its overlap included.

    Raises:
        ServiceError: `not_found`: the level has no such tile.
    """
    across, down = math.ceil(width / downsample), math.ceil(height / downsample)
    left, top = max(0, x * TILE_PX - OVERLAP_PX), max(0, y * TILE_PX - OVERLAP_PX)
    if x < 0 or y < 0 or x * TILE_PX >= across or y * TILE_PX >= down:
        raise ServiceError("not_found", "no such tile")
    right = min(across, (x + 1) * TILE_PX + OVERLAP_PX)
    below = min(down, (y + 1) * TILE_PX + OVERLAP_PX)
    return left, top, right, below


def region(scan: "Scan", box: tuple[int, ...], downsample: float) -> Rgb:
    """A box (px of a level) of a scan; the level's last px may be more than the scan has."""
    left, top = box[0] * downsample, box[1] * downsample
    right = min(float(scan.width), box[2] * downsample)
    below = min(float(scan.height), box[3] * downsample)
    pixels = scan.read_at(left, top, right - left, below - top, downsample)
    return _sized(pixels, box)


def from_thumbnail(whole: Rgb, box: tuple[int, ...], downsample: float, scan: "Scan") -> Rgb:
    """A box (px of a level) of a scan, cut from a picture of the whole."""
    factor_x, factor_y = whole.shape[1] / scan.width, whole.shape[0] / scan.height
    x0, x1 = (min(round(at * downsample * factor_x), whole.shape[1]) for at in (box[0], box[2]))
    y0, y1 = (min(round(at * downsample * factor_y), whole.shape[0]) for at in (box[1], box[3]))
    x0, y0 = min(x0, whole.shape[1] - 1), min(y0, whole.shape[0] - 1)
    return _sized(whole[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)], box)


def _sized(pixels: Rgb, box: tuple[int, ...]) -> Rgb:
    width, height = box[2] - box[0], box[3] - box[1]
    if pixels.shape[:2] == (height, width):
        return pixels
    interpolation = cv2.INTER_AREA if pixels.shape[1] > width else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=interpolation), np.uint8)
