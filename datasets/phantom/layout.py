"""Places and outlines of a phantom's cells: the truth, before any pixel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from leukodiff.core.boxes import area
from leukodiff.core.errors import InputError
from leukodiff.datasets.fields import Boxes

from .artifacts import Artifact, pushing, scatter_artifacts
from .cell_appearance import WHITE_CELL_APPEARANCE
from .settings import PhantomSettings, allot

Floats = NDArray[np.float64]

RED_CELL_UM = (7.5, 0.45)
"""Diameter on a dried film, mean and standard deviation, um (Bain 2015: 6.0 to 8.5)."""
PLATELET_UM = (3.0, 0.5)
"""Diameter, mean and standard deviation, um (Bain 2015: 1 to 4)."""
WHITE_CELL_PITCH_UM = 21.0
"""The least distance of two white cells' centers along x or y; no white cells touch."""
WHITE_CELL_REACH_UM = 10.4
"""No white cell's outline is further from its center: two never touch, one fits the margin."""
WHITE_CELL_MARGIN_UM = 10.8
"""Keeps a white cell inside the field."""
WAVES = np.arange(2, 9)
"""Wave numbers of an outline; 2 makes it oval, the high ones rough."""
ANGLES = np.linspace(0, 2 * np.pi, 256, endpoint=False)
"""Directions in which an outline is sampled; the error of a box is below 1e-4 of its radius."""


@dataclass(frozen=True)
class Placement:
    """The cells of a smear in physical units, origin at the top left of the field.

    `cell_types` has N names; `x_um`, `y_um` and `radius_um` are (N,) float64; `waves` is
    (N, 2, 7) float64: cosine and sine amplitudes of the outline as parts of the radius.
    `artifacts` are what lies there besides and is no cell.
    """

    cell_types: tuple[str, ...]
    x_um: Floats
    y_um: Floats
    radius_um: Floats
    waves: Floats
    seed: int
    artifacts: tuple[Artifact, ...] = ()

    def __len__(self) -> int:
        return len(self.cell_types)

    def outlines_um(self, indices: Sequence[int] | NDArray[np.intp]) -> Floats:
        """Radii of the outlines at `ANGLES`, (len(indices), 256), um."""
        result: Floats = self.radius_um[indices, None] * outline_parts(self.waves[indices])
        return result

    def boxes_um(self) -> Floats:
        """Exact `xyxy` boxes of the outlines, (N, 4), um."""
        boxes = np.empty((len(self), 4))
        for start in range(0, len(self), 4096):  # a slide's outlines at once would fill the memory
            part = np.arange(start, min(start + 4096, len(self)))
            radii = self.outlines_um(part)
            x = self.x_um[part, None] + radii * np.cos(ANGLES)
            y = self.y_um[part, None] + radii * np.sin(ANGLES)
            boxes[part] = np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], axis=1)
        return boxes


def outline_parts(waves: Floats) -> Floats:
    """Outlines (N, 256) at `ANGLES` as parts of the radius: 1 + sum a cos(k t) + b sin(k t)."""
    turns = WAVES[:, None] * ANGLES
    result: Floats = 1 + waves[:, 0] @ np.cos(turns) + waves[:, 1] @ np.sin(turns)
    return result


def visible_boxes(
    placement: Placement, settings: PhantomSettings
) -> tuple[Boxes, tuple[str, ...], NDArray[np.intp]]:
    """Boxes in px clipped to the field, their types and their places in the placement.

    A cell counts when at least `min_visible` of its box lies in the field.
    """
    whole = placement.boxes_um() / settings.um_per_px
    clipped, visible = visible_part(whole, settings.width, settings.height, settings.min_visible)
    return clipped, tuple(placement.cell_types[i] for i in visible), visible


def visible_part(
    boxes: Floats, width: int, height: int, min_visible: float
) -> tuple[Boxes, NDArray[np.intp]]:
    """Boxes (N, 4) px clipped to the picture, and which of them have `min_visible` (0-1) in it."""
    clipped = boxes.clip(0, [width, height] * 2)
    visible = np.flatnonzero(area(clipped) >= np.maximum(min_visible, 1e-9) * area(boxes))
    return clipped[visible].astype(np.float32).reshape(-1, 4), visible


def visible_artifacts(
    placement: Placement, settings: PhantomSettings
) -> tuple[Boxes, tuple[str, ...]]:
    """Boxes in px clipped to the field and kinds of the artifacts that lie in it, in any part."""
    whole = np.array([a.box_um for a in placement.artifacts]).reshape(-1, 4) / settings.um_per_px
    clipped, visible = visible_part(whole, settings.width, settings.height, 0)
    return clipped, tuple(placement.artifacts[i].kind for i in visible)


def place(settings: PhantomSettings, white_types: Sequence[str] | None = None) -> Placement:
    """Lay out a field, or a whole slide: white cells first, red cells round them, then platelets.

    `white_types` names the white cells one by one; by default they are the settings' differential.

    Raises:
        InputError: the field has no room for so many white cells.
    """
    rng = np.random.default_rng([settings.seed, 1])
    if white_types is None:
        counts = allot(settings.differential, settings.n_white)
        white_types = [name for name, n in counts.items() for _ in range(n)]
    white_types = [white_types[i] for i in rng.permutation(len(white_types))]
    white_xy = _scatter_white_cells(rng, settings, len(white_types))
    diameters = np.array([WHITE_CELL_APPEARANCE[t].diameter_um for t in white_types]).reshape(-1, 2)
    white_radius = _draw_radii(rng, diameters)
    roughness = np.array([WHITE_CELL_APPEARANCE[t].roughness for t in white_types])
    white_waves = _draw_waves(rng, roughness, 1.5)
    white_radius *= _shrink(white_radius, white_waves)

    artifacts = scatter_artifacts(settings, white_xy, white_radius)
    solid_xy, solid_radius = (
        np.concatenate(pair)
        for pair in zip((white_xy, white_radius), pushing(artifacts), strict=True)
    )
    red_xy, red_radius = _scatter_red_cells(settings, solid_xy, solid_radius)
    platelet_xy, platelet_radius = _scatter_platelets(settings, solid_xy, solid_radius, red_xy)
    rng = np.random.default_rng([settings.seed, 4])
    red_waves = _draw_waves(rng, np.full(len(red_xy), 0.018), 3.0)
    platelet_waves = _draw_waves(rng, np.full(len(platelet_xy), 0.055), 1.5)
    # White cells stand first, so their looks do not depend on how many red cells there are.
    names = (*white_types, *["red_cell"] * len(red_xy), *["platelet"] * len(platelet_xy))
    xy = np.concatenate([white_xy, red_xy, platelet_xy])
    radius = np.concatenate([white_radius, red_radius, platelet_radius])
    waves = np.concatenate([white_waves, red_waves, platelet_waves])
    return Placement(names, xy[:, 0], xy[:, 1], radius, waves, settings.seed, artifacts)


def _draw_radii(rng: np.random.Generator, diameter_um: Floats) -> Floats:
    """Radii in um, held within two standard deviations so that a cell stays of its kind.

    `diameter_um` is (N, 2): mean and standard deviation for each cell.
    """
    draws = rng.standard_normal(len(diameter_um)).clip(-2, 2)
    result: Floats = 0.5 * (diameter_um[:, 0] + diameter_um[:, 1] * draws)
    return result


def _shrink(radius_um: Floats, waves: Floats) -> Floats:
    """Factors (N,) that hold white cells within their reach; 1 for all but a few monocytes."""
    if len(radius_um) == 0:
        return np.ones(0)
    result: Floats = np.minimum(1, WHITE_CELL_REACH_UM / (radius_um * outline_parts(waves).max(1)))
    return result


def _draw_waves(rng: np.random.Generator, roughness: Floats, ovalness: float) -> Floats:
    """Amplitudes (N, 2, 7); `ovalness` is the weight of the oval against the other waves."""
    weights = np.concatenate([[ovalness], 2.0 / WAVES[1:]])
    draws = rng.standard_normal((len(roughness), 2, len(WAVES))).clip(-2, 2)
    result: Floats = roughness[:, None, None] * weights * draws
    return result


def _scatter_white_cells(rng: np.random.Generator, settings: PhantomSettings, n: int) -> Floats:
    """Centers (n, 2) in um on sites no two of which are nearer than the pitch."""
    margin = 0.0 if settings.cut_white_cells else WHITE_CELL_MARGIN_UM
    room = np.array([settings.width_um, settings.height_um]) - 2 * margin
    columns, rows = (int(r // WHITE_CELL_PITCH_UM) + 1 if r >= 0 else 0 for r in room)
    if n > columns * rows:
        raise InputError(
            f"a phantom of {settings.width_um:.0f} x {settings.height_um:.0f} um has room for "
            f"{columns * rows} white cells, not {n}: ask for fewer or for a larger field"
        )
    if n == 0:
        return np.zeros((0, 2))
    sites = rng.choice(columns * rows, n, replace=False)
    slack = room / [columns, rows] - np.array([columns - 1, rows - 1]) / [columns, rows] * (
        WHITE_CELL_PITCH_UM
    )
    corner = np.stack([sites % columns, sites // columns], axis=1)
    xy: Floats = margin + corner * (WHITE_CELL_PITCH_UM + slack) + rng.uniform(0, 1, (n, 2)) * slack
    return xy


def _scatter_red_cells(
    settings: PhantomSettings, white_xy: Floats, white_radius: Floats
) -> tuple[Floats, Floats]:
    """Centers and radii in um: a shaken hexagonal lattice, pushed aside by the white cells."""
    if settings.red_cells_per_mm2 == 0:
        return np.zeros((0, 2)), np.zeros(0)
    rng = np.random.default_rng([settings.seed, 2])
    pitch = np.sqrt(2 / np.sqrt(3) * 1e6 / settings.red_cells_per_mm2)
    columns = int(settings.width_um / pitch) + 4
    rows = int(settings.height_um / (pitch * np.sqrt(0.75))) + 4
    row, column = np.divmod(np.arange(columns * rows), columns)
    lattice = np.stack([column + 0.5 * (row % 2) - 1.5, (row - 1.5) * np.sqrt(0.75)], axis=1)
    shake = settings.red_cell_scatter * rng.normal(0, 0.33, lattice.shape).clip(-0.7, 0.7)
    xy = pitch * (lattice + rng.uniform(0, 0.5, 2) + shake)
    radius = _draw_radii(rng, np.tile(RED_CELL_UM, (len(xy), 1)))
    return _make_way(xy, radius, white_xy, white_radius)


def _make_way(
    xy: Floats, radius: Floats, white_xy: Floats, white_radius: Floats
) -> tuple[Floats, Floats]:
    """Push red cells out to where they touch the nearest white cell; drop those right under it."""
    if len(white_xy) == 0:
        return xy, radius
    distance, nearest = cKDTree(white_xy).query(xy)
    touch = white_radius[nearest] + 0.98 * radius
    factor = np.maximum(touch / np.maximum(distance, 1e-6), 1)
    pushed = white_xy[nearest] + (xy - white_xy[nearest]) * factor[:, None]
    kept = distance > 0.55 * touch
    return pushed[kept], radius[kept]


def _scatter_platelets(
    settings: PhantomSettings, white_xy: Floats, white_radius: Floats, red_xy: Floats
) -> tuple[Floats, Floats]:
    """Centers and radii in um, in the gaps: the emptiest of eight random places for each."""
    rng = np.random.default_rng([settings.seed, 3])
    area_um2 = settings.width_um * settings.height_um
    n = int(rng.poisson(settings.platelets_per_mm2 * area_um2 / 1e6))
    candidates = rng.uniform(0, [settings.width_um, settings.height_um], (8, n, 2))
    radius = _draw_radii(rng, np.tile(PLATELET_UM, (n, 1)))
    clearance = np.full((8, n), np.inf)
    if len(red_xy):
        clearance = np.asarray(cKDTree(red_xy).query(candidates)[0]) - 0.5 * RED_CELL_UM[0]
    if len(white_xy):
        distance, nearest = cKDTree(white_xy).query(candidates)
        clearance = np.minimum(clearance, distance - white_radius[nearest] - 2.0)
    best = clearance.argmax(axis=0)
    xy = candidates[best, np.arange(n)]
    kept = clearance[best, np.arange(n)] > -1.5  # a platelet may lie on a red cell, not on a white
    return xy[kept], radius[kept]
