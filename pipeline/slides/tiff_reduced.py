"""JPEG tiles decoded at a half, a quarter or an eighth: a level where the pyramid has a gap.

A JPEG block of 8 x 8 px is kept as frequencies; leaving out the high ones gives 4 x 4, 2 x 2 or
1 x 1 px at once (libjpeg's scaled inverse transform), in half to a third of the time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .scan import Level
from .tiff_pixels import BLACK_IS_ZERO, YCBCR
from .tiff_tiles import Decode, Segments

if TYPE_CHECKING:
    from tifffile import TiffPage

FLAGS = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""Of OpenCV's decoder, by reduction."""

MIN_RATIO = 1.5
"""A reduction closer than this ratio to the next real level isn't offered."""

_JPEG = 7


def with_reductions(page: "TiffPage", parts: Sequence[Segments]) -> list[Segments]:
    """The levels, and between them what level 0's `page` gives by decoding it in part."""
    if not _can_be_reduced(page):
        return list(parts)
    following = parts[1].level.downsample if len(parts) > 1 else np.inf
    between = _reductions(page, parts[0], following)
    return [parts[0], *between, *parts[1:]]


def _can_be_reduced(page: "TiffPage") -> bool:
    plain = page.photometric == YCBCR or (
        page.photometric == BLACK_IS_ZERO and page.samplesperpixel == 1
    )
    return bool(
        page.compression == _JPEG and page.bitspersample == 8 and page.planarconfig == 1 and plain
    )


def _reductions(page: "TiffPage", part: Segments, following: float) -> Iterator[Segments]:
    for by in FLAGS:
        whole = not (part.width % by and part.columns > 1) and not part.height % by
        if whole and by * MIN_RATIO <= following:
            level = Level(-(-part.level.width // by), -(-part.level.height // by), float(by))
            yield replace(
                part,
                level=level,
                width=-(-part.width // by),
                height=part.height // by,
                decoders=[_decoder(by, page.jpegtables)],
                pixels=replace(part.pixels, colors=3),
            )


def _decoder(by: int, tables: bytes | None) -> Decode:
    shared = tables[:-2] if tables else b""

    def decoded(data: bytes, _: int) -> NDArray[Any]:
        whole = shared + data[2:] if shared else data
        bgr = cv2.imdecode(np.frombuffer(whole, np.uint8), FLAGS[by])
        if bgr is None:
            raise ValueError("its JPEG is damaged")
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))

    return decoded
