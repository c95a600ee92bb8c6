from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from leukodiff.core.message import Message
from leukodiff.pipeline.slides import ImageScan
from leukodiff.pipeline.slides.scan import Level, Scan

Rgb = NDArray[np.uint8]


def ramp(width: int, height: int) -> Rgb:
    """Red grows by one a px along x, green along y."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :, 0] = np.arange(width)
    image[:, :, 1] = np.arange(height)[:, None]
    return image


class Pieces(ImageScan):
    """An image that is read in pieces, as a large scan is."""

    most = 64

    def piece_px(self, level: int) -> tuple[int, int]:
        return self.most, self.most


def test_a_region_is_a_part_of_the_image() -> None:
    warnings = (Message("scan_turned"),)
    scan = ImageScan(ramp(60, 40), Path("a.png"), 0.25, warnings)
    assert (scan.width, scan.height, scan.um_per_px, scan.warnings) == (60, 40, 0.25, warnings)
    assert scan.read(3, 5, 2, 1).tolist() == [[[3, 5, 0], [4, 5, 0]]]


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((-1, 0, 10, 10), id="left of it"),
        pytest.param((0, -1, 10, 10), id="above it"),
        pytest.param((51, 0, 10, 10), id="right of it"),
        pytest.param((0, 31, 10, 10), id="below it"),
        pytest.param((0, 0, 0, 10), id="no width"),
        pytest.param((0, 0, 10, 0), id="no height"),
        pytest.param((0, 0, -5, 10), id="negative width"),
    ],
)
def test_a_region_that_is_not_inside_is_the_caller_s_fault(box: tuple[int, int, int, int]) -> None:
    scan = ImageScan(ramp(60, 40), Path("a.png"))
    with pytest.raises(ValueError, match=r"is not inside a\.png of 60 x 40 px"):
        scan.read(*box)
    with pytest.raises(ValueError, match="is not inside"):
        scan.read_at(*box, 2.0)


@pytest.mark.parametrize("downsample", [0.0, -1.0, float("nan")])
def test_a_downsample_is_above_0(downsample: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        ImageScan(ramp(60, 40), Path("a.png")).read_at(0, 0, 10, 10, downsample)


@pytest.mark.parametrize(
    ("downsample", "shape"),
    [
        pytest.param(1, (40, 60), id="as it is"),
        pytest.param(2, (20, 30), id="half"),
        pytest.param(0.5, (80, 120), id="twice"),
        pytest.param(3.7, (11, 16), id="odd"),
        pytest.param(0.79, (51, 76), id="a little larger"),
        pytest.param(500, (1, 1), id="never nothing"),
    ],
)
def test_the_result_has_the_size_that_was_asked_for(
    downsample: float, shape: tuple[int, int]
) -> None:
    scan = ImageScan(ramp(60, 40), Path("a.png"))
    assert scan.read_at(0, 0, 60, 40, downsample).shape == (*shape, 3)


def test_floats_are_taken_to_the_nearest_px() -> None:
    scan = ImageScan(ramp(60, 40), Path("a.png"))
    read = scan.read_at(10.4, 20.6, 5.2, 4.9, 1)
    assert read[0, 0].tolist() == [10, 21, 0]
    assert read.shape == (5, 5, 3)


@pytest.mark.slow
@given(
    x=st.floats(0, 150),
    y=st.floats(0, 90),
    side=st.floats(2, 50),
    downsample=st.floats(0.4, 30),
    most=st.integers(1, 64),
)
def test_every_px_of_the_result_shows_its_place(
    x: float, y: float, side: float, downsample: float, most: int
) -> None:
    """Red and green say where each px came from: within half a px of the result, and one read."""
    scan = Pieces(ramp(200, 140), Path("a.png"))
    scan.most = most
    read = scan.read_at(x, y, side, side, downsample)
    rows, columns = (np.arange(n) + 0.5 for n in read.shape[:2])
    expected_x = x + columns * side / len(columns) - 0.5
    expected_y = y + rows * side / len(rows) - 0.5
    allowed = 1.05 + 0.5 * max(1.0, downsample)  # resized in fixed point: a little more
    assert np.abs(read[:, :, 0] - expected_x[None, :]).max() <= allowed
    assert np.abs(read[:, :, 1] - expected_y[:, None]).max() <= allowed


@pytest.mark.parametrize("most", [16, 64, 128, 1000])
@pytest.mark.parametrize("downsample", [2, 4, 8, 16])
def test_pieces_give_what_one_reading_gives(most: int, downsample: int) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (128, 256, 3), np.uint8)
    scan = Pieces(image, Path("a.png"))
    scan.most = most
    size = 256 // downsample, 128 // downsample
    expected = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(scan.read_at(0, 0, 256, 128, downsample), expected)


def test_no_piece_is_larger_than_asked_for() -> None:
    sizes: list[tuple[int, int]] = []

    class Watched(Pieces):
        def read_level(self, level: int, x: int, y: int, width: int, height: int) -> Rgb:
            sizes.append((width, height))
            return super().read_level(level, x, y, width, height)

    Watched(ramp(250, 200), Path("a.png")).read_at(1, 2, 240, 190, 5.3)
    assert max(max(size) for size in sizes) <= 64 + 6
    assert sum(w * h for w, h in sizes) == 240 * 190


class Chart(Scan):
    """Levels that can only be asked about."""

    def read_level(self, level: int, x: int, y: int, width: int, height: int) -> Rgb:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("downsamples", "wanted", "expected"),
    [
        pytest.param((1,), 0.5, 0, id="finer than level 0"),
        pytest.param((1, 4, 16), 3.9, 0, id="just finer"),
        pytest.param((1, 4, 16), 4, 1, id="equal"),
        pytest.param((1, 4.0008, 16.004), 4, 1, id="equal but for what a writer cut off"),
        pytest.param((1, 4, 16), 99, 2, id="coarser than all"),
    ],
)
def test_the_level_for_a_scale(
    downsamples: tuple[float, ...], wanted: float, expected: int
) -> None:
    levels = [Level(round(1600 / d), round(1600 / d), d) for d in downsamples]
    assert Chart(Path("a"), levels).level_for(wanted) == expected


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 5), (5, 5, 4)], ids=str)
def test_an_array_that_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
        ImageScan(np.zeros(shape, np.uint8), Path("a.png"))
