import numpy as np
import pytest

from leukodiff.datasets.phantom import PhantomSettings, render
from leukodiff.pipeline.analysis.initial_scale import rough_um_per_px


@pytest.mark.parametrize("um_per_px", [0.08, 0.2, 0.5])
@pytest.mark.parametrize("stain", ["camera", "giemsa"])
def test_a_guess_is_near_enough(um_per_px: float, stain: str) -> None:
    side = round(100 / um_per_px)
    settings = PhantomSettings(
        width=side, height=side, um_per_px=um_per_px, n_white=1, stain=stain, precipitate=1
    )
    guess = rough_um_per_px([render(settings).image])
    assert guess == pytest.approx(um_per_px, rel=0.08)


@pytest.mark.parametrize(
    "image",
    [np.full((200, 300, 3), 240, np.uint8), np.zeros((0, 0, 3), np.uint8)[:0]],
    ids=["glass", "nothing"],
)
def test_without_red_cells_there_is_none(image: np.ndarray) -> None:
    assert rough_um_per_px([image] if image.size else []) is None
