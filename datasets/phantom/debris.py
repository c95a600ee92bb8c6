"""Artifacts as patches of optical density: smudge cells, clumps, stain precipitate and dirt."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from .artifacts import Artifact
from .cell_patch import CellPatch, Frame, Plane
from .cells import FINE_UM, Colors, Patch, colored, softened
from .nuclei import Discs
from .stain import Density, Stain

ROOM_UM = 3.0
"""A patch is this much larger than its artifact, for frayed edges, fringes and lack of focus."""
GRAIN_UM = 0.06
"""Grains are smaller than anything in a cell, so precipitate is drawn at this many um/px."""
DIRT_COLORS: tuple[Density, ...] = (
    (0.75, 0.85, 0.95),
    (0.5, 0.7, 0.95),
    (0.28, 0.5, 0.85),
    (0.2, 0.3, 0.42),
    (0.55, 0.55, 0.4),
)
"""Soot, dark and light brown, sand, and slate; no stain takes part."""


def draw_artifact(artifact: Artifact, seed: int, um_per_px: float, stain: Stain) -> Patch:
    """One artifact as a patch; a refractile one also has a density below 0 where it is bright."""
    fine = max(1, round(um_per_px / (GRAIN_UM if artifact.kind == "precipitate" else FINE_UM)))
    center_um = artifact.x_um, artifact.y_um
    reach = artifact.reach_um + ROOM_UM
    frame = Frame.around(center_um, reach, um_per_px)
    outline = np.full(1, reach, np.float32)
    patch = frame.patch(center_um, artifact.reach_um, outline, fine)
    rng = np.random.default_rng([seed, 12, artifact.stream])
    density = PAINTERS[artifact.kind](rng, patch, artifact.discs, stain)
    if fine > 1:
        size = (frame.width, frame.height)
        density = np.asarray(cv2.resize(density, size, interpolation=cv2.INTER_AREA), np.float32)
    return Patch(density, frame.left, frame.top)


def _smudge(rng: np.random.Generator, patch: CellPatch, discs: Discs, stain: Stain) -> Colors:
    """Pale chromatin without outline or cytoplasm, drawn out to strands, with a few holes."""
    tail = discs[-1, :2] - discs[:-6, :2].mean(axis=0)
    turn = float(np.arctan2(tail[1], tail[0]))
    strands = 0.7 * _strands(rng, patch, turn, 0.5, 3.5)
    strands += 0.7 * _strands(rng, patch, turn + rng.normal(0, 0.5), 0.9, 2.5)
    fray = rng.uniform(0.1, 0.4)
    depth = patch.discs_depth_um(discs) + 0.55 * patch.texture(rng, 2.2) + fray * strands
    body = np.clip(depth / rng.uniform(1.8, 3.6) + 0.3, 0, 1)
    body = body * body * (3 - 2 * body)
    mottle = 0.14 * strands + 0.13 * patch.texture(rng, 0.6) + 0.15 * patch.texture(rng, 1.8)
    chromatin = rng.uniform(0.35, 0.8) * body * np.clip(0.85 + mottle, 0.2, 1.35)
    pale = colored(0.6 * body, stain.materials["lilac_cytoplasm"])
    return pale + colored(chromatin, stain.materials["open_nucleus"])


def _strands(
    rng: np.random.Generator, patch: CellPatch, turn: float, grain_um: float, stretch: float
) -> Plane:
    """Smooth noise drawn out `stretch` times along the direction `turn` (radians)."""
    side = int(2 * patch.reach_um / grain_um) + 8
    lattice = rng.standard_normal((side, side), dtype=np.float32)
    across, along = 1 / grain_um, 1 / (grain_um * stretch)
    cos, sin = np.cos(turn), np.sin(turn)
    to_lattice = np.array([[along * cos, along * sin], [-across * sin, across * cos]])
    corner = to_lattice @ [patch.x_um, patch.y_um] + side / 2
    affine = np.column_stack([to_lattice * patch.um_per_px, corner])
    rows, columns = patch.shape
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    noise = cv2.warpAffine(
        lattice, affine, (columns, rows), flags=flags, borderMode=cv2.BORDER_REFLECT
    )
    result: Plane = np.asarray(noise, np.float32) * np.float32(1.4)
    return result


def _clump(rng: np.random.Generator, patch: CellPatch, discs: Discs, stain: Stain) -> Colors:
    """Platelets one over another: each one's grainy middle still shows in the heap."""
    depth = patch.discs_depth_um(discs) + 0.12 * patch.texture(rng, 0.7)
    body = patch.soft_step(depth, 0.3)
    heap = softened(body, 1.5 / patch.um_per_px)
    clumps = 0.7 * patch.texture(rng, 0.3) + 0.5 * patch.texture(rng, 0.7)
    middle = np.clip((depth - 0.05) / 0.9, 0, 1)
    granules = middle * np.clip(0.75 + 0.28 * clumps, 0.15, 1.35) * (0.6 + 0.5 * heap)
    pale = colored(body * (0.6 + 0.5 * heap), stain.materials["clear_cytoplasm"])
    strength = np.float32(rng.uniform(0.7, 1.1))
    return pale + colored(strength * granules, stain.materials["platelet_granule"])


def _precipitate(rng: np.random.Generator, patch: CellPatch, discs: Discs, stain: Stain) -> Colors:
    """Dark grains, a little refractile, that lie on the cells in a plane of their own."""
    x, y, radius = discs.T
    strength = rng.uniform(0.55, 1.0, len(discs)).astype(np.float32)
    grains = softened(patch.grains(x, y, radius, strength), 0.05 / patch.um_per_px)
    blur = rng.choice([0.0, 0.15, 0.35], p=[0.55, 0.3, 0.15]) / patch.um_per_px
    fringe = softened(grains, 0.35 / patch.um_per_px)
    # The fringe is brighter than the glass: the grains bend light as well as take it.
    plane = softened(1.15 * grains - 0.15 * fringe, float(blur))
    return colored(plane, stain.materials["precipitate"])


def _particle(rng: np.random.Generator, patch: CellPatch, discs: Discs, stain: Stain) -> Colors:
    """A shard with a dark edge, a brighter inside where it is clear, and a bright fringe."""
    depth = patch.discs_depth_um(discs)
    size = float(discs[:, 2].mean())
    depth += np.float32(0.16 * size) * patch.texture(rng, 0.5 * size)
    depth += 0.10 * patch.texture(rng, 0.45)
    body = patch.soft_step(depth, 0.2)
    edge = np.exp(-(((depth - 0.25) / 0.35) ** 2))
    clear = rng.uniform(0, 0.85) * patch.soft_step(depth - 0.35 * size, 0.5 * size)
    mottle = 1 + 0.22 * patch.texture(rng, 0.7) + 0.2 * patch.texture(rng, 2.0)
    mottle = np.clip(mottle, 0.35, 1.6)
    dark = body * mottle * (1 - clear) + 0.4 * edge
    fringe = rng.uniform(0, 0.5) * np.exp(-(((depth + 0.35) / 0.3) ** 2))
    plane = rng.uniform(0.5, 1.1) * (dark - 0.25 * fringe)
    return _out_of_focus(rng, patch, plane, _dirt_color(rng))


def _fiber(rng: np.random.Generator, patch: CellPatch, discs: Discs, stain: Stain) -> Colors:
    """A thread with two dark edges and a clear core, as glass-like fibers show."""
    x, y, radius = discs.T
    full = np.ones(len(discs), np.float32)
    outside = patch.grains(x, y, radius, full)
    inside = patch.grains(x, y, 0.6 * radius, full)
    plane = softened(outside - rng.uniform(0.3, 1.1) * inside, 0.15 / patch.um_per_px)
    plane *= np.clip(1 + 0.25 * patch.texture(rng, 3.0), 0.3, 1.6)
    return _out_of_focus(rng, patch, rng.uniform(0.2, 0.7) * plane, _dirt_color(rng))


def _shadow(rng: np.random.Generator, patch: CellPatch, discs: Discs, stain: Stain) -> Colors:
    """A weak gray disc with a darker or brighter ring and no sharp edge."""
    radius = float(discs[0, 2])
    part = patch.distance_um / np.float32(radius)
    soft = np.clip((1 - part) / rng.uniform(0.35, 0.9), 0, 1)
    disc = soft * soft * (3 - 2 * soft) * np.clip(1 + 0.25 * patch.texture(rng, 4.0), 0, 2)
    ring = np.exp(-(((part - rng.uniform(0.7, 0.85)) / 0.13) ** 2))
    plane = rng.uniform(0.02, 0.12) * disc + rng.normal(0, 0.02) * ring
    return colored(plane.astype(np.float32), (1.0, 1.0, 1.05))


def _dirt_color(rng: np.random.Generator) -> Density:
    red, green, blue = DIRT_COLORS[int(rng.integers(len(DIRT_COLORS)))]
    factor = rng.uniform(0.8, 1.2, 3)
    return red * factor[0], green * factor[1], blue * factor[2]


def _out_of_focus(
    rng: np.random.Generator, patch: CellPatch, plane: Plane, color: Density
) -> Colors:
    """The plane in its color, blurred by 0 to 0.9 um: dirt rarely lies in the cells' plane."""
    blur_um = float(rng.choice([0.0, rng.uniform(0.1, 0.9)]))
    return colored(softened(np.asarray(plane, np.float32), blur_um / patch.um_per_px), color)


Painter = Callable[[np.random.Generator, CellPatch, Discs, Stain], Colors]
PAINTERS: Mapping[str, Painter] = {
    "smudge_cell": _smudge,
    "platelet_clump": _clump,
    "precipitate": _precipitate,
    "dirt_particle": _particle,
    "fibre": _fiber,
    "dust_shadow": _shadow,
}
