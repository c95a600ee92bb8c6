"""Cells as patches of optical density, each drawn from its own generator and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .canvas import Canvas, Plane, spots_um
from .layout import ANGLES, Placement
from .recipes import WHITE_CELL_RECIPES, Chromatin, Granules, WhiteCellRecipe
from .stain import Density, Stain

FINE_UM = 0.12
"""Cells with an inner structure are drawn at about this many um/px or finer, then averaged."""


@dataclass(frozen=True)
class Patch:
    """Optical density (rows, columns, 3) float32 with its top left pixel in the field, px."""

    density: NDArray[np.float32]
    left: int
    top: int


def draw_cell(
    placement: Placement, index: int, outline_um: Plane, um_per_px: float, stain: Stain
) -> Patch:
    """One cell of a placement; `outline_um` is its radius at `ANGLES`."""
    name = placement.cell_types[index]
    rng = np.random.default_rng([placement.seed, 7, index])
    centre = (float(placement.x_um[index]), float(placement.y_um[index]))
    reach_um = float(outline_um.max()) + 0.3
    left, top = (int(np.floor((c - reach_um) / um_per_px)) for c in centre)
    right, bottom = (int(np.ceil((c + reach_um) / um_per_px)) for c in centre)
    fine = 1 if name == "red_cell" else max(1, round(um_per_px / FINE_UM))
    step = um_per_px / fine
    x_um, y_um = (left + 0.5 / fine) * um_per_px - centre[0], (top + 0.5 / fine) * um_per_px - centre[1]
    shape = ((bottom - top) * fine, (right - left) * fine)
    distance, depth = _polar(shape, x_um, y_um, step, outline_um)
    canvas = Canvas(step, x_um, y_um, reach_um, depth)
    density = _paint(name, rng, canvas, distance, float(placement.radius_um[index]), stain)
    if fine > 1:
        size = (right - left, bottom - top)
        density = np.asarray(cv2.resize(density, size, interpolation=cv2.INTER_AREA), np.float32)
    return Patch(density, left, top)


def _polar(
    shape: tuple[int, int], x_um: float, y_um: float, step_um: float, outline_um: Plane
) -> tuple[Plane, Plane]:
    """Distance from the centre, and depth inside the outline, of each pixel, um."""
    x = np.broadcast_to(x_um + step_um * np.arange(shape[1], dtype=np.float32), shape)
    y = np.broadcast_to((y_um + step_um * np.arange(shape[0], dtype=np.float32))[:, None], shape)
    distance, angle = cv2.cartToPolar(np.ascontiguousarray(x), np.ascontiguousarray(y))
    direction = (angle * np.float32(len(ANGLES) / (2 * np.pi)) + 0.5).astype(np.int32) % len(ANGLES)
    depth: Plane = outline_um.astype(np.float32)[direction] - distance
    return np.asarray(distance, np.float32), depth


def _paint(
    name: str, rng: np.random.Generator, canvas: Canvas, distance: Plane, radius: float, stain: Stain
) -> NDArray[np.float32]:
    if name == "red_cell":
        return _red_cell(rng, canvas, distance, stain)
    if name == "platelet":
        return _platelet(rng, canvas, stain)
    return _white_cell(rng, canvas, radius, WHITE_CELL_RECIPES[name], stain)


def _coloured(plane: Plane, density: Density) -> NDArray[np.float32]:
    result: NDArray[np.float32] = plane[..., None] * np.asarray(density, np.float32)
    return result


def _red_cell(
    rng: np.random.Generator, canvas: Canvas, distance: Plane, stain: Stain
) -> NDArray[np.float32]:
    """A disc, paler in its middle third, a little darker along the edge."""
    pallor = float(np.clip(rng.normal(0.6, 0.24), 0, 0.92))
    width = rng.uniform(0.34, 0.52)
    weight = rng.normal(1.0, 0.09)
    part = distance / np.maximum(distance + canvas.depth_um, 0.1)
    middle = np.exp(-((part / width) ** 2) ** 1.5)
    edge = np.exp(-(((canvas.depth_um - 0.25) / 0.3) ** 2))
    body = canvas.soft_step(canvas.depth_um, 0.35)
    return _coloured(weight * body * (1 - pallor * middle + 0.12 * edge), stain.red_cell)


def _platelet(rng: np.random.Generator, canvas: Canvas, stain: Stain) -> NDArray[np.float32]:
    """Pale blue hyalomere round a purple, grainy middle."""
    body = canvas.soft_step(canvas.depth_um, 0.25)
    clumps = canvas.texture(rng, 0.35)
    middle = canvas.soft_step(canvas.depth_um - 0.35, 0.7)
    grainy = rng.uniform(0.75, 1.1) * middle * np.clip(0.75 + 0.3 * clumps, 0.2, 1.4)
    pale = _coloured(body * 0.8, stain.materials["clear_cytoplasm"])
    return pale + _coloured(grainy, stain.materials["platelet_granule"])


def _white_cell(
    rng: np.random.Generator, canvas: Canvas, radius: float, recipe: WhiteCellRecipe, stain: Stain
) -> NDArray[np.float32]:
    """Cytoplasm, then vacuoles, the nucleus over both, and the grains."""
    body = canvas.soft_step(canvas.depth_um, 0.2)
    weights = [weight for _, weight in recipe.nuclei]
    make, _ = recipe.nuclei[int(rng.choice(len(weights), p=weights))]
    nucleus_depth = canvas.discs_depth_um(make(rng, radius)) + 0.12 * canvas.texture(rng, 1.1)
    inside = np.minimum(nucleus_depth, canvas.depth_um - 0.25)
    nucleus = canvas.soft_step(inside, 0.15)
    vacuoles = _vacuoles(rng, canvas, radius, recipe.vacuoles)
    cytoplasm = body * _cytoplasm(rng, canvas, recipe) * (1 - 0.85 * vacuoles)
    density = _coloured(cytoplasm * (1 - nucleus), stain.materials[recipe.cytoplasm])
    chromatin = nucleus * _chromatin(rng, canvas, inside, recipe.chromatin, stain)
    density += _coloured(chromatin * (1 - 0.35 * vacuoles), stain.materials[recipe.chromatin.material])
    for granules in recipe.granules:
        grain = _granules(rng, canvas, radius, granules) * body
        hidden = 1 - (1 - granules.over_nucleus) * nucleus
        shown = grain * hidden * (1 - vacuoles)
        # A grain takes the place of what lies under it, so grains don't pile up to black.
        density *= 1 - 0.7 * shown[..., None]
        density += _coloured(granules.strength * shown, stain.materials[granules.material])
    return density


def _cytoplasm(rng: np.random.Generator, canvas: Canvas, recipe: WhiteCellRecipe) -> Plane:
    mottle = 0.6 * canvas.texture(rng, 1.6) + 0.5 * canvas.texture(rng, 0.4)
    rim = np.exp(-((canvas.depth_um / 0.45) ** 2))
    result: Plane = np.clip(1 + recipe.mottle * mottle, 0.3, 1.8) + recipe.rim * rim
    return result


def _chromatin(
    rng: np.random.Generator, canvas: Canvas, depth_um: Plane, chromatin: Chromatin, stain: Stain
) -> Plane:
    """Clumps with light gaps between them, and a darker membrane."""
    clumps = 0.75 * canvas.texture(rng, chromatin.grain_um)
    clumps += 0.5 * canvas.texture(rng, 0.5 * chromatin.grain_um)
    clumps += 0.35 * canvas.texture(rng, 3 * chromatin.grain_um)
    contrast = chromatin.contrast * stain.chromatin_contrast
    membrane = chromatin.membrane * np.exp(-(((depth_um - 0.15) / 0.25) ** 2))
    result: Plane = np.clip(1 + contrast * clumps + membrane, 0.35, 1.45)
    return result


def _vacuoles(rng: np.random.Generator, canvas: Canvas, radius: float, mean: float) -> Plane:
    n = int(rng.poisson(mean)) if mean else 0
    x, y = spots_um(rng, n, 0.9 * radius)
    sizes = rng.uniform(0.25, 0.75, n).astype(np.float32)
    plane = canvas.grains(x, y, sizes, np.ones(n, np.float32))
    return _softened(plane, 0.12 / canvas.um_per_px)


def _granules(
    rng: np.random.Generator, canvas: Canvas, radius: float, granules: Granules
) -> Plane:
    n = int(granules.per_um2 * np.pi * radius**2)
    x, y = spots_um(rng, n, 1.02 * radius)
    sizes = rng.normal(*granules.radius_um, n).clip(0.08, None).astype(np.float32)
    strength = rng.uniform(0.45, 1.0, n).astype(np.float32)
    plane = canvas.grains(x, y, sizes, strength)
    if granules.core:
        plane -= granules.core * canvas.grains(x, y, 0.45 * sizes, strength)
    if granules.patchiness:
        plane *= np.clip(1 + granules.patchiness * canvas.texture(rng, 1.3), 0, 1)
    return _softened(plane, 0.06 / canvas.um_per_px)


def _softened(plane: Plane, sigma_px: float) -> Plane:
    if sigma_px < 0.3:
        return plane
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma_px), np.float32)


def draw_cells(
    placement: Placement, indices: Sequence[int], um_per_px: float, stain: Stain
) -> list[Patch]:
    """The cells at `indices`, in their order."""
    outlines = placement.outlines_um(np.asarray(indices, np.intp)).astype(np.float32)
    return [
        draw_cell(placement, index, outline, um_per_px, stain)
        for index, outline in zip(indices, outlines, strict=True)
    ]
