from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from leukodiff.core.message import Message
from leukodiff.pipeline.slides.openslide_scan import OpenSlideScan
from leukodiff.pipeline.slides.tiff_scan import TiffScan

Rgb = NDArray[np.uint8]
Write = Callable[..., Path]
PER_CM = {"resolution": (40000, 40000), "resolutionunit": "CENTIMETER"}

LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "JPEG": {"compression": "jpeg"},
    "deflate": {"compression": "zlib"},
    "LZW": {"compression": "lzw"},
    "BigTIFF": {"bigtiff": True},
}


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
def test_openslide_and_tifffile_read_the_same(
    options: dict[str, Any], smear: Rgb, write: Write
) -> None:
    path = write(smear, photometric="rgb", tile=(64, 64), **PER_CM, **options)
    with OpenSlideScan.open(path) as one, TiffScan.open(path) as other:
        assert (one.width, one.height) == (other.width, other.height) == (300, 210)
        assert one.um_per_px == pytest.approx(0.25)
        assert other.um_per_px == pytest.approx(0.25)
        for box in [(0, 0, 300, 210), (299, 209, 1, 1), (60, 70, 130, 20)]:
            difference = np.abs(one.read(*box).astype(int) - other.read(*box))
            assert difference.max() <= (3 if "compression" in options else 0)


def test_levels_are_read_at_their_own_place(smear: Rgb, halved: Any, write_pyramid: Write) -> None:
    path = write_pyramid(smear[:200], halved(smear[:200]), sub_ifds=False, compression="zlib")
    with OpenSlideScan.open(path) as scan:
        assert scan.downsamples == (1.0, 2.0)
        read = scan.read_at(100, 60, 80, 40, 2)
    np.testing.assert_array_equal(read, halved(smear[:200])[30:50, 50:90])


def test_an_implausible_scale_is_refused(smear: Rgb, write: Write) -> None:
    path = write(
        smear, photometric="rgb", tile=(64, 64), resolution=(72, 72), resolutionunit="INCH"
    )
    with OpenSlideScan.open(path) as scan:
        assert scan.um_per_px is None
        (refused,) = scan.warnings
        assert (refused.code, refused.values[:2]) == (
            "scale_refused",
            (("place", Message("openslide_mpp")), ("um_per_px", "352.8")),
        )


class Plane:
    """A slide of two levels as OpenSlide shows it, transparent but for what was scanned."""

    dimensions = (400, 300)
    level_dimensions = ((400, 300), (100, 75))
    level_downsamples = (1.0, 4.0)

    def __init__(self, **bounds: str) -> None:
        self.properties = {f"openslide.bounds-{name}": value for name, value in bounds.items()}
        self.closed = False

    def read_region(self, corner: tuple[int, int], level: int, size: tuple[int, int]) -> Any:
        step = int(self.level_downsamples[level])
        plane = np.zeros((300, 400, 4), np.uint8)
        plane[80:200, 40:200] = (10, 20, 30, 255)
        x, y = corner
        return Image.fromarray(plane[y::step, x::step][: size[1], : size[0]])

    def close(self) -> None:
        self.closed = True


BOUNDS: dict[str, tuple[dict[str, str], tuple[int, int]]] = {
    "none": ({}, (400, 300)),
    "scanned part": ({"x": "40", "y": "80", "width": "160", "height": "120"}, (160, 120)),
    "beyond the plane": ({"x": "40", "y": "80", "width": "999", "height": "120"}, (400, 300)),
    "no numbers": ({"x": "a", "y": "80", "width": "9", "height": "120"}, (400, 300)),
    "half missing": ({"x": "40", "y": "80"}, (400, 300)),
}


@pytest.mark.parametrize(("bounds", "size"), BOUNDS.values(), ids=BOUNDS)
def test_level_0_is_what_was_scanned(
    bounds: dict[str, str], size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = Plane(**bounds)
    monkeypatch.setattr("openslide.OpenSlide", lambda _: plane)
    with OpenSlideScan.open(Path("a.mrxs")) as scan:
        assert (scan.width, scan.height) == size
        assert scan.levels[1][:2] == (size[0] // 4, size[1] // 4)
        whole = scan.read(0, 0, *size)
        dark = (whole == (10, 20, 30)).all(axis=2)
        assert dark.sum() == 160 * 120
        assert (whole[~dark] == 255).all()
        assert (scan.read_at(0, 0, *size, 4) == whole[::4, ::4]).all()
    assert plane.closed
