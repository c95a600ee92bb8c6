"""Red cells are measured on their outlines; what is not one free, round cell is left out."""

import cv2
import numpy as np
import pytest

from leukodiff.datasets.phantom import PhantomSettings, render
from leukodiff.detector.red_cells import outlined_diameters
from leukodiff.detector.scale import OUTLINED_UM

BACKGROUND, CELL, PALLOR = (235, 230, 225), (200, 120, 130), (222, 180, 185)


def field(*discs: tuple[int, int, int]) -> np.ndarray:
    image = np.full((200, 300, 3), BACKGROUND, np.uint8)
    for x, y, radius in discs:
        cv2.circle(image, (x, y), radius, CELL, -1)
        cv2.circle(image, (x, y), radius // 3, PALLOR, -1)
    return image


def boxes(*discs: tuple[int, int, int], wider: float = 1.0) -> np.ndarray:
    sides = [(x - r * wider, y - r * wider, x + r * wider, y + r * wider) for x, y, r in discs]
    return np.array(sides, np.float32).reshape(-1, 4)


@pytest.mark.parametrize("wider", [1.0, 1.12, 1.25])
def test_a_wide_box_does_not_make_a_wide_cell(wider: float) -> None:
    discs = (60, 60, 20), (150, 100, 24), (240, 140, 28)
    found = outlined_diameters(field(*discs), boxes(*discs, wider=wider))
    assert found == pytest.approx([40, 48, 56], rel=0.05)


UNCLEAR = {
    "touching another": (((60, 60, 20), (98, 60, 20)), (60, 60, 20)),
    "cut by the field's edge": (((5, 60, 20),), (5, 60, 20)),
    "nothing there": ((), (150, 100, 20)),
    "a box off its cell": (((60, 60, 20),), (95, 60, 20)),
    "a box of a pixel": (((60, 60, 20),), (60, 60, 1)),
}


@pytest.mark.parametrize(("discs", "box"), UNCLEAR.values(), ids=UNCLEAR.keys())
def test_what_is_unclear_is_left_out(discs, box) -> None:
    assert np.isnan(outlined_diameters(field(*discs), boxes(box))).all()


def test_no_boxes() -> None:
    assert outlined_diameters(field(), boxes()).shape == (0,)


@pytest.mark.parametrize("um_per_px", [0.06, 0.15, 0.5])
def test_phantoms_measure_what_they_are(um_per_px: float) -> None:
    side = round(120 / um_per_px)
    phantom = render(PhantomSettings(width=side, height=side, um_per_px=um_per_px, n_white=0))
    red = np.array([name == "red_cell" for name in phantom.cell_types])
    clear = outlined_diameters(phantom.image, phantom.xyxy[red])
    clear = clear[~np.isnan(clear)]
    assert len(clear) > 20
    assert np.median(clear) * um_per_px == pytest.approx(OUTLINED_UM, rel=0.03)
