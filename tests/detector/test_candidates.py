"""The first look finds every nucleated cell, at any scale and in any stain, and little else."""

from functools import cache

import cv2
import numpy as np
import pytest

from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.phantom import STAINS, Phantom, PhantomSettings, render
from leukodiff.datasets.registry import load_dataset
from leukodiff.datasets.vocabulary import is_white
from leukodiff.detector.candidates import LARGEST_UM, MARGIN_UM, propose_candidates, window_side
from leukodiff.detector.letterbox import STRIDE, resized

BACKGROUND, RED_CELL, NUCLEUS, GRAY = (235, 230, 225), (215, 160, 165), (110, 70, 160), (90, 90, 90)


def smear(discs: list[tuple[int, int, int, tuple[int, int, int]]], side: int = 160) -> np.ndarray:
    """A field at 1 um/px: red cells in rows, and discs (x, y, diameter um, color) on them."""
    image = np.full((side, side, 3), BACKGROUND, np.uint8)
    for x in range(6, side, 14):
        for y in range(6, side, 14):
            cv2.circle(image, (x, y), 3, RED_CELL, -1)
    for x, y, diameter, color in discs:
        cv2.circle(image, (x, y), diameter // 2, color, -1)
    return image


def at_1_um(image: np.ndarray, um_per_px: float) -> np.ndarray:
    return resized(image, *(max(1, round(n * um_per_px)) for n in image.shape[1::-1]))


def held(box: np.ndarray, candidates: np.ndarray, margin: float) -> bool:
    """Whether a candidate lies on a box, and with its margin holds it to 1.5 um."""
    low, high = candidates[:, :2], candidates[:, 2:]
    on = np.all((low < box[2:]) & (high > box[:2]), axis=1)
    inside = (low - margin <= box[:2] + 1.5) & (high + margin >= box[2:] - 1.5)
    return bool(np.any(on & inside.all(axis=1)))


@pytest.mark.parametrize(
    ("discs", "expected"),
    [
        pytest.param([], 0, id="red cells alone"),
        pytest.param([(80, 80, 7, NUCLEUS)], 1, id="a lymphocyte"),
        pytest.param([(40, 40, 8, NUCLEUS), (120, 100, 14, NUCLEUS)], 2, id="two apart"),
        pytest.param([(0, 80, 8, NUCLEUS)], 1, id="cut by the edge"),
        pytest.param([(0, 0, 8, NUCLEUS)], 1, id="cut by the corner"),
        pytest.param([(80, 80, 2, NUCLEUS)], 0, id="a platelet"),
        pytest.param([(80, 80, 12, GRAY)], 0, id="gray dirt"),
        pytest.param([(80, 80, 30, RED_CELL)], 0, id="a heap of red cells"),
    ],
)
def test_what_is_a_candidate(discs, expected: int) -> None:
    found = propose_candidates(smear(discs), 1.0)
    assert found.shape == (expected, 4)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.zeros((0, 0, 3), np.uint8), id="no pixels"),
        pytest.param(np.full((1, 1, 3), 200, np.uint8), id="one pixel"),
        pytest.param(np.full((1, 300, 3), 200, np.uint8), id="a row"),
        pytest.param(np.zeros((60, 60, 3), np.uint8), id="black"),
        pytest.param(np.full((60, 60, 3), 255, np.uint8), id="white"),
    ],
)
def test_nothing_to_find(image) -> None:
    assert propose_candidates(image, 1.0).shape == (0, 4)


def test_a_box_lies_round_its_cell() -> None:
    (box,) = propose_candidates(smear([(80, 60, 10, NUCLEUS)]), 1.0)
    assert np.all(np.abs(box - [75, 55, 85, 65]) <= 4)


def test_a_long_smear_of_stain_is_cut_into_pieces() -> None:
    image = smear([])
    image[70:80, 20:140] = NUCLEUS
    found = propose_candidates(image, 1.0)
    assert len(found) > 1
    assert np.max(found[:, 2:] - found[:, :2]) <= LARGEST_UM
    assert found[:, 0].min() <= 20
    assert found[:, 2].max() >= 140


def test_uneven_light_and_a_cast_change_little() -> None:
    image = smear([(40, 40, 8, NUCLEUS), (120, 100, 14, NUCLEUS)])
    x = np.linspace(0, 1, image.shape[1])[None, :, None]
    light = 1 - x * np.array([0.45, 0.3, 0.4])
    assert len(propose_candidates((image * light).astype(np.uint8), 1.0)) == 2


def test_the_image_is_left_as_it_was() -> None:
    image = smear([(80, 80, 8, NUCLEUS)])
    before = image.copy()
    propose_candidates(image, 1.0)
    assert np.array_equal(image, before)


NUCLEATED = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "erythroblast")


@cache
def phantom_of(stain: str) -> Phantom:
    differential = dict.fromkeys(NUCLEATED, 1.0)
    settings = PhantomSettings(
        800, 600, 0.4, 3, 6, differential, stain=stain, dirt=2, precipitate=1
    )
    return render(settings)


@pytest.mark.parametrize("stain", STAINS)
@pytest.mark.parametrize("um_per_px", [0.15, 0.25, 0.5, 1.0, 1.5])
def test_no_nucleated_cell_of_a_phantom_is_lost(stain: str, um_per_px: float) -> None:
    phantom = phantom_of(stain)
    factor = phantom.um_per_px / um_per_px
    found = propose_candidates(
        resized(phantom.image, round(800 * factor), round(600 * factor)), um_per_px
    )
    boxes = phantom.xyxy * phantom.um_per_px
    nucleated = [
        box for box, name in zip(boxes, phantom.cell_types, strict=True) if name in NUCLEATED
    ]
    assert len(nucleated) == len(NUCLEATED)
    assert all(held(box, found * um_per_px, MARGIN_UM) for box in nucleated)
    area_mm2 = 0.32 * 0.24
    assert len(found) <= len(nucleated) + 100 * area_mm2


NO_WHITE_CELL = {
    "BloodImage_00113.jpg",  # a platelet of 3 um
    "0bd2fcef-4ed5-5910-b7dd-a61c0955bf21.jpg",  # a platelet of 3 um
    "30a596f3-1110-56d8-8e5d-8a343cae5378.jpg",  # a platelet, cut by the edge
    "7d02d746-d12b-5d0b-bb96-3e669736ac0d.jpg",  # a red cell
}
"""Fields with a box of a white cell round something else, of which no candidate is expected."""


@pytest.mark.parametrize(("name", "step"), [("bccd", 6), ("txl_pbc", 8), ("chula", 6)])
def test_no_labeled_white_cell_is_lost(data_root, monkeypatch, name: str, step: int) -> None:
    monkeypatch.setenv("LEUKODIFF_DATA", str(data_root))
    for field in load_dataset(name)[::step]:
        scale = field.um_per_px or 0.1
        found = propose_candidates(at_1_um(read_rgb(field.path), scale), 1.0)
        boxes = field.xyxy * scale
        lost = [
            box
            for box, cell_type in zip(boxes, field.cell_types, strict=True)
            if is_white(cell_type) and not held(box, found, MARGIN_UM)
        ]
        assert len(lost) <= (field.field_id in NO_WHITE_CELL), field.field_id


@pytest.mark.parametrize(
    ("um_per_px", "side"), [(0.1875, 256), (0.2, 256), (0.18, 288), (0.5, 96), (1.5, 32)]
)
def test_a_window_holds_any_candidate_and_its_margin(um_per_px: float, side: int) -> None:
    assert window_side(um_per_px) == side
    assert side % STRIDE == 0
    assert side * um_per_px >= LARGEST_UM + 2 * MARGIN_UM
