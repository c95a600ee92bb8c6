"""Pictures of what was found: a field with its labeled boxes, a scan in small with its cells."""

from collections import Counter
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.core.boxes import overlap_matrix
from leukodiff.datasets.vocabulary import BY_NAME
from leukodiff.detector.areas import AreaKind
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.fields import REASONS, ScanReading

from .drawing import (
    WHITE,
    Rgb,
    dark_text,
    label,
    legend,
    legend_entry,
    legend_swatch,
    paste,
    scale_bar,
    shrunk,
    tint,
)
from .formatting import rgb

Boxes = NDArray[np.float32]

SCALE_BAR_UM = 10.0

RED_CELL_STRENGTH = 0.45
"""Opacity of red cells' outlines, 0-1: enough to check the count, too little to distract."""

OVERVIEW_PX = 3000
"""Longer side of an overview, legend not counted."""

MAX_LABELED_CELLS = 60
"""With more cells than this on an overview, they are marked without labels."""

OVERVIEW_SCALE_BARS_UM = (10_000, 5000, 2000, 1000, 500, 200, 100, 50, 20, 10)


def draw_overlay(
    image: Rgb,
    cells: Sequence[Cell],
    other_cells: Mapping[str, Boxes],
    um_per_px: float | None = None,
) -> Rgb:
    """Draws a field's cells on a copy of it, with a legend below.

    Args:
        image: (H, W, 3) uint8 RGB.
        cells: the named cells of this field.
        other_cells: boxes (N, 4) of what is counted without a name, `platelet` and `red_cell`.
        um_per_px: for the scale bar, left out when unknown.

    Returns:
        (H + legend, W, 3) uint8 RGB: the field is not scaled and not covered by the legend.
    """
    height, width = image.shape[:2]
    size = letter_size(width, height)
    entries = _class_entries(cells, other_cells, size) or [dark_text("no cells found", size)]
    strip = legend([*entries, *_scale_bars(um_per_px, size)], width, size)
    canvas = np.concatenate([image, strip])
    field = canvas[:height]
    _outline(field, other_cells.get("red_cell"), "red_cell", RED_CELL_STRENGTH)
    _outline(field, other_cells.get("platelet"), "platelet", 1.0)
    _draw_cells(field, cells, size)
    return canvas


def draw_left_out(image: Rgb, kind: AreaKind, um_per_px: float | None = None) -> Rgb:
    """Draws a field that was not read: tinted, with the reason in words below.

    Args:
        image: (H, W, 3) uint8 RGB.
        kind: the reason.
        um_per_px: for the scale bar, left out when unknown.

    Returns:
        (H + legend, W, 3) uint8 RGB.
    """
    height, width = image.shape[:2]
    size = letter_size(width, height)
    entries = [legend_swatch(kind, REASONS[kind], size), *_scale_bars(um_per_px, size)]
    canvas = np.concatenate([image, legend(entries, width, size)])
    tint(canvas[:height], kind)
    return canvas


def draw_overview(
    picture: Rgb, reading: ScanReading, cells: Sequence[Cell], downsample: float, um_per_px: float
) -> Rgb:
    """Draws a scan in small: each cell marked in its class's color, what was left out tinted.

    Args:
        picture: (H, W, 3) uint8 RGB, the scan in small.
        reading: its areas, in px of the scan.
        cells: in px of the scan.
        downsample: px of the scan to one of the picture.
        um_per_px: of the scan.

    Returns:
        (H + legend, W, 3) uint8 RGB.
    """
    canvas = shrunk(picture, OVERVIEW_PX)
    factor = canvas.shape[1] / (picture.shape[1] * downsample)
    for area in reading.areas:
        if not area.read:
            box = np.array([area.x_min, area.y_min, area.x_max, area.y_max]) * factor
            x0, y0, x1, y1 = np.rint(box).astype(int).tolist()
            tint(canvas[y0:y1, x0:x1], area.kind)
    size = max(14, round(min(max(canvas.shape[:2]), 2.5 * min(canvas.shape[:2])) / 110))
    _mark_cells(canvas, cells, factor, size)
    entries = _class_entries(cells, {}, size) or [dark_text("no white cells found", size)]
    left_out = reading.left_out.items()
    entries += [legend_swatch(kind, reason, size) for kind, (reason, _) in left_out]
    scale, width = um_per_px / factor, canvas.shape[1]
    fits = [um for um in OVERVIEW_SCALE_BARS_UM if um / scale <= width / 5]
    if fits:
        length = f"{fits[0] / 1000:g} mm" if fits[0] >= 1000 else f"{fits[0]} um"
        entries.append(scale_bar(fits[0] / scale, length, size))
    return np.concatenate([canvas, legend(entries, width, size)])


def letter_size(width: int, height: int) -> int:
    """The size of the letters on a field, px: 13 on 640 x 480, in step with larger fields."""
    return int(np.clip(round(min(width, height * 4 / 3) / 49), 11, 64))


def _scale_bars(um_per_px: float | None, size: int) -> list[Rgb]:
    if not um_per_px:
        return []
    return [scale_bar(SCALE_BAR_UM / um_per_px, f"{SCALE_BAR_UM:g} um", size)]


def _class_entries(cells: Sequence[Cell], other_cells: Mapping[str, Boxes], size: int) -> list[Rgb]:
    """Cells of each class, in the vocabulary's order; platelets named and boxed together."""
    counts = Counter(cell.counted_as for cell in cells)
    counts.update({name: len(boxes) for name, boxes in other_cells.items()})
    return [legend_entry(name, counts[name], size) for name in BY_NAME if counts[name]]


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
    corners = np.rint(_boxes(cells)).astype(int)
    line = max(1, round(size / 8))
    for cell, (x0, y0, x1, y1) in zip(cells, corners.tolist(), strict=True):
        color = rgb(BY_NAME[cell.counted_as].color)
        # A white hairline within sets the color off from stain of the same hue.
        cv2.rectangle(field, (x0, y0), (x1 - 1, y1 - 1), WHITE, 1)
        for step in range(1, line + 1):
            cv2.rectangle(field, (x0 - step, y0 - step), (x1 - 1 + step, y1 - 1 + step), color, 1)
    _draw_labels(field, cells, corners, size, line)


def _boxes(cells: Sequence[Cell]) -> NDArray[np.float64]:
    return np.array([(c.x_min, c.y_min, c.x_max, c.y_max) for c in cells]).reshape(-1, 4)


def _draw_labels(
    canvas: Rgb, cells: Sequence[Cell], boxes: NDArray[np.int64], size: int, gap: int
) -> None:
    taken = boxes.copy()
    for cell, box in zip(cells, boxes, strict=True):
        picture = label(label_text(cell), size, BY_NAME[cell.counted_as].color)
        place = place_label(picture.shape[1], picture.shape[0], box, taken, canvas.shape, gap)
        paste(canvas, picture, place[0], place[1])
        taken = np.vstack([taken, place])


def label_text(cell: Cell) -> str:
    """The class and its probability: `NEU 98%`, `NEU 61%?` where it is to be looked at first.

    A person's word has no percentage.
    """
    abbreviation = BY_NAME[cell.counted_as].abbreviation
    if cell.reviewed_as:
        return abbreviation
    return f"{abbreviation} {cell.percent}%{'?' * cell.is_doubtful}"


def place_label(
    width: int,
    height: int,
    box: NDArray[np.int64],
    taken: NDArray[np.int64],
    shape: tuple[int, ...],
    gap: int,
) -> NDArray[np.int64]:
    """A label's place: next to its box, in the field, off every box and label already there.

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
    free = ~overlap_matrix(places, taken).any(axis=1)
    for choice in (fits & free, fits):
        if choice.any():
            return np.asarray(places[int(choice.argmax())])
    return np.array([inside_x, inside_y, inside_x + width, inside_y + height])


def _mark_cells(canvas: Rgb, cells: Sequence[Cell], factor: float, size: int) -> None:
    """A ring around each cell, wider than the cell; its label too where they are few."""
    line = max(2, size // 7)
    # White cells last: they lie upon the platelets and what is none.
    cells = sorted(cells, key=lambda cell: cell.is_white)
    boxes = _boxes(cells) * factor
    middle = np.rint((boxes[:, :2] + boxes[:, 2:]) / 2).astype(int)
    radius = np.maximum(size // 2, np.rint((boxes[:, 2:] - boxes[:, :2]).max(1, initial=0)))
    few = len(cells) <= MAX_LABELED_CELLS
    rings = radius.astype(int) if few else np.maximum(2, radius.astype(int) // 2)
    for cell, (x, y), r in zip(cells, middle.tolist(), rings.tolist(), strict=True):
        color = rgb(BY_NAME[cell.counted_as].color)
        cv2.circle(canvas, (x, y), r + line, WHITE, line + 2, cv2.LINE_AA)
        cv2.circle(canvas, (x, y), r + line, color, line, cv2.LINE_AA)
    if few:
        reach = (rings + 2 * line + 1)[:, None]
        rings_px = np.concatenate([middle - reach, middle + reach], axis=1)
        _draw_labels(canvas, cells, rings_px, size, 1)
