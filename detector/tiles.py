"""Tiles and windows that are detected on a scan: overlapping over an area, or round candidates."""

import bisect
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .detections import Detections
from .letterbox import PAD_GRAY, Image

Boxes = NDArray[np.int64]

ReadAt = Callable[[int, int, int, int, float], Image]
"""Reads (x, y, width, height, downsample): level-0 px of a scan in, (round(height / downsample),
round(width / downsample), 3) uint8 RGB out."""


def tile_boxes(width: int, height: int, tile_px: int, overlap_px: int) -> Boxes:
    """Overlapping tiles that cover an area, row by row.

    The last tile of a row or column is pulled inside, so all have one size; an area smaller than a
    tile gets one of its own size.

    Args:
        width: of the area, px.
        height: of the area, px.
        tile_px: side of a tile.
        overlap_px: what neighbors share at least; whatever is no larger lies whole in some tile.

    Returns:
        (N, 4) int64 xyxy, px from the area's top left; none for an area without px.
    """
    if not 0 <= overlap_px < tile_px:
        raise ValueError(f"tiles of {tile_px} px can't overlap by {overlap_px} px")
    if width < 1 or height < 1:
        return np.zeros((0, 4), np.int64)
    left, right = _spans(width, tile_px, overlap_px)
    top, below = _spans(height, tile_px, overlap_px)
    row, column = np.indices((len(top), len(left))).reshape(2, -1)
    return np.stack([left[column], top[row], right[column], below[row]], axis=1)


def _spans(length: int, tile_px: int, overlap_px: int) -> tuple[Boxes, Boxes]:
    step = tile_px - overlap_px
    n = 1 + max(0, math.ceil((length - tile_px) / step))
    start = np.minimum(np.arange(n, dtype=np.int64) * step, max(0, length - tile_px))
    return start, np.minimum(start + tile_px, length)


def windows_round(
    candidates_xyxy: NDArray[np.floating],
    side_px: int,
    margin_px: float,
    width: int,
    height: int,
    beyond_px: int = 0,
) -> Boxes:
    """A few windows of one size that hold every candidate with its margin; neighbors share one.

    From the left to the right, each candidate that no window holds yet gets one, laid so that it
    holds as many of the next as it can. A candidate too large for a window gets several that
    overlap by half. A margin ends at the scan's edge. A scan smaller than a window gets windows of
    its own size.

    Args:
        candidates_xyxy: (N, 4), px of the scan.
        side_px: of a window.
        margin_px: room round a candidate, on each side.
        width: of the scan, px.
        height: of the scan, px.
        beyond_px: how far a window may lie beyond the scan's edge, where `read_window` lays gray.

    Returns:
        (M, 4) int64 xyxy, px of the scan, from the left to the right.
    """
    scan = np.array([width, height])
    boxes = _with_margin(candidates_xyxy, margin_px, scan)
    large = ((boxes[:, 2:] - boxes[:, :2]) > side_px).any(axis=1)
    pieces = [_pieces(box, side_px) for box in boxes[large].tolist()]
    groups = _groups(np.concatenate([boxes[~large], *pieces]), side_px)
    sides = np.minimum(side_px, scan + 2 * beyond_px)
    # Round the middle of its group, for as much to be seen beyond each cell's border as can be.
    corner = (groups[:, :2] + groups[:, 2:] - sides) // 2
    corner = np.clip(corner, -beyond_px, scan + beyond_px - sides)
    return np.concatenate([corner, corner + sides], axis=1)


def _with_margin(xyxy: NDArray[np.floating], margin_px: float, scan: Boxes) -> Boxes:
    boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
    low, high = np.floor(boxes[:, :2] - margin_px), np.ceil(boxes[:, 2:] + margin_px)
    return np.concatenate([np.clip(low, 0, scan), np.clip(high, 0, scan)], axis=1).astype(np.int64)


def _pieces(box: list[int], side_px: int) -> Boxes:
    left, top, right, below = box
    pieces = tile_boxes(right - left, below - top, side_px, side_px // 2)
    return np.asarray(pieces + np.array([left, top, left, top]))


def _groups(boxes: Boxes, side_px: int) -> Boxes:
    """The union (xyxy) of each group of boxes that one window of this side can hold."""
    boxes = boxes[np.lexsort(boxes.T[::-1])]  # x_min first, whatever order they came in
    rows = [tuple(row) for row in boxes.tolist()]
    buckets: defaultdict[tuple[int, int], dict[int, None]] = defaultdict(dict)
    keys = [(row[0] // side_px, row[1] // side_px) for row in rows]
    for i, key in enumerate(keys):
        buckets[key][i] = None
    unions = []
    for i, key in enumerate(keys):
        if i in buckets[key]:
            near = [j for bucket in _neighbors(buckets, key) for j in bucket]
            members = _most_in_one_window(rows, i, near, side_px)
            for j in members:
                del buckets[keys[j]][j]
            unions.append(_union([rows[j] for j in members]))
    return np.array(unions, np.int64).reshape(-1, 4)


_Row = tuple[int, ...]


def _neighbors(
    buckets: dict[tuple[int, int], dict[int, None]], key: tuple[int, int]
) -> Iterator[dict[int, None]]:
    # Nothing that is still free lies further left.
    column, row = key
    for c in (column, column + 1):
        for r in (row - 1, row, row + 1):
            if bucket := buckets.get((c, r)):
                yield bucket


def _most_in_one_window(rows: list[_Row], seed: int, near: list[int], side_px: int) -> list[int]:
    """Those of `near`, the seed among them, that the fullest window from its left border holds."""
    left, top, _, below = rows[seed]
    right, highest, lowest = left + side_px, below - side_px, top + side_px
    fit = [
        j for j in near if rows[j][2] <= right and rows[j][1] >= highest and rows[j][3] <= lowest
    ]
    if len(fit) < 2:
        return fit
    tops, ends = sorted(rows[j][1] for j in fit), sorted(rows[j][3] for j in fit)

    def held_from(y: int) -> int:
        # Nothing begins above `y` and ends below the window, so the two don't count one twice.
        return bisect.bisect_right(ends, y + side_px) - bisect.bisect_left(tops, y)

    start = max(tops[: bisect.bisect_right(tops, top)], key=held_from)
    return [j for j in fit if rows[j][1] >= start and rows[j][3] <= start + side_px]


def _union(rows: list[_Row]) -> _Row:
    left, top, right, below = zip(*rows, strict=True)
    return min(left), min(top), max(right), max(below)


def read_window(
    read_at: ReadAt, window: tuple[int, ...], width: int, height: int, downsample: float
) -> Image:
    """A window's pixels, gray where it lies beyond the scan, as a field is framed in training.

    Args:
        read_at: reads what lies inside the scan.
        window: xyxy, px of the scan; some of it must lie inside.
        width: of the scan, px.
        height: of the scan, px.
        downsample: px of the scan to one of the result.

    Returns:
        (round(h / downsample), round(w / downsample), 3) uint8 RGB for a window of w by h px.
    """
    left, top, right, below = window
    x, y = max(0, left), max(0, top)
    wide, high = min(width, right) - x, min(height, below) - y
    inside = read_at(x, y, wide, high, downsample)
    if (wide, high) == (right - left, below - top):
        return inside
    shape = (round((below - top) / downsample), round((right - left) / downsample), 3)
    framed = np.full(shape, PAD_GRAY, np.uint8)
    dx, dy = round((x - left) / downsample), round((y - top) / downsample)
    room = framed[dy : dy + inside.shape[0], dx : dx + inside.shape[1]]
    room[:] = inside[: room.shape[0], : room.shape[1]]
    return framed


def on_scan(
    found: Detections,
    window: tuple[int, ...],
    image_size: tuple[int, int],
    scan_size: tuple[int, int],
) -> Detections:
    """Detections in px of a window's image as detections in px of the scan, clipped at its edge.

    `image_size` and `scan_size` are width and height (px), `window` is xyxy in px of the scan.
    """
    left, top, right, below = window
    factor = np.array([(right - left) / image_size[0], (below - top) / image_size[1]] * 2)
    moved = found.xyxy.astype(np.float64) * factor + np.array([left, top] * 2)
    xyxy = np.clip(moved, 0, np.array(scan_size * 2)).astype(np.float32)
    has_area: NDArray[np.bool_] = np.all(xyxy[:, 2:] > xyxy[:, :2], axis=1)
    return replace(found, xyxy=xyxy).select(has_area)
