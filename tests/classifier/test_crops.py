"""Crops: a fixed size on the glass, white glass, and the border of the field."""

import numpy as np
import pytest

from leukodiff.classifier.crops import (
    WHITE,
    CropSettings,
    background_color,
    cut_crops,
    white_balance,
)

BACKGROUND = (210, 220, 200)
CELL = (120, 60, 150)


def smear(width: int, height: int, um_per_px: float, cells: list[tuple[float, float, float]]):
    """A field of empty glass with discs: (x, y, diameter), all in um."""
    y, x = np.mgrid[:height, :width] * um_per_px
    image = np.full((height, width, 3), BACKGROUND, np.uint8)
    for cx, cy, diameter in cells:
        image[np.hypot(x - cx, y - cy) < diameter / 2] = CELL
    return image


def box(cx: float, cy: float, diameter: float, um_per_px: float):
    return np.array(
        [[cx - diameter / 2, cy - diameter / 2, cx + diameter / 2, cy + diameter / 2]], np.float32
    ) / np.float32(um_per_px)


def dark_side(crop: np.ndarray) -> int:
    return int((crop[len(crop) // 2, :, 1] < 150).sum())


@pytest.mark.parametrize("um_per_px", [0.05, 0.073, 0.153, 0.25])
def test_the_same_cell_is_as_large_at_any_scale(um_per_px):
    side = round(40 / um_per_px)
    image = smear(side, side, um_per_px, [(20, 20, 12)])
    crop = cut_crops(image, box(20, 20, 12, um_per_px), um_per_px, CropSettings())[0]
    assert dark_side(crop) == pytest.approx(12 / 24 * 128, abs=3)


def test_a_larger_box_does_not_shrink_the_cell():
    image = smear(600, 600, 0.073, [(20, 20, 12)])
    tight = cut_crops(image, box(20, 20, 12, 0.073), 0.073, CropSettings())
    loose = cut_crops(image, box(20, 20, 18, 0.073), 0.073, CropSettings())
    assert np.array_equal(tight, loose)


def test_background_becomes_white_whatever_the_lamp():
    image = smear(600, 600, 0.073, [(20, 20, 12)])
    crop = cut_crops(image, box(20, 20, 12, 0.073), 0.073, CropSettings())[0]
    assert crop[2, 2] == pytest.approx(WHITE, abs=1)


@pytest.mark.parametrize(
    ("cx", "cy"),
    [
        pytest.param(1, 20, id="left"),
        pytest.param(42, 20, id="right"),
        pytest.param(20, 0, id="top"),
        pytest.param(20, 43, id="bottom"),
        pytest.param(0, 0, id="corner"),
        pytest.param(-30, -30, id="outside"),
    ],
)
def test_beyond_the_border_is_white(cx, cy):
    image = smear(600, 600, 0.073, [(cx, cy, 12)])
    crop = cut_crops(image, box(cx, cy, 12, 0.073), 0.073, CropSettings())[0]
    assert crop.shape == (128, 128, 3)
    outside = crop[0, 0] if min(cx, cy) < 3 else crop[-1, -1]
    assert outside == pytest.approx(WHITE, abs=1) or tuple(outside) == (255, 255, 255)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_one_crop_a_box(n):
    image = smear(200, 200, 0.1, [])
    boxes = np.tile(np.array([10, 10, 60, 60], np.float32), (n, 1))
    assert cut_crops(image, boxes, 0.1, CropSettings(size_px=64)).shape == (n, 64, 64, 3)


def test_background_is_the_brightest_tenth():
    image = smear(300, 300, 0.1, [(15, 15, 28)])
    assert background_color(image, (150, 150), 300) == pytest.approx(BACKGROUND)


def test_background_of_nothing_is_white():
    assert background_color(np.zeros((4, 4, 3), np.uint8), (900, 900), 10) == pytest.approx(255)


def test_white_balance_clips_what_is_brighter_than_background():
    pixels = np.array([[[210, 220, 200], [255, 255, 255], [0, 0, 0]]], np.uint8)
    balanced = white_balance(pixels, np.array(BACKGROUND, np.float32))[0]
    assert balanced.tolist() == [[245, 245, 245], [255, 255, 255], [0, 0, 0]]
