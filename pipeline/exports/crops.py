"""A few cells of each class, kept while the fields go by: what the report shows of a smear."""

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.pipeline.report.report import Cell
from leukodiff.pipeline.slides import Scan

from .overlay import encode_jpeg

Rgb = NDArray[np.uint8]

CROP_UM = 24.0
"""Side of a crop on the glass, um: the largest white cells fit, and sizes compare."""
CROP_PX = 112
CROPS_ON_SHEET = 96
"""Cells of a class on a contact sheet."""

GLASS = (245, 245, 245)
"""What is shown beyond the edge of a field."""


@dataclass
class Gallery:
    """At most `per_class` crops of each class and of the atypical, whatever the number of cells.

    Which ones is settled by a hash of the cell's id: a fair sample, and the same one in whatever
    order the fields come. Safe to use from many threads at once.
    """

    per_class: int
    _kept: dict[str, dict[str, tuple[bytes, bytes]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def offer(self, cell: Cell, crop: Callable[[], bytes]) -> None:
        """Keeps a cell's crop if it is among those to show; makes it only then."""
        rank = hashlib.sha1(cell.cell_id.encode(errors="replace"), usedforsecurity=False).digest()
        if not self._wants(cell.shelf, rank):
            return
        picture = crop()
        with self._lock:
            kept = self._kept.setdefault(cell.shelf, {})
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

    def _wants(self, shelf: str, rank: bytes) -> bool:
        with self._lock:
            kept = self._kept.get(shelf, {})
            full = len(kept) >= self.per_class
            return self.per_class > 0 and (not full or rank < max(r for r, _ in kept.values()))


def cut_crop(image: Rgb, cell: Cell, um_per_px: float) -> bytes:
    """A cell and its neighborhood at a fixed physical size, as a JPEG.

    Args:
        image: (H, W, 3) uint8 RGB, the cell's field.
        cell: its box is in px of the field.
        um_per_px: scale of the field.
    """
    side = max(1, round(CROP_UM / um_per_px))
    left = round((cell.x_min + cell.x_max - side) / 2)
    top = round((cell.y_min + cell.y_max - side) / 2)
    window = _window(image, left, top, side)
    method = cv2.INTER_AREA if side > CROP_PX else cv2.INTER_CUBIC
    return encode_jpeg(np.asarray(cv2.resize(window, (CROP_PX, CROP_PX), interpolation=method)))


def cut_from_scan(scan: Scan, cell: Cell, um_per_px: float) -> bytes:
    """The same of a cell of a scan, of which no more than the crop is read."""
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


def _window(image: Rgb, left: int, top: int, side: int) -> Rgb:
    """A square of a field; what lies beyond the field is glass."""
    height, width = image.shape[:2]
    x0, y0 = min(max(left, 0), width), min(max(top, 0), height)
    x1, y1 = max(min(left + side, width), x0), max(min(top + side, height), y0)
    inside = image[y0:y1, x0:x1]
    if inside.shape[:2] == (side, side):
        return inside
    window = np.full((side, side, 3), GLASS, np.uint8)
    window[y0 - top : y1 - top, x0 - left : x1 - left] = inside
    return window
