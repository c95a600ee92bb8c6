from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from leukodiff.datasets.phantom import PhantomSettings, render
from leukodiff.detector.areas import AreaKind, Areas
from leukodiff.pipeline.analysis import survey
from leukodiff.pipeline.analysis.survey import (
    AreaGrid,
    initial_scale,
    scale_samples,
    spread,
    thumbnail_of,
    without_blurred,
)
from leukodiff.pipeline.analysis.thread_pool import Workers
from leukodiff.pipeline.slides import ImageScan
from leukodiff.pipeline.slides.scan import Level, Rgb


@pytest.fixture
def workers() -> Iterator[Workers]:
    with ThreadPoolExecutor(2) as pool:
        yield Workers(pool, 2)


def grid_of(columns: int, rows: int, width: int, height: int) -> AreaGrid:
    x, y = np.linspace(0, width, columns + 1), np.linspace(0, height, rows + 1)
    boxes = [[x[c], y[r], x[c + 1], y[r + 1]] for r in range(rows) for c in range(columns)]
    n = columns * rows
    coverage = np.full(n, 0.5, np.float32)
    return AreaGrid(
        Areas(np.array(boxes, np.float32), (AreaKind.USABLE,) * n, coverage, columns), width, height
    )


def speckled(width: int, height: int) -> np.ndarray:
    image = np.full((height, width, 3), 240, np.uint8)
    rng = np.random.default_rng(3)
    for _ in range(width * height // 900):
        center = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(image, center, 7, (200, 130, 130), -1, cv2.LINE_AA)
    return image


@pytest.mark.parametrize(
    ("size", "expected"),
    [((300, 200), (300, 200)), ((4000, 3000), (2309, 1732)), ((7, 3), (7, 3)), ((1, 1), (1, 1))],
    ids=["small", "large", "lower than its bands", "one px"],
)
def test_the_thumbnail(workers: Workers, size: tuple[int, int], expected: tuple[int, int]) -> None:
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[: size[1] // 2] = 200
    found = thumbnail_of(ImageScan(image, Path("a")), workers)
    height, width = found.image.shape[:2]
    assert (width, height) == pytest.approx(expected, abs=survey.BANDS)
    assert found.downsample == pytest.approx(size[0] / width, rel=0.01)
    dark = (found.image[:, 0, 0] < 100).sum()
    assert dark == pytest.approx(height / 2, abs=survey.BANDS)


class Pyramid(ImageScan):
    """A scan of glass with reduced levels; notes which are read."""

    def __init__(self, side: int, *downsamples: float) -> None:
        super().__init__(np.full((side, side, 3), 240, np.uint8), Path("a"))
        sides = [round(side / by) for by in downsamples]
        smaller = [Level(n, n, by) for n, by in zip(sides, downsamples, strict=True)]
        self.levels = (*self.levels, *smaller)
        self.read_from: set[int] = set()

    def read_level(self, level: int, x: int, y: int, width: int, height: int) -> Rgb:
        self.read_from.add(level)
        return np.full((height, width, 3), 240, np.uint8)


@pytest.mark.parametrize(
    ("downsamples", "level", "side"),
    [
        pytest.param((2.0, 4.0), 1, 2000, id="one is just right"),
        pytest.param((2.4, 4.0), 1, 1667, id="one a little coarser is taken as it is"),
        pytest.param((1.9, 2.5), 1, 2000, id="one that is much coarser is not"),
        pytest.param((), 0, 2000, id="none"),
    ],
)
def test_the_thumbnail_of_a_pyramid(
    workers: Workers, downsamples: tuple[float, ...], level: int, side: int
) -> None:
    scan = Pyramid(4000, *downsamples)
    found = thumbnail_of(scan, workers)
    assert scan.read_from == {level}
    assert found.image.shape == (side, side, 3)
    assert found.downsample == pytest.approx(4000 / side, rel=0.001)


def test_where_a_point_lies() -> None:
    grid = grid_of(3, 2, 300, 100)
    points = np.array([[0, 0], [99.9, 49.9], [100, 0], [299, 99], [300, 100], [150, 50]])
    assert grid.index_of(points).tolist() == [0, 0, 1, 5, 5, 4]
    assert grid.index_of(np.zeros((0, 2))).tolist() == []


@pytest.mark.parametrize(
    ("index", "expected"), [(0, [1, 3, 4]), (4, [0, 1, 2, 3, 5, 6, 7, 8]), (8, [4, 5, 7])]
)
def test_neighbors(index: int, expected: list[int]) -> None:
    assert grid_of(3, 3, 30, 30).neighbors(index) == expected


@pytest.mark.parametrize(
    ("n", "most", "expected"),
    [(0, 4, []), (1, 4, [0]), (4, 4, [0, 1, 2, 3]), (9, 3, [0, 4, 8])],
)
def test_spread(n: int, most: int, expected: list[int]) -> None:
    assert spread(np.arange(n), most).tolist() == expected


def test_samples_are_whole_and_from_the_smear(workers: Workers) -> None:
    image = np.full((1400, 1400, 3), 245, np.uint8)
    image[700:] = speckled(1400, 700)
    scan = ImageScan(image, Path("a"))
    found = scale_samples(scan, thumbnail_of(scan, workers), 0.3, workers)
    assert found
    assert {sample.shape for sample in found} == {(survey.SAMPLE_PX, survey.SAMPLE_PX, 3)}
    assert all((sample < 200).mean() > 0.05 for sample in found)


@pytest.mark.parametrize(
    ("um_per_px", "side"),
    [(None, 512), (0.5, 512), (0.11, 512), (0.1, 540), (0.06, 900), (0.03, 1024)],
)
def test_samples_of_a_fine_scan_are_larger(
    workers: Workers, um_per_px: float | None, side: int
) -> None:
    scan = ImageScan(speckled(1400, 1400), Path("a"))
    found = scale_samples(scan, thumbnail_of(scan, workers), um_per_px, workers)
    assert {sample.shape for sample in found} == {(side, side, 3)}


def test_a_blurred_part_is_found_to_its_end(workers: Workers) -> None:
    image = speckled(3000, 2400)
    image[:, 1500:2250] = cv2.GaussianBlur(image[:, 1500:2250], (0, 0), 6)
    grid = grid_of(20, 16, 3000, 2400)
    found = without_blurred(ImageScan(image, Path("a")), grid, 0.3, workers)
    columns = {i % 20 for i, kind in enumerate(found.areas.kind) if kind == "out of focus"}
    assert columns == {10, 11, 12, 13, 14}
    assert found.areas.kind.count("out of focus") == 5 * 16


@pytest.mark.parametrize("um_per_px", [0.08, 0.2, 0.5])
@pytest.mark.parametrize("stain", ["camera", "giemsa"])
def test_a_guess_is_near_enough(um_per_px: float, stain: str) -> None:
    side = round(100 / um_per_px)
    settings = PhantomSettings(
        width=side, height=side, um_per_px=um_per_px, n_white=1, stain=stain, precipitate=1
    )
    guess = initial_scale([render(settings).image])
    assert guess == pytest.approx(um_per_px, rel=0.08)


@pytest.mark.parametrize(
    "image",
    [np.full((200, 300, 3), 240, np.uint8), np.zeros((0, 0, 3), np.uint8)[:0]],
    ids=["empty", "nothing"],
)
def test_without_red_cells_there_is_none(image: np.ndarray) -> None:
    assert initial_scale([image] if image.size else []) is None
