"""A phantom scan on disk: a tiled, pyramidal BigTIFF with the truth beside it."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from leukodiff.core.errors import InputError
from leukodiff.datasets.fields import LabeledField

from .film import Film, TileKey, lay_film
from .render import Image
from .settings import PhantomSettings
from .smear import write_scan_truth

if TYPE_CHECKING:
    import tifffile

KEPT_TILES = 1024
"""Encoded tiles kept for the next time that their like comes up (about 100 MB)."""
SOFTWARE = "leukodiff phantom"


@dataclass(frozen=True)
class ScanSettings:
    """Layout and storage of a phantom scan.

    Attributes:
        plan: a string a row of blocks, a letter a block: `m` monolayer, `e` empty glass, `t` thick,
            `o` out of focus. `("m" * 10,) * 10` lays one block out a hundred times.
        tile_px: side of the file's tiles, a multiple of 16 and of `level_step`.
        level_step: how much smaller each level is than the one before.
        jpeg_quality: 1 to 100; `None` stores the pixels without loss (deflate).
        write_scale: put `um_per_px` into the resolution tags.
        sub_ifds: store the smaller levels below the first one's directory, as OME-TIFF does;
            otherwise one after another, as OpenSlide's generic tiled TIFF wants.
    """

    plan: tuple[str, ...] = ("m",)
    tile_px: int = 512
    level_step: int = 4
    jpeg_quality: int | None = 85
    write_scale: bool = True
    sub_ifds: bool = False

    def __post_init__(self) -> None:
        if self.level_step < 2 or self.tile_px < 16 or self.tile_px % 16:
            raise InputError("a scan needs tiles of a multiple of 16 px and a level_step above 1")
        if self.tile_px % self.level_step:
            raise InputError(f"tiles of {self.tile_px} px can't be shrunk {self.level_step} times")


def render_scan(
    path: Path, settings: PhantomSettings, scan: ScanSettings | None = None
) -> LabeledField:
    """Write a scan of a smear to `path` (`.tif`), tile row by tile row, with its truth beside it.

    `settings` are those of one block; the scan is as many of them wide and high as the plan. The
    truth is `truth.csv` with a column `zone`, `artifacts.csv` and `truth.json`, as a smear's: one
    scan a folder. Pixels in memory are a few tiles, whatever the size; the same settings give the
    same bytes.

    Raises:
        InputError: the settings can't be met.
    """
    scan = scan or ScanSettings()
    film = lay_film(settings, scan.plan)
    _check_tiles(film, scan.tile_px)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_tiff(path, film, scan)
    cells = film.cells()
    write_scan_truth(path, settings, scan.plan, cells, film.artifacts())
    return LabeledField(
        path=path,
        xyxy=cells.xyxy,
        cell_types=cells.names,
        split="test",
        source="phantom",
        group=path.stem,
        um_per_px=settings.um_per_px,
    )


def _check_tiles(film: Film, tile_px: int) -> None:
    block = film.settings
    several = (film.width, film.height) != (block.width, block.height)
    if several and (block.width % tile_px or block.height % tile_px):
        raise InputError(
            f"a block of {block.width} x {block.height} px is no whole number of tiles of "
            f"{tile_px} px"
        )


def level_sizes(width: int, height: int, scan: ScanSettings) -> list[tuple[int, int]]:
    """Width and height of each level, px, down to one that two by two tiles hold."""
    sizes = [(width, height)]
    while max(sizes[-1]) > 2 * scan.tile_px:
        across, down = sizes[-1]
        sizes.append((max(across // scan.level_step, 1), max(down // scan.level_step, 1)))
    return sizes


def _write_tiff(path: Path, film: Film, scan: ScanSettings) -> None:
    import tifffile  # only who writes a scan waits for it

    sizes = level_sizes(film.width, film.height, scan)
    um_per_px = film.settings.um_per_px
    own: dict[str, Any] = {"subifds": len(sizes) - 1} if scan.sub_ifds else {}
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        level = _canvas(path.parent, *sizes[min(1, len(sizes) - 1)])
        _write_level(tiff, scan, sizes[0], _film_tiles(film, scan, level), um_per_px, own)
        for i, size in enumerate(sizes[1:]):
            if i:
                level = _shrunk(path.parent, level, size, scan.level_step)
            coarse_um = um_per_px * film.width / size[0]
            _write_level(tiff, scan, size, _tiles(level, scan), coarse_um, {"subfiletype": 1})


def _write_level(
    tiff: tifffile.TiffWriter,
    scan: ScanSettings,
    size: tuple[int, int],
    tiles: Iterator[bytes],
    um_per_px: float,
    own: dict[str, Any],
) -> None:
    width, height = size
    # tifffile wants to know how the bytes that it is given were made.
    made: dict[str, Any] = {"photometric": "rgb", "compression": "zlib"}
    if scan.jpeg_quality is not None:
        made = {"photometric": "ycbcr", "compression": "jpeg", "subsampling": (2, 2)}
    if scan.write_scale:
        made |= {"resolution": (1e4 / um_per_px, 1e4 / um_per_px), "resolutionunit": "CENTIMETER"}
    tiff.write(
        tiles,
        shape=(height, width, 3),
        dtype="uint8",
        tile=(scan.tile_px, scan.tile_px),
        software=SOFTWARE,
        metadata=None,
        **made,
        **own,
    )


def _film_tiles(film: Film, scan: ScanSettings, smaller: Image) -> Iterator[bytes]:
    """The tiles of level 0, encoded; the next level is filled in as they pass."""
    side, step = scan.tile_px, scan.level_step

    @lru_cache(KEPT_TILES)
    def drawn(key: TileKey) -> tuple[bytes, Image]:
        tile = film.tile(key, side)
        small = cv2.resize(tile, (side // step, side // step), interpolation=cv2.INTER_AREA)
        return _encoded(tile, scan.jpeg_quality), np.asarray(small, np.uint8)

    for y in range(0, film.height, side):
        for x in range(0, film.width, side):
            data, small = drawn(film.key(x, y, side))
            room = smaller[y // step :, x // step :][: side // step, : side // step]
            room[:] = small[: room.shape[0], : room.shape[1]]
            yield data


def _tiles(image: Image, scan: ScanSettings) -> Iterator[bytes]:
    """The tiles of a level, encoded; past the edge of the image its last pixels go on."""
    side = scan.tile_px
    for y in range(0, image.shape[0], side):
        for x in range(0, image.shape[1], side):
            tile = image[y : y + side, x : x + side]
            past = (0, side - tile.shape[0]), (0, side - tile.shape[1]), (0, 0)
            yield _encoded(np.pad(tile, past, "edge"), scan.jpeg_quality)


def _encoded(tile: Image, jpeg_quality: int | None) -> bytes:
    if jpeg_quality is None:
        return zlib.compress(tile.tobytes(), 1)
    bgr = cv2.cvtColor(tile, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
    return data.tobytes()


def _shrunk(folder: Path, image: Image, size: tuple[int, int], step: int) -> Image:
    """The image `step` times smaller, strip by strip."""
    width, height = size
    result = _canvas(folder, width, height)
    for y in range(0, height, 256):
        rows = image[y * step : (y + 256) * step, : width * step]
        rows = rows[: len(rows) // step * step]
        small = (width, len(rows) // step)
        result[y : y + 256] = cv2.resize(rows, small, interpolation=cv2.INTER_AREA)
    return result


def _canvas(folder: Path, width: int, height: int) -> Image:
    """Room for a level on disk rather than in memory; gone with the last reference to it."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, np.uint8, "w+", shape=(height, width, 3))
