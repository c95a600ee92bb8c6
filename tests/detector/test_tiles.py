"""Tiles cover an area, windows hold their candidates, and boxes go back to where they came from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukodiff.detector.detections import Detections
from leukodiff.detector.letterbox import PAD_GRAY, resized
from leukodiff.detector.tiles import on_scan, read_window, tile_boxes, windows_round

NAMES = ("white_cell", "red_cell", "platelet")


@pytest.mark.parametrize(
    ("size", "tile", "overlap", "expected"),
    [
        pytest.param((0, 100), 50, 10, [], id="no columns"),
        pytest.param((100, 0), 50, 10, [], id="no rows"),
        pytest.param((1, 1), 50, 10, [(0, 0, 1, 1)], id="one pixel"),
        pytest.param((50, 50), 50, 10, [(0, 0, 50, 50)], id="exactly one tile"),
        pytest.param((30, 90), 50, 10, [(0, 0, 30, 50), (0, 40, 30, 90)], id="narrow"),
        pytest.param(
            (51, 50), 50, 10, [(0, 0, 50, 50), (1, 0, 51, 50)], id="one px more: pulled inside"
        ),
        pytest.param(
            (130, 50),
            50,
            10,
            [(0, 0, 50, 50), (40, 0, 90, 50), (80, 0, 130, 50)],
            id="whole steps: nothing to pull",
        ),
        pytest.param(
            (60, 60),
            50,
            0,
            [(0, 0, 50, 50), (10, 0, 60, 50), (0, 10, 50, 60), (10, 10, 60, 60)],
            id="no overlap asked for, row by row",
        ),
    ],
)
def test_tile_boxes(size: tuple[int, int], tile: int, overlap: int, expected) -> None:
    boxes = tile_boxes(*size, tile, overlap)
    assert boxes.dtype == np.int64
    assert boxes.shape == (len(expected), 4)
    assert [tuple(box) for box in boxes.tolist()] == expected


@pytest.mark.parametrize(
    ("tile", "overlap"),
    [
        pytest.param(50, 50, id="as much as a tile"),
        pytest.param(50, -1, id="a gap"),
        pytest.param(0, 0, id="no tile"),
    ],
)
def test_tiles_that_cannot_be_laid(tile: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="can't overlap"):
        tile_boxes(100, 100, tile, overlap)


@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    overlap=st.integers(0, 60),
    step=st.integers(1, 100),
    where=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_whatever_is_no_larger_than_the_overlap_is_whole_in_a_tile(
    width, height, overlap, step, where
) -> None:
    tile = overlap + step
    boxes = tile_boxes(width, height, tile, overlap)
    assert boxes.min() == 0
    assert boxes.max(axis=0)[2:].tolist() == [width, height]
    assert {tuple(sides) for sides in (boxes[:, 2:] - boxes[:, :2]).tolist()} == {
        (min(tile, width), min(tile, height))
    }
    cell = np.minimum([where[2] * overlap, where[3] * overlap], [width, height])
    corner = np.array(where[:2]) * (np.array([width, height]) - cell)
    assert holds(boxes, np.concatenate([corner, corner + cell])).any()


def holds(windows: np.ndarray, box: np.ndarray) -> np.ndarray:
    return np.asarray(((windows[:, :2] <= box[:2]) & (windows[:, 2:] >= box[2:])).all(axis=1))


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param([(500, 500, 520, 520)], [(460, 460, 560, 560)], id="one, in the middle of it"),
        pytest.param([(0, 990, 20, 1000)], [(0, 900, 100, 1000)], id="one at the corner"),
        pytest.param([(500.4, 500, 520.4, 520)], [(460, 460, 560, 560)], id="between two px"),
        pytest.param(
            [(500, 500, 520, 520), (550, 560, 570, 580)],
            [(485, 490, 585, 590)],
            id="two that just share one",
        ),
        pytest.param(
            [(500, 500, 520, 520), (571, 500, 591, 520)],
            [(460, 460, 560, 560), (531, 460, 631, 560)],
            id="two a px too far apart",
        ),
        pytest.param(
            [(500, 500, 520, 520), (500, 540, 520, 560), (500, 430, 520, 450)],
            [(460, 390, 560, 490), (460, 480, 560, 580)],
            id="three in a column: the fuller window has the first word",
        ),
        pytest.param(
            [(500, 500, 520, 520)] * 3, [(460, 460, 560, 560)], id="the same one three times"
        ),
        pytest.param(
            [(400, 500, 540, 520)],
            [(390, 460, 490, 560), (440, 460, 540, 560), (450, 460, 550, 560)],
            id="larger than a window: several, half over each other",
        ),
    ],
)
def test_windows_round(candidates, expected) -> None:
    found = windows_round(np.array(candidates, float).reshape(-1, 4), 100, 10, 1000, 1000)
    assert found.dtype == np.int64
    assert sorted(map(tuple, found.tolist())) == sorted(expected)


@pytest.mark.parametrize(
    ("candidate", "beyond", "expected"),
    [
        pytest.param((2, 10, 6, 14), 16, (-16, -16, 84, 84), id="at the corner"),
        pytest.param((940, 500, 950, 510), 16, (895, 455, 995, 555), id="near the edge"),
        pytest.param((990, 500, 1000, 510), 8, (908, 455, 1008, 555), id="no further than asked"),
    ],
)
def test_windows_may_reach_over_the_edge(candidate, beyond: int, expected) -> None:
    found = windows_round(np.array([candidate]), 100, 10, 1000, 1000, beyond)
    assert [tuple(one) for one in found.tolist()] == [expected]


def test_a_scan_smaller_than_a_window() -> None:
    found = windows_round(np.array([[5.0, 5, 20, 20]]), 100, 10, 60, 200)
    assert found.tolist() == [[0, 0, 60, 100]]


candidates = st.lists(
    st.tuples(st.floats(0, 580), st.floats(0, 380), st.floats(1, 90), st.floats(1, 90)), max_size=40
).map(lambda rows: np.array(rows, float).reshape(-1, 4))


@given(candidates, st.integers(20, 120), st.integers(0, 20), st.integers(0, 16), st.randoms())
def test_every_candidate_is_held_with_its_margin(cells, side, margin, beyond, random) -> None:
    scan = np.array([600, 400])
    cells[:, 2:] = np.minimum(cells[:, :2] + cells[:, 2:], scan)
    windows = windows_round(cells, side, margin, 600, 400, beyond)
    with_margin = np.clip(cells + np.array([-margin] * 2 + [margin] * 2), 0, np.tile(scan, 2))
    for box in with_margin:
        if (np.ceil(box[2:]) - np.floor(box[:2]) > side).any():
            box = middle_of(box, side // 2 - 1)  # what no window can hold has its parts held
        assert holds(windows, box).any()
    assert (windows[:, :2] >= -beyond).all()
    assert (windows[:, 2:] <= scan + beyond).all()
    assert ((windows[:, 2:] - windows[:, :2]) == side).all()
    shuffled = list(range(len(cells)))
    random.shuffle(shuffled)
    again = windows_round(cells[shuffled], side, margin, 600, 400, beyond)
    np.testing.assert_array_equal(again, windows)


def middle_of(box: np.ndarray, side: int) -> np.ndarray:
    half = np.minimum(box[2:] - box[:2], side) / 2
    center = (box[:2] + box[2:]) / 2
    return np.concatenate([center - half, center + half])


def test_neighbors_share_a_window() -> None:
    rng = np.random.default_rng(0)
    middles = np.stack(np.meshgrid(*[np.arange(200, 9800, 400)] * 2), -1).reshape(-1, 1, 2)
    corners = (middles + rng.uniform(-30, 10, (len(middles), 5, 2))).reshape(-1, 2)
    windows = windows_round(np.concatenate([corners, corners + 20], 1), 200, 20, 10_000, 10_000)
    assert len(windows) == len(middles)


SCENE = np.random.default_rng(0).integers(0, 100, (60, 80, 3)).astype(np.uint8)


def read_scene(x: int, y: int, width: int, height: int, downsample: float) -> np.ndarray:
    assert x >= 0
    assert y >= 0
    region = SCENE[y : y + height, x : x + width]
    assert region.shape[:2] == (height, width)
    return resized(region, round(width / downsample), round(height / downsample))


@pytest.mark.parametrize(
    ("window", "downsample", "shape", "seen"),
    [
        pytest.param((10, 10, 50, 40), 1.0, (30, 40), (0, 0, 40, 30), id="inside"),
        pytest.param((-8, -6, 32, 24), 1.0, (30, 40), (8, 6, 40, 30), id="over the top left"),
        pytest.param((60, 40, 100, 70), 1.0, (30, 40), (0, 0, 20, 20), id="over the bottom right"),
        pytest.param((-10, -10, 90, 70), 1.0, (80, 100), (10, 10, 90, 70), id="all round"),
        pytest.param((-10, -10, 90, 70), 2.0, (40, 50), (5, 5, 45, 35), id="half the size"),
        pytest.param((-10, -10, 70, 50), 1.6, (38, 50), (6, 6, 50, 37), id="odd: cut, not lost"),
    ],
)
def test_read_window(window, downsample: float, shape, seen) -> None:
    image = read_window(read_scene, window, 80, 60, downsample)
    left, top, right, below = seen
    assert image.shape == (*shape, 3)
    inside = np.zeros(shape, bool)
    inside[top:below, left:right] = True
    assert (image[inside] < 100).all()
    assert (image[~inside] == PAD_GRAY).all()


def detections(*boxes: tuple[float, ...]) -> Detections:
    n = len(boxes)
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(xyxy, np.full(n, 0.9, np.float32), np.zeros(n, np.int64), NAMES)


@pytest.mark.parametrize(
    ("box", "window", "expected"),
    [
        pytest.param((10, 10, 20, 20), (0, 0, 100, 50), (10, 10, 20, 20), id="where it was"),
        pytest.param((10, 10, 20, 20), (300, 40, 400, 90), (310, 50, 320, 60), id="moved"),
        pytest.param((10, 10, 20, 20), (300, 40, 500, 140), (320, 60, 340, 80), id="enlarged"),
        pytest.param((0, 0, 20, 20), (-10, -10, 90, 40), (0, 0, 10, 10), id="clipped at the edge"),
        pytest.param((0, 0, 9, 9), (-10, -10, 90, 40), None, id="beyond the edge"),
    ],
)
def test_on_scan(box, window, expected) -> None:
    found = on_scan(detections(box), window, (100, 50), (1000, 800))
    assert found.xyxy.dtype == np.float32
    assert [tuple(one) for one in found.xyxy.tolist()] == ([expected] if expected else [])


def test_nothing_on_the_scan() -> None:
    assert len(on_scan(detections(), (0, 0, 10, 10), (10, 10), (99, 99))) == 0
