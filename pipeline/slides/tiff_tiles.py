"""The tiles or strips of one level of a TIFF: where they lie, and how their bytes become RGB."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .scan import Level, Rgb
from .tiff_pixels import BLACK_IS_ZERO, YCBCR, Pixels, pixels_of

if TYPE_CHECKING:
    from tifffile import TiffPage

UNDECODABLE = (
    ValueError,
    RuntimeError,
    OSError,
    LookupError,
    TypeError,
    ArithmeticError,
    ImportError,
)
"""Errors of tifffile and its codecs on a damaged file: theirs derive from these or are these."""

MAX_SEGMENT_BYTES = 256 * 1024 * 1024
"""A tile or strip, decoded, is no larger: none can be decoded in part."""

RAW_STRIP_BYTES = 1024 * 1024
"""Strips without compression are read in pieces of about this size."""

Decode = Callable[[bytes, int], NDArray[Any]]
"""The bytes of a segment, and its number, -> its samples (h, w, samples)."""


@dataclass(frozen=True, eq=False)
class Segments:
    """One level's tiles; or strips, tiles as wide as the level.

    Attributes:
        level: its size and downsample.
        width: of a segment, px of the level.
        height: of a segment.
        offsets: (planes, N) where in the file each starts; row by row, N = rows * columns.
        lengths: (planes, N) bytes; 0 where the file has none.
        decoders: one a plane.
        pixels: what the samples mean.
    """

    level: Level
    width: int
    height: int
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    decoders: Sequence[Decode]
    pixels: Pixels

    @property
    def columns(self) -> int:
        """Segments side by side."""
        return -(-self.level.width // self.width)

    @property
    def rows(self) -> int:
        """Segments one below the other."""
        return -(-self.level.height // self.height)

    @property
    def segment_bytes(self) -> int:
        """Of one segment, decoded to RGB."""
        return self.width * self.height * 3

    def places(self, index: int) -> Iterator[tuple[int, int]]:
        """Offset and length of a segment in each plane."""
        for plane in range(len(self.decoders)):
            yield int(self.offsets[plane, index]), int(self.lengths[plane, index])

    def samples(self, planes: Sequence[bytes], index: int) -> NDArray[Any]:
        """The samples of a segment as they are stored, (h, w, samples)."""
        decoded = [d(data, index) for d, data in zip(self.decoders, planes, strict=True)]
        return decoded[0] if len(decoded) == 1 else np.concatenate(decoded, axis=2)

    def decode(self, planes: Sequence[bytes], index: int) -> Rgb:
        """A segment as RGB, (h, w, 3); at the level's edge it may end there or reach beyond."""
        rgb = self.pixels.to_rgb(self.samples(planes, index))
        if rgb.shape[2:] != (3,):
            raise ValueError(f"samples for three colors expected, got {rgb.shape}")
        return rgb


def segments_of(pages: Sequence["TiffPage"], level: Level) -> Segments:
    """The segments of an image, whose colors may be pages of their own.

    Raises:
        ValueError: some lie beyond the file's end or are missing, or they are too large to decode.
    """
    page = pages[0]
    tiled = page.is_tiled
    width = page.tilewidth if tiled else page.imagewidth
    height = page.tilelength if tiled else page.rowsperstrip
    n = -(-level.width // width) * -(-level.height // height)
    tables = [_table(page, n) for page in pages]
    offsets, lengths = (np.concatenate(table) for table in zip(*tables, strict=True))
    pixels = pixels_of(page, len(offsets))
    if _can_be_cut(page, offsets, lengths):
        cut = _raw_strips(page, offsets[:, 0], level)
        return Segments(level, width, *cut, [_raw_decoder(page)] * len(offsets), pixels)
    if width * height * max(3, page.samplesperpixel) * page.bitspersample > 8 * MAX_SEGMENT_BYTES:
        raise ValueError(
            f"it is stored in pieces of {width} x {height} px, which must be decoded whole; "
            "save it as a tiled TIFF"
        )
    decoders = [decoder for one in pages for decoder in _decoders(one, n)]
    return Segments(level, width, height, offsets, lengths, decoders, pixels)


def _table(page: "TiffPage", n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets and lengths of a page's segments, (planes, n) each; every one lies in the file."""
    offsets = np.asarray(page.dataoffsets, np.int64)
    lengths = np.asarray(page.databytecounts, np.int64)
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    size = page.parent.filehandle.size
    if page.imagedepth != 1 or len(offsets) != planes * n or len(lengths) != planes * n:
        raise ValueError(f"cut off or damaged: {planes * n} tiles or strips expected")
    lengths = np.where(offsets > 0, lengths, 0)
    beyond = int(((offsets + lengths > size) | (lengths < 0)).sum())
    if beyond:
        raise ValueError(f"cut off: {beyond} of {planes * n} tiles or strips lie beyond its end")
    return offsets.reshape(planes, n), lengths.reshape(planes, n)


def _decoders(page: "TiffPage", n: int) -> list[Decode]:
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    return [_decoder(page, plane * n) for plane in range(planes)]


def _decoder(page: "TiffPage", first: int) -> Decode:
    decode, tables = page.decode, page.jpegtables

    def decoded(data: bytes, index: int) -> NDArray[Any]:
        segment: NDArray[Any] | None = decode(data, first + index, jpegtables=tables)[0]
        if segment is None:
            raise ValueError("an empty tile")
        return np.asarray(segment[0])

    return decoded


def _can_be_cut(page: "TiffPage", offsets: NDArray[np.int64], lengths: NDArray[np.int64]) -> bool:
    """Large strips hold their rows plainly, one after the other through each plane."""
    plain = page.compression == 1 and page.predictor == 1 and page.fillorder == 1
    if page.is_tiled or not plain or page.bitspersample not in (8, 16) or not lengths.all():
        return False
    contiguous = (offsets[:, :-1] + lengths[:, :-1] == offsets[:, 1:]).all()
    return bool(contiguous) and int(lengths.max()) > RAW_STRIP_BYTES


def _raw_strips(
    page: "TiffPage", starts: NDArray[np.int64], level: Level
) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Strips of about a megabyte: their height, offsets (planes, N) and lengths (planes, N)."""
    row = level.width * _stored(page) * page.bitspersample // 8
    height = max(1, RAW_STRIP_BYTES // row)
    tops = np.arange(0, level.height, height, dtype=np.int64)
    lengths = np.minimum(height, level.height - tops) * row
    return height, starts[:, None] + tops * row, np.tile(lengths, (len(starts), 1))


def _raw_decoder(page: "TiffPage") -> Decode:
    kind = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    shape = (-1, page.imagewidth, _stored(page))

    def decoded(data: bytes, _: int) -> NDArray[Any]:
        samples = np.frombuffer(data, kind).reshape(shape)
        return samples.astype(kind.newbyteorder("="), copy=False)

    return decoded


def _stored(page: "TiffPage") -> int:
    """Samples that stand side by side for a px."""
    return page.samplesperpixel if page.planarconfig == 1 else 1


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
    """The levels, and between them those that level 0's `page` gives by decoding it in part.

    A JPEG block of 8 x 8 px is kept as frequencies; leaving out the high ones gives 4 x 4, 2 x 2 or
    1 x 1 px at once (libjpeg's scaled inverse transform), in half to a third of the time.
    """
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
                decoders=[_reduced_decoder(by, page.jpegtables)],
                pixels=replace(part.pixels, colors=3),
            )


def _reduced_decoder(by: int, tables: bytes | None) -> Decode:
    shared = tables[:-2] if tables else b""

    def decoded(data: bytes, _: int) -> NDArray[Any]:
        whole = shared + data[2:] if shared else data
        bgr = cv2.imdecode(np.frombuffer(whole, np.uint8), FLAGS[by])
        if bgr is None:
            raise ValueError("its JPEG is damaged")
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))

    return decoded
