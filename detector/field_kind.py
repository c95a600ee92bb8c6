"""Whether a field can be read, beside the other fields of its slide: empty, too thick, blurred."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .areas import (
    LEAST_COVERAGE,
    MOST_DENSITY,
    USUAL_RED_CELL_DENSITY,
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

MOST_LAYERS, DARKER = 1.35, 1.25
"""A field is too thick where red cells lie so many deep in the mean and what covers it is so much
denser than a red cell of the slide. The most of BCCD, TXL-PBC, PBC and Kaggle (train and val) is
0.95; of Chula, crowded and unevenly lit, 1.2. Four fields of BCCD laid upon each other have 1.4 in
the median, six 1.7: where no glass is left, the thinnest place is taken for it."""

ALWAYS_SHARP = 0.1
"""A field that scores this much is never called blurred: names hold. BCCD's least is 0.12; blurred
by a Gaussian of 0.9 um it scores 0.04 to 0.15, and a third to a half of its names change."""

FOCUS_UM_PER_PX, FOCUS_LEAST_UM = 0.5, 20.0
"""Focus can't be told at a coarser scale, nor in a field less wide or high."""

LEAST_IN_VIEW = 0.3
"""Of a field so much must lie beside its white cells, or nobody can say how thick it is."""


@dataclass(frozen=True)
class FieldStats:
    """What a field looks like before its cells are looked for.

    `density` (H, W) is the optical density of its stain at about 2 um/px; `focus` is its
    `focus_score`, `None` where that says nothing. `width` and `height` are px of the field.
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
        """How much of it is under cells, 0-1, where a red cell has this density."""
        return min(1.0, float(np.mean(_layers(self.density, red_cell)))) if self.density.size else 0


@dataclass(frozen=True)
class SlideBaseline:
    """What is usual in the fields of a slide: the density of a red cell, and the focus scores."""

    red_cell: float
    focus: tuple[float, ...]


def look_at(image: Image, um_per_px: float) -> FieldStats:
    """Looks at a field; takes less than half a millisecond for 640 x 480 px.

    Args:
        image: (H, W, 3) uint8 RGB at full resolution.
        um_per_px: its scale.
    """
    height, width = image.shape[:2]
    if not image.size:
        return FieldStats(np.zeros((0, 0), np.float32), None, width, height)
    times = focus_shrinkage(um_per_px)
    small, small_um = shrunk(image, times), um_per_px * times
    tells = um_per_px <= FOCUS_UM_PER_PX and min(width, height) * um_per_px >= FOCUS_LEAST_UM
    factor = max(1.0, WORKING_UM_PER_PX / small_um)
    sides = (max(1, round(length / factor)) for length in small.shape[1::-1])
    density = stain_density(resized(small, *sides), small_um * factor)
    focus = focus_score(small, small_um) if tells else None
    return FieldStats(density, focus, width, height)


def usual_look(looks: Sequence[FieldStats]) -> SlideBaseline:
    """What is usual in a few fields of a slide; those with hardly a cell in them say nothing."""
    telling = [look for look in looks if look.coverage(look.red_cell) >= LEAST_COVERAGE]
    densities = [look.red_cell for look in telling] or [USUAL_RED_CELL_DENSITY]
    scores = tuple(look.focus for look in telling if look.focus is not None)
    return SlideBaseline(float(np.median(densities)), scores)


def field_kind(look: FieldStats, usual: SlideBaseline, white: NDArray[np.float32]) -> AreaKind:
    """`USABLE`, or why the field should not be read.

    A field that shows a white cell is never empty, and its white cells never make it thick.

    Args:
        look: the field's.
        usual: of the fields of its slide; a field on its own is measured by itself.
        white: (N, 4) boxes of the white cells found in it, px of the field.
    """
    if not len(white) and look.coverage(usual.red_cell) < LEAST_COVERAGE:
        return AreaKind.EMPTY
    if look.focus is not None and out_of_focus([*usual.focus, look.focus], ALWAYS_SHARP)[-1]:
        return AreaKind.OUT_OF_FOCUS
    return AreaKind.THICK if _is_thick(look, usual, white) else AreaKind.USABLE


def _is_thick(look: FieldStats, usual: SlideBaseline, white: NDArray[np.float32]) -> bool:
    beside = _beside(look, white)
    density = look.density[beside]
    if density.size < LEAST_IN_VIEW * beside.size:
        return False
    is_darker = cover_density(density) >= DARKER * usual.red_cell
    return is_darker and float(np.mean(_layers(density, usual.red_cell))) > MOST_LAYERS


def _layers(density: Floats, red_cell: float) -> Floats:
    layers: Floats = np.minimum(density / np.float32(red_cell), np.float32(MOST_DENSITY))
    return layers


def _beside(look: FieldStats, white: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which pixels of the density lie off the white cells."""
    beside: NDArray[np.bool_] = np.ones(look.density.shape, bool)
    height, width = look.density.shape
    factor = np.array([width / look.width, height / look.height] * 2)
    for x0, y0, x1, y1 in (white * factor).tolist():
        beside[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = False
    return beside
