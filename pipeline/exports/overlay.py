"""A field with its labeled boxes: thin lines, the class beside the cell, a legend below."""

from collections import Counter
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.datasets.vocabulary import BY_NAME
from leukodiff.detector.areas import REASONS
from leukodiff.pipeline.report.report import Cell

from .geojson import rgb
from .plates import INK, WHITE, label, paste, plate
from .shades import legend_swatch, shade

Rgb = NDArray[np.uint8]
Boxes = NDArray[np.float32]

JPEG_QUALITY = 88
SCALE_BAR_UM = 10.0
FAINT = 0.45
"""How strongly red cells are outlined, 0-1: enough to check the count, too little to distract."""


def draw_overlay(
    image: Rgb, cells: Sequence[Cell], beside: Mapping[str, Boxes], um_per_px: float | None = None
) -> Rgb:
    """Draws a field's cells on a copy of it, with a legend below.

    Args:
        image: (H, W, 3) uint8 RGB.
        cells: the named cells of this field.
        beside: boxes (N, 4) of what is counted without a name, `platelet` and `red_cell`.
        um_per_px: for the scale bar, left out when unknown.

    Returns:
        (H + legend, W, 3) uint8 RGB: the field is not scaled and not covered by the legend.
    """
    height, width = image.shape[:2]
    size = letter_size(width, height)
    legend = draw_legend(width, size, cells, beside, um_per_px)
    canvas = np.empty((height + len(legend), width, 3), np.uint8)
    canvas[height:] = legend
    canvas[:height] = image
    field = canvas[:height]
    _outline(field, beside.get("red_cell"), "red_cell", FAINT)
    _outline(field, beside.get("platelet"), "platelet", 1.0)
    _draw_cells(field, cells, size)
    return canvas


def draw_left_out(image: Rgb, kind: str, um_per_px: float | None = None) -> Rgb:
    """Draws a field that was not read: shaded, with the reason in words below.

    Args:
        image: (H, W, 3) uint8 RGB.
        kind: why not, one of `REASONS`.
        um_per_px: for the scale bar, left out when unknown.

    Returns:
        (H + legend, W, 3) uint8 RGB.
    """
    height, width = image.shape[:2]
    size = letter_size(width, height)
    entries = [legend_swatch(kind, REASONS[kind], size), *_bar(um_per_px, size)]
    canvas = np.concatenate([image, stacked(entries, width, size)])
    shade(canvas[:height], kind)
    return canvas


def encode_jpeg(picture: Rgb, quality: int = JPEG_QUALITY) -> bytes:
    """A picture (H, W, 3) uint8 RGB as a JPEG file."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def letter_size(width: int, height: int) -> int:
    """The size of the letters on a field, px: 13 on 640 x 480, in step with larger fields."""
    return int(np.clip(round(min(width, height * 4 / 3) / 49), 11, 64))


def draw_legend(
    width: int,
    size: int,
    cells: Sequence[Cell],
    beside: Mapping[str, Boxes],
    um_per_px: float | None,
) -> Rgb:
    """What was counted, by class, wrapped to a field's width; (h, W, 3) uint8 RGB."""
    counts = legend_counts(cells, beside)
    entries = [legend_entry(name, count, size) for name, count in counts.items() if count]
    entries = entries or [plate("no cells found", size, INK, WHITE)]
    return stacked([*entries, *_bar(um_per_px, size)], width, size)


def _bar(um_per_px: float | None, size: int) -> list[Rgb]:
    if not um_per_px:
        return []
    return [scale_bar(SCALE_BAR_UM / um_per_px, f"{SCALE_BAR_UM:g} um", size)]


def stacked(entries: Sequence[Rgb], width: int, size: int) -> Rgb:
    """The entries of a legend on a white strip of a width, in as many rows as they need."""
    rows = _wrapped(entries, width - size, size)
    pitch = entries[0].shape[0] + size // 6
    strip = np.full((len(rows) * pitch + size // 2, width, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        x = size // 2
        for entry in row:
            paste(strip, entry, x, size // 4 + i * pitch)
            x += entry.shape[1] + size
    return strip


def legend_counts(cells: Sequence[Cell], beside: Mapping[str, Boxes]) -> dict[str, int]:
    """How many of each class, in the vocabulary's order; platelets named and boxed together."""
    counts = Counter(cell.counted_as for cell in cells)
    counts.update({name: len(boxes) for name, boxes in beside.items()})
    return {name: counts[name] for name in BY_NAME}


def legend_entry(name: str, count: int, size: int) -> Rgb:
    """A class in its color, with its count."""
    kind = BY_NAME[name]
    chip = label(kind.abbreviation, size, kind.color)
    gap = np.full((chip.shape[0], size // 4, 3), 255, np.uint8)
    words = plate(f"{kind.title} {count}", size, INK, WHITE)
    return np.hstack([chip, gap, words])


def scale_bar(length_px: float, text: str, size: int) -> Rgb:
    """A bar of a length, with what it stands for."""
    words = plate(text, size, INK, WHITE)
    bar = np.full((words.shape[0], max(1, round(length_px)), 3), 255, np.uint8)
    middle, half = words.shape[0] // 2, max(1, size // 12)
    bar[middle - half : middle + half] = 34
    bar[middle - 3 * half : middle + 3 * half, [0, -1]] = 34
    return np.hstack([bar, words])


def _wrapped(entries: Sequence[Rgb], width: int, gap: int) -> list[list[Rgb]]:
    rows: list[list[Rgb]] = [[]]
    used = 0
    for entry in entries:
        if rows[-1] and used + entry.shape[1] > width:
            rows.append([])
            used = 0
        rows[-1].append(entry)
        used += entry.shape[1] + gap
    return rows


def _outline(field: Rgb, boxes: Boxes | None, name: str, strength: float) -> None:
    """Hairline boxes, blended with what is below them."""
    if boxes is None or not len(boxes):
        return
    layer = field.copy() if strength < 1 else field
    for x0, y0, x1, y1 in np.rint(boxes).astype(int).tolist():
        cv2.rectangle(layer, (x0, y0), (x1 - 1, y1 - 1), rgb(BY_NAME[name].color), 1)
    if layer is not field:
        cv2.addWeighted(layer, strength, field, 1 - strength, 0, dst=field)


def _draw_cells(field: Rgb, cells: Sequence[Cell], size: int) -> None:
    boxes = np.array([(c.x_min, c.y_min, c.x_max, c.y_max) for c in cells]).reshape(-1, 4)
    corners = np.rint(boxes).astype(int)
    line = max(1, round(size / 8))
    for cell, (x0, y0, x1, y1) in zip(cells, corners.tolist(), strict=True):
        color = rgb(BY_NAME[cell.counted_as].color)
        # A white hairline within sets the color off from stain of the same hue.
        cv2.rectangle(field, (x0, y0), (x1 - 1, y1 - 1), WHITE, 1)
        for step in range(1, line + 1):
            cv2.rectangle(field, (x0 - step, y0 - step), (x1 - 1 + step, y1 - 1 + step), color, 1)
    taken = corners.copy()
    for cell, corner in zip(cells, corners, strict=True):
        picture = label(label_text(cell), size, BY_NAME[cell.counted_as].color)
        place = place_label(picture.shape[1], picture.shape[0], corner, taken, field.shape, line)
        paste(field, picture, place[0], place[1])
        taken = np.vstack([taken, place])


def label_text(cell: Cell) -> str:
    """The class and how sure it is: `NEU 98%`; a person's word has no percentage."""
    abbreviation = BY_NAME[cell.counted_as].abbreviation
    return abbreviation if cell.reviewed_as else f"{abbreviation} {cell.percent}%"


def place_label(
    width: int,
    height: int,
    box: NDArray[np.int64],
    taken: NDArray[np.int64],
    shape: tuple[int, ...],
    gap: int,
) -> NDArray[np.int64]:
    """Where a label goes: beside its box, in the field, off every box and label already there.

    Above, below, right and left are tried in turn. Where no place is free, off its own box is
    enough; where the box fills the field the label lies in its corner.

    Args:
        width: of the label, px.
        height: of the label, px.
        box: the label's own box, xyxy px.
        taken: (N, 4) boxes to keep off, its own among them.
        shape: (H, W, ...) of the field.
        gap: px between box and label.
    """
    x0, y0, x1, y1 = box.tolist()
    inside_x, inside_y = max(0, min(x0 - gap, shape[1] - width)), max(0, min(y0, shape[0] - height))
    corners = [
        (inside_x, y0 - height - gap),
        (inside_x, y1 + gap),
        (x1 + gap, inside_y),
        (x0 - width - gap, inside_y),
        (max(0, min(x1 + gap, shape[1]) - width), y0 - height - gap),
        (max(0, min(x1 + gap, shape[1]) - width), y1 + gap),
    ]
    places = np.array([(x, y, x + width, y + height) for x, y in corners])
    fits = (places >= 0).all(1) & (places[:, 2] <= shape[1]) & (places[:, 3] <= shape[0])
    free = ~_meet(places, taken).any(axis=1)
    for choice in (fits & free, fits):
        if choice.any():
            return np.asarray(places[int(choice.argmax())])
    return np.array([inside_x, inside_y, inside_x + width, inside_y + height])


def _meet(places: NDArray[np.int64], boxes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of (P, 4) places and (N, 4) boxes overlap, (P, N)."""
    low = np.maximum(places[:, None, :2], boxes[None, :, :2])
    high = np.minimum(places[:, None, 2:], boxes[None, :, 2:])
    return np.asarray((low < high).all(axis=2), np.bool_)
