"""Artifacts: what lies on a smear and is no cell, forms in um and places in the field.

Forms and sizes follow Bain, Blood Cells: A Practical Guide, 5th ed. (2015), ch. 1 and 3, and public
pictures of smudge cells, platelet clumps and stain precipitate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .nuclei import Discs
from .settings import PhantomSettings

Floats = NDArray[np.float64]
TRIES = 48
"""Places looked at for each artifact before it is left out."""


@dataclass(frozen=True)
class Artifact:
    """One artifact: `kind` is its name in the truth, `discs` what it is built from.

    `discs` is (N, 3) float32: x, y and radius in um about (`x_um`, `y_um`). `stream` numbers its
    generator, so that it looks the same whichever tile it is drawn for.
    """

    kind: str
    x_um: float
    y_um: float
    discs: Discs
    stream: int

    @property
    def reach_um(self) -> float:
        """No part of it is further from its center, um."""
        return float((np.hypot(self.discs[:, 0], self.discs[:, 1]) + self.discs[:, 2]).max())

    @property
    def box_um(self) -> Floats:
        """`xyxy` round its discs, (4,), um; a frayed or soft edge may run up to 1.5 um past it."""
        low = (self.discs[:, :2] - self.discs[:, 2:]).min(axis=0)
        high = (self.discs[:, :2] + self.discs[:, 2:]).max(axis=0)
        center = np.array([self.x_um, self.y_um])
        return np.concatenate([center + low, center + high])


FormMaker = Callable[[np.random.Generator], Discs]


@dataclass(frozen=True)
class Form:
    """A kind of artifact: the maker of its discs, and how it keeps off the cells.

    `overlap_um` is how far it may reach over a white cell (`None`: it lies anywhere, as dirt on
    the cover slip does); `push` is the part of its reach from which red cells are pushed away.
    """

    make: FormMaker
    overlap_um: float | None
    push: float = 0.0


def _smudge(rng: np.random.Generator) -> Discs:
    """A bare nucleus run out under the spreader: a heap of lobes, mostly with a tail."""
    size = rng.uniform(3.8, 6.6)
    n = int(rng.integers(4, 8))
    core = np.column_stack(
        [rng.normal(0, 0.35 * size, (n, 2)).clip(-0.7 * size, 0.7 * size), size * _parts(rng, n)]
    )
    along = np.linspace(0.3, rng.uniform(0.7, 1.8), 6) * size
    wander = np.cumsum(rng.normal(0, 0.10 * size, 6))
    tail = np.column_stack([along, wander, size * np.linspace(0.6, rng.uniform(0.12, 0.4), 6)])
    return _turned(rng, np.concatenate([core, tail]))


def _parts(rng: np.random.Generator, n: int) -> Floats:
    result: Floats = rng.uniform(0.45, 0.8, n)
    return result


def _clump(rng: np.random.Generator) -> Discs:
    """5 to 40 platelets heaped on one another, grown outwards from the first."""
    n = int(np.exp(rng.uniform(np.log(5), np.log(41))))
    radius = rng.normal(1.3, 0.25, n).clip(0.75, 1.9)
    loose, tries = rng.uniform(0.65, 1.15), int(rng.integers(1, 4))
    xy = np.zeros((n, 2))
    for i in range(1, n):
        # Of the places next to platelets already there, the one nearest the middle: a heap.
        neighbor = rng.integers(0, i, tries)
        angle = rng.uniform(0, 2 * np.pi, tries)
        apart = loose * rng.uniform(0.8, 1.1, tries) * (radius[i] + radius[neighbor])
        places = xy[neighbor] + apart[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        xy[i] = places[np.hypot(*places.T).argmin()]
    xy[:, 1] *= rng.uniform(0.6, 1.0)
    return _turned(rng, np.column_stack([xy, radius]))


def _precipitate(rng: np.random.Generator) -> Discs:
    """Grains of 0.3 to 1 um in a few clusters, with strays round them."""
    spread = rng.uniform(1.0, 5.0)
    hubs = rng.normal(0, spread, (int(rng.integers(1, 5)), 2))
    knots = hubs[rng.integers(0, len(hubs), 12)] + rng.normal(0, 0.5 * spread, (12, 2))
    n = int(rng.uniform(25, 75) * spread)
    share = rng.dirichlet(np.full(len(knots), 0.6))
    dense = knots[rng.choice(len(knots), n, p=share)] + rng.normal(0, 0.22 * spread, (n, 2))
    strays = rng.normal(0, 1.5 * spread, (int(rng.poisson(0.12 * n)), 2))
    xy = np.concatenate([dense, strays]).clip(-3 * spread, 3 * spread)
    radius = np.exp(rng.normal(np.log(0.22), 0.35, len(xy))).clip(0.12, 0.5)
    return np.column_stack([xy, radius]).astype(np.float32)


def _particle(rng: np.random.Generator) -> Discs:
    """A shard: discs along a crooked line, so that it is neither round nor smooth."""
    size = np.exp(rng.uniform(np.log(0.8), np.log(4.5)))
    n = int(rng.integers(3, 8))
    line = np.cumsum(rng.normal(0, 0.55 * size, (n, 2)), axis=0)
    line -= line.mean(axis=0)
    return _turned(rng, np.column_stack([line, size * rng.uniform(0.35, 0.9, n)]))


def _fiber(rng: np.random.Generator) -> Discs:
    """A thread of even width that bends slowly."""
    width = rng.uniform(0.4, 1.5)
    step = 0.3 * width
    n = int(rng.uniform(15, 90) / step)
    heading = np.cumsum(rng.normal(rng.normal(0, 0.012), 0.05, n) * np.sqrt(step))
    xy = np.cumsum(step * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
    xy -= 0.5 * (xy.min(axis=0) + xy.max(axis=0))
    taper = np.interp(np.arange(n), [0, n - 1], rng.uniform(0.6, 1.0, 2))
    return _turned(rng, np.column_stack([xy, width * taper]))


def _shadow(rng: np.random.Generator) -> Discs:
    """Dust far out of focus, on the cover slip or the camera: one disc."""
    return np.array([[0, 0, rng.uniform(3, 14)]], np.float32)


def _turned(rng: np.random.Generator, discs: Floats) -> Discs:
    turn = rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.column_stack([discs[:, :2] @ rotation, discs[:, 2]]).astype(np.float32)


FORMS: Mapping[str, Form] = {
    "smudge_cell": Form(_smudge, overlap_um=-0.5, push=0.7),
    "platelet_clump": Form(_clump, overlap_um=-0.5, push=0.6),
    "precipitate": Form(_precipitate, overlap_um=3.0),
    "dirt_particle": Form(_particle, overlap_um=0.5),
    "fibre": Form(_fiber, overlap_um=None),
    "dust_shadow": Form(_shadow, overlap_um=None),
}
"""Every kind of artifact by its name in the truth."""
DIRT = ("dirt_particle", "fibre", "dust_shadow")
DIRT_WEIGHTS = (0.6, 0.15, 0.25)


def scatter_artifacts(
    settings: PhantomSettings, white_xy: Floats, white_radius: Floats
) -> tuple[Artifact, ...]:
    """The artifacts that the settings ask for, off the white cells (N, 2) and (N,), um.

    One that finds no place is left out. Each kind has its own generator, so asking for more of one
    changes no other, though a clump may make way for a smudge cell.
    """
    found: list[Artifact] = []
    kept_off = cKDTree(white_xy) if len(white_xy) else None
    for group, n in enumerate(settings.artifact_counts):
        rng = np.random.default_rng([settings.seed, 11, group])
        for number in range(n):
            kind = _kind(rng, group)
            discs = FORMS[kind].make(rng)
            reach = float((np.hypot(discs[:, 0], discs[:, 1]) + discs[:, 2]).max())
            xy = rng.uniform(0, [settings.width_um, settings.height_um], (TRIES, 2))
            room = _room(xy, kept_off, white_radius)
            room = np.minimum(room, _room_to_artifacts(xy, found, kind))
            slack = FORMS[kind].overlap_um
            free = np.flatnonzero(room > reach - slack) if slack is not None else np.arange(1)
            if len(free):
                x, y = xy[free[0]].tolist()
                found.append(Artifact(kind, x, y, discs, 10_000 * group + number))
    return tuple(found)


def _kind(rng: np.random.Generator, group: int) -> str:
    first = ("smudge_cell", "platelet_clump", "precipitate")
    return first[group] if group < len(first) else str(rng.choice(DIRT, p=DIRT_WEIGHTS))


def _room(xy: Floats, white: cKDTree | None, white_radius: Floats) -> Floats:
    """How far each place (N, 2) is from the nearest white cell's outline, um."""
    if white is None:
        return np.full(len(xy), np.inf)
    distance, nearest = white.query(xy)
    return np.asarray(distance - white_radius[nearest])


def _room_to_artifacts(xy: Floats, others: list[Artifact], kind: str) -> Floats:
    """How far each place is from the outline of the smudge cells and clumps that lie there, um."""
    solid = [a for a in others if FORMS[a.kind].push]
    if not solid or not FORMS[kind].push:
        return np.full(len(xy), np.inf)
    centers = np.array([(a.x_um, a.y_um) for a in solid])
    reach = np.array([a.reach_um for a in solid])
    apart = np.linalg.norm(xy[:, None] - centers, axis=2) - reach
    return np.asarray(apart.min(axis=1))


def pushing(artifacts: tuple[Artifact, ...]) -> tuple[Floats, Floats]:
    """Centers (N, 2) and radii (N,) in um of what pushes red cells aside, as white cells do."""
    solid = [a for a in artifacts if FORMS[a.kind].push]
    centers = np.array([(a.x_um, a.y_um) for a in solid]).reshape(-1, 2)
    return centers, np.array([FORMS[a.kind].push * a.reach_um for a in solid])
