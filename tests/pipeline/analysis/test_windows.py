from pathlib import Path

import numpy as np
import pytest

from leukodiff.detector.tiles import tile_boxes
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.analysis.windows import ScanContext, batches, own_px, square_around
from leukodiff.pipeline.slides import ImageScan


@pytest.mark.parametrize("size", [(100, 100), (1000, 300), (900, 901)])
def test_every_px_belongs_to_one_tile(size: tuple[int, int]) -> None:
    tiles = tile_boxes(*size, 256, 64)
    own = [own_px(tiles)(i) for i in range(len(tiles))]
    rng = np.random.default_rng(1)
    for x, y in rng.uniform((0, 0), size, (200, 2)):
        owners = [i for i, (x0, y0, x1, y1) in enumerate(own) if x0 <= x < x1 and y0 <= y < y1]
        assert len(owners) == 1
        x0, y0, x1, y1 = tiles[owners[0]]
        assert x0 <= x <= x1
        assert y0 <= y <= y1


def context(models: Models, width: int, height: int, um_per_px: float) -> ScanContext:
    return ScanContext(
        ImageScan(np.zeros((height, width, 3), np.uint8), Path("a")), um_per_px, models
    )


@pytest.mark.parametrize(
    ("um_per_px", "downsample", "window_um"), [(0.1, 5.0, 48), (0.5, 1.0, 48), (1.0, 1.0, 48)]
)
def test_a_window_is_as_large_in_um_at_any_scale(
    models: Models, um_per_px: float, downsample: float, window_um: float
) -> None:
    found = context(models, 900, 900, um_per_px)
    assert found.downsample == downsample
    assert found.window_px * um_per_px == pytest.approx(window_um, abs=um_per_px)


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ((10, 10, 30, 30), False),
        ((100, 120, 130, 140), True),
        ((180, 120, 200, 140), True),
        ((0, 20, 30, 40), False),
    ],
    ids=["within", "left", "right", "at the scan's own edge"],
)
def test_boxes_that_a_window_cuts(models: Models, box: tuple[int, ...], cut: bool) -> None:
    window = (0, 0, 200, 200) if box[0] < 100 else (100, 100, 200, 200)
    found = context(models, 400, 400, 0.5).cut(np.array([box], np.float32), window)
    assert found.tolist() == [cut]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((190, 190, 210, 210), (160, 160, 80, 80)),
        ((0, 0, 20, 20), (0, 0, 50, 50)),
        ((100, 100, 300, 300), (100, 100, 200, 200)),
    ],
    ids=["within", "at the corner", "a large cell"],
)
def test_the_square_that_a_cell_is_classified_from(
    box: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    scan = ImageScan(np.zeros((400, 400, 3), np.uint8), Path("a"))
    assert square_around(scan, box, 80.0) == expected


@pytest.mark.parametrize(("n", "expected"), [(0, []), (4, [4]), (9, [4, 4, 1])])
def test_batches(n: int, expected: list[int]) -> None:
    assert [len(batch) for batch in batches([(0, 0, 1, 1)] * n, 4)] == expected
