"""Cells as patches of optical density, each drawn from its own generator and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .cell_appearance import WHITE_CELL_APPEARANCE, Chromatin, Granules, WhiteCellAppearance
from .cell_patch import CellPatch, Frame, Plane, spots_um
from .layout import Placement
from .stain import Density, Stain

Colors = NDArray[np.float32]

FINE_UM = 0.12
"""Cells with an inner structure are drawn at about this many um/px or finer, then averaged."""


@dataclass(frozen=True)
class Patch:
    """Optical density (rows, columns, 3) float32 with its top left pixel in the field, px."""

    density: Colors
    left: int
    top: int


@dataclass(frozen=True)
class Anatomy:
    """Parts of a drawn white cell: masks (rows, columns) at `um_per_px`.

    `left`, `top`: the masks' top left pixel in the field, px of `um_per_px`.
    """

    cell: NDArray[np.bool_]
    nucleus: NDArray[np.bool_]
    lobes: int
    um_per_px: float
    left: int
    top: int

    @property
    def cell_um2(self) -> float:
        """The area of the cell, nucleus included, um2."""
        return float(self.cell.sum()) * self.um_per_px**2

    @property
    def nucleus_um2(self) -> float:
        """The area of the nucleus, um2."""
        return float(self.nucleus.sum()) * self.um_per_px**2


def anatomy(placement: Placement, index: int, um_per_px: float = 0.05) -> Anatomy:
    """The truth of one white cell of a placement: exactly what `draw_cell` paints."""
    outline = placement.outlines_um([index])[0].astype(np.float32)
    frame, patch = _ground(placement, index, outline, um_per_px, 1)
    rng = _own_generator(placement, index)
    appearance = WHITE_CELL_APPEARANCE[placement.cell_types[index]]
    body, nucleus, lobes = _shape(rng, patch, appearance)
    cell = (body > 0) | (nucleus > 0)
    return Anatomy(cell, nucleus > 0, lobes, um_per_px, frame.left, frame.top)


def _ground(
    placement: Placement, index: int, outline_um: Plane, um_per_px: float, fine: int
) -> tuple[Frame, CellPatch]:
    center_um = float(placement.x_um[index]), float(placement.y_um[index])
    frame = Frame.around(center_um, float(outline_um.max()) + 0.3, um_per_px)
    return frame, frame.patch(center_um, float(placement.radius_um[index]), outline_um, fine)


def _own_generator(placement: Placement, index: int) -> np.random.Generator:
    return np.random.default_rng([placement.seed, 7, index])


def draw_cell(
    placement: Placement, index: int, outline_um: Plane, um_per_px: float, stain: Stain
) -> Patch:
    """One cell of a placement; `outline_um` is its radius in 256 directions."""
    name = placement.cell_types[index]
    fine = 1 if name == "red_cell" else max(1, round(um_per_px / FINE_UM))
    frame, patch = _ground(placement, index, outline_um, um_per_px, fine)
    density = _paint(name, _own_generator(placement, index), patch, stain)
    if fine > 1:
        size = (frame.width, frame.height)
        density = np.asarray(cv2.resize(density, size, interpolation=cv2.INTER_AREA), np.float32)
    return Patch(density, frame.left, frame.top)


def _paint(name: str, rng: np.random.Generator, patch: CellPatch, stain: Stain) -> Colors:
    if name == "red_cell":
        return _red_cell(rng, patch, stain)
    if name == "platelet":
        return _platelet(rng, patch, stain)
    return _white_cell(rng, patch, WHITE_CELL_APPEARANCE[name], stain)


def colored(plane: Plane, density: Density) -> Colors:
    """The plane (rows, columns) times a material's density, (rows, columns, 3)."""
    result: Colors = plane[..., None] * np.asarray(density, np.float32)
    return result


def _red_cell(rng: np.random.Generator, patch: CellPatch, stain: Stain) -> Colors:
    """A disc, paler in its middle third, a little darker along the edge."""
    pallor = float(np.clip(rng.normal(0.7, 0.22), 0, 0.95))
    width = rng.uniform(0.38, 0.6)
    weight = rng.normal(1.0, 0.09)
    part = patch.distance_um / np.maximum(patch.distance_um + patch.depth_um, 0.1)
    middle = np.exp(-(((part / width) ** 2) ** 1.8))
    edge = np.exp(-(((patch.depth_um - 0.25) / 0.3) ** 2))
    body = patch.soft_step(patch.depth_um, 0.35)
    return colored(weight * body * (1 - pallor * middle + 0.15 * edge), stain.red_cell)


def _platelet(rng: np.random.Generator, patch: CellPatch, stain: Stain) -> Colors:
    """Pale blue hyalomere round a purple, grainy middle."""
    body = patch.soft_step(patch.depth_um, 0.25)
    clumps = patch.texture(rng, 0.3)
    middle = patch.soft_step(patch.depth_um - 0.3, 0.8)
    granules = rng.uniform(0.75, 1.1) * middle * np.clip(0.75 + 0.2 * clumps, 0.3, 1.2)
    pale = colored(body * 0.8, stain.materials["clear_cytoplasm"])
    return pale + colored(granules, stain.materials["platelet_granule"])


def _white_cell(
    rng: np.random.Generator, patch: CellPatch, appearance: WhiteCellAppearance, stain: Stain
) -> Colors:
    """Cytoplasm, then vacuoles, the nucleus over both, and the grains."""
    body_depth, inside, _ = _shape(rng, patch, appearance)
    body, nucleus = patch.soft_step(body_depth, 0.2), patch.soft_step(inside, 0.15)
    vacuoles = _vacuoles(rng, patch, appearance.vacuoles)
    cytoplasm = body * _cytoplasm(rng, patch, appearance) * (1 - 0.85 * vacuoles)
    density = colored(cytoplasm * (1 - nucleus), stain.materials[appearance.cytoplasm])
    chromatin = nucleus * _chromatin(rng, patch, inside, appearance.chromatin, stain)
    density += colored(
        chromatin * (1 - 0.35 * vacuoles), stain.materials[appearance.chromatin.material]
    )
    for granules in appearance.granules:
        grain = _granules(rng, patch, granules) * body
        hidden = 1 - (1 - granules.over_nucleus) * nucleus
        shown = grain * hidden * (1 - vacuoles)
        # A grain takes the place of what lies under it, so grains don't pile up to black.
        density *= 1 - 0.7 * shown[..., None]
        density += colored(granules.strength * shown, stain.materials[granules.material])
    return density


def _shape(
    rng: np.random.Generator, patch: CellPatch, appearance: WhiteCellAppearance
) -> tuple[Plane, Plane, int]:
    """How deep in the cell and in its nucleus each pixel lies, um, and the number of its lobes."""
    ruffle = np.float32(appearance.ruffle_um) * np.abs(patch.texture(rng, 0.45))
    weights = [weight for _, weight in appearance.nuclei]
    make, _ = appearance.nuclei[int(rng.choice(len(weights), p=weights))]
    nucleus = make(rng, patch.radius_um)
    depth = patch.discs_depth_um(nucleus.discs)
    depth += appearance.chromatin.edge_um * patch.texture(rng, 1.1)
    return patch.depth_um - ruffle, np.minimum(depth, patch.depth_um - 0.25), nucleus.lobes


def _cytoplasm(
    rng: np.random.Generator, patch: CellPatch, appearance: WhiteCellAppearance
) -> Plane:
    mottle = 0.6 * patch.texture(rng, 1.6) + 0.5 * patch.texture(rng, 0.4)
    rim = np.exp(-((patch.depth_um / 0.45) ** 2))
    result: Plane = np.clip(1 + appearance.mottle * mottle, 0.3, 1.8) + appearance.rim * rim
    return result


def _chromatin(
    rng: np.random.Generator, patch: CellPatch, depth_um: Plane, chromatin: Chromatin, stain: Stain
) -> Plane:
    """Clumps with light gaps between them, and a darker membrane."""
    clumps = 0.7 * patch.texture(rng, chromatin.grain_um)
    clumps += 0.6 * patch.texture(rng, 0.5 * chromatin.grain_um)
    clumps += 0.35 * patch.texture(rng, 3 * chromatin.grain_um)
    contrast = chromatin.contrast * stain.chromatin_contrast
    membrane = chromatin.membrane * np.exp(-(((depth_um - 0.15) / 0.25) ** 2))
    result: Plane = np.clip(1 + contrast * clumps + membrane, 0.4, 1.27)
    return result


def _vacuoles(rng: np.random.Generator, patch: CellPatch, mean: float) -> Plane:
    n = int(rng.poisson(mean)) if mean else 0
    x, y = spots_um(rng, n, 0.9 * patch.radius_um)
    sizes = rng.uniform(0.25, 0.75, n).astype(np.float32)
    plane = patch.grains(x, y, sizes, np.ones(n, np.float32))
    return softened(plane, 0.12 / patch.um_per_px)


def _granules(rng: np.random.Generator, patch: CellPatch, granules: Granules) -> Plane:
    n = int(granules.per_um2 * np.pi * patch.radius_um**2)
    x, y = spots_um(rng, n, 1.02 * patch.radius_um)
    sizes = rng.normal(*granules.radius_um, n).clip(0.08, None).astype(np.float32)
    strength = rng.uniform(0.6, 1.0, n).astype(np.float32)
    plane = patch.grains(x, y, sizes, strength)
    if granules.core:
        plane -= granules.core * patch.grains(x, y, 0.45 * sizes, strength)
    if granules.patchiness:
        plane *= np.clip(1 + granules.patchiness * patch.texture(rng, 1.3), 0, 1)
    return softened(plane, 0.04 / patch.um_per_px)


def softened(plane: Plane, sigma_px: float) -> Plane:
    """The plane blurred, or itself where the blur is too small to show."""
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
