"""The interface of a scan: a region of it, at the scale that is asked for; and images behind it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.core.message import Message

Rgb = NDArray[np.uint8]

PIECE_SIDE = 4096
"""A region is shrunk in pieces of at most this side (px of the level read), so that a thumbnail of
a scan without a pyramid takes no more memory than a window."""

TOLERANCE = 1e-6
"""Error of floating-point arithmetic that is allowed where a whole number is meant."""


class Level(NamedTuple):
    """One resolution of a scan: its size (px), and how many px of level 0 one of its px covers."""

    width: int
    height: int
    downsample: float


class Scan(ABC):
    """A scan, open for reading. Safe to use from many threads at once.

    Attributes:
        path: the file.
        levels: its resolutions, the finest (level 0) first.
        um_per_px: scale of level 0 as the file's metadata have it; None when they don't, or when
            what they say can't be true.
        warnings: what was refused or left out when it was opened.
    """

    def __init__(
        self,
        path: Path,
        levels: Sequence[Level],
        um_per_px: float | None = None,
        warnings: Sequence[Message] = (),
    ) -> None:
        self.path = path
        self.levels = tuple(levels)
        self.um_per_px = um_per_px
        self.warnings = tuple(warnings)

    @property
    def width(self) -> int:
        """Of level 0, px."""
        return self.levels[0].width

    @property
    def height(self) -> int:
        """Of level 0, px."""
        return self.levels[0].height

    @property
    def downsamples(self) -> tuple[float, ...]:
        """Px of level 0 that one px of each level covers, 1.0 first."""
        return tuple(level.downsample for level in self.levels)

    @abstractmethod
    def read_level(self, level: int, x: int, y: int, width: int, height: int) -> Rgb:
        """A region of a level, all in that level's px and inside it: (height, width, 3) RGB.

        Raises:
            InputError: the file can't be read there: cut off, damaged or gone.
        """

    def close(self) -> None:  # noqa: B027 - not every scan holds a file
        """Gives back the file. Nothing may be read afterwards, nor be under way."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def read(self, x: int, y: int, width: int, height: int) -> Rgb:
        """A region at full resolution: px of level 0 in, (height, width, 3) uint8 RGB out.

        Raises:
            ValueError: the region is empty or reaches beyond the scan.
            InputError: the file can't be read there: cut off, damaged or gone.
        """
        self._refuse_outside(x, y, width, height)
        return self.read_level(0, x, y, width, height)

    def read_at(self, x: float, y: float, width: float, height: float, downsample: float) -> Rgb:
        """A region, shrunk: read from the coarsest level that is no coarser than what is wanted.

        The region's edges are taken to the nearest px of the level read, so a px of the result lies
        within half a px of where it should. A `downsample` under 1 enlarges level 0, linearly.

        Args:
            x: left edge, px of level 0, as are the other three.
            y: upper edge.
            width: of the region.
            height: of the region.
            downsample: px of level 0 to one px of the result, along each side.

        Returns:
            (round(height / downsample), round(width / downsample), 3) uint8 RGB, 1 px at least.

        Raises:
            ValueError: the region is empty or reaches beyond the scan, or `downsample` is not
                above 0.
            InputError: the file can't be read there: cut off, damaged or gone.
        """
        self._refuse_outside(x, y, width, height)
        if not downsample > 0:
            raise ValueError(f"downsample must be above 0, not {downsample}")
        number = self.level_for(downsample)
        level = self.levels[number]
        across = _axis(x, width, downsample, (level.width, level.downsample))
        down = _axis(y, height, downsample, (level.height, level.downsample))
        return self._shrunk(number, across, down)

    def level_for(self, downsample: float) -> int:
        """The number of the coarsest level that is no coarser than `downsample`; 0 if none is."""
        fit = [i for i, level in enumerate(self.levels) if level.downsample <= downsample * 1.001]
        return max(fit, key=lambda i: self.levels[i].downsample, default=0)

    def piece_px(self, level: int) -> tuple[int, int]:
        """Width and height (px of the level) of what is best read at once when it is to shrink."""
        return PIECE_SIDE, PIECE_SIDE

    def _shrunk(self, number: int, across: "_Axis", down: "_Axis") -> Rgb:
        piece = self.piece_px(number)
        columns, rows = list(across.pieces(piece[0])), list(down.pieces(piece[1]))
        if len(columns) == len(rows) == 1:
            return self._piece(number, columns[0], rows[0])
        out = np.empty((down.out, across.out, 3), np.uint8)
        for row in rows:
            for column in columns:
                part = self._piece(number, column, row)
                out[row.start : row.start + row.out, column.start : column.start + column.out] = (
                    part
                )
        return out

    def _piece(self, number: int, across: "_Axis", down: "_Axis") -> Rgb:
        pixels = self.read_level(number, across.at, down.at, across.size, down.size)
        if (across.size, down.size) == (across.out, down.out):
            return pixels
        shrinks = across.out <= across.size
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(pixels, (across.out, down.out), interpolation=how), np.uint8)

    def _refuse_outside(self, x: float, y: float, width: float, height: float) -> None:
        inside = (
            min(x, y) >= -TOLERANCE
            and min(width, height) > 0
            and x + width <= self.width + TOLERANCE
            and y + height <= self.height + TOLERANCE
        )
        if not inside:
            raise ValueError(
                f"{width} x {height} px at ({x}, {y}) is not inside "
                f"{self.path.name} of {self.width} x {self.height} px"
            )


class ImageScan(Scan):
    """A decoded image, (H, W, 3) uint8 RGB, read as if it were a scan of one level.

    Raises:
        ValueError: the array has another shape or type.
    """

    def __init__(
        self,
        image: Rgb,
        path: Path,
        um_per_px: float | None = None,
        warnings: Sequence[Message] = (),
    ) -> None:
        if image.ndim != 3 or image.shape[2] != 3 or not image.size or image.dtype != "uint8":
            raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
        super().__init__(path, [Level(image.shape[1], image.shape[0], 1.0)], um_per_px, warnings)
        self._image = image

    def read_level(self, level: int, x: int, y: int, width: int, height: int) -> Rgb:
        """A region of the image, as a view of it: not to be written to."""
        return self._image[y : y + height, x : x + width]

    def piece_px(self, level: int) -> tuple[int, int]:
        """All of it: the image is in memory already."""
        return self.width, self.height


class _Axis(NamedTuple):
    """Along one side: `size` px of a level from `at` on become `out` px from `start` on."""

    at: int
    size: int
    out: int
    start: int = 0

    def pieces(self, most: int) -> Iterator["_Axis"]:
        """The same in pieces that read at most `most` px each, or what one px of the result takes.

        A piece ends where a px of the result does, as near as whole px of the level allow.
        """
        if self.size <= most or self.out == 1:
            yield self
            return
        count = min(self.out, -(-self.size // most))
        ends = [self.out * i // count for i in range(count + 1)]
        edges = [round(self.size * end / self.out) for end in ends]
        for start, end, low, high in zip(ends, ends[1:], edges, edges[1:], strict=False):
            low = min(low, self.size - 1)
            yield _Axis(self.at + low, max(1, high - low), end - start, self.start + start)


def _axis(start: float, length: float, downsample: float, level: tuple[int, float]) -> _Axis:
    """The px of a level (its length in px, its downsample) that a side of a region covers."""
    limit, scale = level
    low = min(max(round(start / scale), 0), limit - 1)
    high = min(max(round((start + length) / scale), low + 1), limit)
    return _Axis(low, high - low, max(1, round(length / downsample)))
