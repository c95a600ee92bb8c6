"""One box a cell where tiles overlap: what several tiles saw of it, put together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.boxes import area, clip, iou

from .detections import Detections

SAME_CELL_IOU = 0.5
"""Boxes of one class from two tiles that overlap this much (IoU), as far as both tiles see, are one
cell."""

MOSTLY_INSIDE = 0.7
"""A cut box of which this share (of its area) lies in a whole one is a piece of that cell."""

LEAST_SHARED = 0.25
"""Two cut boxes must share this much of the smaller one's area to be pieces of one cell."""

CUT_UM = 0.8
"""A box that ends this near (um) to its tile's edge is cut: no side of a box is surer than that."""

DEEPER_UM = 5.0
"""A tile that has a cell this much further (um) inside than another tile has it knows better; of
one that the other cut, any tile that saw the place whole does."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Part = tuple[Sequence[int] | Ints, Detections]


@dataclass(frozen=True)
class _Seen:
    """Every box that any tile saw, in an order that doesn't depend on the tiles' order.

    `tiles` (T, 4) are infinite where they reach the scan's edge. A box's `tile` (N,) is a row of
    them; `depth` (N,) is how far (px) it lies from that tile's edges; `cut` (N,) whether it ends
    there.
    """

    found: Detections
    xyxy: Floats
    tiles: Floats
    tile: Ints
    depth: Floats
    cut: Mask


@dataclass(frozen=True)
class _Pairs:
    """Boxes of different tiles that overlap: `first` and `second` (P,) are rows of the boxes."""

    first: Ints
    second: Ints

    def where(self, chosen: Mask) -> "_Pairs":
        return _Pairs(self.first[chosen], self.second[chosen])


@dataclass(frozen=True)
class _Votes:
    """Who found each of the cells: `tile` (M,) is the one that has it deepest inside.

    A tile that has it more than `enough` (M,) px inside, and did not find it, knows better.
    `found` are rows of cells and of tiles, a pair for each time that a tile found a cell.
    """

    tile: Ints
    enough: Floats
    found: tuple[Ints, Ints]


def merge_across_tiles(
    parts: Sequence[Part], width: int, height: int, um_per_px: float, class_names: tuple[str, ...]
) -> Detections:
    """The cells of a scan from what overlapping tiles saw of it, the surest first.

    Boxes from one tile are never merged: its own suppression has compared them. Whole boxes of one
    class from different tiles are taken for one cell from the likest pair on, at most one box a
    tile, and the box that lies deepest in its tile stands for it, as sure as the surest. A cut box
    gives way to a whole one of another tile that it is a piece of, whatever the tile that saw a
    piece took it for. Where no tile saw a cell whole, its box is the one round its pieces. What a
    tile found near its edge and one that has the place clearly deeper inside did not is left out:
    each place is judged once, as in a field, or the thresholds would not mean what they were
    measured to.

    Args:
        parts: tiles (xyxy) and what was found in each, in px of the scan; also those where nothing
            was found. Tiles may lie anywhere; they should overlap by the largest cell. The scan's
            own edge cuts nothing.
        width: of the scan, px.
        height: of the scan, px.
        um_per_px: of the scan.
        class_names: of all parts; asked for because there may be none.
    """
    if any(found.class_names != class_names for _, found in parts):
        raise ValueError(f"expected classes {class_names} in every part")
    if not sum(len(found) for _, found in parts):
        return Detections.empty(class_names)
    seen = _gather(parts, width, height, CUT_UM / um_per_px)
    pairs = _overlapping(seen)
    kept = np.flatnonzero(~_gives_way(seen, pairs))
    cell = np.unique(_grouped(seen, pairs)[kept], return_inverse=True)[1]
    cells, deepest = _one_box_each(seen, kept, cell)
    enough = np.where(seen.cut[deepest], CUT_UM, DEEPER_UM) / um_per_px
    votes = _Votes(seen.tile[deepest], seen.depth[deepest] + enough, (cell, seen.tile[kept]))
    overruled = _overruled(cells, votes, seen.tiles)
    return _surest_first(cells.select(~overruled))


def _gather(parts: Sequence[Part], width: int, height: int, cut_px: float) -> _Seen:
    tiles = np.array([tile for tile, _ in parts], np.float64)
    rank = np.lexsort(tiles.T)
    number = np.empty_like(rank)
    number[rank] = np.arange(len(rank))
    tiles[:, :2] = np.where(tiles[:, :2] <= 0, -np.inf, tiles[:, :2])
    tiles[:, 2:] = np.where(tiles[:, 2:] >= [width, height], np.inf, tiles[:, 2:])
    tile = np.repeat(number, [len(found) for _, found in parts])
    found = Detections(
        np.concatenate([part.xyxy for _, part in parts]),
        np.concatenate([part.confidence for _, part in parts]),
        np.concatenate([part.class_id for _, part in parts]),
        parts[0][1].class_names,
    )
    order = np.lexsort((tile, found.confidence, *found.xyxy.T, found.class_id))
    found, tile, tiles = found.select(order), tile[order], tiles[rank]
    xyxy = found.xyxy.astype(np.float64)
    depth = _depth(xyxy, tiles[tile])
    return _Seen(found, xyxy, tiles, tile, depth, depth <= cut_px)


def _overlapping(seen: _Seen) -> _Pairs:
    first, second = _intersecting(seen.xyxy, seen.xyxy)
    pairs = _Pairs(first, second)
    return pairs.where((first < second) & (seen.tile[first] != seen.tile[second]))


def _intersecting(a: Floats, b: Floats) -> tuple[Ints, Ints]:
    """Rows of the boxes of `a` and of `b` that have a point in common."""
    import shapely

    shapes = np.asarray(shapely.box(*b.T))
    wanted = shapes if a is b else np.asarray(shapely.box(*a.T))
    of_a, of_b = shapely.STRtree(shapes).query(wanted)
    return of_a.astype(np.int64), of_b.astype(np.int64)


def _gives_way(seen: _Seen, pairs: _Pairs) -> Mask:
    """Which cut boxes (N,) are pieces of a cell that another tile saw whole."""
    piece = np.concatenate([pairs.first, pairs.second])
    whole = np.concatenate([pairs.second, pairs.first])
    chosen = seen.cut[piece] & ~seen.cut[whole]
    piece, whole = piece[chosen], whole[chosen]
    a, b = seen.xyxy[piece], seen.xyxy[whole]
    inside = area(clip(a, b)) >= MOSTLY_INSIDE * area(a)
    same_class = seen.found.class_id[piece] == seen.found.class_id[whole]
    alike = same_class & (iou(a, clip(b, seen.tiles[seen.tile[piece]])) >= SAME_CELL_IOU)
    gone = np.zeros(len(seen.xyxy), bool)
    gone[piece[inside | alike]] = True
    return gone


def _likeness(seen: _Seen, pairs: _Pairs) -> Floats:
    """How surely (0-1) two whole boxes, or two cut ones, are one cell: IoU where both tiles see."""
    a, b = seen.xyxy[pairs.first], seen.xyxy[pairs.second]
    both_seen_a = clip(a, seen.tiles[seen.tile[pairs.second]])
    both_seen_b = clip(b, seen.tiles[seen.tile[pairs.first]])
    enough = area(clip(a, b)) >= LEAST_SHARED * np.minimum(area(a), area(b))
    cut = np.where(enough, iou(both_seen_a, both_seen_b), 0)
    alike = np.where(seen.cut[pairs.first], cut, iou(a, b))
    comparable = (seen.cut[pairs.first] == seen.cut[pairs.second]) & (
        seen.found.class_id[pairs.first] == seen.found.class_id[pairs.second]
    )
    return np.asarray(np.where(comparable, alike, 0))


def _grouped(seen: _Seen, pairs: _Pairs) -> Ints:
    """Which cell each box belongs to (N,), named by the first of its boxes; one box a tile."""
    likeness = _likeness(seen, pairs)
    alike = likeness >= SAME_CELL_IOU
    pairs = pairs.where(alike)
    order = np.lexsort((pairs.second, pairs.first, -likeness[alike]))
    tile, cell = seen.tile.tolist(), list(range(len(seen.xyxy)))
    members: dict[int, list[int]] = {}
    for i, j in zip(pairs.first[order].tolist(), pairs.second[order].tolist(), strict=True):
        a, b = sorted((cell[i], cell[j]))
        here, there = members.get(a, [a]), members.get(b, [b])
        if a != b and {tile[k] for k in here}.isdisjoint(tile[k] for k in there):
            members[a] = here + there
            for k in there:
                cell[k] = a
    return np.array(cell, np.int64)


def _one_box_each(seen: _Seen, kept: Ints, cell: Ints) -> tuple[Detections, Ints]:
    """The cells (M), `cell` (K,) being that of each box of `kept`, and the deepest box of each."""
    order = np.lexsort((kept, -seen.depth[kept], cell))
    start = np.flatnonzero(np.diff(cell[order], prepend=-1))
    boxes = seen.found.select(kept[order])
    deepest = kept[order][start]
    best = seen.found.select(deepest)
    low = np.minimum.reduceat(boxes.xyxy[:, :2], start)
    high = np.maximum.reduceat(boxes.xyxy[:, 2:], start)
    surest = np.maximum.reduceat(boxes.confidence, start)
    pieced = seen.cut[deepest]
    cells = Detections(
        np.where(pieced[:, None], np.concatenate([low, high], axis=1), best.xyxy),
        surest,
        best.class_id,
        best.class_names,
    )
    return cells, deepest


def _overruled(cells: Detections, votes: _Votes, tiles: Floats) -> Mask:
    """Which cells (M,) a tile did not find that has them clearly deeper inside."""
    xyxy = cells.xyxy.astype(np.float64)
    finite = np.nan_to_num(tiles, posinf=float(xyxy.max()), neginf=float(xyxy.min()))
    cell, tile = _intersecting(xyxy, finite)
    deeper = _depth(xyxy[cell], tiles[tile]) > votes.enough[cell]
    found = np.isin(_key(cell, tile, tiles), _key(*votes.found, tiles))
    verdicts = _key(cell, tile, tiles)[deeper & ~found]
    overruled = np.zeros(len(cells), bool)
    overruled[cell[deeper & ~found]] = True
    unsure = np.flatnonzero(overruled)
    a, b = (unsure[rows] for rows in _intersecting(xyxy[unsure], xyxy[unsure]))
    # Two tiles may box one cell so differently that each has the other's box deeper inside: then
    # neither decides, and the surer box stays.
    by_b = np.isin(_key(a, votes.tile[b], tiles), verdicts)
    by_a = np.isin(_key(b, votes.tile[a], tiles), verdicts)
    sure = cells.confidence
    surer = (sure[a] > sure[b]) | ((sure[a] == sure[b]) & (a < b))
    overruled[a[by_a & by_b & surer]] = False
    return overruled


def _key(cell: Ints, tile: Ints, tiles: Floats) -> Ints:
    return np.asarray(cell * len(tiles) + tile)


def _surest_first(cells: Detections) -> Detections:
    return cells.select(np.lexsort((*cells.xyxy.T, cells.class_id, -cells.confidence)))


def _depth(xyxy: Floats, tiles: Floats) -> Floats:
    """How far (px) each box (P, 4) lies from the edges of its tile (P, 4); negative beyond one."""
    inside = np.concatenate([xyxy[:, :2] - tiles[:, :2], tiles[:, 2:] - xyxy[:, 2:]], axis=1)
    return np.asarray(inside.min(axis=1))
