"""Segmentation of a cell and its nucleus in the classifier's crop, by the colors of the crop alone.

Romanowsky dyes color nuclei with azure, which absorbs red and green light and lets blue pass;
hemoglobin and eosin absorb blue too. What is left of the optical density in red and green after
taking off blue's is therefore high in a nucleus, low in cytoplasm, and near nothing in red cells
and on background. Every level is found in the crop (Otsu, IEEE Trans. SMC 1979), so that a pale
stain or a cast matters little. The cell's edge is the closed line on which color changes most.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .crops import WHITE, Image

Plane = NDArray[np.float32]
Mask = NDArray[np.uint8]
Half = tuple[float, float]
"""Half the width and half the height of the cell's box, px of the small crop."""

SIDE_PX = 64
"""Crops are outlined at this size: half of the classifier's is as exact, and faster."""
MIDDLE = (SIDE_PX - 1) / 2
COLORS = np.ones(3, np.float32)
"""A product with this sums over the colors, faster than `sum` does."""

BLUE_SHARE = 0.8
"""Share of blue's density that is taken off red's and green's."""

NUCLEUS_SHARE = 0.88
"""The darkest 12 % of what is in the box are nucleus: this quantile is its level."""
CYTOPLASM_LEVEL = 0.5
"""Share of the nucleus's azure below which it is cytoplasm, however dark."""

BLUR_PX = 0.7
"""Blur that evens out chromatin, lest its gaps are taken for cytoplasm."""

BOX_GROWN = 1.1
"""Size of the ellipse in which the nucleus lies, in that of the one in the box."""

GRAYS = 180
"""Gray levels to a nucleus's azure."""

HOLE_UM2 = 2.0
"""Holes in a nucleus smaller than this are filled."""

ISLAND_UM2 = 1.2
"""Islands of a nucleus smaller than this are left out."""

ISLAND_SHARE = 0.1
"""Islands smaller than this share of the largest are left out."""

MIN_NUCLEUS_UM2 = 9.0
"""Smallest nucleus: a platelet's granules are smaller."""

MAX_OUTSIDE_AZURE = 0.7
"""There is no nucleus where half of what lies outside the cell has this share of its azure or more;
a tenth is enough where the nucleus is faint: a red cell's rim among others is like that."""

FAINT_NUCLEUS = 0.1
"""Optical density below which a nucleus is faint."""

ANGLES = 64
"""Rays on which the cell's edge is searched."""

RADII = 48
"""Places on each ray."""

RADIUS_PX = 0.65
"""Distance of two places on a ray."""

LINE_PX = 0.3
"""Taken off the cell's edge: a filled polygon covers the pixels under its line too."""

BOX_PART = 0.98
"""Expected place of the edge, in the ellipse in the box."""

BOX_SPREAD = 0.14
"""Spread of the edge about that place."""

BOX_WEIGHT = 0.6
"""Cost of an edge one spread off, squared for more."""

BACKGROUND_SHARE = 0.3
"""Share of Otsu's level below which there is background."""

BACKGROUND_WEIGHT = 0.08
"""Cost of a place of background inside the cell."""

NUCLEUS_WEIGHT = 3.0
"""Cost of a place of the nucleus outside the cell."""

MAX_COLOR_CHANGE = 0.25
"""Most that one color's change counts for, optical density."""

MAX_CHANGE = 1.5
"""Most that a change counts for, in the crop's strongest tenth."""

STIFFNESS = (0.02, 0.05, 0.1)
"""Cost of leaving the mean of the neighboring rays, round by round."""

LOBE_CUTS = (0.02, 0.35, 0.5, 0.6, 0.7, 0.8)
"""Depths at which a nucleus is cut to count its lobes, in its greatest."""

LOBE_SHARE = 0.5
"""Least thickness of a lobe, in the thickest one's."""

NECK_SHARE = 0.7
"""Greatest thickness of a lobe's neck, in its own."""


@dataclass(frozen=True)
class Outline:
    """Masks (64, 64) of 0 and 1 of a cell and its nucleus, at `um_per_px`.

    The nucleus is empty where none stands out. `sharpness` is how steeply its edge rises, in parts
    of its height a um: about 1 to 2 in focus, below 0.6 far out of it. `blue` is its density in
    blue as a part of that in green: to 0.5 in a nucleus, near 1 in dirt, which no light passes.
    Both are 0 without a nucleus.
    """

    cell: Mask
    nucleus: Mask
    um_per_px: float
    sharpness: float = 0.0
    blue: float = 0.0

    @property
    def cell_um2(self) -> float:
        """The cell's area, nucleus included, um2."""
        return float(np.count_nonzero(self.cell)) * self.um_per_px**2

    @property
    def nucleus_um2(self) -> float:
        """The nucleus's area, um2."""
        return float(np.count_nonzero(self.nucleus)) * self.um_per_px**2

    @property
    def lobes(self) -> int:
        """Number of lobes of the nucleus; 0 without one."""
        return count_lobes(self.nucleus)


def outline(crop: Image, size_px: tuple[float, float], um_per_px: float) -> Outline:
    """Outlines the cell in the middle of a crop.

    Args:
        crop: (S, S, 3) uint8 RGB, white-balanced, of at least 64 px.
        size_px: width and height of the cell's box, px of the crop.
        um_per_px: scale of the crop.
    """
    shrunk = SIDE_PX / crop.shape[0]
    small = cv2.resize(crop, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    density = np.asarray(cv2.LUT(small, _densities()), np.float32)
    half = max(size_px[0], 4.0) * shrunk / 2, max(size_px[1], 4.0) * shrunk / 2
    azure, level = _azure(density, half)
    nucleus = _nucleus(azure, half)
    darkness = density @ COLORS
    background = _background_level(darkness)
    cell = _cell(density, nucleus, half, background)
    cell = _largest(cell & ((darkness > background) | (cv2.erode(cell, _disc(5)) > 0)))
    um = um_per_px / shrunk
    nucleus = _whole(nucleus & cell, um)
    if not _stands_out(azure, nucleus, cell, level, um):
        return Outline(cell, np.zeros_like(nucleus), um)
    _, green, blue = density[nucleus > 0].mean(axis=0).tolist()
    sharpness = _sharpness(azure, nucleus, cell) / um
    return Outline(cell, nucleus, um, sharpness, blue / max(green, 1e-3))


def count_lobes(nucleus: Mask) -> int:
    """Lobes of a nucleus: the thick parts that it falls into as its outline is moved inwards."""
    if not nucleus.any():
        return 0
    x, y, width, height = cv2.boundingRect(nucleus)
    padded = np.zeros((height + 2, width + 2), np.uint8)
    padded[1:-1, 1:-1] = nucleus[y : y + height, x : x + width]
    depth = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5), np.float32)
    return max(1, *(_lobes_at(depth, cut * float(depth.max())) for cut in LOBE_CUTS))


def _lobes_at(depth: Plane, cut: float) -> int:
    n, labels = cv2.connectedComponents((depth > cut).astype(np.uint8), connectivity=4)
    if n == 2:
        return 1
    least = max(LOBE_SHARE * float(depth.max()), cut / NECK_SHARE)
    return sum(float(depth[labels == i].max()) >= least for i in range(1, n))


def _azure(density: Plane, half: Half) -> tuple[Plane, float]:
    """Nuclear dye in each pixel, about 1 in the nucleus, and the density that 1 stands for."""
    red = density[:, :, 0] - BLUE_SHARE * density[:, :, 2]
    green = density[:, :, 1] - BLUE_SHARE * density[:, :, 2]
    core = _from_middle(half) <= 1
    levels = [max(_quantile(plane[core], NUCLEUS_SHARE), 1e-3) for plane in (red, green)]
    return np.asarray(np.minimum(red / levels[0], green / levels[1]), np.float32), min(levels)


def _nucleus(azure: Plane, half: Half) -> Mask:
    """Pixels with more azure than background and cytoplasm, in and near the box."""
    inside = _from_middle(half) <= BOX_GROWN
    even = cv2.GaussianBlur(azure, (3, 3), BLUR_PX)
    gray = np.clip(even * GRAYS, 0, 255).astype(np.uint8)
    values = gray[inside]
    level = _otsu(values)
    above = values[values > level]
    upper = _otsu(above)
    low, high = above[above <= upper], above[above > upper]
    if len(low) and len(high) and low.mean() < CYTOPLASM_LEVEL * high.mean():
        level = upper  # the first level lay between background and cytoplasm
    found = ((gray > level) & inside).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(found, cv2.MORPH_OPEN, _disc(3)), np.uint8)


def _cell(density: Plane, nucleus: Mask, half: Half, background: float) -> Mask:
    """The closed line round the nucleus on which color changes most, near the box's ellipse."""
    grid = (RADII, ANGLES), (MIDDLE, MIDDLE), RADII * RADIUS_PX
    rays = np.asarray(cv2.warpPolar(density, *grid, cv2.WARP_POLAR_LINEAR), np.float32)
    change = np.zeros_like(rays)
    change[:, 1:-1] = np.abs(rays[:, 2:] - rays[:, :-2])
    edge = np.minimum(change, MAX_COLOR_CHANGE) @ COLORS
    score = np.minimum(edge / (_quantile(edge.ravel(), 0.9) + 1e-6), MAX_CHANGE)
    score -= BOX_WEIGHT * ((_rays(half) - BOX_PART) / BOX_SPREAD) ** 2
    score -= BACKGROUND_WEIGHT * np.cumsum(rays @ COLORS < background, axis=1)
    steps = np.arange(RADII)
    inner = (cv2.warpPolar(nucleus, *grid, cv2.INTER_NEAREST) * (steps + 1)).max(axis=1)
    score[steps < inner[:, None]] -= NUCLEUS_WEIGHT
    return _filled(_closed_line(score))


def _closed_line(score: Plane) -> Plane:
    """The place on each ray (A, R) where the score is best and the neighbors agree, (A,)."""
    steps = np.arange(RADII, dtype=np.float32)
    line = score.argmax(axis=1)
    for stiffness in STIFFNESS:
        mean = _neighbors(6) @ line
        line = (score - np.float32(stiffness) * (steps - mean[:, None]) ** 2).argmax(axis=1)
    return np.asarray(_neighbors(1) @ line, np.float32)


def _filled(line: Plane) -> Mask:
    points = MIDDLE + (line * RADIUS_PX - LINE_PX)[:, None] * _directions()
    filled = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    cv2.fillPoly(filled, [np.rint(points * 16).astype(np.int32)], (1,), shift=4)
    return filled


def _whole(nucleus: Mask, um_per_px: float) -> Mask:
    """Without islands that are too small for a lobe, and without small holes."""
    n, labels, stats, _ = cv2.connectedComponentsWithStats(nucleus, connectivity=4)
    if n == 1:
        return nucleus
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0
    kept = (areas >= max(ISLAND_SHARE * areas.max(), ISLAND_UM2 / um_per_px**2))[labels]
    n, labels, stats, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8))
    if n == 2:
        return np.asarray(kept, np.uint8)
    holes = stats[:, cv2.CC_STAT_AREA] < HOLE_UM2 / um_per_px**2
    return np.asarray(kept | holes[labels], np.uint8)


def _stands_out(azure: Plane, nucleus: Mask, cell: Mask, level: float, um_per_px: float) -> bool:
    """True of a nucleus: large enough, and darker than what lies about the cell."""
    if np.count_nonzero(nucleus) * um_per_px**2 < MIN_NUCLEUS_UM2:
        return False
    inside, outside = float(azure[nucleus > 0].mean()), azure[cell == 0]
    often, seldom = _quantile(outside, 0.5), _quantile(outside, 0.9)
    return often < MAX_OUTSIDE_AZURE * inside and (
        level * inside >= FAINT_NUCLEUS or seldom < MAX_OUTSIDE_AZURE * inside
    )


def _sharpness(azure: Plane, nucleus: Mask, cell: Mask) -> float:
    """The slope of the nucleus's edge where it is steep, in parts of its height a px."""
    rim = cv2.morphologyEx(nucleus, cv2.MORPH_GRADIENT, _disc(3)) > 0
    across, down = (cv2.Scharr(azure, cv2.CV_32F, *axis)[rim] for axis in ((1, 0), (0, 1)))
    slope = np.asarray(np.hypot(across, down) / 32, np.float32)
    outside = azure[cell == 0]
    height = float(azure[nucleus > 0].mean()) - _quantile(outside, 0.5)
    return _quantile(slope, 0.9) / max(height, 1e-3)


def _largest(mask: Mask) -> Mask:
    n, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if n <= 2:
        return mask
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()), np.uint8)


def _background_level(darkness: Plane) -> float:
    """The optical density, all colors together, below which there is background."""
    gray = np.clip(darkness * 400, 0, 240).astype(np.uint8)
    return BACKGROUND_SHARE * _otsu(gray) / 400


def _otsu(values: Image) -> float:
    """The level that parts gray values (0-255) best in two."""
    if not values.size:
        return 0.0
    level, _ = cv2.threshold(values.reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    return float(level)


def _quantile(values: Plane, share: float) -> float:
    if not len(values):
        return 0.0
    at = min(int(share * len(values)), len(values) - 1)
    return float(np.partition(values, at)[at])


def _from_middle(half: Half) -> Plane:
    """Distance of each pixel from the middle; the ellipse in the box is 1."""
    away = np.arange(SIDE_PX, dtype=np.float32) - np.float32(MIDDLE)
    return np.asarray(
        np.sqrt((away[None, :] / half[0]) ** 2 + (away[:, None] / half[1]) ** 2), np.float32
    )


def _rays(half: Half) -> Plane:
    """The same of each place on each ray, (A, R)."""
    radii = (np.arange(RADII) * RADIUS_PX).astype(np.float32)
    rim = np.hypot(*(_directions() / np.array(half, np.float32)).T)
    return np.asarray(rim[:, None] * radii, np.float32)


@cache
def _directions() -> Plane:
    """The unit vectors (A, 2) of the rays."""
    turns = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)


@cache
def _neighbors(times: int) -> Plane:
    """A matrix (A, A) that takes the weighted mean of three neighboring rays, so many times."""
    one = np.eye(ANGLES)
    mean = (np.roll(one, 1, axis=0) + 2 * one + np.roll(one, -1, axis=0)) / 4
    return np.linalg.matrix_power(mean, times).astype(np.float32)


@cache
def _densities() -> Plane:
    """Optical density of each gray level against white, (256,)."""
    light = np.maximum(np.arange(256), 4) / WHITE
    return np.maximum(-np.log10(light), 0).astype(np.float32)


@cache
def _disc(side: int) -> Mask:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
