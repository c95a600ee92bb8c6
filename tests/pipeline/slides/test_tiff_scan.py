import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from leukodiff.core.errors import InputError
from leukodiff.core.message import Message
from leukodiff.datasets.images import read_rgb
from leukodiff.pipeline.slides import open_scan
from leukodiff.pipeline.slides.tiff_scan import TiffScan

Rgb = NDArray[np.uint8]
Write = Callable[..., Path]

TILE: dict[str, Any] = {"tile": (64, 48)}
LAYOUTS: dict[str, dict[str, Any]] = {
    "tiled": TILE,
    "strips": {"rowsperstrip": 16},
    "one strip": {"rowsperstrip": 210},
    "one row a strip": {"rowsperstrip": 1},
    "BigTIFF": {**TILE, "bigtiff": True},
    "big-endian": {**TILE, "byteorder": ">"},
    "deflate": {**TILE, "compression": "deflate"},
    "deflate, strips, predictor": {"rowsperstrip": 20, "compression": "deflate", "predictor": True},
    "LZW": {**TILE, "compression": "lzw"},
    "LZW, predictor": {**TILE, "compression": "lzw", "predictor": True},
    "PackBits, strips": {"rowsperstrip": 32, "compression": "packbits"},
    "Zstandard": {**TILE, "compression": "zstd"},
    "planes apart, tiled": {**TILE, "planarconfig": "separate"},
    "planes apart, strips": {"rowsperstrip": 16, "planarconfig": "separate"},
    "planes apart, deflate": {**TILE, "planarconfig": "separate", "compression": "deflate"},
    "tile larger than the image": {"tile": (512, 512)},
}
LOSSY: dict[str, dict[str, Any]] = {
    "JPEG": {**TILE, "compression": "jpeg"},
    "JPEG, strips": {"rowsperstrip": 16, "compression": "jpeg"},
    "JPEG, colors subsampled": {**TILE, "compression": "jpeg", "subsampling": (2, 2)},
    "JPEG 2000": {**TILE, "compression": "jpeg2000"},
    "WebP": {**TILE, "compression": "webp"},
}


def stored(image: Rgb, options: dict[str, Any]) -> NDArray[Any]:
    apart = options.get("planarconfig") == "separate"
    return np.moveaxis(image, 2, 0) if apart else image


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_pixels_that_were_written(
    options: dict[str, Any], smear: Rgb, write: Write
) -> None:
    path = write(stored(smear, options), photometric="rgb", **options)
    with open_scan(path) as scan:
        assert isinstance(scan, TiffScan)
        assert (scan.width, scan.height, scan.downsamples) == (300, 210, (1.0,))
        np.testing.assert_array_equal(scan.read(0, 0, 300, 210), smear)
        for x, y, w, h in [(0, 0, 1, 1), (299, 209, 1, 1), (40, 60, 20, 10), (47, 63, 150, 147)]:
            np.testing.assert_array_equal(scan.read(x, y, w, h), smear[y : y + h, x : x + w])


@pytest.mark.parametrize("options", LOSSY.values(), ids=LOSSY)
def test_lossy_compression_gives_nearly_the_pixels_that_were_written(
    options: dict[str, Any], smear: Rgb, write: Write
) -> None:
    with open_scan(write(smear, photometric="rgb", **options)) as scan:
        read = scan.read(0, 0, 300, 210)
    assert np.abs(read.astype(int) - smear).mean() < 4


def deep(image: Rgb, bits: int) -> NDArray[np.uint16]:
    return np.left_shift(image.astype(np.uint16), bits - 8)


KINDS: dict[str, tuple[Callable[[Rgb], NDArray[Any]], dict[str, Any]]] = {
    "grey": (lambda i: i[:, :, 1], {"photometric": "minisblack"}),
    "gray, deflate": (
        lambda i: i[:, :, 1],
        {"photometric": "minisblack", "compression": "deflate"},
    ),
    "gray, 0 is white": (lambda i: 255 - i[:, :, 1], {"photometric": "miniswhite"}),
    "opaque": (
        lambda i: with_opacity(i, 255),
        {"photometric": "rgb", "extrasamples": ["unassalpha"]},
    ),
    "half transparent": (
        lambda i: with_opacity(i, 128),
        {"photometric": "rgb", "extrasamples": ["unassalpha"]},
    ),
    "16 bits": (lambda i: deep(i, 16), {"photometric": "rgb"}),
    "12 of 16 bits": (lambda i: deep(i, 12), {"photometric": "rgb"}),
    "16 bits, LZW, predictor": (
        lambda i: deep(i, 16),
        {"photometric": "rgb", "compression": "lzw", "predictor": True},
    ),
    "16 bits, big-endian": (lambda i: deep(i, 14), {"photometric": "rgb", "byteorder": ">"}),
    "16 bits, gray": (lambda i: deep(i, 12)[:, :, 0], {"photometric": "minisblack"}),
    "one bit": (lambda i: i[:, :, 0] > 190, {"photometric": "minisblack"}),
    "palette": (
        lambda i: i[:, :, 0],
        {"photometric": "palette", "colormap": np.arange(768).reshape(3, 256).astype("u2") * 85},
    ),
}


def with_opacity(image: Rgb, value: int) -> Rgb:
    return np.dstack([image, np.full(image.shape[:2], value, np.uint8)])


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("tile", [None, (64, 64)], ids=["strip", "tiled"])
def test_every_kind_of_px_is_read_as_a_plain_image_is(
    kind: tuple[Callable[[Rgb], NDArray[Any]], dict[str, Any]],
    tile: tuple[int, int] | None,
    smear: Rgb,
    write: Write,
    tmp_path: Path,
) -> None:
    convert, options = kind
    path = write(convert(smear), tile=tile, **options)
    plain = write(convert(smear), "plain.tif", **{**options, "predictor": None})
    with open_scan(path) as scan:
        read = scan.read(0, 0, 300, 210)
    assert np.abs(read.astype(int) - read_rgb(plain)).max() <= 1


def test_premultiplied_opacity_is_not_multiplied_again(smear: Rgb, write: Write) -> None:
    half = np.rint(smear * (128 / 255)).astype(np.uint8)
    image = np.dstack([half, np.full(half.shape[:2], 128, np.uint8)])
    with open_scan(write(image, photometric="rgb", extrasamples=["assocalpha"], **TILE)) as scan:
        read = scan.read(0, 0, 300, 210)
    expected = 255 + (smear.astype(float) - 255) * 128 / 255
    assert np.abs(read - expected).max() <= 1.5


def test_one_large_strip_without_compression_is_read_in_part(write: Write) -> None:
    image = np.random.default_rng(1).integers(0, 255, (1200, 1500, 3), np.uint8)
    with open_scan(write(image, photometric="rgb", rowsperstrip=1200)) as scan:
        assert isinstance(scan, TiffScan)
        assert scan.parts[0].segment_bytes < 2 * 1024 * 1024
        np.testing.assert_array_equal(scan.read(700, 1100, 800, 100), image[1100:, 700:])


@pytest.mark.parametrize("sub_ifds", [True, False], ids=["SubIFDs", "pages"])
@pytest.mark.parametrize("sizes", [(1, 2), (2,), (1, 3), ()], ids=str)
def test_levels_are_found_wherever_they_stand(
    sizes: tuple[int, ...], sub_ifds: bool, smear: Rgb, halved: Any, write_pyramid: Write
) -> None:
    path = write_pyramid(smear, *(halved(smear, n) for n in sizes), sub_ifds=sub_ifds)
    with open_scan(path) as scan:
        assert scan.downsamples == (1.0, *(2.0**n for n in sizes))
        for number, times in enumerate(sizes, 1):
            level = halved(smear, times)
            read = scan.read_level(number, 0, 0, level.shape[1], level.shape[0])
            np.testing.assert_array_equal(read, level)


@pytest.mark.parametrize(
    ("downsample", "expected"),
    [
        pytest.param(1, 200, id="level 0 itself"),
        pytest.param(1.99, 200, id="between: the finer one"),
        pytest.param(2, 100, id="level 1 itself"),
        pytest.param(3.2, 100, id="coarser than level 1"),
        pytest.param(8, 40, id="coarser than every level"),
        pytest.param(0.5, 200, id="finer than level 0"),
    ],
)
def test_the_coarsest_level_that_is_fine_enough_is_read(
    downsample: float, expected: int, write_pyramid: Write
) -> None:
    levels = [
        np.full((256 // k, 256 // k, 3), v, np.uint8) for k, v in ((1, 200), (2, 100), (4, 40))
    ]
    with open_scan(write_pyramid(*levels)) as scan:
        read = scan.read_at(64, 0, 128, 64, downsample)
    assert read.shape == (round(64 / downsample), round(128 / downsample), 3)
    assert (read == expected).all()


def test_labels_and_macro_pictures_are_no_levels(smear: Rgb, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    with tifffile.TiffWriter(path) as tiff:
        for image in (smear, smear[:100, :100], smear[::2, ::2], smear[:60, :250]):
            tiff.write(image, photometric="rgb", metadata=None, **TILE)
        tiff.write(smear[::4, ::4, 0], photometric="minisblack", metadata=None)
    with open_scan(path) as scan:
        assert scan.downsamples == (1.0, 2.0)
        assert scan.warnings == ()


def test_the_largest_image_is_level_0_wherever_it_stands(smear: Rgb, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    with tifffile.TiffWriter(path) as tiff:
        for image in (smear[::4, ::4], smear, smear[::2, ::2]):
            tiff.write(image, photometric="rgb", metadata=None, **TILE)
    with open_scan(path) as scan:
        assert (scan.width, scan.downsamples) == (300, (1.0, 2.0, 4.0))
        np.testing.assert_array_equal(scan.read(0, 0, 300, 210), smear)


def test_a_stack_is_read_by_its_first_plane_with_a_warning(smear: Rgb, write: Write) -> None:
    stack = np.stack([smear, 255 - smear, smear])
    with open_scan(write(stack, photometric="rgb", **TILE)) as scan:
        np.testing.assert_array_equal(scan.read(0, 0, 300, 210), smear)
        assert scan.warnings == (Message("images_not_read", number=2),)


def test_an_ome_pyramid_with_its_scale(smear: Rgb, halved: Any, write_pyramid: Write) -> None:
    size = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 250}
    metadata = {"axes": "YXS", **size, "PhysicalSizeYUnit": "nm"}
    path = write_pyramid(smear, halved(smear), name="s.ome.tif", ome=True, metadata=metadata)
    with open_scan(path) as scan:
        assert (scan.um_per_px, scan.downsamples, scan.warnings) == (0.25, (1.0, 2.0), ())
        np.testing.assert_array_equal(scan.read(0, 0, 300, 210), smear)


def test_an_ome_pyramid_with_its_colors_apart(smear: Rgb, halved: Any, tmp_path: Path) -> None:
    path = tmp_path / "scan.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for sub, image in enumerate((smear, halved(smear))):
            tiff.write(
                np.moveaxis(image, 2, 0),
                subifds=1 - sub,
                photometric="minisblack",
                metadata=None if sub else {"axes": "CYX"},
                subfiletype=sub,
                **TILE,
            )
    with open_scan(path) as scan:
        assert scan.downsamples == (1.0, 2.0)
        np.testing.assert_array_equal(scan.read(0, 0, 300, 210), smear)
        np.testing.assert_array_equal(scan.read_at(0, 0, 300, 210, 2), halved(smear))


def test_sixteen_bit_levels_share_one_depth(smear: Rgb, halved: Any, write_pyramid: Write) -> None:
    path = write_pyramid(deep(smear, 12), deep(halved(smear), 12))
    with open_scan(path) as scan:
        np.testing.assert_array_equal(scan.read(0, 0, 300, 210), smear)
        np.testing.assert_array_equal(scan.read_at(0, 0, 300, 210, 2), halved(smear))


def test_tiles_that_a_scanner_left_out_are_white(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    tile = np.full((64, 64, 3), 9, np.uint8)
    with tifffile.TiffWriter(path) as tiff:
        tiles = (tile if i == 0 else None for i in range(4))
        tiff.write(tiles, shape=(128, 128, 3), dtype="u1", photometric="rgb", tile=(64, 64))
    with open_scan(path) as scan:
        read = scan.read(0, 0, 128, 128)
    assert (read[:64, :64] == 9).all()
    assert (read[64:] == 255).all()


def test_many_threads_read_what_one_reads(smear: Rgb, write: Write) -> None:
    path = write(smear, photometric="rgb", compression="deflate", **TILE)
    rng = np.random.default_rng(3)
    boxes = [(int(x), int(y)) for x, y in rng.integers(0, (200, 110), (200, 2))]
    start = threading.Barrier(8)

    def read(part: int) -> bool:
        start.wait()
        return all(
            (scan.read(x, y, 100, 100) == smear[y : y + 100, x : x + 100]).all()
            for x, y in boxes[part::8]
        )

    with open_scan(path) as scan, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))


def test_a_scan_without_a_pyramid_is_shrunk_piece_by_piece(
    smear: Rgb, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(smear, photometric="rgb", compression="deflate", **TILE)
    with open_scan(path) as scan:
        whole = scan.read_at(0, 0, 300, 210, 10)
        monkeypatch.setattr("leukodiff.pipeline.slides.tiff_scan.PIECE_SIDE", 50)
        np.testing.assert_array_equal(scan.read_at(0, 0, 300, 210, 10), whole)
        odd = scan.read_at(0, 0, 300, 210, 7.7)
    expected = cv2.resize(smear, (39, 27), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(whole, cv2.resize(smear, (30, 21), interpolation=cv2.INTER_AREA))
    assert np.abs(odd.astype(int) - expected).mean() < 6


def test_strips_are_decoded_once_when_shrunk(smear: Rgb, write: Write) -> None:
    path = write(smear, photometric="rgb", compression="deflate", rowsperstrip=16)
    with open_scan(path) as scan:
        assert isinstance(scan, TiffScan)
        assert scan.piece_px(0)[0] == 300


UNREADABLE: dict[str, tuple[NDArray[Any], dict[str, Any], str]] = {
    "32-bit floats": (np.zeros((64, 64), np.float32), {}, "8 or 16 bits"),
    "signed": (np.zeros((64, 64), np.int16), {}, "8 or 16 bits"),
    "CMYK": (np.zeros((64, 64, 4), np.uint8), {"photometric": "separated"}, "neither RGB"),
    "CIELAB": (np.zeros((64, 64, 3), np.uint8), {"photometric": "cielab"}, "neither RGB"),
}


@pytest.mark.parametrize(("image", "options", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_px_of_unknown_meaning_are_refused(
    image: NDArray[Any], options: dict[str, Any], message: str, write: Write
) -> None:
    with pytest.raises(InputError, match=message):
        open_scan(write(image, tile=(16, 16), **options))


def test_a_scan_that_is_turned_has_a_warning(smear: Rgb, write: Write) -> None:
    path = write(smear, photometric="rgb", extratags=[(274, 3, 1, 6, True)], **TILE)
    with open_scan(path) as scan:
        assert (scan.width, scan.height) == (300, 210)
        assert scan.warnings == (Message("scan_turned"),)
