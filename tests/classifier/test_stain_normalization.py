"""Crops of one smear under any lamp and dye come out in one color."""

import numpy as np
import pytest

from leukodiff.classifier.crops import WHITE, CropSettings
from leukodiff.classifier.stain_normalization import (
    TARGET_NUCLEUS_OD,
    TARGET_RED_CELL_OD,
    normalize_stain,
)

CROP = CropSettings(window_um=24.0, size_px=96)
PLACES = {"glass": (2, 2), "nucleus": (48, 48), "cytoplasm": (48, 66), "red cell": (12, 48)}


def smear(dye: np.ndarray, lamp: tuple[float, float, float] = (245, 245, 245)) -> np.ndarray:
    """A crop: nucleus in cytoplasm in the middle, red cells round it. `dye` (3, 3) turns optical
    densities of the reference colors into others."""
    down, across = np.mgrid[0:96, 0:96]
    density = np.zeros((96, 96, 3))
    for y, x in ((12, 48), (84, 48), (48, 8), (48, 88)):
        density[np.hypot(down - y, across - x) < 11] = TARGET_RED_CELL_OD
    density[np.hypot(down - 48, across - 48) < 22] = 0.3 * TARGET_NUCLEUS_OD
    density[np.hypot(down - 48, across - 48) < 13] = TARGET_NUCLEUS_OD
    light = np.rint(np.array(lamp) * np.exp(-density @ dye.T))
    return np.asarray(np.clip(light, 0, 255), np.uint8)


def colors(crop: np.ndarray) -> np.ndarray:
    done = normalize_stain(crop[None], CROP)[0]
    return np.array([done[place] for place in PLACES.values()], float)


TYPICAL = colors(smear(np.eye(3)))

OTHERS = {
    "pale stain": (0.4 * np.eye(3), (245, 245, 245)),
    "dark stain": (1.3 * np.eye(3), (245, 245, 245)),
    "yellow lamp": (np.eye(3), (240, 225, 170)),
    "blue dye runs over": (np.eye(3) + 0.12 * np.ones((3, 3)), (245, 245, 245)),
    "pale under a green lamp": (0.5 * np.eye(3), (200, 240, 205)),
}


@pytest.mark.parametrize(("dye", "lamp"), OTHERS.values(), ids=OTHERS.keys())
def test_another_laboratory_s_crop_comes_out_in_the_reference_colors(dye, lamp):
    before = np.abs(np.array([smear(dye, lamp)[p] for p in PLACES.values()]) - TYPICAL).max()
    after = np.abs(colors(smear(dye, lamp)) - TYPICAL).max()
    assert before > 20
    assert after <= 4


def test_the_references_get_their_target_densities():
    background, nucleus, _, red_cell = TYPICAL
    assert background == pytest.approx(np.full(3, WHITE), abs=2)
    assert nucleus == pytest.approx(WHITE * np.exp(-TARGET_NUCLEUS_OD), abs=8)
    assert red_cell == pytest.approx(WHITE * np.exp(-TARGET_RED_CELL_OD), abs=8)


@pytest.mark.parametrize("value", [0, 128, 255], ids=["black", "grey", "white"])
def test_an_empty_crop_stays_a_picture(value):
    crops = np.full((2, 48, 48, 3), value, np.uint8)
    done = normalize_stain(crops, CROP)
    assert done.shape == crops.shape
    assert done.dtype == np.uint8
    assert (done.reshape(-1, 3) == done[0, 0, 0]).all()


def test_without_red_cells_the_nucleus_alone_is_the_reference():
    crop = smear(0.5 * np.eye(3))
    red = np.zeros((96, 96), bool)
    down, across = np.mgrid[0:96, 0:96]
    red |= np.hypot(down - 48, across - 48) > 23
    crop[red] = 245
    done = normalize_stain(crop[None], CROP)[0]
    assert done[48, 48].astype(float) == pytest.approx(WHITE * np.exp(-TARGET_NUCLEUS_OD), abs=10)


def test_no_crops_give_none():
    none = np.zeros((0, 96, 96, 3), np.uint8)
    assert normalize_stain(none, CROP).shape == none.shape
