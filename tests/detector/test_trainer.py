"""Fields augmented as the trainer does it: repeatable, in range, red and blue apart."""

from importlib.util import find_spec
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the `train` extra")

pytestmark = pytest.mark.slow

if find_spec("ultralytics") is None:
    pytest.skip("training needs the `train` extra", allow_module_level=True)

from leukodiff.detector.train import AUGMENTATION  # noqa: E402
from leukodiff.detector.yolo import prepare_ultralytics  # noqa: E402


def trainer() -> Any:
    """The trainer, imported once ultralytics is prepared: it puts its own `open` into Pillow."""
    prepare_ultralytics()
    from leukodiff.detector import trainer

    return trainer


NOTHING = {
    "gain": 0.0,
    "mixing": 0.0,
    "offset": 0.0,
    "light": 0.0,
    "contrast": 0.0,
    "curve": 0.0,
    "faint_share": 0.0,
    "blur_share": 0.0,
    "sharpen_share": 0.0,
    "noise_share": 0.0,
    "mild_share": 0.0,
}
"""Settings that change nothing but the fringes."""


@pytest.fixture
def images() -> Any:
    """A gray disc on light ground, 40 times: (40, 3, 32, 32)."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    inside = ((x - 15.5) ** 2 + (y - 15.5) ** 2) < 64
    return torch.where(inside, 0.3, 0.9).expand(40, 3, 32, 32).clone()


def seeded(seed: int = 3) -> Any:
    return torch.Generator().manual_seed(seed)


def test_the_same_generator_gives_the_same_fields(images: Any) -> None:
    one, again = (
        trainer().augment_field(images, trainer().FieldAugmentation(), seeded()) for _ in range(2)
    )
    assert torch.equal(one, again)
    assert one.shape == images.shape
    assert (float(one.min()) >= 0, float(one.max()) <= 1) == (True, True)
    other = trainer().augment_field(images, trainer().FieldAugmentation(), seeded(4))
    assert not torch.equal(one, other)


def test_the_defaults() -> None:
    made = trainer().FieldAugmentation()
    assert (made.gain, made.mixing, made.offset, made.curve) == (0.35, 0.18, 0.1, 0.2)
    assert (made.fringe, made.fringe_share, AUGMENTATION["scale"]) == (1.0, 0.5, 0.5)


def test_half_of_the_fields_have_fringes(images: Any) -> None:
    made = trainer().augment_field(images, trainer().FieldAugmentation(**NOTHING), seeded())
    fringed = (made[:, 0] - made[:, 2]).abs().amax((1, 2)) > 0.01
    assert 10 <= int(fringed.sum()) <= 30


def test_without_a_fringe_no_color_moves(images: Any) -> None:
    settings = trainer().FieldAugmentation(**NOTHING, fringe=0.0)
    assert torch.allclose(trainer().augment_field(images, settings, seeded()), images, atol=0.01)
