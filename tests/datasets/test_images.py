import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from leukodiff.core.errors import InputError
from leukodiff.datasets.images import read_rgb

BACKGROUND, CELL = (200, 210, 220), (180, 40, 90)
Save = Callable[[Path], Any]


def picture() -> NDArray[np.uint8]:
    image = np.full((40, 60, 3), BACKGROUND, np.uint8)
    image[:20, :30] = CELL
    return image


def pillow(mode: str = "RGB", **options: Any) -> Save:
    return lambda path: Image.fromarray(picture()).convert(mode).save(path, **options)


def opencv(image: NDArray[Any]) -> Save:
    return lambda path: cv2.imwrite(str(path), image[:, :, [2, 1, 0, *range(3, image.shape[2])]])


def deep(bits: int) -> NDArray[np.uint16]:
    return np.left_shift(picture().astype(np.uint16), bits - 8, dtype=np.uint16)


def gray(image: NDArray[Any]) -> Save:
    return lambda path: Image.fromarray(np.ascontiguousarray(image[:, :, 0])).save(path)


def one_bit(path: Path) -> None:
    Image.fromarray(picture()[:, :, 0] > 190).save(path)


def palette(path: Path) -> None:
    Image.fromarray(picture()).quantize(8).save(path)


def palette_with_transparency(path: Path) -> None:
    image = Image.fromarray(picture()).quantize(8)
    background = image.getpixel((59, 39))
    image.save(path, transparency=bytes(0 if i == background else 255 for i in range(8)))


def transparent(mode: type[np.generic], opaque: int) -> NDArray[Any]:
    opacity = np.zeros((40, 60, 1))
    opacity[:20, :30] = opaque
    scale = opaque // 255
    return np.dstack([picture().astype(np.uint16) * scale, opacity]).astype(mode)


@pytest.mark.parametrize(
    ("name", "save", "cell", "background"),
    [
        ("a.jpg", pillow(quality=95), CELL, BACKGROUND),
        ("progressive.jpg", pillow(quality=95, progressive=True), CELL, BACKGROUND),
        ("gray.jpg", pillow("L", quality=95), (88,) * 3, (208,) * 3),
        ("cmyk.jpg", pillow("CMYK", quality=95), CELL, BACKGROUND),
        ("a.png", pillow(), CELL, BACKGROUND),
        ("a.tif", pillow(), CELL, BACKGROUND),
        ("lzw.tif", pillow(compression="tiff_lzw"), CELL, BACKGROUND),
        ("big.tif", pillow(big_tiff=True), CELL, BACKGROUND),
        ("cmyk.tif", pillow("CMYK"), CELL, BACKGROUND),
        ("a.bmp", pillow(), CELL, BACKGROUND),
        ("a.webp", pillow(lossless=True), CELL, BACKGROUND),
        ("one bit.png", one_bit, (0,) * 3, (255,) * 3),
        ("palette.png", palette, CELL, BACKGROUND),
        ("palette with transparency.png", palette_with_transparency, CELL, (255,) * 3),
        ("gray and opacity.png", pillow("LA"), (88,) * 3, (208,) * 3),
        ("transparent.png", opencv(transparent(np.uint8, 255)), CELL, (255,) * 3),
        (
            "16 bit transparent.png",
            opencv(transparent(np.uint16, 65535)),
            CELL,
            (255,) * 3,
        ),
        ("16 bit gray.png", gray(deep(16)), (180,) * 3, (200,) * 3),
        ("12 bit gray.tif", gray(deep(12)), (180,) * 3, (200,) * 3),
        ("16 bit.png", opencv(deep(16)), CELL, BACKGROUND),
        ("16 bit.tif", opencv(deep(16)), CELL, BACKGROUND),
        ("14 bit.png", opencv(deep(14)), CELL, BACKGROUND),
        ("10 bit.tif", opencv(deep(10)), CELL, BACKGROUND),
        ("8 bit in 16.png", opencv(deep(8)), CELL, BACKGROUND),
        ("PNG called.jpg", lambda p: Image.fromarray(picture()).save(p, "PNG"), CELL, BACKGROUND),
        ("été, 1 & 'two'.png", pillow(), CELL, BACKGROUND),
    ],
)
def test_every_kind_of_image_becomes_8_bit_rgb(
    tmp_path: Path, name: str, save: Save, cell: tuple[int, ...], background: tuple[int, ...]
) -> None:
    save(tmp_path / name)
    image = read_rgb(tmp_path / name)
    assert image.shape == (40, 60, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert np.abs(image[5, 5].astype(int) - cell).max() <= 3
    assert np.abs(image[-3, -3].astype(int) - background).max() <= 3


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_orientation_turns_the_image(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the top left is shown at the top right
    pillow(exif=exif)(tmp_path / f"turned.{suffix}")
    image = read_rgb(tmp_path / f"turned.{suffix}")
    assert image.shape == (60, 40, 3)
    assert np.abs(image[5, 35].astype(int) - CELL).max() <= 3


def noise(file_format: str, kept: float, **options: Any) -> Save:
    """The first part of a file whose every byte matters."""

    def save(path: Path) -> None:
        data = io.BytesIO()
        pixels = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
        Image.fromarray(pixels).save(data, file_format, **options)
        path.write_bytes(data.getvalue()[: int(kept * len(data.getvalue()))])

    return save


def jpeg_with_thumbnail(path: Path) -> None:
    """Cut off, but for the end marker of the thumbnail in its header."""
    whole = io.BytesIO()
    Image.fromarray(picture()).save(whole, "JPEG")
    thumbnail = b"\xff\xe1" + struct.pack(">H", len(whole.getvalue()) + 2) + whole.getvalue()
    path.write_bytes(whole.getvalue()[:2] + thumbnail + whole.getvalue()[2:-40])


def png_of(width: int, height: int) -> Save:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


@pytest.mark.parametrize(
    ("name", "save", "reason"),
    [
        ("empty.jpg", lambda path: path.write_bytes(b""), "empty"),
        ("text.jpg", lambda path: path.write_text("field 12: neutrophil"), "not an image"),
        ("missing.jpg", lambda path: None, "No such file"),
        ("folder.jpg", lambda path: path.mkdir(), "Is a directory"),
        ("header only.jpg", noise("JPEG", 0.001), "cut off"),
        ("half.jpg", noise("JPEG", 0.5), "cut off"),
        ("all but the end.jpg", noise("JPEG", 0.999), "cut off"),
        ("progressive half.jpg", noise("JPEG", 0.7, progressive=True), "cut off"),
        ("thumbnail whole.jpg", jpeg_with_thumbnail, "cut off"),
        ("half.png", noise("PNG", 0.5), "cut off"),
        ("half.tif", noise("TIFF", 0.5), "cut off"),
        ("lzw half.tif", noise("TIFF", 0.5, compression="tiff_lzw"), "cut off"),
        ("half.bmp", noise("BMP", 0.5), "cut off"),
        ("half.webp", noise("WEBP", 0.5), "cut off"),
        ("bomb.png", png_of(40_000, 40_000), "megapixels"),
        ("float.tif", lambda p: Image.fromarray(np.ones((4, 4), np.float32)).save(p), "32-bit"),
        ("movie.gif", pillow("P"), "not an image"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, name: str, save: Save, reason: str
) -> None:
    save(tmp_path / name)
    with pytest.raises(InputError, match=reason) as refused:
        read_rgb(tmp_path / name)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("limit", "fits"), [(2400, True), (2399, False)])
def test_the_limit_is_on_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, fits: bool
) -> None:
    monkeypatch.setattr("leukodiff.datasets.images.MAX_PIXELS", limit)
    pillow()(tmp_path / "a.png")  # 40 x 60 px
    if fits:
        assert read_rgb(tmp_path / "a.png").size
    else:
        with pytest.raises(InputError, match="60 x 40 px is more"):
            read_rgb(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_sixteen_bit_image_is_turned_too(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.arange(40 * 80, dtype=np.uint16).reshape(40, 80) * 20)
    deep.save(tmp_path / f"deep.{suffix}", exif=exif)
    assert read_rgb(tmp_path / f"deep.{suffix}").shape == (80, 40, 3)
