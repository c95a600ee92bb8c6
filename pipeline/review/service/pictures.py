"""Pictures of cells: cut from the slide's own images at one physical size."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.cache import Cache
from leukodiff.core.crops import resize_square
from leukodiff.core.files import write_cache_file
from leukodiff.pipeline.exports.crops import BACKGROUND, CROP_PX, square_around
from leukodiff.pipeline.exports.drawing import encode_jpeg
from leukodiff.pipeline.report.cells import Cell

from .errors import ServiceError
from .images import ImagePool, field_image

if TYPE_CHECKING:
    from leukodiff.pipeline.slides import Scan

    from .slide_store import StoredSlide

Rgb = NDArray[np.uint8]

SIZES = (48, 64, 80, 96, CROP_PX, 128, 160, 192, 224, 256, 320, 384, 448, 512)
"""Sides (px) that a crop may be asked for; the next larger one is made."""

SHEET_SIDE = 10
"""Crops in a row, and in a column, of a sheet."""

SHEET_CROP_PX = 96

SHEET_QUALITY = 85


@dataclass
class Pictures:
    """Cuts cells, and keeps what was cut: a few in memory, more on disk under `folder`."""

    images: ImagePool
    kept: Cache[bytes]
    folder: Path

    def crop(self, slide: "StoredSlide", cell: Cell, px: int) -> bytes:
        """A cell and its neighborhood, `CROP_UM` wide, as a JPEG of px * px or a little more.

        Raises:
            ServiceError: `not_found`: its image is gone or is another one.
        """
        side = next((one for one in SIZES if one >= px), SIZES[-1])
        key = digest(cell.cell_id, _box(cell), side)

        def make() -> bytes:
            with field_image(self.images, slide, cell.field_id) as scan:
                return encode_jpeg(cut(scan, cell, slide.um_per_px, side))

        return self._kept(slide, f"{key}.jpg", make)

    def sheet(self, slide: "StoredSlide", cells: Sequence[Cell]) -> bytes:
        """Up to `SHEET_SIDE`^2 cells side by side, row by row, as one JPEG.

        Cells whose image is gone are left blank.

        Raises:
            ServiceError: `not_found`: the images of all of them are gone.
        """
        key = digest("sheet", *((cell.cell_id, _box(cell)) for cell in cells))
        return self._kept(slide, f"{key}.jpg", lambda: self._sheet(slide, cells))

    def _sheet(self, slide: "StoredSlide", cells: Sequence[Cell]) -> bytes:
        rows = -(-len(cells) // SHEET_SIDE)
        sheet = np.full((rows * SHEET_CROP_PX, SHEET_SIDE * SHEET_CROP_PX, 3), BACKGROUND, np.uint8)
        missing: list[ServiceError] = []
        for field_id in dict.fromkeys(cell.field_id for cell in cells):
            places = [(i, cell) for i, cell in enumerate(cells) if cell.field_id == field_id]
            try:
                with field_image(self.images, slide, field_id) as scan:
                    for i, cell in places:
                        y, x = (SHEET_CROP_PX * at for at in divmod(i, SHEET_SIDE))
                        crop = cut(scan, cell, slide.um_per_px, SHEET_CROP_PX)
                        sheet[y : y + SHEET_CROP_PX, x : x + SHEET_CROP_PX] = crop
            except ServiceError as error:
                missing += [error] * len(places)
        if missing and len(missing) == len(cells):
            raise missing[0]
        return encode_jpeg(sheet, SHEET_QUALITY)

    def _kept(self, slide: "StoredSlide", name: str, make: Callable[[], bytes]) -> bytes:
        path = self.folder / slide.sha256[:24] / name

        def found() -> bytes:
            with suppress(OSError):
                return path.read_bytes()
            made = make()
            with suppress(OSError):  # no room for it: it is made again
                write_cache_file(path, made)
            return made

        return self.kept.get_or_make((slide.sha256, name), found)


def picture_cache(max_bytes: int) -> Cache[bytes]:
    """A cache of encoded pictures."""
    return Cache(max_bytes, len)


def digest(*parts: object) -> str:
    """A name for what is made from `parts`: what a file may be called, whatever they hold."""
    return hashlib.sha256(repr(parts).encode(errors="replace")).hexdigest()[:32]


def prune(folder: Path, most: int) -> None:
    """Takes the oldest files of a cache away until it holds no more than `most` bytes."""
    files = []
    for path in folder.rglob("*.jpg"):
        with suppress(OSError):
            facts = path.stat()
            files.append((facts.st_mtime_ns, facts.st_size, path))
    size = sum(one for _, one, _ in files)
    for _, bytes_, path in sorted(files):
        if size <= most:
            return
        with suppress(OSError):
            path.unlink()
        size -= bytes_


def cut(scan: "Scan", cell: Cell, um_per_px: float, px: int) -> Rgb:
    """A cell and its neighborhood, `CROP_UM` wide, (px, px, 3); beyond the image is glass."""
    square = square_around(cell, um_per_px)
    return resize_square(square.read((scan.width, scan.height), scan.read, BACKGROUND), px)


def _box(cell: Cell) -> tuple[float, ...]:
    return cell.x_min, cell.y_min, cell.x_max, cell.y_max
