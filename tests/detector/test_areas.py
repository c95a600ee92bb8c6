"""Empty, thick and blurred areas are told from those that can be read, and read in good order."""

from functools import cache

import cv2
import numpy as np
import pytest

from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.phantom import STAINS, PhantomSettings, render
from leukodiff.datasets.registry import load_dataset
from leukodiff.detector.areas import (
    AreaKind,
    Areas,
    focus_score,
    monolayer_order,
    out_of_focus,
    smear_areas,
)
from leukodiff.detector.letterbox import resized

pytestmark = pytest.mark.slow

UM_PER_PX = 0.5


@cache
def field(red_cells_per_mm2: float, stain: str = "analyser", side_um: float = 200) -> np.ndarray:
    side = round(side_um / UM_PER_PX)
    settings = PhantomSettings(
        side,
        side,
        UM_PER_PX,
        seed=1,
        n_white=0,
        red_cells_per_mm2=red_cells_per_mm2,
        red_cell_scatter=1.0,
        stain=stain,
    )
    return render(settings).image


def areas(coverage: list[list[float]], unusable: tuple[int, ...] = ()) -> Areas:
    cover = np.array(coverage, np.float32)
    kind = tuple(AreaKind.EMPTY if i in unusable else AreaKind.USABLE for i in range(cover.size))
    return Areas(np.zeros((cover.size, 4), np.float32), kind, cover.ravel(), cover.shape[1])


@pytest.mark.parametrize("stain", STAINS)
@pytest.mark.parametrize("um_per_px", [0.5, 1.0, 2.0, 2.5])
def test_zones_side_by_side(stain: str, um_per_px: float) -> None:
    row = np.hstack([field(n, stain) for n in (0, 6500, 17000)])
    factor = UM_PER_PX / um_per_px
    picture = resized(row, round(row.shape[1] * factor), round(row.shape[0] * factor))
    found = smear_areas(picture, um_per_px, 200)
    assert found.columns == 3
    assert found.kind == (AreaKind.EMPTY, AreaKind.USABLE, AreaKind.THICK)
    assert found.coverage[0] < 0.03
    assert found.coverage[1] == pytest.approx(0.33, abs=0.06)
    assert found.coverage[2] > 0.65


@pytest.mark.parametrize("um_per_px", [4.0, 6.0, 8.0])
def test_a_coarse_picture_still_shows_how_much_is_covered(um_per_px: float) -> None:
    row = np.hstack([field(0), field(6500), field(6500) // 3])
    factor = UM_PER_PX / um_per_px
    picture = resized(row, round(row.shape[1] * factor), round(row.shape[0] * factor))
    found = smear_areas(picture, um_per_px, 200)
    assert found.kind == (AreaKind.EMPTY, AreaKind.USABLE, AreaKind.THICK)
    assert found.coverage[1] == pytest.approx(0.33, abs=0.08)


@pytest.mark.parametrize("gray", [0, 255], ids=["black", "white"])
def test_beyond_the_scan_is_empty(gray: int) -> None:
    beyond = np.full((400, 400, 3), gray, np.uint8)
    found = smear_areas(np.hstack([beyond, field(6500)]), UM_PER_PX, 200)
    assert found.kind == (AreaKind.EMPTY, AreaKind.USABLE)
    assert smear_areas(beyond, UM_PER_PX, 200).kind == (AreaKind.EMPTY,)


@pytest.mark.parametrize(
    ("shape", "n", "columns"),
    [
        pytest.param((0, 0, 3), 0, 1, id="no pixels"),
        pytest.param((1, 1, 3), 1, 1, id="one pixel"),
        pytest.param((40, 90, 3), 1, 1, id="smaller than an area"),
        pytest.param((300, 450, 3), 6, 3, id="a grid"),
    ],
)
def test_the_grid_covers_the_picture(shape, n: int, columns: int) -> None:
    found = smear_areas(np.full(shape, 200, np.uint8), 1.0, 150)
    assert (len(found), found.columns) == (n, columns)
    sides = found.xyxy[:, 2:] - found.xyxy[:, :2]
    assert float(sides.prod(axis=1).sum()) == pytest.approx(shape[0] * shape[1])


def test_scaled_to_the_scan() -> None:
    found = smear_areas(np.full((300, 300, 3), 200, np.uint8), 1.0, 150).scaled(4, 2)
    assert found.xyxy[0].tolist() == [0, 0, 600, 300]
    assert found.xyxy[-1].tolist() == [600, 300, 1200, 600]


def test_only_usable_areas_become_blurred() -> None:
    some = areas([[0.4, 0.4, 0.0]], unusable=(2,))
    assert some.without(np.array([True, False, True])).kind == (
        AreaKind.OUT_OF_FOCUS,
        AreaKind.USABLE,
        AreaKind.EMPTY,
    )
    assert some.usable.tolist() == [True, True, False]
    assert set(some.kind) <= set(AreaKind)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"expected shapes \(2, 4\)"):
        Areas(
            np.zeros((1, 4), np.float32),
            (AreaKind.USABLE, AreaKind.USABLE),
            np.zeros(2, np.float32),
            1,
        )


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [
        pytest.param([[0.4]], [0], id="one"),
        pytest.param([[0.4, 0.4], [0.4, 0.4], [0.4, 0.4]], [0, 2, 4, 5, 3, 1], id="down and up"),
        pytest.param([[0.7, 0.5, 0.3]] * 2, [2, 5, 4, 1, 0, 3], id="feathered edge on the right"),
        pytest.param([[0.3, 0.3], [0.6, 0.6]], [0, 1, 3, 2], id="feathered edge on top"),
        pytest.param([[0.1, 0.4, 0.9, 0.4]], [1, 3, 0, 2], id="sparse and crowded last"),
    ],
)
def test_order_of_reading(coverage, expected: list[int]) -> None:
    assert monolayer_order(areas(coverage)).tolist() == expected


def test_order_leaves_out_what_cannot_be_read() -> None:
    assert monolayer_order(areas([[0.4, 0.4, 0.4]], unusable=(1,))).tolist() == [0, 2]
    assert monolayer_order(areas([[0.0, 0.0]], unusable=(0, 1))).tolist() == []
    nothing = smear_areas(np.zeros((0, 0, 3), np.uint8), 1.0)
    assert monolayer_order(nothing).tolist() == []


@pytest.mark.parametrize("stain", STAINS)
def test_focus_does_not_depend_on_the_scale_nor_the_stain(stain: str) -> None:
    settings = PhantomSettings(640, 480, 0.1, 2, 1, stain=stain)
    image = render(settings).image
    scores = [
        focus_score(resized(image, round(640 * 0.1 / scale), round(480 * 0.1 / scale)), scale)
        for scale in (0.1, 0.16, 0.25, 0.5)
    ]
    assert max(scores) / min(scores) < 1.15
    assert 0.3 < scores[0] < 0.8


def test_focus_falls_with_blur() -> None:
    image = field(6500, side_um=60)
    scores = [
        focus_score(np.asarray(cv2.GaussianBlur(image, (0, 0), um / UM_PER_PX)), UM_PER_PX)
        for um in (0.3, 0.6, 1.0, 1.5, 2.5)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.02


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param([0.4], [False], id="one sharp"),
        pytest.param([0.03], [True], id="one blurred"),
        pytest.param([0.4, 0.5, 0.45, 0.08], [False, False, False, True], id="one of four"),
        pytest.param([0.03, 0.02], [True, True], id="all blurred"),
        pytest.param([3.0, 2.5, 0.3], [False, False, False], id="never what is sharp enough"),
        pytest.param([0.4, 0.0], [False, False], id="nothing to see is not blurred"),
    ],
)
def test_what_is_out_of_focus(scores, expected) -> None:
    assert out_of_focus(scores).tolist() == expected


def test_a_plain_image_has_no_focus() -> None:
    assert focus_score(np.full((60, 60, 3), 200, np.uint8), 0.25) == 0
    assert focus_score(np.zeros((0, 0, 3), np.uint8), 0.25) == 0


@pytest.mark.parametrize(("name", "step"), [("bccd", 12), ("chula", 10)])
def test_fields_that_people_read_are_usable(data_root, monkeypatch, name: str, step: int) -> None:
    monkeypatch.setenv("LEUKODIFF_DATA", str(data_root))
    for one in load_dataset(name)[::step]:
        image, scale = read_rgb(one.path), one.um_per_px or 0.1
        assert smear_areas(image, scale, 500).kind == (AreaKind.USABLE,), one.field_id
        assert not out_of_focus([focus_score(image, scale)])[0], one.field_id
