from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from openslide.deepzoom import DeepZoomGenerator

from leukodiff.pipeline.slides import ImageScan, open_scan
from leukodiff.pipeline.slides.abstract_slide import SMALL_PX, ScanSlide

Rgb = NDArray[np.uint8]


def test_levels_halve_down_to_one_px(smear: Rgb) -> None:
    slide = ScanSlide(ImageScan(smear, Path("a"), 0.25))
    assert slide.dimensions == (300, 210)
    assert slide.level_dimensions[:4] == ((300, 210), (150, 105), (75, 53), (38, 27))
    assert slide.level_dimensions[-1] == (1, 1)
    assert slide.level_downsamples[:3] == (1.0, 2.0, 4.0)
    assert [slide.get_best_level_for_downsample(by) for by in (0.5, 1, 3, 4, 10**6)] == [
        0,
        0,
        1,
        2,
        slide.level_count - 1,
    ]
    assert slide.properties == {"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.25"}
    assert ScanSlide(ImageScan(smear, Path("a"))).properties == {}


def test_a_region_is_opaque_inside_and_clear_outside(smear: Rgb) -> None:
    slide = ScanSlide(ImageScan(smear, Path("a")))
    found = np.asarray(slide.read_region((-10, 190), 0, (40, 30)))
    assert found.shape == (30, 40, 4)
    assert (found[:20, 10:, :3] == smear[190:, :30]).all()
    assert (found[:20, 10:, 3] == 255).all()
    assert not found[20:].any()
    assert not found[:, :10].any()
    assert not np.asarray(slide.read_region((5000, 0), 0, (4, 4))).any()


def test_a_thumbnail(smear: Rgb) -> None:
    small = ScanSlide(ImageScan(smear, Path("a"))).get_thumbnail((100, 100))
    assert small.size == (100, 70)
    expected = cv2.resize(smear, (100, 70), interpolation=cv2.INTER_AREA)
    assert np.abs(np.asarray(small).astype(int) - expected).mean() < 4


@pytest.mark.parametrize("size", [(300, 210), (2 * SMALL_PX + 5, 640)], ids=["small", "large"])
def test_deep_zoom(size: tuple[int, int], smear: Rgb) -> None:
    image = np.asarray(cv2.resize(smear, size), np.uint8)
    slide = ScanSlide(ImageScan(image, Path("a")))
    tiles = DeepZoomGenerator(slide, tile_size=254, overlap=1)
    assert tiles.level_count == slide.level_count
    level = tiles.level_count - 1
    assert (np.asarray(tiles.get_tile(level, (1, 0))) == image[:255, 253:509]).all()
    for level in range(tiles.level_count):
        across, down = tiles.level_tiles[level]
        width, height = tiles.level_dimensions[level]
        last = across - 1, down - 1
        tile = np.asarray(tiles.get_tile(level, last))
        assert tile.shape[1::-1] == tiles.get_tile_dimensions(level, last)
        whole = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(int)
        expected = whole[height - tile.shape[0] :, width - tile.shape[1] :]
        assert np.abs(tile - expected).mean() < 8, level  # another place differs by more than 20


def test_it_closes_its_scan(write: Callable[..., Path], smear: Rgb) -> None:
    path = write(smear, tile=(64, 64), photometric="rgb")
    with ScanSlide(open_scan(path)) as slide:
        assert np.asarray(slide.read_region((0, 0), 0, (9, 9)))[:, :, :3].tolist() == (
            smear[:9, :9].tolist()
        )
