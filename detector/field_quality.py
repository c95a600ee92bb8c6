"""Quality of a field against the others of its slide: usable, empty, too thick or blurred."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .areas import (
    MAX_DENSITY,
    MIN_COVERAGE,
    TYPICAL_RED_CELL_DENSITY,
    WORKING_UM_PER_PX,
    AreaKind,
    Floats,
    cover_density,
    focus_score,
    focus_shrinkage,
    out_of_focus,
    red_cell_density,
    shrunk,
    stain_density,
)
from .letterbox import Image, resized

MAX_LAYERS = 1.35
"""Mean layers of red cells above which a field is too thick, if it is also as dense as
`MIN_DARKNESS`. The most of BCCD, TXL-PBC, PBC and Kaggle (train and val) is 0.95; of Chula, crowded
and unevenly lit, 1.2. Four fields of BCCD laid upon each other have 1.4 in the median, six 1.7:
where no background is left, the thinnest place is taken for it."""

MIN_DARKNESS = 1.25
"""Least density of what covers a field that is too thick, in those of a red cell of the slide."""

ALWAYS_SHARP = 0.1
"""Focus score from which on a field is never blurred: its cells keep their types. BCCD's least is
0.12; blurred by a Gaussian of 0.9 um it scores 0.04 to 0.15, and a third to a half change."""

MAX_FOCUS_UM_PER_PX = 0.5
"""Coarsest scale at which focus can be judged."""

MIN_FOCUS_FIELD_UM = 20.0
"""Shorter side (um) of the smallest field whose focus can be judged."""

MIN_VISIBLE_SHARE = 0.3
"""Share (0-1) of a field that must lie off its white cells for its thickness to be judged."""


@dataclass(frozen=True)
class FieldStats:
    """Stain and focus of a field, before its cells are detected.

    `density` (H, W) is the optical density of its stain at about 2 um/px; `focus` is its
    `focus_score`, `None` where it can't be judged. `width` and `height` are px of the field.
    """

    density: Floats
    focus: float | None
    width: int
    height: int

    @property
    def red_cell(self) -> float:
        """The density of a red cell, if its red cells lie side by side."""
        return red_cell_density(self.density)

    def coverage(self, red_cell: float) -> float:
        """Share of it under cells, 0-1, where a red cell has this density."""
        return min(1.0, float(np.mean(_layers(self.density, red_cell)))) if self.density.size else 0


@dataclass(frozen=True)
class SlideBaseline:
    """Density of a red cell and focus scores of some fields of a slide."""

    red_cell: float
    focus: tuple[float, ...]


def field_stats(image: Image, um_per_px: float) -> FieldStats:
    """Measures a field; takes less than half a millisecond for 640 x 480 px.

    Args:
        image: (H, W, 3) uint8 RGB at full resolution.
        um_per_px: its scale.
    """
    height, width = image.shape[:2]
    if not image.size:
        return FieldStats(np.zeros((0, 0), np.float32), None, width, height)
    times = focus_shrinkage(um_per_px)
    small, small_um = shrunk(image, times), um_per_px * times
    is_large = min(width, height) * um_per_px >= MIN_FOCUS_FIELD_UM
    factor = max(1.0, WORKING_UM_PER_PX / small_um)
    sides = (max(1, round(length / factor)) for length in small.shape[1::-1])
    density = stain_density(resized(small, *sides), small_um * factor)
    focus = focus_score(small, small_um) if is_large and um_per_px <= MAX_FOCUS_UM_PER_PX else None
    return FieldStats(density, focus, width, height)


def slide_baseline(fields: Sequence[FieldStats]) -> SlideBaseline:
    """Baseline of a slide from a few of its fields; those with hardly a cell are left out."""
    informative = [stats for stats in fields if stats.coverage(stats.red_cell) >= MIN_COVERAGE]
    densities = [stats.red_cell for stats in informative] or [TYPICAL_RED_CELL_DENSITY]
    scores = tuple(stats.focus for stats in informative if stats.focus is not None)
    return SlideBaseline(float(np.median(densities)), scores)


def field_quality(
    stats: FieldStats, baseline: SlideBaseline, white: NDArray[np.float32]
) -> AreaKind:
    """`USABLE`, or why the field should not be read.

    A field that shows a white cell is never empty, and its white cells never make it thick.

    Args:
        stats: the field's.
        baseline: of the fields of its slide; a field on its own is measured by itself.
        white: (N, 4) boxes of the white cells found in it, px of the field.
    """
    if not len(white) and stats.coverage(baseline.red_cell) < MIN_COVERAGE:
        return AreaKind.EMPTY
    if stats.focus is not None and out_of_focus([*baseline.focus, stats.focus], ALWAYS_SHARP)[-1]:
        return AreaKind.OUT_OF_FOCUS
    return AreaKind.THICK if _is_thick(stats, baseline, white) else AreaKind.USABLE


def _is_thick(stats: FieldStats, baseline: SlideBaseline, white: NDArray[np.float32]) -> bool:
    visible = _off_white_cells(stats, white)
    density = stats.density[visible]
    if density.size < MIN_VISIBLE_SHARE * visible.size:
        return False
    is_darker = cover_density(density) >= MIN_DARKNESS * baseline.red_cell
    return is_darker and float(np.mean(_layers(density, baseline.red_cell))) > MAX_LAYERS


def _layers(density: Floats, red_cell: float) -> Floats:
    layers: Floats = np.minimum(density / np.float32(red_cell), np.float32(MAX_DENSITY))
    return layers


def _off_white_cells(stats: FieldStats, white: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mask of the density's pixels off the white cells."""
    visible: NDArray[np.bool_] = np.ones(stats.density.shape, bool)
    height, width = stats.density.shape
    factor = np.array([width / stats.width, height / stats.height] * 2)
    for x0, y0, x1, y1 in (white * factor).tolist():
        visible[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = False
    return visible
