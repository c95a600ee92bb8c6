"""Scans that the tests write: a smear of colored discs in every layout a TIFF comes in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
WIDTH, HEIGHT = 300, 210
BACKGROUND, RED, BLUE = (230, 225, 235), (210, 130, 130), (90, 50, 150)


@pytest.fixture(scope="session")
def smear() -> Rgb:
    """(210, 300, 3): discs on a background, no two px rows or columns alike."""
    return draw(WIDTH, HEIGHT)


def draw(width: int, height: int, seed: int = 7) -> Rgb:
    rng = np.random.default_rng(seed)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = BACKGROUND
    for i in range(width * height // 600):
        center = int(rng.integers(width)), int(rng.integers(height))
        color = BLUE if i % 9 == 0 else RED
        cv2.circle(image, center, int(rng.integers(4, 12)), color, -1, cv2.LINE_AA)
    ramp = np.add.outer(np.linspace(0, 20, height), np.linspace(0, 15, width))
    return (image - ramp[:, :, None]).astype(np.uint8)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes an array as a TIFF of one page, `options` as tifffile has them."""

    def written(image: NDArray[Any], name: str = "scan.tif", **options: Any) -> Path:
        path = tmp_path / name
        tifffile.imwrite(path, image, **{"metadata": None, **options})
        return path

    return written


@pytest.fixture
def write_pyramid(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tiled pyramid: level 0 first, the others as its SubIFDs or as pages of their own."""

    def written(
        *levels: Rgb,
        name: str = "scan.tif",
        sub_ifds: bool = True,
        ome: bool = False,
        **options: Any,
    ) -> Path:
        path = tmp_path / name
        options = {"tile": (64, 64), "photometric": "rgb", "metadata": None, **options}
        with tifffile.TiffWriter(path, ome=ome) as tiff:
            tiff.write(levels[0], subifds=len(levels) - 1 if sub_ifds else 0, **options)
            options["metadata"] = None
            options.pop("description", None)
            for level in levels[1:]:
                tiff.write(level, subfiletype=1, **options)
        return path

    return written


def halved(image: Rgb, times: int = 1) -> Rgb:
    size = image.shape[1] // 2**times, image.shape[0] // 2**times
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture(name="halved")
def halved_fixture() -> Callable[..., Rgb]:
    """An image at half its size, so many times."""
    return halved
