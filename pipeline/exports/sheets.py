"""Contact sheets: the cells of a class side by side, all at one scale."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from leukodiff.datasets.vocabulary import BY_NAME, CELL_TYPES, CellType

from ..report import Cell, SmearReport
from .geojson import rgb
from .overlay import Rgb, encode_jpeg
from .plates import INK, WHITE, label, paste, plate

COLUMNS = 12
GAP_PX, LETTERS_PX, TITLE_PX = 8, 13, 22


def contact_sheets(report: SmearReport, crops: Mapping[str, bytes]) -> dict[str, bytes]:
    """A JPEG for each class that has a cell with a crop, by the class's name.

    Args:
        report: what was found.
        crops: a JPEG by cell_id, all of one size.
    """
    sheets = {}
    for kind in CELL_TYPES:
        cells = [cell for cell in report.cells if cell.counted_as == kind.name]
        shown = sorted((c for c in cells if c.cell_id in crops), key=lambda c: -c.confidence)
        if shown:
            pictures = [_decoded(crops[cell.cell_id]) for cell in shown]
            sheets[kind.name] = encode_jpeg(_sheet(kind, shown, pictures, len(cells)))
    return sheets


def _sheet(kind: CellType, cells: Sequence[Cell], pictures: Sequence[Rgb], total: int) -> Rgb:
    side = pictures[0].shape[0]
    words = plate("100%", LETTERS_PX, INK, WHITE).shape[0]
    columns, rows = min(COLUMNS, len(cells)), -(-len(cells) // COLUMNS)
    title = _title(kind, len(cells), total)
    pitch_x, pitch_y = side + GAP_PX, side + words + GAP_PX
    width = max(columns * pitch_x + GAP_PX, title.shape[1] + 2 * GAP_PX)
    top = title.shape[0] + 2 * GAP_PX
    sheet = np.full((top + rows * pitch_y, width, 3), 255, np.uint8)
    paste(sheet, title, GAP_PX, GAP_PX)
    for i, (cell, picture) in enumerate(zip(cells, pictures, strict=True)):
        x, y = GAP_PX + i % COLUMNS * pitch_x, top + i // COLUMNS * pitch_y
        paste(sheet, picture, x, y)
        cv2.rectangle(sheet, (x - 1, y - 1), (x + side, y + side), rgb(kind.colour), 2)
        number = cell.cell_id.rpartition("-")[2]
        paste(sheet, plate(f"{number}: {cell.percent}%", LETTERS_PX, INK, WHITE), x, y + side + 2)
    return sheet


def _title(kind: CellType, shown: int, total: int) -> Rgb:
    chip = label(BY_NAME[kind.name].abbreviation, TITLE_PX, kind.colour)
    count = f"{total}" if shown == total else f"{shown} of {total}, a fair sample"
    return np.hstack([chip, plate(f"{kind.title}: {count}", TITLE_PX, INK, WHITE)])


def _decoded(jpeg: bytes) -> Rgb:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(picture, np.uint8)
