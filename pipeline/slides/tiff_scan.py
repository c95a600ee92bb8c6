"""A TIFF of any size, read tile by tile: classic, big or OME, tiled or in strips."""

import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from leukodiff.core.cache import Cache
from leukodiff.core.errors import InputError

from .metadata_scale import Scale
from .scan import PIECE_SIDE, Rgb, Scan
from .tiff_tiles import UNDECODABLE, Segments

if TYPE_CHECKING:
    from tifffile import TiffFile

CACHE_BYTES = 64 * 1024 * 1024
"""Decoded tiles that one scan keeps: two rows of tiles of 256 px across a scan of 40,000 px."""

BLANK = 255
"""Value of a missing tile: scanners leave out those of empty glass."""

MAX_KEPT_TILES = 9
"""Of a region that touches more tiles than this only those that its edge cuts are kept decoded: its
neighbors share them. Memory taken anew costs a third of what decoding does."""

# Its messages are reported by us; a program without logging set up would show them twice.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class TiffScan(Scan):
    """A TIFF open for reading. Only the tiles or strips that a region touches are decoded.

    Sixteen-bit pixels are scaled by the camera's depth, the least of 8, 10, 12, 14 and 16 bits that
    holds the brightest px of the coarsest level; gray becomes RGB; transparent is laid on white.
    `parts`: the tiles or strips of each level.
    """

    def __init__(
        self, path: Path, file: "TiffFile", parts: Sequence[Segments], scale: Scale
    ) -> None:
        super().__init__(path, [part.level for part in parts], *scale)
        self._file = file
        self.parts = tuple(parts)
        self._lock = threading.Lock()
        largest = max(part.segment_bytes for part in parts)
        self._cache = Cache[Rgb](max(CACHE_BYTES, 2 * largest), lambda tile: tile.nbytes)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens a TIFF and finds its levels and its scale.

        Raises:
            InputError: it is damaged, cut off, or its pixels are of a kind that can't be read.
        """
        import tifffile

        from .tiff_levels import find_levels

        try:
            file = tifffile.TiffFile(path)
        except UNDECODABLE as error:
            raise InputError(f"{path}: the TIFF is cut off or damaged ({error})") from error
        try:
            return cls(path, file, *find_levels(path, file))
        except UNDECODABLE as error:
            file.close()
            raise InputError(f"{path}: the TIFF is cut off or damaged ({error})") from error
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        """Gives back the file."""
        self._file.close()

    def piece_px(self, level: int) -> tuple[int, int]:
        """Whole strips, so that none is decoded twice; of tiles a square."""
        part = self.parts[level]
        if part.columns > 1:
            return PIECE_SIDE, PIECE_SIDE
        return part.level.width, max(part.height, PIECE_SIDE**2 // part.level.width)

    def read_level(self, level: int, x: int, y: int, width: int, height: int) -> Rgb:
        """A region of a level, put together from the tiles it touches."""
        part = self.parts[level]
        rows = range(y // part.height, (y + height - 1) // part.height + 1)
        columns = range(x // part.width, (x + width - 1) // part.width + 1)
        many = len(rows) * len(columns) > MAX_KEPT_TILES
        out = np.empty((height, width, 3), np.uint8)
        for row in rows:
            for column in columns:
                left, top = column * part.width - x, row * part.height - y
                cut = left < 0 or top < 0 or left + part.width > width or top + part.height > height
                tile = self._tile(level, row * part.columns + column, cut or not many)
                _paste(out, tile, left, top)
        return out

    def _tile(self, level: int, index: int, kept: bool) -> Rgb:
        tile = self._cache.get((level, index))
        if tile is None:
            tile = self._decoded(self.parts[level], index)
            if kept:
                self._cache.put((level, index), tile)
        return tile

    def _decoded(self, part: Segments, index: int) -> Rgb:
        planes = []
        for offset, length in part.places(index):
            if not length:
                return np.full((part.height, part.width, 3), BLANK, np.uint8)
            planes.append(self._bytes(offset, length))
        try:
            return part.decode(planes, index)
        except UNDECODABLE as error:
            raise InputError(
                f"{self.path}: tile {index} of its {part.level.width} x {part.level.height} px "
                f"can't be decoded: damaged, or of a kind that can't be read ({error})"
            ) from error

    def _bytes(self, offset: int, length: int) -> bytes:
        try:
            data = self._read_file(offset, length)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: can't be read any more: {error}") from error
        if len(data) < length:
            raise InputError(f"{self.path}: cut off while it was read")
        return data

    def _read_file(self, offset: int, length: int) -> bytes:
        handle = self._file.filehandle
        if handle.closed:
            raise ValueError("it is closed")
        if hasattr(os, "pread"):  # leaves the file's position alone: threads need no lock
            return os.pread(handle.fileno(), length, offset)
        with self._lock:
            handle.seek(offset)
            return bytes(handle.read(length))


def _paste(out: Rgb, tile: Rgb, left: int, top: int) -> None:
    """Lays a tile at (left, top), px of `out`, where the two overlap."""
    x, y = max(left, 0), max(top, 0)
    right = min(left + tile.shape[1], out.shape[1])
    below = min(top + tile.shape[0], out.shape[0])
    out[y:below, x:right] = tile[y - top : below - top, x - left : right - left]
