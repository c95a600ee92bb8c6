"""The survey of a scan: its thumbnail, what its areas are fit for, and a guess of its scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.core.units import RED_CELL_UM
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

MAX_THUMBNAIL_PIXELS = 4_000_000
"""4 um/px on a scan of 8 x 8 mm."""

MAX_COARSER = 1.2
"""A level so much coarser than a thumbnail, or less, is taken as it is, not shrunk from a finer."""

BANDS = 8
"""A thumbnail is read in so many bands."""

ASSUMED_UM_PER_PX = 0.25
"""The scale of a scan (a 40x objective) until it is known."""

N_SAMPLES = 8
"""Pieces at full resolution in which red cells are measured."""

SAMPLE_PX = 512
"""Side of such a piece, px."""

SAMPLE_UM = 54.0
"""Side of such a piece at least where the scale is known: a window of the detector, and a little
more. It grows to double the px for it."""

FOCUS_SAMPLE_UM = 40.0
"""Side of the piece at full resolution by which an area's focus is judged."""

MIN_FOCUS_SAMPLES = 24
"""So many usable areas at least have their focus measured, and one in `AREAS_PER_FOCUS_SAMPLE`.
Round one that is blurred, its neighbors are measured too."""

AREAS_PER_FOCUS_SAMPLE = 8

MIN_ROUNDNESS = 0.8
"""4 pi area / perimeter^2 of an outline that may be one red cell: 1 for a disc."""

MIN_OUTLINE_PX = 30
"""Area of an outline that may be one red cell, px."""

MIN_OUTLINES = 12
"""With fewer outlines there is no guess of the scale."""


@dataclass(frozen=True)
class Thumbnail:
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
        """The area in which each point (N, 2), px of the scan, lies."""
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


def thumbnail_of(scan: Scan, workers: Workers) -> Thumbnail:
    """The whole scan, read at such a scale that it has four megapixels at most."""
    wanted = max(1.0, math.sqrt(scan.width * scan.height / MAX_THUMBNAIL_PIXELS))
    wanted = max(wanted, max(scan.width, scan.height) / 32_000)  # a JPEG's longest side
    levels = [one for one in scan.downsamples if wanted <= one <= MAX_COARSER * wanted]
    downsample = min(levels, default=wanted)
    edges = np.linspace(0, max(1, round(scan.height / downsample)), BANDS + 1).round()
    ends = np.minimum(edges * downsample, scan.height).tolist()
    ends[-1] = scan.height

    def band(between: tuple[float, float]) -> Rgb:
        top, below = between
        return scan.read_at(0, top, scan.width, below - top, downsample)

    spans = [(top, below) for top, below in pairwise(ends) if below > top]
    return Thumbnail(np.concatenate(list(workers.each(band, spans))), downsample)


def areas_of(
    scan: Scan, thumbnail: Thumbnail, um_per_px: float | None, side_um: float = GRID_UM
) -> AreaGrid:
    """The areas of a scan, judged by its thumbnail."""
    thumbnail_um = (um_per_px or ASSUMED_UM_PER_PX) * thumbnail.downsample
    found = smear_areas(thumbnail.image, thumbnail_um, side_um)
    height, width = thumbnail.image.shape[:2]
    scaled = found.scaled(scan.width / width, scan.height / height)
    return AreaGrid(scaled, scan.width, scan.height)


def scale_samples(
    scan: Scan, thumbnail: Thumbnail, um_per_px: float | None, workers: Workers
) -> list[Rgb]:
    """Pieces at full resolution, spread over the usable areas: those of one layer, if there are."""
    grid = areas_of(scan, thumbnail, um_per_px)
    if np.sum(grid.areas.usable) < N_SAMPLES:  # a small scan, or little of it is usable
        grid = areas_of(scan, thumbnail, um_per_px, GRID_UM / 3)
    order = monolayer_order(grid.areas)
    low, high = MONOLAYER
    coverage = grid.areas.coverage[order]
    monolayer = order[(coverage >= low) & (coverage <= high)]
    chosen = spread(monolayer if len(monolayer) >= N_SAMPLES // 2 else order, N_SAMPLES)
    side = min(max(SAMPLE_PX, math.ceil(SAMPLE_UM / (um_per_px or math.inf))), 2 * SAMPLE_PX)
    return list(workers.each(lambda i: _middle_of(scan, grid, int(i), side), chosen))


def initial_scale(samples: Sequence[Rgb]) -> float | None:
    """The um/px at which the round outlines in some samples are 7.5 um wide; None with too few.

    Needs no model. The diameters are weighed by area, so that platelets and dirt, many as they may
    be, don't count for much. Good as the guess near which the scale is then measured with care.

    Args:
        samples: (H, W, 3) uint8 RGB at full resolution, of one scan.
    """
    areas = np.sort(np.concatenate([np.zeros(0), *(_round_areas(one) for one in samples)]))
    if len(areas) < MIN_OUTLINES:
        return None
    weight = np.cumsum(areas)
    median = areas[int(np.searchsorted(weight, weight[-1] / 2))]
    return float(RED_CELL_UM / (2 * math.sqrt(median / math.pi)))


def _round_areas(sample: Rgb) -> NDArray[np.float64]:
    """Areas (px) of the outlines that are round and whole; holes in them count as filled."""
    green = cv2.GaussianBlur(sample[:, :, 1], (3, 3), 0)
    _, mask = cv2.threshold(green, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    height, width = mask.shape
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = []
    for outline in outlines:
        x, y, w, h = cv2.boundingRect(outline)
        whole = x > 0 and y > 0 and x + w < width and y + h < height
        area = cv2.contourArea(outline) if whole else 0.0
        perimeter = cv2.arcLength(outline, closed=True) if area >= MIN_OUTLINE_PX else math.inf
        if 4 * math.pi * area >= MIN_ROUNDNESS * perimeter**2:
            found.append(area)
    return np.array(found, np.float64)


def without_blurred(scan: Scan, grid: AreaGrid, um_per_px: float, workers: Workers) -> AreaGrid:
    """The same areas, those of the usable ones marked that are out of focus."""
    usable = np.flatnonzero(grid.areas.usable)
    n = max(MIN_FOCUS_SAMPLES, len(usable) // AREAS_PER_FOCUS_SAMPLE)
    side = round(FOCUS_SAMPLE_UM / um_per_px)

    def scored(indices: Sequence[int]) -> dict[int, float]:
        pieces = workers.each(
            lambda i: focus_score(_middle_of(scan, grid, i, side), um_per_px), indices
        )
        return dict(zip(indices, pieces, strict=True))

    scores = scored(spread(usable, n).tolist())
    sample = list(scores.values())
    # Each is judged by the same sample, so that finding more of a blur does not excuse it.
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
