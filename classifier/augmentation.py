"""Augmentation of crops to other laboratories' appearance, as batched torch operations.

Training crops come `MARGIN` times wider than the model's window, so that turning, shifting and
scaling never show a corner that was not photographed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from leukodiff.datasets.field_augmentation import (
    blur,
    channel_gamma,
    color_fringe,
    color_noise,
    density_gamma,
    fade_contrast,
    gaussian_noise,
    illumination_gradient,
    stain_jitter,
    uniform,
    unsharp_mask,
)

from .crops import WHITE

MARGIN = 1.5
"""Side of a training crop over side of the model's window."""

BACKGROUND = WHITE / 255
"""Level of the empty background in a crop, 0-1."""

KEPT = (0.27, 0.52)
"""Radius of the disc that is kept where the surroundings are swapped, as a share of the window:
6.5 to 12.5 um of 24."""

BACKGROUND_SHARE = 0.6
"""Share of the swapped surroundings that are background, 0-1."""

BLUR_AT_PX = 128


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the changes to crops. Each is the largest change, drawn anew for every crop.

    `shift` is a share of the window (a detector's box is off by about a tenth of the cell),
    `scale` a factor. `gain`, `mixing`, `offset` and `light` are standard deviations in optical
    density, `contrast` and `curve` those of the logarithm of a power. `faintest` is the least
    contrast (0-1), `blur` the largest sigma in px at a window of 128 px, `sharpen` the largest
    amount of an unsharp mask, `noise` a standard deviation in 0-1. `*_share` are probabilities:
    `swap_share` that what lies round the cell is another crop's, or background; `mild_share` that
    the changes are a third as strong and the surroundings stay. `left_*` is the difference in color
    that may be left after stain normalization. `fringe` is how far red and blue lie apart at most,
    px at a window of 128 px, as a lens may leave them; `low_resolution_share` is the share of a
    batch that is sampled down to between `lowest_resolution` (0-1) of its side and 0.85, and up.
    `normalized_share`, `half_normalized_share`: how many views have their stain normalized, whole
    and by half; the others keep their laboratory's.
    """

    shift: float = 0.06
    scale: float = 1.3
    shear: float = 0.1
    gain: float = 0.55
    mixing: float = 0.2
    offset: float = 0.12
    contrast: float = 0.35
    curve: float = 0.3
    light: float = 0.1
    faintest: float = 0.33
    faint_share: float = 0.5
    blur: float = 2.5
    blur_share: float = 0.4
    sharpen: float = 1.5
    sharpen_share: float = 0.15
    noise: float = 0.05
    noise_share: float = 0.35
    border_share: float = 0.12
    swap_share: float = 0.6
    mild_share: float = 0.2
    left_gain: float = 0.25
    left_mixing: float = 0.1
    left_offset: float = 0.06
    fringe: float = 3.0
    fringe_share: float = 0.3
    low_resolution_share: float = 0.25
    lowest_resolution: float = 0.35
    normalized_share: float = 0.4
    half_normalized_share: float = 0.2


def augment(crops: Tensor, size_px: int, settings: Augmentation, rng: torch.Generator) -> Tensor:
    """Draws one changed view of each crop.

    Args:
        crops: (N, S, S, 3) uint8, `MARGIN` times the model's window.
        size_px: side of the views.
        settings: how strong.
        rng: source of all randomness, best on the device of the crops.

    Returns:
        (N, 3, size_px, size_px) float32, 0-1.
    """
    images = crops.permute(0, 3, 1, 2).float() / 255
    views = _place(images, size_px, settings, rng)
    strong = uniform(len(crops), rng).to(views) >= settings.mild_share
    strength = torch.where(strong, 1.0, 0.3)
    views = _other_surroundings(views, strong.to(rng.device), settings, rng)
    views = _other_appearance(views, strength, settings, rng)
    views = _cut_by_border(views, settings, rng)
    noise = {"noise": settings.noise, "share": settings.noise_share}
    views = color_noise(gaussian_noise(views, rng, **noise), rng, **noise).clamp(0, 1)
    lens = {"fringe": settings.fringe * size_px / BLUR_AT_PX, "share": settings.fringe_share}
    views = color_fringe(views, torch.ones_like(strength), rng, **lens)
    return _low_resolution(views, settings, rng)


def normalized_by(n: int, settings: Augmentation, rng: torch.Generator) -> Tensor:
    """Strength of the stain normalization of `n` views, (N, 1, 1, 1): 1, 0.5 or 0."""
    drawn = uniform(n, rng)
    half = drawn < settings.normalized_share + settings.half_normalized_share
    strength = torch.where(drawn < settings.normalized_share, 1.0, torch.where(half, 0.5, 0.0))
    return strength[:, None, None, None]


def after_references(views: Tensor, settings: Augmentation, rng: torch.Generator) -> Tensor:
    """Applies what stain normalization leaves of a laboratory's color and grain."""
    strength = uniform(len(views), rng)
    dye = {"gain": settings.left_gain, "mixing": settings.left_mixing}
    views = stain_jitter(views, strength, rng, **dye, offset=settings.left_offset)
    return gaussian_noise(views, rng, noise=settings.noise, share=settings.noise_share).clamp(0, 1)


def _other_appearance(
    views: Tensor, strength: Tensor, settings: Augmentation, rng: torch.Generator
) -> Tensor:
    dye = {"gain": settings.gain, "mixing": settings.mixing, "offset": settings.offset}
    views = stain_jitter(views, strength, rng, **dye)
    views = density_gamma(views, strength, rng, contrast=settings.contrast)
    views = channel_gamma(views, strength, rng, spread=settings.curve)
    views = fade_contrast(
        views, strength, rng, faintest=settings.faintest, share=settings.faint_share
    )
    views = illumination_gradient(views, strength, rng, density=settings.light)
    sigma_px = settings.blur * views.shape[-1] / BLUR_AT_PX
    views = blur(views, strength, rng, blur=sigma_px, share=settings.blur_share)
    return unsharp_mask(views, strength, rng, amount=settings.sharpen, share=settings.sharpen_share)


def center_views(crops: Tensor, size_px: int) -> Tensor:
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
    skew = torch.zeros(n, 2, 2, device=rng.device)
    skew[:, 0, 0], skew[:, 0, 1], skew[:, 1, 1] = flip, shear, 1.0
    linear = turn @ skew * (zoom / MARGIN)[:, None, None]
    drawn = torch.rand(n, 2, 1, generator=rng, device=rng.device) * 2 - 1
    shift = drawn * settings.shift * 2 / MARGIN
    theta = torch.cat([linear, shift], 2).to(images)
    grid = functional.affine_grid(theta, [n, 3, size_px, size_px], align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _other_surroundings(
    views: Tensor, strong: Tensor, settings: Augmentation, rng: torch.Generator
) -> Tensor:
    """Swaps what lies beyond a disc round the cell for another crop's, or for background."""
    n, _, height, width = views.shape
    across = (torch.arange(width, device=rng.device) + 0.5) / width - 0.5
    down = (torch.arange(height, device=rng.device) + 0.5) / height - 0.5
    radius = torch.hypot(down[:, None], across[None, :])
    disc = KEPT[0] + (KEPT[1] - KEPT[0]) * uniform(n, rng)
    kept = torch.sigmoid((disc[:, None, None] - radius) * 72)[:, None]
    other = views[torch.randperm(n, generator=rng, device=rng.device)].flip(3)
    background = uniform(n, rng) < BACKGROUND_SHARE
    other = torch.where(background.to(views.device)[:, None, None, None], BACKGROUND, other)
    swapped = ((uniform(n, rng) < settings.swap_share) & strong)[:, None, None, None]
    kept = torch.where(swapped, kept, 1.0).to(views)
    return kept * views + (1 - kept) * other


def _cut_by_border(views: Tensor, settings: Augmentation, rng: torch.Generator) -> Tensor:
    """The border of a field: one side, up to 40 % of the window, is white."""
    n, _, height, width = views.shape
    cut = torch.where(uniform(n, rng) < settings.border_share, uniform(n, rng) * 0.4, 0.0)
    ramp = torch.arange(width, device=rng.device) / width
    mask = (ramp[None, :] < cut[:, None])[:, None, None, :].expand(n, 1, height, width).clone()
    turned = uniform(n, rng) < 0.5
    mask[turned] = mask[turned].transpose(2, 3)
    mirrored = uniform(n, rng) < 0.5
    mask[mirrored] = mask[mirrored].flip(2, 3)
    return torch.where(mask.to(views.device), BACKGROUND, views)


def _low_resolution(views: Tensor, settings: Augmentation, rng: torch.Generator) -> Tensor:
    """The first views of the batch as a coarser camera shows them, all of one resolution."""
    k, side = int(len(views) * settings.low_resolution_share), views.shape[-1]
    part = settings.lowest_resolution + (0.85 - settings.lowest_resolution) * float(uniform(1, rng))
    if not k:
        return views
    small = functional.interpolate(
        views[:k], (max(1, int(side * part)),) * 2, mode="bilinear", antialias=True
    )
    return torch.cat([functional.interpolate(small, (side, side), mode="bilinear"), views[k:]])
