"""One box a cell, however the tiles lie: duplicates go, cells that only touch stay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leukodiff.detector.detections import Detections
from leukodiff.detector.tile_merge import Part, merge_across_tiles
from leukodiff.detector.tiles import tile_boxes, windows_round

NAMES = ("white_cell", "red_cell", "platelet")
WHITE, RED, PLATELET = range(3)
UM = 0.25
"""A cut box ends within 3.2 px of its tile's edge, and a tile is clearly deeper by 20 px."""

LEFT, RIGHT = (0, 0, 200, 200), (100, 0, 300, 200)
SIZE = (1000, 1000)


def seen(tile, *boxes) -> Part:
    """What a tile saw: boxes (x_min, y_min, x_max, y_max, class, confidence)."""
    rows = np.array(boxes, np.float32).reshape(-1, 6)
    return tile, Detections(rows[:, :4], rows[:, 5], rows[:, 4].astype(np.int64), NAMES)


def merged(*parts: Part, size: tuple[int, int] = SIZE) -> list[tuple[float, ...]]:
    cells = merge_across_tiles(parts, *size, UM, NAMES)
    return [
        (*map(float, box), int(kind), round(float(sure), 3))
        for box, kind, sure in zip(cells.xyxy, cells.class_id, cells.confidence, strict=True)
    ]


CELL = (130, 50, 160, 80, RED, 0.8)
"""30 px (7.5 um) wide, 40 px inside the left tile and 30 px inside the right one."""


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([], [], id="no tile"),
        pytest.param([seen(LEFT)], [], id="one empty tile"),
        pytest.param([seen(LEFT), seen(RIGHT)], [], id="two empty tiles"),
        pytest.param([seen(LEFT, CELL)], [CELL], id="one tile"),
        pytest.param([seen(LEFT, CELL), seen(RIGHT, CELL)], [CELL], id="seen alike twice"),
        pytest.param(
            [seen(LEFT, CELL), seen(RIGHT, (131, 52, 161, 81, RED, 0.9))],
            [(*CELL[:5], 0.9)],
            id="the deeper box is kept, as sure as the surer",
        ),
        pytest.param(
            [seen(LEFT, (150, 50, 200, 100, RED, 0.9)), seen(RIGHT, (150, 50, 215, 102, RED, 0.6))],
            [(150, 50, 215, 102, RED, 0.6)],
            id="a cut box gives way to the whole one",
        ),
        pytest.param(
            [seen(LEFT, (185, 50, 200, 95, RED, 0.9)), seen(RIGHT, (185, 50, 230, 95, RED, 0.6))],
            [(185, 50, 230, 95, RED, 0.6)],
            id="a third of the cell is still a piece of it",
        ),
        pytest.param(
            [
                seen(LEFT, (185, 50, 198, 95, PLATELET, 0.9)),
                seen(RIGHT, (185, 50, 230, 95, WHITE, 0.6)),
            ],
            [(185, 50, 230, 95, WHITE, 0.6)],
            id="a piece taken for another class gives way too",
        ),
        pytest.param(
            [
                seen(LEFT, (185, 50, 198, 65, PLATELET, 0.9)),
                seen(RIGHT, (185, 50, 230, 95, WHITE, 0.6), (185, 50, 203, 65, PLATELET, 0.7)),
            ],
            [(185, 50, 203, 65, PLATELET, 0.7), (185, 50, 230, 95, WHITE, 0.6)],
            id="a platelet on a cell, seen whole, stays",
        ),
        pytest.param(
            [
                seen(LEFT, (40, 40, 200, 140, WHITE, 0.9)),
                seen(RIGHT, (100, 42, 280, 140, WHITE, 0.7)),
            ],
            [(40, 40, 280, 140, WHITE, 0.9)],
            id="larger than the overlap: the box round its pieces",
        ),
        pytest.param(
            [
                seen(LEFT, (110, 50, 140, 80, RED, 0.8), (140, 50, 170, 80, RED, 0.7)),
                seen(RIGHT, (110, 50, 140, 80, RED, 0.8), (140, 50, 170, 80, RED, 0.7)),
            ],
            [(110, 50, 140, 80, RED, 0.8), (140, 50, 170, 80, RED, 0.7)],
            id="cells that touch",
        ),
        pytest.param(
            [
                seen(LEFT, (120, 50, 150, 80, RED, 0.8), (128, 50, 158, 80, RED, 0.7)),
                seen(RIGHT, (121, 50, 151, 80, RED, 0.8), (129, 50, 159, 80, RED, 0.7)),
            ],
            [(120, 50, 150, 80, RED, 0.8), (128, 50, 158, 80, RED, 0.7)],
            id="cells that overlap by half: the likest pairs first",
        ),
        pytest.param(
            [
                seen((0, 0, 200, 200), (165, 50, 196, 80, RED, 0.8)),
                seen((190, 0, 390, 200), (196, 50, 226, 80, RED, 0.7)),
            ],
            [(165, 50, 196, 80, RED, 0.8), (196, 50, 226, 80, RED, 0.7)],
            id="touching on a narrow seam",
        ),
        pytest.param(
            [
                seen((0, 0, 200, 200), (170, 50, 200, 80, RED, 0.8)),
                seen((195, 0, 395, 200), (195, 50, 225, 80, RED, 0.7)),
            ],
            [(170, 50, 200, 80, RED, 0.8), (195, 50, 225, 80, RED, 0.7)],
            id="two cut boxes that share too little to be one cell",
        ),
        pytest.param(
            [seen(LEFT, CELL), seen(RIGHT, (130, 50, 160, 80, WHITE, 0.6))],
            [CELL, (130, 50, 160, 80, WHITE, 0.6)],
            id="two classes, neither tile clearly deeper",
        ),
        pytest.param(
            [seen((0, 0, 400, 400), (0, 0, 30, 30, RED, 0.8), (0, 40, 2, 70, RED, 0.7))],
            [(0, 0, 30, 30, RED, 0.8), (0, 40, 2, 70, RED, 0.7)],
            id="the scan's own edge cuts nothing",
        ),
        pytest.param(
            [seen(LEFT, (170, 50, 200, 80, RED, 0.8))],
            [(170, 50, 200, 80, RED, 0.8)],
            id="cut, and nobody saw the rest",
        ),
        pytest.param(
            [seen(LEFT, CELL), seen(LEFT, (132, 50, 162, 80, RED, 0.7))],
            [CELL],
            id="one tile given twice",
        ),
    ],
)
def test_merge(parts, expected) -> None:
    assert merged(*parts) == expected
    assert merged(*parts[::-1]) == expected


CORNERS = [(0, 0, 200, 200), (100, 0, 300, 200), (0, 100, 200, 300), (100, 100, 300, 300)]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        pytest.param((135, 135, 165, 165), (135, 135, 165, 165), id="whole in all four"),
        pytest.param((180, 180, 230, 230), (180, 180, 230, 230), id="whole in the last alone"),
        pytest.param((50, 50, 250, 250), (50, 50, 250, 250), id="whole in none"),
    ],
)
def test_four_tiles_at_a_corner(cell, expected) -> None:
    parts = [seen(tile, (*clip(cell, tile), WHITE, 0.5 + i / 10)) for i, tile in enumerate(CORNERS)]
    assert [one[:4] for one in merged(*parts)] == [expected]


def clip(cell, tile) -> tuple[float, ...]:
    return (*np.maximum(cell[:2], tile[:2]), *np.minimum(cell[2:], tile[2:]))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param([(165, 50, 195, 80, RED, 0.9)], [], [], id="the deeper tile saw nothing"),
        pytest.param([], [(105, 50, 135, 80, RED, 0.9)], [], id="from the other side"),
        pytest.param(
            [(165, 50, 195, 80, WHITE, 0.9)],
            [(165, 50, 195, 80, RED, 0.5)],
            [(165, 50, 195, 80, RED, 0.5)],
            id="the deeper tile names it",
        ),
        pytest.param(
            [(170, 50, 200, 80, RED, 0.9)], [], [], id="a piece of what the deeper tile saw not"
        ),
        pytest.param([CELL], [], [CELL], id="about as deep in both: either may find it"),
        pytest.param(
            [(60, 50, 90, 80, RED, 0.9)],
            [],
            [(60, 50, 90, 80, RED, 0.9)],
            id="where the other tile does not reach",
        ),
        pytest.param(
            [(140, 50, 190, 80, WHITE, 0.6)],
            [(104, 50, 170, 80, WHITE, 0.7)],
            [(104, 50, 170, 80, WHITE, 0.7)],
            id="boxed so differently that each defers to the other: the surer stays",
        ),
        pytest.param(
            [(140, 50, 190, 80, WHITE, 0.7)],
            [(104, 50, 170, 80, RED, 0.7)],
            [(140, 50, 190, 80, WHITE, 0.7)],
            id="each defers, equally sure: one stays",
        ),
    ],
)
def test_the_tile_that_sees_a_place_deepest_decides(left, right, expected) -> None:
    assert merged(seen(LEFT, *left), seen(RIGHT, *right)) == expected


def lattice(draw, n: int, side: int, pitch: int) -> np.ndarray:
    """Cells on a jittered lattice: neighbors may touch, and overlap a little."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corners = np.stack(np.meshgrid(*[np.arange(n) * pitch] * 2), axis=-1).reshape(-1, 2)
    corners = corners + rng.integers(0, 4, corners.shape)
    sides = rng.integers(side - 6, side + 1, corners.shape)
    kept = rng.random(len(corners)) < 0.8
    return np.concatenate([corners, corners + sides], axis=1)[kept].astype(np.float32)


def views(
    cells: np.ndarray, kinds: np.ndarray, tiles: np.ndarray, jitter: float = 0.0
) -> list[Part]:
    """What perfect eyes see through each tile: the part of every cell that lies in it."""
    rng = np.random.default_rng(0)
    parts = []
    for tile in tiles:
        boxes = np.concatenate(
            [np.maximum(cells[:, :2], tile[:2]), np.minimum(cells[:, 2:], tile[2:])], axis=1
        )
        there = ((boxes[:, 2:] - boxes[:, :2]) > 3).all(axis=1)
        boxes = boxes[there] + rng.uniform(-jitter, jitter, (there.sum(), 4))
        n = len(boxes)
        found = Detections(
            boxes.astype(np.float32), np.full(n, 0.9, np.float32), kinds[there], NAMES
        )
        parts.append((tile, found))
    return parts


@st.composite
def smears(draw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells, their classes, and tiles of any size and offset that overlap by the largest cell."""
    cells = lattice(draw, n=draw(st.integers(1, 9)), side=30, pitch=draw(st.integers(29, 40)))
    kinds = np.arange(len(cells)) % 3
    dx, dy = draw(st.integers(0, 80)), draw(st.integers(0, 80))
    overlap = draw(st.integers(42, 90))  # the cell, and what counts as cut
    tile = overlap + draw(st.integers(25, 250))
    tiles = tile_boxes(400 + dx, 400 + dy, tile, overlap) - np.array([dx, dy] * 2)
    return cells, kinds, tiles


def rows(boxes: np.ndarray, kinds: np.ndarray) -> list[tuple[float, ...]]:
    return sorted((int(kind), *box) for box, kind in zip(boxes.tolist(), kinds, strict=True))


@settings(max_examples=40)
@given(smears())
def test_any_tiles_give_the_same_cells(smear) -> None:
    cells, kinds, tiles = smear
    found = merge_across_tiles(views(cells, kinds, tiles), 400, 400, UM, NAMES)
    assert rows(found.xyxy, found.class_id) == rows(cells, kinds)


@settings(max_examples=40)
@given(smears(), st.floats(0, 1))
def test_boxes_need_not_agree_to_the_px(smear, jitter: float) -> None:
    cells, kinds, tiles = smear
    found = merge_across_tiles(views(cells, kinds, tiles, jitter), 400, 400, UM, NAMES)
    assert len(found) == len(cells)
    apart = np.abs(found.xyxy[:, None] - cells[None]).max(axis=2)
    assert apart.shape[0] == 0 or (apart.min(axis=0) <= jitter + 1e-3).all()


@settings(max_examples=40)
@given(smears(), st.randoms())
def test_the_order_of_the_tiles_does_not_matter(smear, random) -> None:
    cells, kinds, tiles = smear
    parts = views(cells, kinds, tiles, jitter=8)
    found = merge_across_tiles(parts, 400, 400, UM, NAMES)
    random.shuffle(parts)
    again = merge_across_tiles(parts, 400, 400, UM, NAMES)
    np.testing.assert_array_equal(again.xyxy, found.xyxy)
    np.testing.assert_array_equal(again.class_id, found.class_id)


@settings(max_examples=40)
@given(smears())
def test_windows_that_lie_anyhow(smear) -> None:
    cells, kinds, _ = smear
    windows = windows_round(cells, 80, 8, 400, 400)
    found = merge_across_tiles(views(cells, kinds, windows), 400, 400, UM, NAMES)
    assert rows(found.xyxy, found.class_id) == rows(cells, kinds)


@settings(max_examples=40)
@given(smears())
def test_merging_once_more_changes_nothing(smear) -> None:
    cells, kinds, tiles = smear
    parts = views(cells, kinds, tiles, jitter=1)
    found = merge_across_tiles(parts, 400, 400, UM, NAMES)
    again = merge_across_tiles([((0, 0, 400, 400), found)], 400, 400, UM, NAMES)
    np.testing.assert_array_equal(again.xyxy, found.xyxy)


def test_cells_of_a_crowd_are_never_fused() -> None:
    side = np.arange(0, 2400, 24.0)
    corners = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    cells = np.concatenate([corners, corners + 30], axis=1).astype(np.float32)
    kinds = np.full(len(cells), RED)
    parts = views(cells, kinds, tile_boxes(2406, 2406, 512, 104), jitter=1)
    assert len(merge_across_tiles(parts, 2406, 2406, UM, NAMES)) == len(cells) == 10_000


def test_every_part_has_the_same_classes() -> None:
    with pytest.raises(ValueError, match="expected classes"):
        merge_across_tiles([(LEFT, Detections.empty(("cell",)))], 10, 10, UM, NAMES)


def test_float32_holds_the_px_of_the_largest_scan() -> None:
    far = 99_000
    tiles = [(far, far, far + 200, far + 200), (far + 100, far, far + 300, far + 200)]
    cell = (far + 130, far + 50, far + 160, far + 80, RED, 0.9)
    assert merged(*(seen(tile, cell) for tile in tiles), size=(100_000, 100_000)) == [cell]
