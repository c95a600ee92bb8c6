import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from leukodiff.core.errors import InputError
from leukodiff.pipeline.slides import ImageScan, is_scan_name, open_scan
from leukodiff.pipeline.slides.openslide_scan import OpenSlideScan
from leukodiff.pipeline.slides.tiff_scan import TiffScan

Rgb = NDArray[np.uint8]
Write = Callable[..., Path]
APERIO = "Aperio Image Library v11.2.1\r\n300x210 [0,0 300x210] (64x48)|AppMag = 40|MPP = 0.2498"
TILE = {"tile": (64, 48)}

NAMES: dict[str, tuple[str, dict[str, Any] | None, bool]] = {
    "Aperio": ("a.svs", None, True),
    "capitals": ("A.NDPI", None, True),
    "MIRAX": ("a.mrxs", None, True),
    "DICOM": ("a.dcm", None, True),
    "JPEG": ("a.jpg", None, False),
    "PNG": ("a.png", None, False),
    "a missing TIFF": ("a.tif", None, False),
    "tiled": ("a.tif", {"tile": (16, 16)}, True),
    "tiled, .tiff": ("a.tiff", {"tile": (16, 16)}, True),
    "tiled, BigTIFF": ("a.tif", {"tile": (16, 16), "bigtiff": True}, True),
    "tiled, big-endian": ("a.tif", {"tile": (16, 16), "byteorder": ">"}, True),
    "strips": ("a.tif", {"rowsperstrip": 8}, False),
    "strips, BigTIFF": ("a.tif", {"rowsperstrip": 8, "bigtiff": True}, False),
    "strips with SubIFDs": ("a.tif", {"subifds": 1}, True),
}


@pytest.mark.parametrize(("name", "options", "expected"), NAMES.values(), ids=NAMES)
def test_a_scan_is_distinguished_from_a_field(
    name: str, options: dict[str, Any] | None, expected: bool, tmp_path: Path
) -> None:
    path = tmp_path / name
    if options is not None:
        options = dict(options)
        with tifffile.TiffWriter(
            path, bigtiff=options.pop("bigtiff", False), byteorder=options.pop("byteorder", None)
        ) as tiff:
            for size in (64, 32)[: 1 + ("subifds" in options)]:
                tiff.write(np.zeros((size, size, 3), np.uint8), photometric="rgb", **options)
                options.pop("subifds", None)
    assert is_scan_name(path) is expected


def test_strips_with_a_reduced_page_are_a_scan(smear: Rgb, write_pyramid: Write) -> None:
    path = write_pyramid(smear, smear[::2, ::2], sub_ifds=False, tile=None)
    assert is_scan_name(path)


def test_a_stack_of_fields_is_no_scan(smear: Rgb, write: Write) -> None:
    assert not is_scan_name(write(np.stack([smear, smear]), photometric="rgb"))


def test_a_large_plain_tiff_is_a_scan(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    path.write_bytes(claims(8001, 8001, 0))
    assert is_scan_name(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("a.tif", TiffScan, id="tiled TIFF"),
        pytest.param("a.svs", TiffScan, id="a tiled TIFF that is only called .svs"),
        pytest.param("a.btf", TiffScan, id="a suffix of BigTIFF"),
        pytest.param("a", TiffScan, id="no suffix"),
        pytest.param("a.jpg", TiffScan, id="called something else"),
    ],
)
def test_what_a_file_is_decides(name: str, kind: type, smear: Rgb, write: Write) -> None:
    with open_scan(write(smear, name, photometric="rgb", **TILE)) as scan:
        assert type(scan) is kind
        np.testing.assert_array_equal(scan.read(50, 40, 100, 60), smear[40:100, 50:150])


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_any_other_image_is_read_as_a_scan_of_one_level(
    suffix: str, smear: Rgb, tmp_path: Path
) -> None:
    path = tmp_path / f"field{suffix}"
    cv2.imwrite(str(path), smear[:, :, ::-1])
    with open_scan(path) as scan:
        assert isinstance(scan, ImageScan)
        np.testing.assert_array_equal(scan.read(0, 0, 300, 210), smear)


@pytest.mark.parametrize("name", ["a.svs", "a.tif"])
def test_a_slide_scanner_s_own_layout_goes_to_openslide(
    name: str, smear: Rgb, write: Write
) -> None:
    path = write(smear, name, photometric="rgb", description=APERIO, **TILE)
    with open_scan(path) as scan:
        assert isinstance(scan, OpenSlideScan)
        assert scan.um_per_px == pytest.approx(0.2498)
        np.testing.assert_array_equal(scan.read(50, 40, 100, 60), smear[40:100, 50:150])


def test_opening_decodes_nothing_that_is_not_asked_for(write: Write) -> None:
    image = np.zeros((2500, 2500, 3), np.uint8)
    path = write(image, photometric="rgb", tile=(256, 256), compression="zlib")
    del image
    tracemalloc.start()
    with open_scan(path) as scan:
        scan.read(2000, 2000, 100, 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6


BROKEN: dict[str, tuple[str, bytes | None, str]] = {
    "missing": ("a.svs", None, "can't be read: No such file"),
    "0 bytes": ("a.svs", b"", "the file is empty"),
    "0 bytes, .tif": ("a.tif", b"", "the file is empty"),
    "text called .svs": ("a.svs", b"Dear colleague,\n" * 20, "not a whole-slide file"),
    "text called .mrxs": ("a.mrxs", b"[GENERAL]\n", "a.mrxs: "),
    "text called .tif": ("a.tif", b"Dear colleague,\n" * 20, "not an image"),
    "text called .dcm": ("a.dcm", b"Dear colleague,\n" * 20, "not a whole-slide file"),
    "a DICOM of nothing": ("a.dcm", b"\0" * 128 + b"DICM" + b"\0" * 99, "a.dcm: "),
    "four bytes": ("a.tif", b"II*\0", "cut off or damaged"),
    "a directory nowhere": ("a.tif", b"II*\0\xff\xff\xff\x7f" + b"\0" * 99, "cut off or damaged"),
    "an empty directory": ("a.tif", b"II*\0\x08\0\0\0\0\0\0\0\0\0" + b"\0" * 99, "no directory"),
    "BigTIFF, cut in its head": ("a.tif", b"II+\0\x08\0\0\0\x10", "cut off or damaged"),
    "a ZIP called .czi": ("a.czi", b"PK\x03\x04" + b"\0" * 200, "not a whole-slide file"),
}


@pytest.mark.parametrize(("name", "data", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_scan_is_refused_in_one_line(
    name: str, data: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError) as refusal:
        open_scan(path)
    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert path.suffix != ".tif" or not is_scan_name(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        open_scan(tmp_path)


def claims(width: int, height: int, tile: int, byte_count: int = 100) -> bytes:
    """A TIFF of one directory that claims a size, with one tile (or strip) of a hundred bytes."""
    entries = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 8)),
        *((262, 3, 1, 1), (277, 3, 1, 1)),
    ]
    if tile:
        entries += [(322, 4, 1, tile), (323, 4, 1, tile), (324, 4, 1, 300), (325, 4, 1, byte_count)]
    else:
        entries += [(273, 4, 1, 300), (279, 4, 1, byte_count)]
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries)
    return (b"II*\0" + struct.pack("<I", 8) + body + b"\0" * 4).ljust(400, b"\0")


CLAIMS: dict[str, tuple[tuple[int, ...], str]] = {
    "10^6 x 10^6 px in tiles": ((10**6, 10**6, 256), "more than any scan has"),
    "10^6 x 10^6 px in one": ((10**6, 10**6, 10**6), "more than any scan has"),
    "4 * 10^9 px a side": ((2**32 - 1, 2**32 - 1, 256), "more than any scan has"),
    "400,000 px a side, no tiles": ((400_000, 400_000, 256), "cut off or damaged"),
    "50,000 px a side in one tile": ((50_000, 50_000, 50_016), "must be decoded whole"),
    "a tile beyond the end": ((256, 256, 256, 10**9), "cut off: 1 of 1"),
    "no width": ((0, 100, 256), "holds no image"),
}


@pytest.mark.parametrize(("size", "message"), CLAIMS.values(), ids=CLAIMS)
def test_what_is_only_claimed_is_refused_before_memory_is_taken(
    size: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "claims.tif"
    path.write_bytes(claims(*size))
    tifffile.TiffFile(path).close()  # the class is loaded before memory is watched
    tracemalloc.start()
    with pytest.raises(InputError, match=message):
        open_scan(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("options", [TILE, {"rowsperstrip": 16}, {"rowsperstrip": 210}], ids=str)
def test_a_tiff_that_is_cut_off_is_refused(
    options: dict[str, Any], part: float, smear: Rgb, write: Write
) -> None:
    path = write(smear, photometric="rgb", **options)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(InputError, match="cut off"):
        open_scan(path)


def test_a_level_that_is_missing_is_left_out_with_a_line(
    smear: Rgb, halved: Any, write_pyramid: Write
) -> None:
    path = write_pyramid(smear, halved(smear), halved(smear, 2))
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].aspage().tags[330].valueoffset
    data = bytearray(path.read_bytes())
    data[offset : offset + 4] = struct.pack("<I", len(data) + 1000)
    path.write_bytes(data)
    with open_scan(path) as scan:
        assert scan.downsamples == (1.0, 4.0)
        assert scan.warnings[0].code.endswith("left_out")
        np.testing.assert_array_equal(scan.read_at(0, 0, 300, 210, 2), halved(smear))


def test_a_level_whose_tiles_are_cut_off_is_left_out_with_a_line(
    smear: Rgb, halved: Any, write_pyramid: Write
) -> None:
    path = write_pyramid(smear, halved(smear))
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    with open_scan(path) as scan:
        assert scan.downsamples == (1.0,)
        assert "cut off: 1 of" in str(dict(scan.warnings[0].values)["error"])


def test_a_tile_that_is_damaged_is_named(smear: Rgb, write: Write) -> None:
    path = write(smear, photometric="rgb", compression="deflate", **TILE)
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].aspage().dataoffsets[3]
    data = bytearray(path.read_bytes())
    data[offset : offset + 20] = b"\xff" * 20
    path.write_bytes(data)
    with open_scan(path) as scan:
        scan.read(0, 0, 96, 64)
        with pytest.raises(InputError, match=r"tile 3 of its 300 x 210 px can't be decoded"):
            scan.read(0, 0, 300, 210)


@pytest.mark.parametrize("name", ["a.tif", "a.svs"])
def test_a_scan_that_shrinks_while_it_is_read_is_refused(
    name: str, smear: Rgb, write: Write
) -> None:
    path = write(
        smear, name, photometric="rgb", description=APERIO if "svs" in name else None, **TILE
    )
    with open_scan(path) as scan:
        with path.open("rb+") as file:
            file.truncate(3000)
        with pytest.raises(InputError, match=r"can't be read|cut off while"):
            scan.read(0, 0, 300, 210)


@pytest.mark.parametrize("name", ["a.tif", "a.svs"])
def test_a_scan_that_is_removed_while_it_is_read_is_read_or_refused(
    name: str, smear: Rgb, write: Write
) -> None:
    path = write(
        smear, name, photometric="rgb", description=APERIO if "svs" in name else None, **TILE
    )
    with open_scan(path) as scan:
        path.unlink()
        try:
            read = scan.read(0, 0, 300, 210)
        except InputError:
            return
        np.testing.assert_array_equal(read, smear)


def test_a_scan_may_be_moved_when_it_is_closed(smear: Rgb, write: Write, tmp_path: Path) -> None:
    path = write(smear, photometric="rgb", **TILE)
    with open_scan(path) as scan:
        scan.read(0, 0, 10, 10)
    shutil.move(path, tmp_path / "elsewhere.tif")
    with pytest.raises(InputError, match="can't be read any more"):
        scan.read(200, 200, 10, 10)
