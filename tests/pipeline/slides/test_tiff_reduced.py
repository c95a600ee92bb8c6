from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from leukodiff.core.errors import InputError
from leukodiff.pipeline.slides import open_scan

Rgb = NDArray[np.uint8]
Write = Callable[..., Path]
JPEG: dict[str, Any] = {"photometric": "rgb", "compression": "jpeg", "tile": (64, 64)}

OFFERED: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {
    "JPEG tiles": (JPEG, (1, 2, 4, 8)),
    "JPEG strips": ({**JPEG, "tile": None, "rowsperstrip": 16}, (1, 2, 4, 8)),
    "colors subsampled": ({**JPEG, "subsampling": (2, 2)}, (1, 2, 4, 8)),
    "tiles of 80 x 48 px": ({**JPEG, "tile": (48, 80)}, (1, 2, 4, 8)),
    "stored as RGB": ({**JPEG, "compressionargs": {"outcolorspace": "rgb"}}, (1,)),
    "deflate": ({**JPEG, "compression": "zlib"}, (1,)),
}


@pytest.mark.parametrize(("options", "downsamples"), OFFERED.values(), ids=OFFERED)
def test_jpeg_tiles_are_decoded_in_part(
    options: dict[str, Any], downsamples: tuple[float, ...], smear: Rgb, write: Write
) -> None:
    with open_scan(write(smear, **options)) as scan:
        assert scan.downsamples == downsamples
        full = scan.read(0, 0, 300, 210)
        for level in scan.levels[1:]:
            read = scan.read_at(16, 24, 256, 160, level.downsample)
            size = (256 // int(level.downsample), 160 // int(level.downsample))
            expected = cv2.resize(full[24:184, 16:272], size, interpolation=cv2.INTER_AREA)
            assert np.abs(read.astype(int) - expected).mean() < 4


def test_gray_jpeg_tiles_are_decoded_in_part(smear: Rgb, write: Write) -> None:
    path = write(smear[:, :, 1], **{**JPEG, "photometric": "minisblack"})
    with open_scan(path) as scan:
        assert scan.downsamples == (1, 2, 4, 8)
        read = scan.read_at(0, 0, 300, 210, 2)
    assert (read[:, :, 0] == read[:, :, 2]).all()


@pytest.mark.parametrize(
    ("times", "downsamples"),
    [
        pytest.param((1,), (1, 2), id="no gap"),
        pytest.param((2,), (1, 2, 4), id="a gap at 2"),
        pytest.param((3,), (1, 2, 4, 8), id="a gap at 2 and 4"),
        pytest.param((1, 2, 3), (1, 2, 4, 8), id="whole"),
    ],
)
def test_only_gaps_of_the_pyramid_are_filled(
    times: tuple[int, ...],
    downsamples: tuple[float, ...],
    smear: Rgb,
    halved: Any,
    write_pyramid: Write,
) -> None:
    path = write_pyramid(smear, *(halved(smear, n) for n in times), compression="jpeg")
    with open_scan(path) as scan:
        assert scan.downsamples == downsamples


def test_a_damaged_tile_is_named(smear: Rgb, write: Write) -> None:
    path = write(smear, **JPEG)
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].aspage().dataoffsets[2]
    data = bytearray(path.read_bytes())
    data[offset : offset + 50] = b"\0" * 50
    path.write_bytes(data)
    with open_scan(path) as scan, pytest.raises(InputError, match="tile 2 of its 75 x 53 px"):
        scan.read_at(0, 0, 300, 210, 4)
