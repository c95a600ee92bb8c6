"""What was left out, shaded: a color for each reason, the same on overlays and overviews."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .plates import INK, WHITE, plate

Rgb = NDArray[np.uint8]

SHADES: Mapping[str, tuple[int, int, int]] = {
    "empty": (150, 150, 150),
    "thick": (178, 34, 34),
    "out of focus": (30, 80, 200),
    "usable": (255, 255, 255),
}
"""The color laid over what was left out, by kind; `usable`: there were cells enough."""

STRENGTH = 0.3
"""How much of that color is seen, 0-1."""

PAPER = (222, 214, 214)
"""A smear's color, of which a legend shows the shade."""


def shade(part: Rgb, kind: str) -> None:
    """Lays a kind's color over a part of a picture, in place."""
    tint = np.array(SHADES[kind], np.float32)
    part[:] = np.rint(part * (1 - STRENGTH) + tint * STRENGTH).astype(np.uint8)


def legend_swatch(kind: str, reason: str, size: int) -> Rgb:
    """A kind's color and, in letters of a size (px), why it was left out."""
    name = "not read" if kind == "usable" else f"left out: {kind}"
    words = plate(name if reason == kind else f"{name} ({reason})", size, INK, WHITE)
    chip = np.full((words.shape[0], words.shape[0], 3), 255, np.uint8)
    chip[2:-2, 2:-2] = PAPER
    shade(chip[2:-2, 2:-2], kind)
    gap = np.full((words.shape[0], size // 4, 3), 255, np.uint8)
    return np.hstack([chip, gap, words])
