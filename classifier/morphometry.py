"""Morphometry: measures of each cell, and whether its picture is fit to name it by.

The rules are conservative: a cell that merely touches the edge of the field, or is a little soft,
is named. Each rule takes cells that are likelier named wrong (`docs/attempts.md` has the figures).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.boxes import centers, sides

from .crops import CropSettings, Image
from .facts import CellFacts, CellNote
from .segmentation import outline

Boxes = NDArray[np.float32]
Bools = NDArray[np.bool_]

EDGE_UM = 0.3
"""A box that ends so near to the edge of the field, or within a pixel of it, is cut by it."""
LEAST_SHOWN = 0.5
"""A cut cell is named when its box is so much as deep as it is long along the edge: when about half
of the cell or more lies in the field."""
LEAST_UM = 8.5
"""A cut cell whose box is nowhere so long shows too little, whatever its form."""
LEAST_SHARPNESS = 0.6
"""In focus the edge of a nucleus rises more steeply, parts of its height a um."""
MOST_BLUE = 0.65
"""A nucleus lets blue light pass: its density in blue is at most so much of that in green. The most
of 1,600 cells of three laboratories is 0.54."""
TOO_NEAR = 0.8
"""Cells overlap when the ellipses in their boxes do: at 1 they touch, at 0 they lie on each other.
Boxes are drawn loosely, so cells that just touch are let pass."""


def measure_cells(
    crops: Image,
    xyxy: Boxes,
    size_px: tuple[int, int],
    um_per_px: float,
    settings: CropSettings,
) -> tuple[CellFacts, ...]:
    """Measures each cell and notes what speaks against naming it.

    A cell that the edge of the field cuts has no measures: how much is missing is not known.

    Args:
        crops: (N, S, S, 3) uint8 RGB of `cut_crops`.
        xyxy: (N, 4) boxes, px of the field.
        size_px: width and height of the field.
        um_per_px: scale of the field.
        settings: how the crops were cut.
    """
    cut = np.any(at_edge(xyxy, size_px, um_per_px), axis=1)
    hidden = shows_too_little(xyxy, size_px, um_per_px)
    crowded = overlapping(xyxy)
    sides_px = sides(xyxy) * (um_per_px / settings.um_per_px)
    rows = zip(crops, sides_px.tolist(), cut, hidden, crowded, strict=True)
    return tuple(
        _facts(crop, (width, height), settings.um_per_px, bool(cuts), _note(hides, crowds))
        for crop, (width, height), cuts, hides, crowds in rows
    )


def _note(hidden: bool, crowded: bool) -> CellNote:
    return CellNote.CUT if hidden else CellNote.OVERLAPPING if crowded else CellNote.NONE


def _facts(
    crop: Image, side_px: tuple[float, float], um_per_px: float, cut: bool, note: CellNote
) -> CellFacts:
    found = outline(crop, side_px, um_per_px)
    has_nucleus = bool(found.nucleus.any())
    if has_nucleus and found.sharpness < LEAST_SHARPNESS:
        note = note or CellNote.BLURRED
    if found.blue > MOST_BLUE:
        return CellFacts(note=note or CellNote.DIRT)
    if cut or not has_nucleus:
        return CellFacts(note=note)
    return CellFacts(found.cell_um2, found.nucleus_um2, found.lobes, note)


def at_edge(xyxy: Boxes, size_px: Sequence[int], um_per_px: float) -> Bools:
    """Sides of each box that end at the edge of the field, (N, 4): left, top, right, bottom."""
    near = max(1.0, EDGE_UM / um_per_px)
    away = np.concatenate([xyxy[:, :2], np.array(size_px) - xyxy[:, 2:]], axis=1)
    return np.asarray(away <= near, np.bool_)


def shows_too_little(xyxy: Boxes, size_px: Sequence[int], um_per_px: float) -> Bools:
    """Mask (N,) of the cells that the edge of the field cuts so far that a good part is missing."""
    cut = at_edge(xyxy, size_px, um_per_px)
    width, height = (sides(xyxy) * um_per_px).T
    narrow = (cut[:, 0] | cut[:, 2]) & (width < LEAST_SHOWN * height)
    flat = (cut[:, 1] | cut[:, 3]) & (height < LEAST_SHOWN * width)
    small = cut.any(axis=1) & (np.maximum(width, height) < LEAST_UM)
    return np.asarray(narrow | flat | small, np.bool_)


def overlap(xyxy: Boxes, others: Boxes) -> Bools:
    """Pairs of N cells and M others that overlap, taken for the ellipses in their boxes, (N, M)."""
    (middle, half), (middles, halves) = _ellipses(xyxy), _ellipses(others)
    apart = np.abs(middles[None] - middle[:, None])
    return _near(apart, halves[None] + half[:, None])


def overlapping(xyxy: Boxes) -> Bools:
    """Mask (N,) of the cells that overlap another one, taken for the ellipses in their boxes."""
    found = np.zeros(len(xyxy), np.bool_)
    if len(xyxy) < 2:
        return found
    middle, half = _ellipses(xyxy)
    order = np.argsort(middle[:, 0], kind="stable")
    reach = 2 * float(half[:, 0].max(initial=0))
    for step in range(1, len(xyxy)):  # each cell with the next ones to its right
        one, other = order[:-step], order[step:]
        apart = np.abs(middle[other] - middle[one])
        if not (apart[:, 0] < reach).any():
            break
        near = _near(apart, half[one] + half[other])
        found[one[near]] = found[other[near]] = True
    return found


def _ellipses(xyxy: Boxes) -> tuple[Boxes, Boxes]:
    """Middles and half axes (N, 2) of the ellipses in boxes (N, 4)."""
    return centers(xyxy).astype(np.float32), (sides(xyxy) / 2).astype(np.float32)


def _near(apart: Boxes, halves: Boxes) -> Bools:
    """Overlap of ellipses: how far their middles lie `apart` (..., 2) by their half axes."""
    distance = np.linalg.norm(apart / np.maximum(halves, 1e-6), axis=-1)
    return np.asarray(distance < TOO_NEAR, np.bool_)
