"""Stain normalization: a crop's own background, nucleus and red cells set its colors.

Dyes, lamps and cameras differ; what is stained does not. Optical densities add up over dyes
(Beer-Lambert), so one 3 by 3 matrix of them takes the colors of nucleus and red cells where they
belong, and everything else along (as Macenko et al., ISBI 2009, do by the dyes themselves, which a
crop of one cell shows too little of).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from .crops import WHITE, CropSettings, Image

TARGET_NUCLEUS_OD = np.array([0.95, 1.45, 0.62], np.float32)
"""Optical density (natural logarithm, RGB) that a nucleus is given: a deep violet."""
TARGET_RED_CELL_OD = np.array([0.16, 0.33, 0.20], np.float32)
"""Mean optical density that the red cells are given: a pale pink."""

BACKGROUND_SHARE = 0.1
"""Brightest share of the crop, whose median is taken for the background."""

NUCLEUS_SHARE = 0.05
"""Darkest share of the crop, whose median is taken for the nucleus."""

NUCLEUS_WITHIN_UM = 8.5
"""Distance from the middle inside which a nucleus lies, um."""

RED_CELLS_BEYOND_UM = 7.5
"""Distance from the middle outside which red cells lie, um."""

RED_CELL_DENSITY = (0.1, 0.6)
"""Red cells by their green optical density, over the nucleus's own."""
LEAST_RED_SHARE = 0.04
"""With less of the crop being red cells they are no reference."""
RED_CELL_WEIGHT = 2.0
"""Weight of the red cells against the nucleus: they are paler."""
TRUST = 0.08
"""Squared optical density below which a reference is not believed: its color stays as it is."""
GAIN_LIMITS = (0.6, 5.0)
MIN_NUCLEUS_OD = 0.12
"""Green optical density below which nothing is taken for a nucleus."""

GRID = 32
"""The references are read off about so many pixels a side."""

_LOG = np.log(np.maximum(np.arange(256, dtype=np.float32), 1)).reshape(1, 256, 1)


def normalize_stain(crops: Image, settings: CropSettings) -> Image:
    """Gives each crop the reference colors of background, nucleus and red cells.

    Args:
        crops: (N, S, S, 3) uint8 RGB, the cell in the middle.
        settings: how they were cut; the window tells how many um a pixel is.

    Returns:
        (N, S, S, 3) uint8 RGB.
    """
    out = np.empty_like(crops)
    grid = _Grid(crops.shape[1], settings.window_um)
    for crop, into in zip(crops, out, strict=True):
        into[:] = _recolored(crop, *grid.matrix(crop))
    return out


def _recolored(
    crop: Image, matrix: NDArray[np.float32], background: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Applies a matrix of optical densities; `background` (3,) becomes white."""
    shift = np.log(np.float32(WHITE)) - matrix @ np.log(background)
    affine = np.hstack([matrix, shift[:, None]]).astype(np.float32)
    logarithms = cv2.transform(cv2.LUT(crop, np.repeat(_LOG, 3, axis=2)), affine)
    return np.asarray(cv2.convertScaleAbs(cv2.exp(logarithms)), np.uint8)


class _Grid:
    """The pixels of a crop that the references are read off, and how far out each lies."""

    def __init__(self, side_px: int, window_um: float) -> None:
        self.step = max(1, side_px // GRID)
        at = (np.arange(0, side_px, self.step) + 0.5) / side_px - 0.5
        radius = np.hypot(*np.meshgrid(at, at)).ravel() * window_um
        self.inner = np.flatnonzero(radius < NUCLEUS_WITHIN_UM)
        self.outer = np.flatnonzero(radius > RED_CELLS_BEYOND_UM)
        self.n = len(radius)

    def matrix(self, crop: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The matrix (3, 3) of optical densities, and the color (3,) of the background."""
        pixels = crop[:: self.step, :: self.step].reshape(-1, 3)
        background = _extreme(pixels, BACKGROUND_SHARE * self.n, brightest=True)
        nucleus = _density(_extreme(pixels[self.inner], NUCLEUS_SHARE * self.n), background)
        gain = float(np.clip(TARGET_NUCLEUS_OD[1] / max(nucleus[1], MIN_NUCLEUS_OD), *GAIN_LIMITS))
        red_cells = self._red_cells(pixels, background, float(nucleus[1]))
        seen = np.stack([nucleus, red_cells], axis=1) * gain
        wanted = np.stack(
            [TARGET_NUCLEUS_OD, TARGET_RED_CELL_OD * RED_CELL_WEIGHT * bool(red_cells.any())],
            axis=1,
        )
        # Least squares, drawn towards leaving the colors as they are.
        still = TRUST * np.eye(3, dtype=np.float32)
        turn = (wanted @ seen.T + still) @ np.linalg.inv(seen @ seen.T + still)
        return np.asarray(turn * gain, np.float32), background

    def _red_cells(
        self, pixels: Image, background: NDArray[np.float32], nucleus_green: float
    ) -> NDArray[np.float32]:
        """Their weighted mean density (3,); zeros where the crop shows too few."""
        density = _density(pixels[self.outer], background)
        share = density[:, 1] / max(nucleus_green, MIN_NUCLEUS_OD)
        red = density[(share > RED_CELL_DENSITY[0]) & (share < RED_CELL_DENSITY[1])]
        if len(red) <= LEAST_RED_SHARE * self.n:
            return np.zeros(3, np.float32)
        return np.asarray(red.mean(axis=0) * RED_CELL_WEIGHT, np.float32)


def _extreme(pixels: Image, n: float, brightest: bool = False) -> NDArray[np.float32]:
    """The median color (3,) of the `n` pixels brightest or darkest in green, 1-255."""
    n = min(max(1, int(n)), len(pixels))
    green = pixels[:, 1].astype(np.int16)
    order = np.argpartition(-green if brightest else green, n - 1)[:n]
    return np.asarray(np.maximum(np.median(pixels[order], axis=0), 1), np.float32)


def _density(pixels: NDArray[np.generic], background: NDArray[np.float32]) -> NDArray[np.float32]:
    """Optical density (natural logarithm) against the background."""
    light = np.maximum(pixels.astype(np.float32), 1) / background
    return np.asarray(-np.log(np.minimum(light, 1.2)), np.float32)
