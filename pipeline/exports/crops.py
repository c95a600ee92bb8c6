"""Pictures of cells: a fair sample of each class, kept during the analysis, and contact sheets."""

import hashlib
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from leukodiff.core.crops import Square, resize_square
from leukodiff.core.units import CROP_UM
from leukodiff.datasets.vocabulary import CellType
from leukodiff.pipeline.report.cells import DISPLAY_ORDER, Cell
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.slides import Scan

from .drawing import Rgb, dark_text, encode_jpeg, label, paste
from .formatting import rgb

CROP_PX = 112

CROPS_ON_SHEET = 96
"""Cells of a class on a contact sheet."""

BACKGROUND = (245, 245, 245)
"""Color of a crop beyond the edge of its field, RGB 0-255."""

SHEET_COLUMNS = 12

GAP_PX = 8

CAPTION_PX = 13
"""Letters of a caption."""

TITLE_PX = 22
"""Letters of a sheet's title."""

CAPTION_CHARACTERS = 18
"""Longest line of a caption."""


@dataclass
class Gallery:
    """At most `per_class` crops of each class and of the atypical, whatever the number of cells.

    A hash of the cell's id chooses them: a fair sample, and the same one in whatever order the
    fields come. Safe to use from many threads at once.
    """

    per_class: int
    _kept: dict[str, dict[str, tuple[bytes, bytes]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def offer(self, cell: Cell, crop: Callable[[], bytes]) -> None:
        """Keeps a cell's crop if it is among those to show; makes it only then."""
        rank = hashlib.sha1(cell.cell_id.encode(errors="replace"), usedforsecurity=False).digest()
        with self._lock:
            kept = self._kept.setdefault(cell.display_group, {})
            full = len(kept) >= self.per_class
            if full and not any(rank < least for least, _ in kept.values()):
                return
        picture = crop()
        with self._lock:
            kept[cell.cell_id] = (rank, picture)
            if len(kept) > self.per_class:
                del kept[max(kept, key=lambda cell_id: kept[cell_id][0])]

    def crops(self, per_class: int | None = None) -> Mapping[str, bytes]:
        """The JPEG of each cell kept, or of fewer a class, by cell_id."""
        with self._lock:
            return {
                cell_id: kept[cell_id][1]
                for kept in self._kept.values()
                for cell_id in sorted(kept, key=lambda cell_id: kept[cell_id][0])[:per_class]
            }


def square_around(cell: Cell, um_per_px: float) -> Square:
    """The square of `CROP_UM` round a cell, px of its field."""
    x, y = (cell.x_min + cell.x_max) / 2, (cell.y_min + cell.y_max) / 2
    return Square.around(x, y, CROP_UM / um_per_px)


def cut_crop(image: Rgb, cell: Cell, um_per_px: float) -> bytes:
    """A cell and its neighborhood at a fixed physical size, as a JPEG.

    Args:
        image: (H, W, 3) uint8 RGB, the cell's field.
        cell: its box is in px of the field.
        um_per_px: scale of the field.
    """
    window = square_around(cell, um_per_px).cut(image, BACKGROUND)
    return encode_jpeg(resize_square(window, CROP_PX))


def cut_from_scan(scan: Scan, cell: Cell, um_per_px: float) -> bytes:
    """`cut_crop` of a cell of a scan, of which no more than the crop is read."""
    side = max(1, round(CROP_UM / um_per_px))
    x, y = (cell.x_min + cell.x_max) / 2, (cell.y_min + cell.y_max) / 2
    left, top = max(0, int(x) - side), max(0, int(y) - side)
    right, below = min(scan.width, int(x) + side + 1), min(scan.height, int(y) + side + 1)
    moved = replace(
        cell,
        x_min=cell.x_min - left,
        y_min=cell.y_min - top,
        x_max=cell.x_max - left,
        y_max=cell.y_max - top,
    )
    return cut_crop(scan.read(left, top, right - left, below - top), moved, um_per_px)


def contact_sheets(report: SmearReport, crops: Mapping[str, bytes]) -> dict[str, bytes]:
    """A JPEG for each class that has a cell with a crop, and for the atypical cells, by name.

    Args:
        report: what was found.
        crops: a JPEG by cell_id, all of one size.
    """
    sheets = {}
    for kind in DISPLAY_ORDER:
        cells = report.cells_in_group(kind.name)
        shown = [cell for cell in cells if cell.cell_id in crops]
        if shown:
            encoded = (np.frombuffer(crops[cell.cell_id], np.uint8) for cell in shown)
            pictures = [
                np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB), np.uint8) for jpeg in encoded
            ]
            captions = [_caption(cell, report.class_names) for cell in shown]
            chip, n = label(kind.abbreviation, TITLE_PX, kind.color), len(cells)
            count = f"{n}" if len(shown) == n else f"{len(shown)} of {n}, a fair sample"
            title = np.hstack([chip, dark_text(f"{kind.title}: {count}", TITLE_PX)])
            sheets[kind.name] = encode_jpeg(_sheet(kind, title, pictures, captions))
    return sheets


def _caption(cell: Cell, class_names: Sequence[str]) -> list[Rgb]:
    """A cell's number, its two likeliest classes and its note, line by line."""
    first, *second = cell.leading(class_names)
    number = cell.cell_id.rpartition("-")[2]
    lines = [f"{number}: {first}", *second, *textwrap.wrap(cell.note, CAPTION_CHARACTERS)]
    return [dark_text(line, CAPTION_PX) for line in lines]


def _sheet(
    kind: CellType, title: Rgb, pictures: Sequence[Rgb], captions: Sequence[Sequence[Rgb]]
) -> Rgb:
    side, line = pictures[0].shape[0], captions[0][0].shape[0]
    words = line * max(map(len, captions))
    columns, rows = min(SHEET_COLUMNS, len(pictures)), -(-len(pictures) // SHEET_COLUMNS)
    pitch_x, pitch_y = side + GAP_PX, side + words + GAP_PX
    width = max(columns * pitch_x + GAP_PX, title.shape[1] + 2 * GAP_PX)
    top = title.shape[0] + 2 * GAP_PX
    sheet = np.full((top + rows * pitch_y, width, 3), 255, np.uint8)
    paste(sheet, title, GAP_PX, GAP_PX)
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = GAP_PX + i % SHEET_COLUMNS * pitch_x, top + i // SHEET_COLUMNS * pitch_y
        paste(sheet, picture, x, y)
        cv2.rectangle(sheet, (x - 1, y - 1), (x + side, y + side), rgb(kind.color), 2)
        for n, words_px in enumerate(caption):
            paste(sheet, words_px, x, y + side + 2 + n * line)
    return sheet
