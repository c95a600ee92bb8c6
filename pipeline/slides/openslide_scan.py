"""A whole-slide file in a slide scanner's own format, read by OpenSlide."""

from pathlib import Path
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

from leukodiff.core.errors import InputError
from leukodiff.core.message import Message

from .metadata_scale import Reading, Scale, settled
from .scan import Level, Rgb, Scan
from .tiff_header import MAX_PIXELS

if TYPE_CHECKING:
    from openslide import OpenSlide

GENERIC = "generic-tiff"


def is_vendors(path: Path) -> bool:
    """OpenSlide knows the file as a slide scanner's, and not just as a tiled TIFF."""
    import openslide

    try:
        vendor = openslide.OpenSlide.detect_format(path)
    except (openslide.OpenSlideError, OSError) as error:
        raise InputError(f"{path}: cut off or damaged ({_line(error)})") from error
    return vendor not in (None, GENERIC)


class OpenSlideScan(Scan):
    """A whole-slide file open for reading through OpenSlide.

    Where the file says which part of its plane was scanned (`openslide.bounds-x` and so on), level
    0 is that part and its corner the origin, as QuPath has it. What wasn't scanned is white.
    """

    def __init__(
        self,
        path: Path,
        slide: "OpenSlide",
        origin: tuple[int, int],
        levels: list[Level],
        scale: Scale,
    ) -> None:
        super().__init__(path, levels, *scale)
        self._slide = slide
        self._origin = origin

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens a whole-slide file.

        Raises:
            InputError: OpenSlide doesn't know it, or it is damaged.
        """
        import openslide

        try:
            slide = openslide.OpenSlide(path)
        except openslide.OpenSlideUnsupportedFormatError as error:
            raise InputError(
                f"{path}: not a whole-slide file that OpenSlide reads; export it as a tiled TIFF"
            ) from error
        except (openslide.OpenSlideError, OSError) as error:
            raise InputError(f"{path}: cut off or damaged ({_line(error)})") from error
        x, y, width, height = _bounds(slide)
        if not 0 < width * height <= MAX_PIXELS:
            slide.close()
            raise InputError(f"{path}: claims {width} x {height} px: the file is damaged")
        return cls(path, slide, (x, y), _levels(slide, width, height), _scale(slide))

    def close(self) -> None:
        """Gives back the file."""
        self._slide.close()

    def read_level(self, level: int, x: int, y: int, width: int, height: int) -> Rgb:
        """A region of a level; what the scanner left out is white."""
        import openslide

        downsample = self.levels[level].downsample
        corner = round(x * downsample) + self._origin[0], round(y * downsample) + self._origin[1]
        try:
            rgba = np.asarray(self._slide.read_region(corner, level, (width, height)), np.uint8)
        except (openslide.OpenSlideError, OSError, ValueError) as error:
            raise InputError(f"{self.path}: can't be read there: {_line(error)}") from error
        return _on_white(rgba)


def _line(error: Exception) -> str:
    """OpenSlide's message, of several lines, in one."""
    return " ".join(str(error).split())


def _bounds(slide: "OpenSlide") -> tuple[int, int, int, int]:
    """x, y, width and height of what was scanned, px of level 0 as OpenSlide counts them."""
    width, height = slide.dimensions
    names = ("x", "y", "width", "height")
    try:
        x, y, w, h = (int(slide.properties[f"openslide.bounds-{name}"]) for name in names)
    except (KeyError, ValueError):
        return 0, 0, width, height
    inside = 0 <= x < x + w <= width and 0 <= y < y + h <= height
    return (x, y, w, h) if inside else (0, 0, width, height)


def _levels(slide: "OpenSlide", width: int, height: int) -> list[Level]:
    sizes = zip(slide.level_dimensions, slide.level_downsamples, strict=True)
    return [
        Level(min(w, max(1, round(width / down))), min(h, max(1, round(height / down))), down)
        for (w, h), down in sizes
    ]


def _scale(slide: "OpenSlide") -> Scale:
    sides = [_number(slide.properties.get(f"openslide.mpp-{axis}", "")) for axis in "xy"]
    x, y = sides[0] or sides[1], sides[1] or sides[0]
    return settled([] if x is None or y is None else [Reading(Message("openslide_mpp"), x, y)])


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _on_white(rgba: Rgb) -> Rgb:
    rgb = np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), np.uint8)
    opacity = rgba[:, :, 3]
    if opacity.min() == 255:
        return rgb
    share = opacity[:, :, None].astype(np.float32) / 255
    return np.rint(255 + (rgb.astype(np.float32) - 255) * share).astype(np.uint8)
