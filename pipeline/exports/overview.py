"""A scan in small: every cell marked in its class's color, what was left out shaded."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.datasets.vocabulary import BY_NAME
from leukodiff.pipeline.report.report import Area, Cell, ScanReading

from .geojson import rgb
from .overlay import (
    Rgb,
    label_text,
    legend_counts,
    legend_entry,
    place_label,
    scale_bar,
    stacked,
)
from .plates import INK, WHITE, label, paste, plate
from .shades import legend_swatch, shade

LONGEST_PX = 3000
"""Of the overview, legend not counted."""

NAMED_CELLS = 60
"""With more cells than this on an overview, they are marked without words."""

SCALE_BARS_UM = (10_000, 5000, 2000, 1000, 500, 200, 100, 50, 20, 10)


def draw_overview(
    picture: Rgb, reading: ScanReading, cells: Sequence[Cell], downsample: float, um_per_px: float
) -> Rgb:
    """Draws a scan's cells on its small picture, with a legend below.

    Args:
        picture: (H, W, 3) uint8 RGB, the scan in small.
        reading: its areas, in px of the scan.
        cells: in px of the scan.
        downsample: px of the scan to one of the picture.
        um_per_px: of the scan.

    Returns:
        (H + legend, W, 3) uint8 RGB.
    """
    canvas = shrunk(picture, LONGEST_PX)
    factor = canvas.shape[1] / (picture.shape[1] * downsample)
    _shade(canvas, [area for area in reading.areas if not area.read], factor)
    size = max(14, round(min(max(canvas.shape[:2]), 2.5 * min(canvas.shape[:2])) / 110))
    _mark(canvas, cells, factor, size)
    legend = _legend(canvas.shape[1], size, reading, cells, um_per_px / factor)
    return np.concatenate([canvas, legend])


def shrunk(picture: Rgb, longest_px: int) -> Rgb:
    """A copy of a picture, no longer than so many px."""
    factor = longest_px / max(picture.shape[:2])
    if factor >= 1:
        return picture.copy()
    size = tuple(max(1, round(side * factor)) for side in picture.shape[1::-1])
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _shade(canvas: Rgb, areas: Sequence[Area], factor: float) -> None:
    for area in areas:
        box = np.rint(np.array([area.x_min, area.y_min, area.x_max, area.y_max]) * factor)
        x0, y0, x1, y1 = box.astype(int).tolist()
        shade(canvas[y0:y1, x0:x1], area.kind)


def _mark(canvas: Rgb, cells: Sequence[Cell], factor: float, size: int) -> None:
    """A ring round each cell, wider than the cell; the class beside it where they are few."""
    line = max(2, size // 7)
    # White cells last: they lie upon the platelets and what is none.
    cells = sorted(cells, key=lambda cell: cell.is_white)
    boxes = np.array([(c.x_min, c.y_min, c.x_max, c.y_max) for c in cells]).reshape(-1, 4) * factor
    middle = np.rint((boxes[:, :2] + boxes[:, 2:]) / 2).astype(int)
    radius = np.maximum(size // 2, np.rint((boxes[:, 2:] - boxes[:, :2]).max(1, initial=0)))
    few = len(cells) <= NAMED_CELLS
    rings = radius.astype(int) if few else np.maximum(2, radius.astype(int) // 2)
    for cell, (x, y), r in zip(cells, middle.tolist(), rings.tolist(), strict=True):
        color = rgb(BY_NAME[cell.counted_as].color)
        cv2.circle(canvas, (x, y), r + line, WHITE, line + 2, cv2.LINE_AA)
        cv2.circle(canvas, (x, y), r + line, color, line, cv2.LINE_AA)
    if few:
        reach = (rings + 2 * line + 1)[:, None]
        _write(canvas, cells, np.concatenate([middle - reach, middle + reach], axis=1), size)


def _write(canvas: Rgb, cells: Sequence[Cell], marks: NDArray[np.int64], size: int) -> None:
    taken = marks.copy()
    for cell, mark in zip(cells, marks, strict=True):
        words = label(label_text(cell), size, BY_NAME[cell.counted_as].color)
        spot = place_label(words.shape[1], words.shape[0], mark, taken, canvas.shape, 1)
        paste(canvas, words, spot[0], spot[1])
        taken = np.vstack([taken, spot])


def _legend(
    width: int, size: int, reading: ScanReading, cells: Sequence[Cell], um_per_px: float
) -> Rgb:
    counts = legend_counts(cells, {})
    entries = [legend_entry(name, count, size) for name, count in counts.items() if count]
    entries = entries or [plate("no white cells found", size, INK, WHITE)]
    for kind, (reason, _) in reading.left_out.items():
        entries.append(legend_swatch(kind, reason, size))
    fits = [um for um in SCALE_BARS_UM if um / um_per_px <= width / 5]
    if fits:
        length = f"{fits[0] / 1000:g} mm" if fits[0] >= 1000 else f"{fits[0]} um"
        entries.append(scale_bar(fits[0] / um_per_px, length, size))
    return stacked(entries, width, size)
