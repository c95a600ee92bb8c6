"""Augmentation of a smear's images: stain, lamp, lens and camera, as batched torch operations.

Images are (N, 3, H, W) float32, 0-1; `strength` (N,) scales the change of each, 0 leaves it alone.
All randomness is drawn where `rng` lives, on a GPU too. Needs the `train` extra.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional


def uniform(n: int, rng: torch.Generator) -> Tensor:
    """(N,) draws from 0-1, where `rng` draws them."""
    return torch.rand(n, generator=rng, device=rng.device)


def stain_jitter(
    images: Tensor,
    strength: Tensor,
    rng: torch.Generator,
    *,
    gain: float,
    mixing: float,
    offset: float,
) -> Tensor:
    """Other dye, other lamp: gains, mixing and an offset in optical density (Beer-Lambert).

    `gain`, `mixing` and `offset` are standard deviations; `gain` of all colors together, half of
    it of each color by itself.
    """
    n = len(images)
    density = -torch.log(images.clamp(min=1 / 255))
    by = strength.to(rng.device)
    gains = torch.exp(_normal(n, 3, rng=rng) * gain * 0.5 * by[:, None])
    gains = gains * torch.exp(_normal(n, 1, rng=rng) * gain * by[:, None])
    turned = (
        torch.eye(3, device=rng.device) + _normal(n, 3, 3, rng=rng) * mixing * by[:, None, None]
    )
    matrix = (turned * gains[:, None, :]).to(images)
    shift = (_normal(n, 3, 1, 1, rng=rng) * offset * by[:, None, None, None]).to(images)
    mixed = torch.einsum("nij,njhw->nihw", matrix, density) + shift
    return torch.exp(-mixed.clamp(min=0))


def density_gamma(
    images: Tensor, strength: Tensor, rng: torch.Generator, *, contrast: float
) -> Tensor:
    """Cytoplasm paler or darker beside its nucleus: each image's optical densities to a power.

    The power is log-normal, `contrast` the standard deviation of its logarithm; an optical density
    of 1 (a tenth of the light, natural logarithm 2.3) stays what it is.
    """
    power = torch.exp(
        _normal(len(images), 1, 1, 1, rng=rng)
        * contrast
        * strength.to(rng.device)[:, None, None, None]
    )
    density = -torch.log10(images.clamp(min=1 / 255))
    return torch.pow(10.0, -(density ** power.to(images)))


def illumination_gradient(
    images: Tensor, strength: Tensor, rng: torch.Generator, *, density: float
) -> Tensor:
    """A lamp off its center and a cheap lens: a slow drift of each color's optical density.

    `density` is the standard deviation of the drift at the corners of a 3 by 3 grid.
    """
    n, _, height, width = images.shape
    by = strength.to(rng.device)[:, None, None, None]
    shared = _normal(n, 1, 3, 3, rng=rng) + 0.5 * _normal(n, 3, 3, 3, rng=rng)
    drift = (shared * density * by).to(images)
    smooth = functional.interpolate(drift, (height, width), mode="bicubic", align_corners=True)
    return (images * torch.exp(-smooth)).clamp(0, 1)


def color_fringe(
    images: Tensor, strength: Tensor, rng: torch.Generator, *, fringe: float, share: float
) -> Tensor:
    """A lens that bends colors apart: red lies up to `fringe` px from blue, for a share.

    Both move by half of it, to opposite sides of green, in any direction.
    """
    n = len(images)
    angle = uniform(n, rng) * 2 * math.pi
    apart = uniform(n, rng) * fringe * strength.to(rng.device) * (uniform(n, rng) < share)
    half = (torch.stack([angle.cos(), angle.sin()], 1) * apart[:, None] / 2).to(images)
    red, green, blue = images.split(1, 1)
    return torch.cat([_moved(red, half), green, _moved(blue, -half)], 1)


def blur(
    images: Tensor, strength: Tensor, rng: torch.Generator, *, blur: float, share: float
) -> Tensor:
    """Defocus and small cameras: a Gaussian of a sigma of its own, up to `blur` px, for a share."""
    n = len(images)
    sigma = uniform(n, rng) * blur * strength.to(rng.device) + 0.05
    sigma = torch.where(uniform(n, rng) < share, sigma, 0.05)
    return _blurred(images, sigma)


def unsharp_mask(
    images: Tensor, strength: Tensor, rng: torch.Generator, *, amount: float, share: float
) -> Tensor:
    """A scanner's or camera's unsharp mask, up to `amount` of what a blur takes away, for a share.

    The halo that it leaves round a cell is up to 2.6 px wide.
    """
    n = len(images)
    added = uniform(n, rng) * amount * strength.to(rng.device) * (uniform(n, rng) < share)
    fine = images - _blurred(images, 0.6 + 2 * uniform(n, rng))
    return (images + fine * added.to(images)[:, None, None, None]).clamp(0, 1)


def fade_contrast(
    images: Tensor, strength: Tensor, rng: torch.Generator, *, faintest: float, share: float
) -> Tensor:
    """Stray light, a pale stain: the contrast with white falls to `faintest` at most, for a share.

    Log-uniform from `faintest` (0-1) to 1.
    """
    n = len(images)
    contrast = faintest ** (uniform(n, rng) * (uniform(n, rng) < share))
    contrast = 1 - (1 - contrast) * strength.to(rng.device)
    return 1 - (1 - images) * contrast.to(images)[:, None, None, None]


def channel_gamma(
    images: Tensor, strength: Tensor, rng: torch.Generator, *, spread: float
) -> Tensor:
    """Each color of each image raised to a power of its own, log-normal of this spread."""
    power = torch.exp(
        _normal(len(images), 3, 1, 1, rng=rng)
        * spread
        * strength.to(rng.device)[:, None, None, None]
    )
    return images.clamp(0, 1) ** power.to(images)


def _moved(images: Tensor, by: Tensor) -> Tensor:
    """Each image moved by (N, 2) px to the right and down, its edges drawn out."""
    height, width = images.shape[2:]
    place = torch.eye(2, 3).to(images).repeat(len(images), 1, 1)
    place[:, :, 2] = -2 * by / torch.tensor([width, height]).to(images)
    grid = functional.affine_grid(place, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _blurred(images: Tensor, sigma: Tensor) -> Tensor:
    """Each image under a Gaussian of its own sigma (N,), px."""
    n = len(images)
    side = max(4, math.ceil(2.5 * float(sigma.max())))
    reach = torch.arange(-side, side + 1, dtype=torch.float32, device=sigma.device)
    kernel = torch.exp(-(reach**2) / (2 * sigma[:, None] ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(images).repeat_interleave(3, 0)
    beyond = (side, side, side, side)
    flat = functional.pad(images.reshape(1, n * 3, *images.shape[2:]), beyond, mode="reflect")
    across = functional.conv2d(flat, kernel[:, None, None, :], groups=n * 3)
    return functional.conv2d(across, kernel[:, None, :, None], groups=n * 3).reshape(images.shape)


def gaussian_noise(images: Tensor, rng: torch.Generator, *, noise: float, share: float) -> Tensor:
    """A camera's noise, its standard deviation up to `noise` (0-1), for a share of the images."""
    n = len(images)
    level = uniform(n, rng) * noise * (uniform(n, rng) < share)
    grain = _normal(*images.shape, rng=rng).to(images)
    return images + grain * level.to(images)[:, None, None, None]


def color_noise(images: Tensor, rng: torch.Generator, *, noise: float, share: float) -> Tensor:
    """Colored blotches a few px wide, as a cheap camera's noise filter leaves, for a share.

    Their standard deviation is up to `noise` (0-1).
    """
    n, channels, height, width = images.shape
    level = uniform(n, rng) * noise * (uniform(n, rng) < share)
    coarse = _normal(n, channels, max(2, height // 5), max(2, width // 5), rng=rng).to(images)
    grain = functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)
    return images + grain * level.to(images)[:, None, None, None]


def _normal(*shape: int, rng: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=rng, device=rng.device)
