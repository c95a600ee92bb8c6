"""Contact sheets: the cells of a class side by side, all at one scale."""

import textwrap
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from leukodiff.datasets.vocabulary import CellType
from leukodiff.pipeline.report.report import DISPLAY_ORDER, Cell, SmearReport

from .geojson import rgb
from .overlay import Rgb, encode_jpeg
from .plates import INK, WHITE, label, paste, plate

COLUMNS = 12
GAP_PX, LETTERS_PX, TITLE_PX = 8, 13, 22
LETTERS_A_LINE = 18


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
            pictures = [_decoded(crops[cell.cell_id]) for cell in shown]
            captions = [_caption(cell, report.class_names) for cell in shown]
            title = _title(kind, len(shown), len(cells))
            sheets[kind.name] = encode_jpeg(_sheet(kind, title, pictures, captions))
    return sheets


def _caption(cell: Cell, class_names: Sequence[str]) -> list[Rgb]:
    """Its number, its two likeliest classes and its note, line by line."""
    first, *second = cell.leading(class_names)
    number = cell.cell_id.rpartition("-")[2]
    lines = [f"{number}: {first}", *second, *textwrap.wrap(cell.note, LETTERS_A_LINE)]
    return [plate(line, LETTERS_PX, INK, WHITE) for line in lines]


def _sheet(
    kind: CellType, title: Rgb, pictures: Sequence[Rgb], captions: Sequence[Sequence[Rgb]]
) -> Rgb:
    side, line = pictures[0].shape[0], captions[0][0].shape[0]
    words = line * max(map(len, captions))
    columns, rows = min(COLUMNS, len(pictures)), -(-len(pictures) // COLUMNS)
    pitch_x, pitch_y = side + GAP_PX, side + words + GAP_PX
    width = max(columns * pitch_x + GAP_PX, title.shape[1] + 2 * GAP_PX)
    top = title.shape[0] + 2 * GAP_PX
    sheet = np.full((top + rows * pitch_y, width, 3), 255, np.uint8)
    paste(sheet, title, GAP_PX, GAP_PX)
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = GAP_PX + i % COLUMNS * pitch_x, top + i // COLUMNS * pitch_y
        paste(sheet, picture, x, y)
        cv2.rectangle(sheet, (x - 1, y - 1), (x + side, y + side), rgb(kind.color), 2)
        for n, words_px in enumerate(caption):
            paste(sheet, words_px, x, y + side + 2 + n * line)
    return sheet


def _title(kind: CellType, shown: int, total: int) -> Rgb:
    chip = label(kind.abbreviation, TITLE_PX, kind.color)
    count = f"{total}" if shown == total else f"{shown} of {total}, a fair sample"
    return np.hstack([chip, plate(f"{kind.title}: {count}", TITLE_PX, INK, WHITE)])


def _decoded(jpeg: bytes) -> Rgb:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(picture, np.uint8)
