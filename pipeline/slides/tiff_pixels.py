"""Samples as a TIFF stores them -> uint8 RGB."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .scan import Rgb

if TYPE_CHECKING:
    from tifffile import TiffPage

DEPTHS = (8, 10, 12, 14, 16)
"""Bits a camera has; a file holds them in 16."""

# PhotometricInterpretation (TIFF 6.0)
WHITE_IS_ZERO = 0
BLACK_IS_ZERO = 1
RGB = 2
PALETTE = 3
YCBCR = 6

PREMULTIPLIED = 1
"""ExtraSamples: the last sample is the px's opacity, and the colors are multiplied by it."""

STRAIGHT = 2
"""ExtraSamples: the last sample is the px's opacity, and the colors are as they are."""

_TURNS_TO_RGB = frozenset({6, 7, 33003, 33005, 34712, 34892, 50001, 50002, 52546})
"""Compressions (JPEG, JPEG 2000, JPEG XL, WebP) whose decoder makes RGB of YCbCr itself."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """Meaning of a TIFF's samples.

    Attributes:
        colors: samples of color a px: 1 for gray and palettes, 3 for RGB.
        bits: that the brightest px takes, 1, 8 or up to 16.
        opacity: `PREMULTIPLIED` or `STRAIGHT` where the last sample is one, else 0.
        inverted: 0 is white.
        palette: (2**n, 3) uint8 RGB of each sample's value.
    """

    colors: int
    bits: int
    opacity: int = 0
    inverted: bool = False
    palette: Rgb | None = None

    def to_rgb(self, stored: NDArray[Any]) -> Rgb:
        """(h, w, samples) of uint8, uint16 or bool -> (h, w, 3) uint8 RGB."""
        if self.palette is not None:
            return np.asarray(self.palette[stored[:, :, 0]], np.uint8)
        color = self._eight_bits(stored[:, :, : self.colors])
        if self.inverted:
            color = ~color
        if self.colors == 1:
            color = np.repeat(color, 3, axis=2)
        if self.opacity:
            color = self._on_white(color, stored[:, :, -1:])
        return np.ascontiguousarray(color)

    def _eight_bits(self, stored: NDArray[Any]) -> Rgb:
        if stored.dtype == np.uint8 and self.bits == 8:
            return stored
        if self.bits == 1:
            return stored.astype(np.uint8) * np.uint8(255)
        return np.asarray(np.minimum(np.right_shift(stored, self.bits - 8), 255), np.uint8)

    def _on_white(self, color: Rgb, opacity: NDArray[Any]) -> Rgb:
        share = opacity.astype(np.float32) / np.float32(np.iinfo(opacity.dtype).max)
        own = color * (share if self.opacity == STRAIGHT else np.float32(1))
        return np.asarray(np.rint(np.minimum(own + 255 * (1 - share), 255)), np.uint8)


def pixels_of(page: "TiffPage", planes: int) -> Pixels:
    """Meaning of a page's samples, `planes` of them stored apart (1 when they are not)."""
    samples = max(page.samplesperpixel, planes)
    extra = page.extrasamples[-1:] if page.extrasamples else ()
    opacity = int(extra[0]) if extra and int(extra[0]) in (PREMULTIPLIED, STRAIGHT) else 0
    bits = int(page.bitspersample)
    if page.photometric == PALETTE and page.colormap is not None:
        return Pixels(1, bits, palette=np.ascontiguousarray(page.colormap.T >> 8).astype(np.uint8))
    colors = 3 if samples >= 3 else 1
    return Pixels(colors, bits, opacity, page.photometric == WHITE_IS_ZERO)


def unreadable(page: "TiffPage") -> str:
    """The reason for which a page's pixels can't be read, or nothing."""
    if page.dtype not in (np.uint8, np.uint16, np.bool_) or page.sampleformat != 1:
        return f"{page.dtype or 'unknown'} pixels have no known range; save it with 8 or 16 bits"
    if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR):
        return f"its colors are neither RGB, gray nor a palette ({page.photometric!s})"
    if page.photometric == YCBCR and page.compression not in _TURNS_TO_RGB:
        return "YCbCr pixels without JPEG can't be read; save it as RGB"
    return ""


def depth_of(brightest: int) -> int:
    """The least of 8, 10, 12, 14 and 16 bits that holds the brightest px."""
    return next(bits for bits in DEPTHS if brightest < 2**bits)
