"""Stain normalization of many crops at once on a GPU, for training.

The same steps as `stain_normalization`, in torch; where several pixels are equally bright another
of them may be taken, so that a color can differ by a level or two.
"""

import math

import torch
from torch import Tensor

from . import stain_normalization as color
from .crops import WHITE, CropSettings


def normalize_stain_batch(views: Tensor, settings: CropSettings) -> Tensor:
    """Gives each view the reference colors of background, nucleus and red cells.

    Args:
        views: (N, 3, S, S) float32 RGB, 0-1, the cell in the middle.
        settings: how they were cut; the window tells how many um a pixel is.

    Returns:
        (N, 3, S, S) float32 RGB, 0-1, in whole levels of 1/255.
    """
    levels = (views * 255).round().clamp(1, 255)
    matrix, background = _matrices(levels, settings.window_um)
    shift = math.log(WHITE) - (matrix @ background.log()[:, :, None])[:, :, 0]
    mixed = torch.einsum("nij,njhw->nihw", matrix, levels.log()) + shift[:, :, None, None]
    return mixed.clamp(max=math.log(255)).exp().round() / 255


def _matrices(levels: Tensor, window_um: float) -> tuple[Tensor, Tensor]:
    """Matrices (N, 3, 3) of optical densities, and the color (N, 3) of each one's background."""
    side = levels.shape[-1]
    step = max(1, side // color.GRID)
    pixels = levels[:, :, ::step, ::step].flatten(2)
    radius = _radius(side, step, window_um).to(levels.device)
    inner = pixels[:, :, radius < color.NUCLEUS_WITHIN_UM]
    outer = pixels[:, :, radius > color.RED_CELLS_BEYOND_UM]
    n = pixels.shape[2]
    background = _extreme(pixels, int(color.BACKGROUND_SHARE * n), brightest=True)
    nucleus = _density(_extreme(inner, int(color.NUCLEUS_SHARE * n))[:, :, None], background)[
        :, :, 0
    ]
    green = nucleus[:, 1].clamp(min=color.MIN_NUCLEUS_OD)
    gain = (float(color.TARGET_NUCLEUS_OD[1]) / green).clamp(*color.GAIN_LIMITS)[:, None, None]
    red_cells, shown = _red_cells(_density(outer, background), green, n)
    seen = torch.stack([nucleus, red_cells], 2) * gain
    wanted_red = torch.from_numpy(color.TARGET_RED_CELL_OD * color.RED_CELL_WEIGHT).to(levels)
    nuclei = torch.from_numpy(color.TARGET_NUCLEUS_OD).to(levels).expand_as(nucleus)
    wanted = torch.stack([nuclei, wanted_red * shown[:, None]], 2)
    still = color.TRUST * torch.eye(3, device=levels.device)
    across = seen.transpose(1, 2)
    turn = (wanted @ across + still) @ torch.linalg.inv(seen @ across + still)
    return turn * gain, background


def _radius(side: int, step: int, window_um: float) -> Tensor:
    at = (torch.arange(0, side, step) + 0.5) / side - 0.5
    return torch.hypot(at[:, None], at[None, :]).flatten() * window_um


def _red_cells(density: Tensor, nucleus_green: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Weighted mean density (N, 3) of the red cells, zeros where too few show; which show, (N,)."""
    share = density[:, 1] / nucleus_green[:, None]
    low, high = color.RED_CELL_DENSITY
    red = ((share > low) & (share < high)).to(density)
    counted = red.sum(1)
    shown = (counted > color.LEAST_RED_SHARE * n).to(density)
    mean = (density * red[:, None]).sum(2) / counted.clamp(min=1)[:, None]
    return mean * color.RED_CELL_WEIGHT * shown[:, None], shown


def _extreme(pixels: Tensor, n: int, brightest: bool = False) -> Tensor:
    """The median color (N, 3) of the `n` pixels of (N, 3, P) brightest or darkest in green."""
    chosen = pixels[:, 1].topk(min(max(1, n), pixels.shape[2]), largest=brightest).indices
    ranked = pixels.gather(2, chosen[:, None].expand(-1, 3, -1)).sort(2).values
    count = ranked.shape[2]
    return (ranked[:, :, (count - 1) // 2] + ranked[:, :, count // 2]) / 2


def _density(pixels: Tensor, background: Tensor) -> Tensor:
    """Optical density (natural logarithm) of pixels (N, 3, P) against the background (N, 3)."""
    return -(pixels / background[:, :, None]).clamp(max=1.2).log()
