"""Other looks stay pictures of the same cells: same shape, 0-1, repeatable, and off when asked."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the `train` extra")

from leukodiff.datasets.appearance import (  # noqa: E402
    defocused,
    grainy,
    other_contrast,
    other_stain,
    uneven_light,
)

CHANGES: dict[str, Callable[..., Any]] = {
    "stain": lambda x, by, rng: other_stain(x, by, rng, gain=0.3, mixing=0.1, offset=0.1),
    "contrast": lambda x, by, rng: other_contrast(x, by, rng, contrast=0.3),
    "light": lambda x, by, rng: uneven_light(x, by, rng, density=0.1),
    "focus": lambda x, by, rng: defocused(x, by, rng, blur=2.0, share=1.0),
    "grain": lambda x, by, rng: grainy(x, rng, noise=0.1, share=1.0),
}


@pytest.fixture
def images() -> Any:
    return torch.rand((3, 3, 24, 40), generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_same_seed_gives_the_same_look(images: Any, change: Callable[..., Any]) -> None:
    by = torch.ones(3)
    one = change(images, by, torch.Generator().manual_seed(5))
    again = change(images, by, torch.Generator().manual_seed(5))
    assert one.shape == images.shape
    assert torch.equal(one, again)
    assert (one - images).abs().mean() > 0.005


@pytest.mark.parametrize("name", ["stain", "contrast", "light", "focus"])
def test_strength_zero_changes_nothing(images: Any, name: str) -> None:
    same = CHANGES[name](images, torch.zeros(3), torch.Generator().manual_seed(5))
    assert torch.allclose(same, images, atol=1e-5)


def test_glass_stays_glass_but_for_the_lamp(images: Any) -> None:
    glass = torch.ones_like(images)
    rng = torch.Generator().manual_seed(1)
    stained = other_stain(glass, torch.ones(3), rng, gain=0.5, mixing=0.2, offset=0.0)
    assert torch.allclose(stained, glass)
