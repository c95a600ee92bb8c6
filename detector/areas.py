"""Areas of a smear that can be read: neither empty, nor too thick, nor out of focus."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from .letterbox import Image, resized

Floats = NDArray[np.float32]
Pixels = TypeVar("Pixels", Image, Floats)


class AreaKind(StrEnum):
    """Fitness of an area or a field to be read; the values are the words of tables and files."""

    NOT_JUDGED = ""
    USABLE = "usable"
    EMPTY = "empty"
    THICK = "thick"
    OUT_OF_FOCUS = "out of focus"


GRID_UM = 150.0
"""Side of an area (um): about a field of a 100x objective."""

MIN_COVERAGE = 0.07
"""Share (0-1) of an area under cells, below which it is empty."""

MAX_LAYERS = 0.95
"""Mean layers of red cells, above which an area is too thick to read. BCCD's fields, read without
trouble, have 0.56 in the median and 0.68 in the 98th percentile (train and val, at 1 and 2 um/px,
without their white cells)."""

MAX_OVERLAP = 0.09
"""Share (0-1) of an area where red cells overlap, above which it is too thick to read. BCCD has
0.01 in the median and 0.03 in the 98th percentile."""

MONOLAYER = (0.2, 0.75)
"""Coverage (0-1) of the part of a smear that is read first: red cells near each other, few that
overlap (CLSI H20-A2: half of them or more lie apart)."""

RED_CELL_DENSITY_RANGE = (0.06, 0.25)
"""Mean optical density in green of a red cell: at least and at most."""

TYPICAL_RED_CELL_DENSITY = 0.12
"""The same where single red cells can't be seen."""

TWO_LAYERS = 1.6
"""Density, in those of a red cell, from which on two of them overlap."""

MAX_DENSITY = 2.5
"""Density, in those of a red cell, from which on it is a nucleus or dirt."""

WORKING_UM_PER_PX = 2.0
"""A finer picture is shrunk to this scale."""

RESOLVED_UM_PER_PX = 2.6
"""The coarsest scale at which single red cells show, where they overlap, and the background between
them. Of a coarser picture only the mean is known, and an area is thick where it would be so even if
its red cells were the darkest there are."""

BLACK = 8
"""Gray level (0-255) up to which, in all colors, nothing was scanned."""

WHITE = 253
"""Gray level (0-255) from which on, in all colors, nothing was scanned."""

BACKGROUND_PERCENTILE = 97.0
"""Percentile of the green levels of what was scanned that is taken for the empty background."""

BACKGROUND_WINDOW_UM = 40.0
"""Side of the window (um) whose brightest is the background: light may fall off over a picture."""

MIN_BACKGROUND_SHARE = 0.8
"""Least brightness of that window, as a share of the whole picture's background: in a darker one no
background is near."""

FOCUS_SIGMAS_UM = (0.4, 1.6)
"""Standard deviations (um) of the narrower Gaussian of fine and of coarse detail."""

BAND_PX = 1.0
"""A picture is halved while the narrower Gaussian keeps this standard deviation (px)."""

FLAT = 0.01
"""Variance (gray levels squared) of the coarse detail, below which an image is plain."""

BLURRED_SHARE = 0.33
"""An area is blurred when its focus score is below this share of the slide's upper quartile. Fields
of BCCD and TXL-PBC score 0.16 to 0.6; blurred by a Gaussian of 0.8 um 0.06 to 0.16, by 1.2 um 0.03
to 0.07."""

ALWAYS_BLURRED = 0.06
"""Focus score below which an area is blurred, whatever the others of its slide score."""

ALWAYS_SHARP = 0.2
"""Focus score from which on it is not."""

CLEAR_SLOPE = 0.3
"""Least correlation of coverage and place that shows where the feathered edge is."""


@dataclass(frozen=True)
class Areas:
    """A grid of areas over a smear, row by row, `columns` in each.

    `xyxy` (N, 4) float32, px of the picture that was judged (see `scaled`); `kind` N;
    `coverage` (N,) float32: share of the area under cells, 0-1.
    """

    xyxy: Floats
    kind: tuple[AreaKind, ...]
    coverage: Floats
    columns: int

    def __post_init__(self) -> None:
        n = len(self.kind)
        if (self.xyxy.shape, self.coverage.shape) != ((n, 4), (n,)):
            shapes = f"{self.xyxy.shape}, {self.coverage.shape}"
            raise ValueError(f"expected shapes ({n}, 4), ({n},), got {shapes}")

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Mask (N,) of the areas that can be read."""
        return np.array([kind == AreaKind.USABLE for kind in self.kind], bool)

    def scaled(self, factor_x: float, factor_y: float) -> "Areas":
        """The same areas in the pixels of a picture so many times as wide and as high."""
        factors = np.array([factor_x, factor_y] * 2, np.float32)
        return replace(self, xyxy=(self.xyxy * factors).astype(np.float32))

    def without(self, blurred: NDArray[np.bool_]) -> "Areas":
        """The same areas, of the usable ones those in a mask (N,) out of focus."""
        kinds = zip(self.kind, blurred.tolist(), strict=True)
        return replace(
            self,
            kind=tuple(
                AreaKind.OUT_OF_FOCUS if kind == AreaKind.USABLE and bad else kind
                for kind, bad in kinds
            ),
        )


def smear_areas(picture: Image, um_per_px: float, grid_um: float = GRID_UM) -> Areas:
    """Judges the areas of a smear, or of a field.

    Args:
        picture: (H, W, 3) uint8 RGB of the whole smear, at 1 to 8 um/px (2.5 or finer is best).
        um_per_px: scale of the picture; an approximate one will do.
        grid_um: side of an area, um.
    """
    height, width = picture.shape[:2]
    side = grid_um / um_per_px
    columns, rows = (max(1, round(length / side)) for length in (width, height))
    if not picture.size:
        return Areas(np.zeros((0, 4), np.float32), (), np.zeros(0, np.float32), 1)
    factor = max(1.0, WORKING_UM_PER_PX / um_per_px)
    small = resized(picture, *(max(1, round(length / factor)) for length in (width, height)))
    layers = _layers(small, um_per_px * factor)
    two = (layers > TWO_LAYERS) & (layers < MAX_DENSITY)
    overlap = _means(two.astype(np.float32), columns, rows)
    mean = _means(np.minimum(layers, np.float32(MAX_DENSITY)), columns, rows)
    most_layers = MAX_LAYERS
    if um_per_px > RESOLVED_UM_PER_PX:
        overlap[:] = 0
        most_layers *= RED_CELL_DENSITY_RANGE[1] / TYPICAL_RED_CELL_DENSITY
    thick = (mean > most_layers) | (overlap > MAX_OVERLAP)
    kind = tuple(map(_kind, (mean < MIN_COVERAGE).tolist(), thick.tolist()))
    xyxy = _grid(columns, rows, width, height)
    return Areas(xyxy, kind, np.clip(mean, 0, 1).astype(np.float32), columns)


def _means(plane: Floats, columns: int, rows: int) -> Floats:
    """The mean over each area of the grid, row by row."""
    means = cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(means, np.float32).ravel()


def _layers(picture: Image, um_per_px: float) -> Floats:
    """Number of red cells that lie on each other, by the green light they take (H, W)."""
    density = stain_density(picture, um_per_px)
    if um_per_px > RESOLVED_UM_PER_PX:
        return density / np.float32(TYPICAL_RED_CELL_DENSITY)
    return density / np.float32(red_cell_density(density))


def stain_density(picture: Image, um_per_px: float) -> Floats:
    """Optical density in green (H, W); the background near by has none.

    Args:
        picture: (H, W, 3) uint8 RGB; 2 um/px is best.
        um_per_px: scale of the picture; one too coarse to show single red cells has the
            same background everywhere.
    """
    black = np.asarray(cv2.inRange(picture, (0, 0, 0), (BLACK, BLACK, BLACK)), np.uint8)
    white = np.asarray(cv2.inRange(picture, (WHITE,) * 3, (255,) * 3), np.uint8)
    beyond = (black | white) > 0
    green = picture[..., 1].astype(np.float32)
    if np.all(beyond):
        return np.zeros_like(green)
    background = np.float32(np.percentile(green[~beyond], BACKGROUND_PERCENTILE))
    green[beyond] = background
    if um_per_px > RESOLVED_UM_PER_PX:
        return _density(green, background)
    near = _brightest_near(green, um_per_px)
    return _density(green, np.clip(near, MIN_BACKGROUND_SHARE * background, background))


def _density(green: Floats, background: Floats | np.float32) -> Floats:
    result: Floats = np.log10(np.maximum(background, 1) / np.maximum(green, 1))
    return np.maximum(result, 0)


def _brightest_near(green: Floats, um_per_px: float) -> Floats:
    side = max(1, round(BACKGROUND_WINDOW_UM / um_per_px))
    calm = cv2.blur(green, (3, 3))  # or peaks of noise would be taken for background
    bright = cv2.dilate(calm, np.ones((side, side), np.uint8))
    return np.asarray(cv2.blur(bright, (side, side)), np.float32)


def red_cell_density(density: Floats) -> float:
    """Mean optical density of a red cell, from the density of a picture that shows single ones."""
    low, high = RED_CELL_DENSITY_RANGE
    return min(max(cover_density(density), low), high)


def cover_density(density: Floats) -> float:
    """Median density of whatever covers the background: a red cell, or several on each other."""
    stained = density[density > RED_CELL_DENSITY_RANGE[0] / 2]
    if not stained.size:
        return TYPICAL_RED_CELL_DENSITY
    # Once more without the pixels that a cell's edge only partly fills.
    return float(np.median(stained[stained >= 0.6 * np.median(stained)]))


def _kind(empty: bool, thick: bool) -> AreaKind:
    if empty:
        return AreaKind.EMPTY
    return AreaKind.THICK if thick else AreaKind.USABLE


def _grid(columns: int, rows: int, width: int, height: int) -> Floats:
    x, y = np.linspace(0, width, columns + 1), np.linspace(0, height, rows + 1)
    left, top = (grid.ravel() for grid in np.meshgrid(x[:-1], y[:-1]))
    right, bottom = (grid.ravel() for grid in np.meshgrid(x[1:], y[1:]))
    return np.stack([left, top, right, bottom], axis=1).astype(np.float32)


def focus_score(image: Image, um_per_px: float) -> float:
    """Sharpness of an image: fine detail over coarse, free of the stain's strength and the scale.

    The energy (variance) of the green light's detail between 0.4 and 0.8 um over that between 1.6
    and 3.2 um (standard deviations of Gaussians). 0 for a plain image.

    Args:
        image: (H, W, 3) uint8 RGB at full resolution or at `focus_shrinkage` of it, 0.06 to 0.5
            um/px, at least 20 um wide.
        um_per_px: its scale.
    """
    if not image.size:
        return 0.0
    shrinkage = focus_shrinkage(um_per_px)
    green = shrunk(image, shrinkage)[..., 1].astype(np.float32)
    sigmas_px = (sigma / (um_per_px * shrinkage) for sigma in FOCUS_SIGMAS_UM)
    fine, coarse = (_band_energy(green, sigma) for sigma in sigmas_px)
    return fine / coarse if coarse > FLAT else 0.0


def focus_shrinkage(um_per_px: float) -> int:
    """Factor, a power of two, by which an image is shrunk before its focus is judged."""
    return _power_of_two(FOCUS_SIGMAS_UM[0] / um_per_px / BAND_PX)


def _power_of_two(most: float) -> int:
    return 1 << max(0, int(most).bit_length() - 1)


def shrunk(image: Pixels, times: int) -> Pixels:
    """An image halved until it is so many `times` smaller (quick); an odd last px is cut off."""
    while times > 1 and min(image.shape[:2]) > 1:
        wide, high = (length // 2 for length in image.shape[1::-1])
        even = image[: 2 * high, : 2 * wide]
        image = np.asarray(
            cv2.resize(even, (wide, high), interpolation=cv2.INTER_AREA), image.dtype
        )
        times //= 2
    return image


def _band_energy(plane: Floats, sigma_px: float) -> float:
    """Variance of what lies between two Gaussians, the wider twice the narrower."""
    times = _power_of_two(sigma_px / BAND_PX)
    small, sigma = shrunk(plane, times), sigma_px / times
    narrow, wide = (cv2.GaussianBlur(small, (0, 0), s) for s in (sigma, 2 * sigma))
    return float(np.var(cv2.subtract(narrow, wide)))


def out_of_focus(scores: Sequence[float], always_sharp: float = ALWAYS_SHARP) -> NDArray[np.bool_]:
    """Mask (N,) of a slide's areas that are blurred, from the `focus_score` of each.

    One that scores 0 shows nothing, and is not called blurred; nor is what scores `always_sharp`.
    """
    found = np.asarray(scores, float)
    if not found.size:
        return np.zeros(0, bool)
    least = BLURRED_SHARE * np.percentile(found, 75)
    least = min(max(least, ALWAYS_BLURRED), always_sharp)
    return np.asarray((found > 0) & (found < least), bool)


def monolayer_order(areas: Areas) -> NDArray[np.int64]:
    """The usable areas in the order a technologist reads them: indices, the monolayer first.

    Strips across the smear, up one and down the next (the battlement track of CLSI H20-A2 and of
    Bain, Blood Cells, 5th ed.), from the thin feathered edge towards the thick end where the cover
    by cells tells them apart, else from the left. Areas that are sparse or crowded come after.
    """
    indices = np.flatnonzero(areas.usable)
    low, high = MONOLAYER
    sparse_or_crowded = (areas.coverage[indices] < low) | (areas.coverage[indices] > high)
    strip, along = _strips(areas)
    turned = np.where(strip % 2 == 0, along, -along)
    order = np.lexsort((turned[indices], strip[indices], sparse_or_crowded))
    return np.asarray(indices[order], np.int64)


def _strips(areas: Areas) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which strip each area lies in, the first read first, and where along it."""
    row, column = np.divmod(np.arange(len(areas)), areas.columns)
    cells = np.array([kind != AreaKind.EMPTY for kind in areas.kind], bool)
    slopes = [_correlation(place[cells], areas.coverage[cells]) for place in (column, row)]
    steepest = int(np.argmax(np.abs(slopes)))
    if abs(slopes[steepest]) < CLEAR_SLOPE:
        return column, row
    strip, along = ((column, row), (row, column))[steepest]
    return (strip if slopes[steepest] > 0 else np.max(strip) - strip), along


def _correlation(place: NDArray[np.int64], coverage: Floats) -> float:
    if len(place) < 3 or np.ptp(place) == 0 or np.ptp(coverage) == 0:
        return 0.0
    return float(np.corrcoef(place, coverage)[0, 1])
