"""Nuclei as chains of discs: round, oval, kidney, horseshoe, band, bilobed and segmented.

A maker takes a generator and the radius of the cell and returns the discs, (N, 3) float32 with x, y
and radius in um about the center of the cell. A union of discs gives a round nucleus, a sausage or
lobes on a thread, depending on how far apart they stand and how the radius runs along the chain.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Discs = NDArray[np.float32]


class Nucleus(NamedTuple):
    """A nucleus as discs (N, 3), and how many lobes they make."""

    discs: Discs
    lobes: int = 1


NucleusMaker = Callable[[np.random.Generator, float], Nucleus]


def arc_chain(
    rng: np.random.Generator,
    radii: NDArray[np.float64],
    along: NDArray[np.float64],
    bend_um: float,
    flatness: float = 1.0,
) -> Discs:
    """Discs of `radii` (um) at the angles `along` (radians) of an arc of radius `bend_um`.

    The chain is turned by a random angle and centered on its own weight.
    """
    xy = bend_um * np.stack([np.cos(along), flatness * np.sin(along)], axis=1)
    xy -= np.average(xy, axis=0, weights=radii**2)
    turn = rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([xy @ rotation.T, radii]).astype(np.float32)


def shifted(discs: Discs, rng: np.random.Generator, um: float) -> Discs:
    """The discs, moved `um` in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    offset = np.array([um * np.cos(angle), um * np.sin(angle), 0], np.float32)
    return discs + offset


def lobes(
    rng: np.random.Generator, cell_um: float, n: int, lobe_part: float, spread: float
) -> Nucleus:
    """`n` ovoid lobes on a thin thread, along an arc; `lobe_part` of the cell's radius each."""
    lobe_um = lobe_part * cell_um
    bend_um = 0.50 * cell_um if n > 2 else 0.46 * cell_um
    gap = spread * 2 * lobe_um / bend_um
    centers = gap * (np.arange(n) - (n - 1) / 2) + rng.normal(0, 0.10, n)
    sizes = lobe_um * rng.normal(1.0, 0.09, n).clip(0.8, 1.2)
    # Each lobe is drawn out along the arc, so it looks ovoid and not like a ball.
    drawn = rng.uniform(0.2, 0.5, n) * lobe_um / bend_um
    along = np.concatenate([centers + k * drawn for k in (-1.0, -0.5, 0.0, 0.5, 1.0)])
    radii = np.concatenate([sizes * s for s in (0.82, 0.95, 1.0, 0.95, 0.82)])
    thread = np.linspace(centers[0], centers[-1], 6 * n)
    along = np.concatenate([along, thread])
    radii = np.concatenate([radii, np.full(6 * n, rng.uniform(0.09, 0.14) * cell_um)])
    discs = arc_chain(rng, radii, along, bend_um, rng.uniform(0.8, 1.1))
    return Nucleus(shifted(discs, rng, rng.uniform(0, 0.08) * cell_um), n)


def segmented(rng: np.random.Generator, cell_um: float) -> Nucleus:
    """A neutrophil's two to five lobes, mostly three."""
    n = int(rng.choice([2, 3, 4, 5], p=[0.12, 0.48, 0.32, 0.08]))
    part = {2: 0.36, 3: 0.31, 4: 0.275, 5: 0.25}[n]
    return lobes(rng, cell_um, n, part, rng.uniform(1.1, 1.28))


def bilobed(rng: np.random.Generator, cell_um: float) -> Nucleus:
    """An eosinophil's two lobes, like spectacles; now and then three."""
    n = int(rng.choice([2, 3], p=[0.85, 0.15]))
    made = lobes(rng, cell_um, n, 0.4 if n == 2 else 0.32, rng.uniform(1.15, 1.35))
    return Nucleus(shifted(made.discs, rng, rng.uniform(0.12, 0.25) * cell_um), n)


def band(rng: np.random.Generator, cell_um: float) -> Nucleus:
    """A neutrophil's unsegmented sausage, bent to a C."""
    span = rng.uniform(1.1, 1.5) * np.pi
    along = np.linspace(0, span, 25)
    radii = cell_um * (0.25 + 0.04 * np.cos(np.linspace(-1, 1, 25) * np.pi * 2))
    return Nucleus(arc_chain(rng, radii, along, 0.46 * cell_um))


def kidney(rng: np.random.Generator, cell_um: float) -> Nucleus:
    """A thick bean with a dent on one side."""
    span = rng.uniform(0.75, 1.0) * np.pi
    along = np.linspace(0, span, 17)
    swell = np.sin(np.linspace(0, np.pi, 17))
    radii = cell_um * (rng.uniform(0.38, 0.43) - 0.06 * swell)
    discs = arc_chain(rng, radii, along, rng.uniform(0.36, 0.42) * cell_um)
    return Nucleus(shifted(discs, rng, rng.uniform(0.05, 0.16) * cell_um))


def horseshoe(rng: np.random.Generator, cell_um: float) -> Nucleus:
    """A folded band, thicker than a neutrophil's and bluntly ended."""
    span = rng.uniform(1.1, 1.4) * np.pi
    along = np.linspace(0, span, 25)
    radii = cell_um * (rng.uniform(0.30, 0.35) + 0.04 * np.cos(np.linspace(-1, 1, 25) * 4))
    return Nucleus(arc_chain(rng, radii, along, 0.44 * cell_um, rng.uniform(0.8, 1.0)))


def round_nucleus(rng: np.random.Generator, cell_um: float, part: float) -> Nucleus:
    """Nearly a disc of `part` the cell's radius, sometimes with a shallow dent."""
    radius = part * cell_um
    bend_um = rng.uniform(0.06, 0.15) * radius
    along = np.linspace(0, rng.uniform(0.8, 1.3) * np.pi, 9)
    discs = arc_chain(rng, np.full(9, radius - bend_um), along, bend_um)
    return Nucleus(shifted(discs, rng, rng.uniform(0.3, 0.8) * (cell_um - radius)))


def oval(rng: np.random.Generator, cell_um: float, part: float) -> Nucleus:
    """An ovoid, at times indented nucleus of `part` the cell's radius that sits to one side."""
    radius = part * cell_um
    bend_um = rng.uniform(0.2, 0.45) * radius
    along = np.linspace(0, rng.uniform(0.6, 1.0) * np.pi, 13)
    discs = arc_chain(rng, np.full(13, radius - 0.7 * bend_um), along, bend_um)
    return Nucleus(shifted(discs, rng, rng.uniform(0.3, 0.7) * (cell_um - radius)))
