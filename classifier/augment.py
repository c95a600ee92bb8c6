"""What a crop may look like on another day, as batched torch operations.

Training crops come `MARGIN` times wider than the model's window, so that turning, shifting and
scaling never show a corner that was not photographed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from leukodiff.datasets.appearance import defocused, grainy, other_stain, uniform

MARGIN = 1.5
"""Side of a training crop over side of the model's window."""


@dataclass(frozen=True)
class Augmentation:
    """How strongly crops are changed. Each is the largest change, drawn anew for every crop.

    `shift` is a share of the window (a detector's box is off by about a tenth of the cell),
    `scale` a factor, `gain` and `mixing` standard deviations in optical density, `blur` the sigma
    in px, `noise` a standard deviation in 0-1. `*_share` are probabilities.
    """

    shift: float = 0.06
    scale: float = 1.2
    shear: float = 0.08
    gain: float = 0.18
    mixing: float = 0.06
    offset: float = 0.06
    blur: float = 1.4
    blur_share: float = 0.35
    noise: float = 0.04
    noise_share: float = 0.3
    border_share: float = 0.12
    mild_share: float = 0.4


def augment(crops: Tensor, size_px: int, settings: Augmentation, rng: torch.Generator) -> Tensor:
    """Draws one changed view of each crop.

    Args:
        crops: (N, S, S, 3) uint8, `MARGIN` times the model's window.
        size_px: side of the views.
        settings: how strong.
        rng: source of all randomness, on the CPU.

    Returns:
        (N, 3, size_px, size_px) float32, 0-1.
    """
    images = crops.permute(0, 3, 1, 2).float() / 255
    views = _place(images, size_px, settings, rng)
    strong = uniform(len(crops), rng).to(views) >= settings.mild_share
    strength = torch.where(strong, 1.0, 0.35)
    views = other_stain(
        views,
        strength,
        rng,
        gain=settings.gain,
        mixing=settings.mixing,
        offset=settings.offset,
    )
    views = defocused(views, strength, rng, blur=settings.blur, share=settings.blur_share)
    views = _cut_by_border(views, settings, rng)
    return grainy(views, rng, noise=settings.noise, share=settings.noise_share).clamp(0, 1)


def centre_views(crops: Tensor, size_px: int) -> Tensor:
    """The unchanged view of each crop, as `augment` returns it."""
    images = crops.permute(0, 3, 1, 2).float() / 255
    return functional.interpolate(images, (size_px, size_px), mode="bilinear", align_corners=False)


def _place(images: Tensor, size_px: int, settings: Augmentation, rng: torch.Generator) -> Tensor:
    n = len(images)
    angle = uniform(n, rng) * 2 * torch.pi
    zoom = settings.scale ** (uniform(n, rng) * 2 - 1)
    flip = torch.where(uniform(n, rng) < 0.5, -1.0, 1.0)
    shear = (uniform(n, rng) * 2 - 1) * settings.shear
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    skew = torch.zeros(n, 2, 2)
    skew[:, 0, 0], skew[:, 0, 1], skew[:, 1, 1] = flip, shear, 1.0
    linear = turn @ skew * (zoom / MARGIN)[:, None, None]
    shift = (torch.rand(n, 2, 1, generator=rng) * 2 - 1) * settings.shift * 2 / MARGIN
    theta = torch.cat([linear, shift], 2).to(images)
    grid = functional.affine_grid(theta, [n, 3, size_px, size_px], align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _cut_by_border(views: Tensor, settings: Augmentation, rng: torch.Generator) -> Tensor:
    """The border of a field: one side, up to 40 % of the window, is white."""
    n, _, height, width = views.shape
    cut = torch.where(uniform(n, rng) < settings.border_share, uniform(n, rng) * 0.4, 0.0)
    ramp = torch.arange(width) / width
    mask = (ramp[None, :] < cut[:, None])[:, None, None, :].expand(n, 1, height, width).clone()
    turned = uniform(n, rng) < 0.5
    mask[turned] = mask[turned].transpose(2, 3)
    mirrored = uniform(n, rng) < 0.5
    mask[mirrored] = mask[mirrored].flip(2, 3)
    return torch.where(mask.to(views.device), 245 / 255, views)
