"""A real scan: a pyramid of JPEG tiles in SubIFDs, without a scale."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from leukodiff.pipeline.slides import Scan, is_scan_name, open_scan
from leukodiff.pipeline.slides.openslide_scan import OpenSlideScan

Rgb = NDArray[np.uint8]


@pytest.fixture(scope="module")
def path(data_root: Path) -> Path:
    return data_root / "whole_smear" / "region_a.tif"


@pytest.fixture(scope="module")
def scan(path: Path) -> Iterator[Scan]:
    with open_scan(path) as scan:
        yield scan


@pytest.fixture(scope="module")
def whole(path: Path) -> Rgb:
    return np.asarray(tifffile.imread(path), np.uint8)


def test_it_is_a_scan_of_three_levels_without_a_scale(path: Path, scan: Scan) -> None:
    assert is_scan_name(path)
    assert (scan.width, scan.height) == (5053, 10222)
    assert {1.0, 4.0, 16.0} <= set(scan.downsamples)
    assert (scan.um_per_px, scan.warnings) == (None, ())


def test_regions_are_the_same_px_as_the_whole(scan: Scan, whole: Rgb) -> None:
    rng = np.random.default_rng(0)
    corners = rng.integers(0, (5053 - 317, 10222 - 317), (40, 2)).tolist()

    def same(corner: list[int]) -> bool:
        x, y = corner
        return bool((scan.read(x, y, 317, 317) == whole[y : y + 317, x : x + 317]).all())

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(same, [*corners, [0, 0], [5053 - 317, 10222 - 317]]))


@pytest.mark.parametrize("downsample", [2, 4, 5, 8, 16, 40])
def test_a_shrunk_region_shows_the_same_place(scan: Scan, whole: Rgb, downsample: int) -> None:
    x, y, side = 1600, 4800, 1280
    read = scan.read_at(x, y, side, side, downsample)
    n = side // downsample
    area = whole[y : y + side, x : x + side]
    expected = cv2.resize(area, (n, n), interpolation=cv2.INTER_AREA)
    window = cv2.createHanningWindow((n, n), cv2.CV_64F)
    gray = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY).astype(np.float64) for one in (read, expected)]
    (right, down), likeness = cv2.phaseCorrelate(gray[0], gray[1], window)
    assert likeness > 0.7
    assert max(abs(right), abs(down)) < 1


def test_openslide_reads_the_same_px(path: Path, whole: Rgb) -> None:
    with OpenSlideScan.open(path) as scan:
        read = scan.read(2000, 3000, 700, 500).astype(int)
    assert np.abs(read - whole[3000:3500, 2000:2700]).mean() < 1
