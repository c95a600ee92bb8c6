"""What a crop may look like on another day, as batched torch operations.

Training crops come `MARGIN` times wider than the model's window, so that turning, shifting and
scaling never show a corner that was not photographed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

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
    strong = _uniform(len(crops), rng).to(views) >= settings.mild_share
    strength = torch.where(strong, 1.0, 0.35)
    views = _stain(views, settings, strength, rng)
    views = _blur(views, settings, strength, rng)
    views = _cut_by_border(views, settings, rng)
    return _noise(views, settings, rng).clamp(0, 1)


def centre_views(crops: Tensor, size_px: int) -> Tensor:
    """The unchanged view of each crop, as `augment` returns it."""
    images = crops.permute(0, 3, 1, 2).float() / 255
    return functional.interpolate(images, (size_px, size_px), mode="bilinear", align_corners=False)


def _uniform(n: int, rng: torch.Generator) -> Tensor:
    return torch.rand(n, generator=rng)


def _normal(*shape: int, rng: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=rng)


def _place(images: Tensor, size_px: int, settings: Augmentation, rng: torch.Generator) -> Tensor:
    n = len(images)
    angle = _uniform(n, rng) * 2 * torch.pi
    zoom = settings.scale ** (_uniform(n, rng) * 2 - 1)
    flip = torch.where(_uniform(n, rng) < 0.5, -1.0, 1.0)
    shear = (_uniform(n, rng) * 2 - 1) * settings.shear
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    skew = torch.zeros(n, 2, 2)
    skew[:, 0, 0], skew[:, 0, 1], skew[:, 1, 1] = flip, shear, 1.0
    linear = turn @ skew * (zoom / MARGIN)[:, None, None]
    shift = (torch.rand(n, 2, 1, generator=rng) * 2 - 1) * settings.shift * 2 / MARGIN
    theta = torch.cat([linear, shift], 2).to(images)
    grid = functional.affine_grid(theta, [n, 3, size_px, size_px], align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _stain(views: Tensor, settings: Augmentation, strength: Tensor, rng: torch.Generator) -> Tensor:
    """Other dye, other lamp: gains, mixing and an offset in optical density (Beer-Lambert)."""
    n = len(views)
    density = -torch.log(views.clamp(min=1 / 255))
    by = strength.cpu()
    gains = torch.exp(_normal(n, 3, rng=rng) * settings.gain * 0.5 * by[:, None])
    gains = gains * torch.exp(_normal(n, 1, rng=rng) * settings.gain * by[:, None])
    mixing = torch.eye(3) + _normal(n, 3, 3, rng=rng) * settings.mixing * by[:, None, None]
    matrix = (mixing * gains[:, None, :]).to(views)
    offset = (_normal(n, 3, 1, 1, rng=rng) * settings.offset * by[:, None, None, None]).to(views)
    mixed = torch.einsum("nij,njhw->nihw", matrix, density) + offset
    return torch.exp(-mixed.clamp(min=0))


def _blur(views: Tensor, settings: Augmentation, strength: Tensor, rng: torch.Generator) -> Tensor:
    """Defocus and small cameras: a Gaussian of a sigma of its own for every crop."""
    n = len(views)
    sigma = _uniform(n, rng) * settings.blur * strength.cpu() + 0.05
    sigma = torch.where(_uniform(n, rng) < settings.blur_share, sigma, torch.tensor(0.05))
    reach = torch.arange(-4, 5, dtype=torch.float32)
    kernel = torch.exp(-(reach**2) / (2 * sigma[:, None] ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(views).repeat_interleave(3, 0)
    flat = functional.pad(views.reshape(1, n * 3, *views.shape[2:]), (4, 4, 4, 4), mode="reflect")
    across = functional.conv2d(flat, kernel[:, None, None, :], groups=n * 3)
    return functional.conv2d(across, kernel[:, None, :, None], groups=n * 3).reshape(views.shape)


def _cut_by_border(views: Tensor, settings: Augmentation, rng: torch.Generator) -> Tensor:
    """The border of a field: one side, up to 40 % of the window, is white."""
    n, _, height, width = views.shape
    cut = torch.where(_uniform(n, rng) < settings.border_share, _uniform(n, rng) * 0.4, 0.0)
    ramp = torch.arange(width) / width
    mask = (ramp[None, :] < cut[:, None])[:, None, None, :].expand(n, 1, height, width).clone()
    turned = _uniform(n, rng) < 0.5
    mask[turned] = mask[turned].transpose(2, 3)
    mirrored = _uniform(n, rng) < 0.5
    mask[mirrored] = mask[mirrored].flip(2, 3)
    return torch.where(mask.to(views.device), 245 / 255, views)


def _noise(views: Tensor, settings: Augmentation, rng: torch.Generator) -> Tensor:
    n = len(views)
    level = _uniform(n, rng) * settings.noise * (_uniform(n, rng) < settings.noise_share)
    grain = _normal(*views.shape, rng=rng).to(views)
    return views + grain * level.to(views)[:, None, None, None]
