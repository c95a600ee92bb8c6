"""The survey of a scan: a small picture of it, what its areas are fit for, a few probes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from leukodiff.detector.areas import (
    GRID_UM,
    MONOLAYER,
    Areas,
    focus_score,
    monolayer_order,
    out_of_focus,
    smear_areas,
)
from leukodiff.pipeline.slides import Rgb, Scan

from .thread_pool import Workers

PICTURE_PIXELS = 4_000_000
"""Of the small picture, at most: 4 um/px on a scan of 8 x 8 mm."""

AS_IT_IS = 1.2
"""A level so much coarser than that, or less, is taken as it is, not shrunk from a finer one."""

BANDS = 8
"""The small picture is read in so many bands."""

USUAL_UM_PER_PX = 0.25
"""What a scan is taken for until its scale is known (a 40x objective)."""

PROBES, PROBE_PX, PROBE_UM = 8, 512, 54.0
"""Pieces at full resolution in which red cells are measured: how many, their side, and what that
measures at least where the scale is known: as much as the detector looks at in one go, and a little
more. They grow to double the side for it."""

FOCUS_READ_UM = 40.0
"""Side of the piece at full resolution by which an area's focus is judged."""

LEAST_FOCUS_READS, SHARE_OF_FOCUS_READS = 24, 8
"""One usable area in so many is looked at for focus, and so many at least. Round one that is
blurred, its neighbors are looked at too."""


@dataclass(frozen=True)
class Picture:
    """A scan in small: `image` (H, W, 3) uint8 RGB, `downsample` px of the scan to one of it."""

    image: Rgb
    downsample: float


@dataclass(frozen=True)
class AreaGrid:
    """The areas of a scan, in px of the scan, which is `width` by `height`."""

    areas: Areas
    width: int
    height: int

    @property
    def rows(self) -> int:
        """Areas one below the other."""
        return len(self.areas) // self.areas.columns

    def index_of(self, xy: NDArray[np.floating]) -> NDArray[np.int64]:
        """Which area each point (N, 2), px of the scan, lies in."""
        counts = np.array([self.areas.columns, self.rows])
        cell = np.floor(xy * counts / [self.width, self.height]).astype(np.int64)
        column, row = np.clip(cell, 0, counts - 1).T
        return np.asarray(row * self.areas.columns + column, np.int64)

    def neighbors(self, index: int) -> list[int]:
        """The areas that touch one, by a side or a corner."""
        row, column = divmod(index, self.areas.columns)
        return [
            r * self.areas.columns + c
            for r in range(max(0, row - 1), min(self.rows, row + 2))
            for c in range(max(0, column - 1), min(self.areas.columns, column + 2))
            if (r, c) != (row, column)
        ]


def thumbnail(scan: Scan, workers: Workers) -> Picture:
    """The whole scan, read at such a scale that it has four megapixels at most."""
    wanted = max(1.0, math.sqrt(scan.width * scan.height / PICTURE_PIXELS))
    wanted = max(wanted, max(scan.width, scan.height) / 32_000)  # a JPEG's longest side
    levels = [one for one in scan.downsamples if wanted <= one <= AS_IT_IS * wanted]
    downsample = min(levels, default=wanted)
    edges = np.linspace(0, max(1, round(scan.height / downsample)), BANDS + 1).round()
    ends = np.minimum(edges * downsample, scan.height).tolist()
    ends[-1] = scan.height

    def band(between: tuple[float, float]) -> Rgb:
        top, below = between
        return scan.read_at(0, top, scan.width, below - top, downsample)

    spans = [(top, below) for top, below in pairwise(ends) if below > top]
    return Picture(np.concatenate(list(workers.each(band, spans))), downsample)


def areas_of(
    scan: Scan, picture: Picture, um_per_px: float | None, side_um: float = GRID_UM
) -> AreaGrid:
    """What each area of a scan is fit for, as far as its small picture tells."""
    picture_um = (um_per_px or USUAL_UM_PER_PX) * picture.downsample
    found = smear_areas(picture.image, picture_um, side_um)
    height, width = picture.image.shape[:2]
    scaled = found.scaled(scan.width / width, scan.height / height)
    return AreaGrid(scaled, scan.width, scan.height)


def probes(scan: Scan, picture: Picture, um_per_px: float | None, workers: Workers) -> list[Rgb]:
    """Pieces at full resolution, spread over the usable areas: those of one layer, if there are."""
    grid = areas_of(scan, picture, um_per_px)
    if np.sum(grid.areas.usable) < PROBES:  # a small scan, or little of it is usable
        grid = areas_of(scan, picture, um_per_px, GRID_UM / 3)
    order = monolayer_order(grid.areas)
    low, high = MONOLAYER
    coverage = grid.areas.coverage[order]
    monolayer = order[(coverage >= low) & (coverage <= high)]
    chosen = spread(monolayer if len(monolayer) >= PROBES // 2 else order, PROBES)
    side = min(max(PROBE_PX, math.ceil(PROBE_UM / (um_per_px or math.inf))), 2 * PROBE_PX)
    return list(workers.each(lambda i: _middle_of(scan, grid, int(i), side), chosen))


def without_blurred(scan: Scan, grid: AreaGrid, um_per_px: float, workers: Workers) -> AreaGrid:
    """The same areas, with the usable ones that are out of focus told."""
    usable = np.flatnonzero(grid.areas.usable)
    n = max(LEAST_FOCUS_READS, len(usable) // SHARE_OF_FOCUS_READS)
    side = round(FOCUS_READ_UM / um_per_px)

    def scored(indices: Sequence[int]) -> dict[int, float]:
        pieces = workers.each(
            lambda i: focus_score(_middle_of(scan, grid, i, side), um_per_px), indices
        )
        return dict(zip(indices, pieces, strict=True))

    scores = scored(spread(usable, n).tolist())
    sample = list(scores.values())
    # Each is judged beside the sample, so that finding more of a blur does not excuse it.
    blurred = {i for i, score in scores.items() if _is_blurred(score, sample)}
    edge, allowed = set(blurred), set(usable.tolist())
    while edge:
        near = sorted({j for i in edge for j in grid.neighbors(i)} & allowed - scores.keys())
        found = scored(near)
        scores |= found
        edge = {i for i, score in found.items() if _is_blurred(score, sample)}
        blurred |= edge
    mask = np.isin(np.arange(len(grid.areas)), sorted(blurred))
    return replace(grid, areas=grid.areas.without(mask))


def spread(indices: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """At most `n` of some indices, evenly."""
    chosen = np.linspace(0, len(indices) - 1, min(n, len(indices))).round().astype(np.int64)
    return np.asarray(indices[chosen], np.int64)


def _is_blurred(score: float, sample: Sequence[float]) -> bool:
    return bool(out_of_focus([*sample, score])[-1])


def _middle_of(scan: Scan, grid: AreaGrid, index: int, side: int) -> Rgb:
    """A square (px of the scan) in the middle of an area, moved inside where it would stick out."""
    left, top, right, below = grid.areas.xyxy[index].tolist()
    x, width = _span((left + right) / 2, side, scan.width)
    y, height = _span((top + below) / 2, side, scan.height)
    return scan.read(x, y, width, height)


def _span(middle: float, side: int, limit: int) -> tuple[int, int]:
    length = min(side, limit)
    return min(max(round(middle - length / 2), 0), limit - length), length
