"""Boxes come back in the field's own pixels, whatever its scale and shape."""

import numpy as np
import pytest

from leukodiff.detector.canvas import PAD_GREY, STRIDE, canvas_size, on_canvas
from leukodiff.detector.infer import cxcywh_to_xyxy, decode
from leukodiff.runtime.errors import InputError

NAMES = ("white_cell", "red_cell", "platelet")
HALF = np.full(3, 0.5, np.float32)


@pytest.mark.parametrize(
    "um_per_px", [pytest.param(0.1875, id="working"), pytest.param(0.09, id="finer"), 0.25]
)
@pytest.mark.parametrize(
    "size", [pytest.param((320, 240), id="even"), pytest.param((317, 203), id="odd")]
)
def test_a_disc_is_boxed_where_it_lies(discs, draw, um_per_px: float, size) -> None:
    diameter = round(7.5 / um_per_px)
    found = discs().detect(draw([(1, 150, 100, diameter)], *size), um_per_px)
    half = diameter / 2
    assert found.class_id.tolist() == [1]
    np.testing.assert_allclose(
        found.xyxy[0], [150 - half, 100 - half, 150 + half, 100 + half], atol=2.5
    )


def test_cells_at_the_border_are_clipped_to_the_field(discs, draw) -> None:
    found = discs().detect(draw([(0, 0, 120, 60), (1, 319, 10, 50)]), 0.1875)
    assert len(found) == 2
    assert found.xyxy.min() >= 0
    assert found.xyxy[:, 2].max() <= 320


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((240, 320, 3), id="nothing in it"),
        pytest.param((1, 1, 3), id="one pixel"),
        pytest.param((0, 320, 3), id="no rows"),
    ],
)
def test_empty_fields(discs, shape) -> None:
    found = discs().detect(np.full(shape, 255, np.uint8), 0.1875)
    assert len(found) == 0
    assert found.class_names == NAMES


def test_thresholds_are_the_metadata_s_unless_given(discs, draw) -> None:
    field = draw([(0, 80, 80, 40), (1, 200, 80, 40)])
    strict = discs(thresholds={"white_cell": 0.99, "red_cell": 0.5})
    assert strict.detect(field, 0.1875).class_id.tolist() == [1]
    assert len(strict.detect(field, 0.1875, {})) == 2


def test_another_working_scale(discs, draw) -> None:
    field = draw([(1, 100, 100, 40)])
    coarse = discs().at_scale(0.3)
    assert coarse.um_per_px == 0.3
    assert (
        coarse.detect(field, 0.1875, {}).confidence[0] < discs().detect(field, 0.1875).confidence[0]
    )


def test_a_scan_is_not_a_field(discs) -> None:
    with pytest.raises(InputError, match="whole-slide scans are not supported yet"):
        discs().detect(np.zeros((32, 40_000, 3), np.uint8), 0.1875)


@pytest.mark.parametrize("um_per_px", [0.0, -0.1, float("nan")])
def test_an_impossible_scale(discs, um_per_px: float) -> None:
    with pytest.raises(InputError, match="must be a positive number"):
        discs().detect(np.zeros((8, 8, 3), np.uint8), um_per_px)


@pytest.mark.parametrize(
    ("shape", "canvas"),
    [
        pytest.param((312, 416), (352, 448), id="BCCD at 0.112"),
        pytest.param((1, 1), (64, 64), id="one pixel"),
        pytest.param((32, 33), (64, 96), id="just over a stride"),
    ],
)
def test_canvas(shape: tuple[int, int], canvas: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    placed, (x, y) = on_canvas(image)
    assert placed.shape[:2] == canvas == canvas_size(shape[1], shape[0])[::-1]
    assert all(side % STRIDE == 0 for side in canvas)
    assert min(x, y, canvas[1] - shape[1] - x, canvas[0] - shape[0] - y) >= 15
    assert not placed[y : y + shape[0], x : x + shape[1]].any()
    assert (placed == PAD_GREY).sum() == placed.size - image.size


def prediction(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 7)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([(50, 50, 20, 20, 0.4, 0.3, 0.1)], [], id="none is sure enough"),
        pytest.param([(50, 50, 20, 20, 0.5, 0.3, 0.1)], [(0, 0.5)], id="just sure enough"),
        pytest.param(
            [(50, 50, 20, 20, 0.6, 0, 0), (51, 50, 20, 20, 0.9, 0, 0)],
            [(0, 0.9)],
            id="one cell twice",
        ),
        pytest.param(
            [(50, 50, 20, 20, 0.6, 0, 0), (51, 50, 20, 20, 0, 0.9, 0)],
            [(1, 0.9), (0, 0.6)],
            id="two classes in one place",
        ),
        pytest.param(
            [(50, 50, 20, 20, 0.7, 0, 0), (90, 50, 20, 20, 0.7, 0, 0), (20, 9, 9, 9, 0, 0, 0.8)],
            [(2, 0.8), (0, 0.7), (0, 0.7)],
            id="surest first, equals in order",
        ),
    ],
)
def test_decode(rows, expected) -> None:
    found = decode(prediction(*rows), HALF, 0.6, NAMES)
    said = [
        (int(i), round(float(c), 4)) for i, c in zip(found.class_id, found.confidence, strict=True)
    ]
    assert said == expected


def test_overlap_that_one_cell_bears() -> None:
    rows = prediction((50, 50, 20, 20, 0.9, 0, 0), (60, 50, 20, 20, 0.8, 0, 0))  # IoU 1/3
    assert len(decode(rows, HALF, 0.3, NAMES)) == 1
    assert len(decode(rows, HALF, 0.4, NAMES)) == 2


@pytest.mark.parametrize(
    ("calibration", "n"),
    [
        pytest.param({"nms_iou": 0.3}, 1, id="small"),
        pytest.param({"nms_iou": 0.4}, 2, id="larger"),
        pytest.param({}, 2, id="none, so 0.6"),
    ],
)
def test_overlap_comes_from_the_metadata(discs, calibration, n: int) -> None:
    rows = prediction((50, 50, 20, 20, 0.9, 0, 0), (60, 50, 20, 20, 0.8, 0, 0))
    detector = discs(lambda _: {"predictions": rows[None]}, calibration=calibration)
    assert len(detector.detect(np.zeros((100, 100, 3), np.uint8), 0.1875)) == n


def test_boxes_from_centres() -> None:
    boxes = np.array([[10, 20, 4, 6]], np.float32)
    np.testing.assert_array_equal(cxcywh_to_xyxy(boxes), [[8, 17, 12, 23]])
    assert cxcywh_to_xyxy(boxes[:0]).shape == (0, 4)
