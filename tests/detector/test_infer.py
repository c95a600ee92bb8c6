"""Boxes come back in the field's own pixels, whatever its scale and shape."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leukodiff.core.errors import InputError
from leukodiff.detector.detections import Detections
from leukodiff.detector.infer import cxcywh_to_xyxy, decode
from leukodiff.detector.letterbox import PAD_GRAY, STRIDE, canvas_size, letterbox, resized
from leukodiff.runtime.model import Outputs

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


def reader(image: np.ndarray):
    """Reads an image as a scan is read."""

    def read_at(x: int, y: int, width: int, height: int, downsample: float) -> np.ndarray:
        region = image[y : y + height, x : x + width]
        assert region.shape[:2] == (height, width)
        return resized(region, round(width / downsample), round(height / downsample))

    return read_at


def by_place(found: Detections) -> np.ndarray:
    """Class and box of each cell (N, 5), in an order that confidence has no part in."""
    rows = np.concatenate([found.class_id[:, None], found.xyxy], axis=1)
    return rows[np.lexsort(rows.round().T)]


def test_a_field_too_large_for_one_pass_is_tiled(discs, draw) -> None:
    cells = [(1, x, 40, 40) for x in range(40, 2960, 80)]
    found = discs().detect(draw(cells, 3000, 80), 0.1875)
    expected = [(1, x - 20, 20, x + 21, 61) for _, x, _, _ in cells]
    np.testing.assert_allclose(by_place(found), expected, atol=1)


@pytest.mark.parametrize(
    "shape", [pytest.param((0, 40_000, 3), id="no rows"), pytest.param((40_000, 0, 3), id="none")]
)
def test_nothing_of_a_scan(discs, shape) -> None:
    assert len(discs().detect(np.zeros(shape, np.uint8), 0.1875)) == 0


def test_a_scan_too_coarse_to_show_cells(discs) -> None:
    with pytest.raises(InputError, match="3000 x 3000 px at 5 um/px: no cell can be found"):
        discs().detect(np.zeros((3000, 3000, 3), np.uint8), 5.0)


@pytest.mark.parametrize(
    ("um_per_px", "canvas"),
    [
        pytest.param(0.1875, (288, 288), id="at working scale"),
        pytest.param(0.05, (288, 288), id="finer"),
        pytest.param(0.25, (288, 288), id="coarser"),
        pytest.param(0.26, (288, 288), id="coarser, no whole px"),
    ],
)
def test_tiles_fill_their_canvas(discs, draw, um_per_px: float, canvas) -> None:
    shapes = set()

    def run(images: np.ndarray) -> Outputs:
        shapes.add(images.shape)
        return {"predictions": np.zeros((1, 1, 7), np.float32)}

    side = round(700 * 0.1875 / um_per_px)
    image = draw([], side, side)
    discs(run).detect_tiled(reader(image), side, side, um_per_px, tile_px=288)
    assert shapes == {(1, *canvas, 3)}


CELLS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-8, 8), st.integers(-8, 8), st.integers(16, 29)),
    min_size=1,
    max_size=16,
)
"""Classes, offsets from a lattice's points, and radii (px at working scale)."""


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=CELLS, dx=st.integers(0, 90), dy=st.integers(0, 90), tile_px=st.integers(180, 420))
def test_tiled_as_untiled(discs, draw, cells, dx, dy, tile_px) -> None:
    placed = [
        (kind, 60 + dx + x + 76 * (i % 4), 60 + dy + y + 76 * (i // 4), 2 * radius)
        for i, (kind, x, y, radius) in enumerate(cells)
    ]
    image = draw(placed, 450, 430)
    whole = discs().detect(image, 0.1875)
    tiled = discs().detect_tiled(reader(image), 450, 430, 0.1875, tile_px=tile_px, overlap_um=14.0)
    assert len(whole) == len(cells)
    np.testing.assert_allclose(by_place(tiled), by_place(whole), atol=0.01)


@pytest.mark.parametrize("factor", [0.5, 1.5, 2.0])
@pytest.mark.parametrize("tile_px", [None, 224])
def test_the_same_smear_at_another_size(discs, draw, factor: float, tile_px) -> None:
    cells = [(i % 3, 50 + 80 * (i % 5), 50 + 80 * (i // 5), 36 + i) for i in range(20)]
    image = draw(cells, 430, 350)
    other = resized(image, round(430 * factor), round(350 * factor))
    um_per_px, size = 0.1875 / factor, other.shape[1::-1]
    found = (
        discs().detect_tiled(reader(other), *size, um_per_px, tile_px=tile_px)
        if tile_px
        else discs().detect(other, um_per_px)
    )
    same = replace(found, xyxy=found.xyxy / np.float32(factor))
    np.testing.assert_allclose(
        by_place(same), by_place(discs().detect(image, 0.1875)), atol=2.5 / min(1, factor)
    )


def test_many_are_detected_in_one_call(discs, draw) -> None:
    calls = []

    def run(images: np.ndarray) -> Outputs:
        calls.append(images.shape)
        predictions: Outputs = discs().model.outputs(images)
        return predictions

    images = [draw([(1, 60 + 20 * i, 80, 40)]) for i in range(3)]
    found = discs(run).detect_many(images, 0.1875)
    assert calls == [(3, 288, 352, 3)]
    for one, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(one.xyxy, discs().detect(image, 0.1875).xyxy)


@pytest.mark.parametrize(
    ("framed", "canvas"),
    [pytest.param(True, 352, id="a field"), pytest.param(False, 320, id="a window")],
)
def test_a_window_needs_no_frame(discs, draw, framed: bool, canvas: int) -> None:
    shapes = []

    def run(images: np.ndarray) -> Outputs:
        shapes.append(images.shape)
        predictions: Outputs = discs().model.outputs(images)
        return predictions

    image = draw([(1, 150, 100, 40)], 320, 320)
    found = discs(run).detect_many([image], 0.1875, framed=framed)[0]
    assert shapes == [(1, canvas, canvas, 3)]
    np.testing.assert_allclose(found.xyxy, [[130, 80, 171, 121]])


@pytest.mark.parametrize(
    ("shapes", "n"),
    [pytest.param([], 0, id="no image"), pytest.param([(0, 9, 3)] * 2, 2, id="images of no px")],
)
def test_many_of_nothing(discs, shapes, n: int) -> None:
    found = discs().detect_many([np.zeros(shape, np.uint8) for shape in shapes], 0.1875)
    assert [len(one) for one in found] == [0] * n


def test_many_have_one_shape(discs) -> None:
    with pytest.raises(ValueError, match=r"images of one shape, got \[\(8, 8, 3\), \(8, 9, 3\)\]"):
        discs().detect_many([np.zeros((8, n, 3), np.uint8) for n in (8, 9)], 0.1875)


@pytest.mark.parametrize(
    ("size", "canvas"),
    [pytest.param((416, 312), 448, id="one pass"), pytest.param((40_000, 99), 1024, id="tiles")],
)
def test_canvas_px(discs, size, canvas: int) -> None:
    assert discs().canvas_px(*size, 0.1875) == canvas


@pytest.mark.parametrize("um_per_px", [0.0, -0.1, float("nan"), float("inf")])
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
    placed, (x, y) = letterbox(image)
    assert placed.shape[:2] == canvas == canvas_size(shape[1], shape[0])[::-1]
    assert all(side % STRIDE == 0 for side in canvas)
    assert min(x, y, canvas[1] - shape[1] - x, canvas[0] - shape[0] - y) >= 15
    assert not placed[y : y + shape[0], x : x + shape[1]].any()
    assert (placed == PAD_GRAY).sum() == placed.size - image.size


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
    predictions = [
        (int(i), round(float(c), 4)) for i, c in zip(found.class_id, found.confidence, strict=True)
    ]
    assert predictions == expected


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


def test_boxes_from_centers() -> None:
    boxes = np.array([[10, 20, 4, 6]], np.float32)
    np.testing.assert_array_equal(cxcywh_to_xyxy(boxes), [[8, 17, 12, 23]])
    assert cxcywh_to_xyxy(boxes[:0]).shape == (0, 4)
