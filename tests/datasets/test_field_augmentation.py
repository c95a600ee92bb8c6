"""Other looks stay pictures of the same cells: same shape, 0-1, repeatable, and off when asked."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the `train` extra")

from leukodiff.datasets.field_augmentation import (  # noqa: E402
    blur,
    channel_gamma,
    color_fringe,
    color_noise,
    density_gamma,
    fade_contrast,
    gaussian_noise,
    illumination_gradient,
    stain_jitter,
    unsharp_mask,
)

CHANGES: dict[str, Callable[..., Any]] = {
    "stain": lambda x, by, rng: stain_jitter(x, by, rng, gain=0.3, mixing=0.1, offset=0.1),
    "contrast": lambda x, by, rng: density_gamma(x, by, rng, contrast=0.3),
    "light": lambda x, by, rng: illumination_gradient(x, by, rng, density=0.1),
    "focus": lambda x, by, rng: blur(x, by, rng, blur=2.0, share=1.0),
    "wide focus": lambda x, by, rng: blur(x, by, rng, blur=4.0, share=1.0),
    "sharpness": lambda x, by, rng: unsharp_mask(x, by, rng, amount=1.5, share=1.0),
    "veil": lambda x, by, rng: fade_contrast(x, by, rng, faintest=0.3, share=1.0),
    "fringe": lambda x, by, rng: color_fringe(x, by, rng, fringe=1.0, share=1.0),
    "curve": lambda x, by, rng: channel_gamma(x, by, rng, spread=0.3),
    "grain": lambda x, by, rng: gaussian_noise(x, rng, noise=0.1, share=1.0),
    "blotches": lambda x, by, rng: color_noise(x, rng, noise=0.1, share=1.0),
}

NOT_BY_STRENGTH = ("grain", "blotches")


@pytest.fixture
def images() -> Any:
    return torch.rand((3, 3, 24, 40), generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_same_seed_gives_the_same_images(images: Any, change: Callable[..., Any]) -> None:
    by = torch.ones(3)
    one = change(images, by, torch.Generator().manual_seed(5))
    again = change(images, by, torch.Generator().manual_seed(5))
    assert one.shape == images.shape
    assert torch.equal(one, again)
    assert (one - images).abs().mean() > 0.005


@pytest.mark.parametrize("name", [name for name in CHANGES if name not in NOT_BY_STRENGTH])
def test_strength_zero_changes_nothing(images: Any, name: str) -> None:
    same = CHANGES[name](images, torch.zeros(3), torch.Generator().manual_seed(5))
    assert torch.allclose(same, images, atol=1e-5)


def test_background_stays_background_but_for_the_lamp(images: Any) -> None:
    background = torch.ones_like(images)
    rng = torch.Generator().manual_seed(1)
    stained = stain_jitter(background, torch.ones(3), rng, gain=0.5, mixing=0.2, offset=0.0)
    assert torch.allclose(stained, background)


def test_a_veil_leaves_white_white_and_never_adds_contrast(images: Any) -> None:
    rng = torch.Generator().manual_seed(1)
    faint = fade_contrast(images, torch.ones(3), rng, faintest=0.3, share=1.0)
    assert (faint >= images - 1e-6).all()
    assert ((1 - faint) >= 0.3 * (1 - images) - 1e-6).all()


def test_a_sharpened_edge_overshoots_and_a_blurred_one_does_not(images: Any) -> None:
    edge = torch.full_like(images, 0.3)
    edge[..., 20:] = 0.7
    rng = torch.Generator().manual_seed(3)
    sharp = unsharp_mask(edge, torch.ones(3), rng, amount=1.5, share=1.0)
    soft = blur(edge, torch.ones(3), rng, blur=2.0, share=1.0)
    assert float(sharp.max()) > 0.72
    assert float(soft.max()) <= 0.7 + 1e-5


def center(channel: Any) -> Any:
    """The middle of what is dark, (N, 2) px, x and y."""
    dark = 1 - channel
    height, width = channel.shape[1:]
    x = (dark.sum(1) * torch.arange(float(width))).sum(1) / dark.sum((1, 2))
    y = (dark.sum(2) * torch.arange(float(height))).sum(1) / dark.sum((1, 2))
    return torch.stack([x, y], 1)


def test_red_and_blue_lie_apart_on_two_sides_of_green() -> None:
    spot = torch.ones((50, 3, 24, 40))
    spot[..., 10:14, 18:22] = 0.2
    rng = torch.Generator().manual_seed(2)
    fringed = color_fringe(spot, torch.ones(50), rng, fringe=1.0, share=1.0)
    assert torch.equal(fringed[:, 1], spot[:, 1])
    red, green, blue = (center(fringed[:, i]) for i in range(3))
    assert torch.allclose((red + blue) / 2, green, atol=1e-3)
    apart = (red - blue).norm(dim=1)
    assert 0.8 < float(apart.max()) <= 1.001
    assert float(apart.min()) < 0.3
    assert {bool(one) for one in ((red - blue)[:, 0] > 0)} == {True, False}


def test_a_share_has_no_fringe(images: Any) -> None:
    rng = torch.Generator().manual_seed(2)
    same = color_fringe(images, torch.ones(3), rng, fringe=1.0, share=0.0)
    assert torch.allclose(same, images, atol=1e-5)
