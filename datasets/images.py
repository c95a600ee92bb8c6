"""Any image a camera or a colleague may hand over -> uint8 RGB, or one line that says why not."""

import io
import struct
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from leukodiff.core.errors import InputError

Rgb = NDArray[np.uint8]

MAX_PIXELS = 400_000_000
"""The largest image read in one piece: 1.2 GB as RGB. The header is asked before any pixel is."""

FEW_PIXELS = 16_000_000
"""An image up to this size is read whatever its file's: a plain one of 48 MB as RGB."""

THINNEST = 200
"""A larger one has at most so many px for a byte of its file. White glass alone has 64 in a JPEG
and 344 in a PNG; a field at the lowest quality that a camera offers about 20."""

_READERS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
    (b"II+\0", TiffImageFile),
    (b"MM\0+", TiffImageFile),
    (b"BM", BmpImageFile),
    (b"RIFF", WebPImageFile),
)
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    EOFError,
    TypeError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
    cv2.error,
)
"""Errors of Pillow and OpenCV for a file that isn't as it should be."""

_LONGEST = max((magic for magic, _ in _READERS), key=len)
_BITS_PER_SAMPLE = 258
_PLANAR_CONFIGURATION = 284
_DEPTHS = (8, 10, 12, 14, 16)


def read_rgb(path: Path) -> Rgb:
    """Reads an image file as (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    Sixteen-bit images are scaled by the camera's depth: the least of 8, 10, 12, 14 and 16 bits that
    holds their brightest pixel. Transparent pixels are laid on white, the color of empty glass.

    Raises:
        InputError: the file is missing, empty, no image, cut off or too large; it names the file.
    """
    data = _read_bytes(path)
    image = _open(path, data)
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise InputError(
            f"{path}: {image.width} x {image.height} px is more than the {MAX_PIXELS // 10**6} "
            "megapixels that are read in one piece; cut it into fields first"
        )
    _refuse_bomb(path, *image.size, len(data))
    try:
        return _decode(path, image, data)
    except InputError:
        raise
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    except MemoryError as error:
        raise InputError(f"{path}: not enough memory for {pixels / 1e6:.0f} megapixels") from error


def header_size(path: Path) -> tuple[int, int]:
    """Width and height (px) that an image's header claims; no pixel is read.

    Raises:
        InputError: the file is missing, empty or no image; it names the file.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_LONGEST))
            file.seek(0)
            for magic, reader in _READERS:
                if head.startswith(magic):
                    return reader(file).size
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    raise InputError(f"{path}: not an image that can be read here (JPEG, PNG, TIFF, BMP or WebP)")


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error
    if not data:
        raise InputError(f"{path}: the file is empty (0 bytes)")
    return data


def _open(path: Path, data: bytes) -> ImageFile.ImageFile:
    """Reads the header alone, chosen by the first bytes and not by the file's name.

    The format's class is called itself, because `Image.open` warns of large images through the
    process-wide warning filters, which threads share.
    """
    for magic, reader in _READERS:
        if data.startswith(magic):
            if data[:4] in (b"II*\0", b"MM\0*"):
                _refuse_cut_off_tiff(path, data)
            if reader is WebPImageFile:  # whose decoder takes its canvas when it is opened
                _refuse_bomb(path, *_webp_size(data), len(data))
            try:
                return reader(io.BytesIO(data))
            except UNREADABLE as error:
                raise _unreadable(path, error) from error
    raise InputError(f"{path}: not an image that can be read here (JPEG, PNG, TIFF, BMP or WebP)")


def _decode(path: Path, image: ImageFile.ImageFile, data: bytes) -> Rgb:
    if isinstance(image, JpegImageFile):
        _refuse_cut_off_jpeg(path, data)
        if image.mode in ("RGB", "L"):
            return _by_opencv(data, cv2.IMREAD_COLOR_RGB)
    if isinstance(image, PngImageFile):
        _refuse_cut_off_png(path, data)
    if _is_deep(image):
        if isinstance(image, TiffImageFile) and image.tag_v2.get(_PLANAR_CONFIGURATION, 1) != 1:
            raise InputError(f"{path}: 16-bit color planes stored apart; save it interleaved")
        pixels = _eight_bits(_by_opencv(data, cv2.IMREAD_UNCHANGED))
        return pixels if isinstance(image, TiffImageFile) else _turned(pixels, image)
    if image.mode in ("I", "F"):
        raise InputError(f"{path}: 32-bit pixels have no known range; save it with 8 or 16 bits")
    return _by_pillow(image)


def _refuse_bomb(path: Path, width: int, height: int, n_bytes: int) -> None:
    """Before any pixel is decoded: a small file that claims to be a huge image is none."""
    if width * height > max(FEW_PIXELS, THINNEST * n_bytes):
        raise InputError(
            f"{path}: claims {width} x {height} px in {n_bytes / 1000:.0f} kB: "
            "damaged, or a decompression bomb"
        )


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of a WebP's canvas (RFC 9649); the least there is of what is no header."""
    kind, body = data[12:16], data[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        return tuple(1 + int.from_bytes(body[i : i + 3], "little") for i in (4, 7))  # type: ignore[return-value]
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return tuple(int.from_bytes(body[i : i + 2], "little") & 0x3FFF for i in (6, 8))  # type: ignore[return-value]


def _refuse_cut_off_png(path: Path, data: bytes) -> None:
    """OpenCV takes memory for what a chunk claims to hold, before it looks whether it is there."""
    at = 8
    while at + 8 <= len(data):
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    if at > len(data):
        raise InputError(f"{path}: the PNG is cut off before its end")


def _turned(pixels: Rgb, image: ImageFile.ImageFile) -> Rgb:
    """As the file's EXIF orientation says; OpenCV turns a deep TIFF itself, and a PNG not."""
    picture = Image.fromarray(pixels)
    picture.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
    return np.asarray(ImageOps.exif_transpose(picture), np.uint8)


def _refuse_cut_off_jpeg(path: Path, data: bytes) -> None:
    """Decoders fill the missing rest of a JPEG with gray; a count must not be made on that.

    Within the scan every 0xFF of pixel data is followed by 0x00 or a restart marker, so an end
    marker after the first start of scan is the real one (ITU-T T.81, B.1.1), and not a thumbnail's.
    """
    if data.rfind(b"\xff\xd9") < _start_of_scan(data):
        raise InputError(f"{path}: the JPEG is cut off before its end")


def _refuse_cut_off_tiff(path: Path, data: bytes) -> None:
    """The directory often stands at the end: without it Pillow warns first and fails later."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    start = int.from_bytes(data[4:8], order)
    entries = int.from_bytes(data[start : start + 2], order)
    if len(data) < 8 or start + 2 + 12 * entries > len(data) or not entries:
        raise InputError(f"{path}: the TIFF is cut off before its end")


def _start_of_scan(data: bytes) -> int:
    """Where the pixel data begin, by walking the segments; the file's length when they never do."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xDA:
            return at
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return len(data)


def _is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether the file has 16 bits a channel; Pillow would drop the lower eight."""
    if isinstance(image, TiffImageFile):
        return 16 in image.tag_v2.get(_BITS_PER_SAMPLE, (1,))
    return image.mode.startswith("I;16") or any(";16" in str(tile) for tile in image.tile)


def _by_opencv(data: bytes, flags: int) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if decoded is None:
        raise ValueError("the decoder gave up")
    return np.asarray(decoded)


def _eight_bits(decoded: NDArray[np.generic]) -> Rgb:
    """(H, W), (H, W, 3) BGR or (H, W, 4) BGRA of 16 bits -> (H, W, 3) uint8 RGB."""
    if decoded.dtype != np.uint16:
        raise ValueError(f"16-bit pixels expected, got {decoded.dtype}")
    deep = np.atleast_3d(decoded).astype(np.uint16)
    color = deep[:, :, :3][:, :, ::-1] if deep.shape[2] >= 3 else np.repeat(deep[:, :, :1], 3, 2)
    brightest = int(color.max(initial=0))
    bits = next(depth for depth in _DEPTHS if brightest < 2**depth)
    rgb = np.right_shift(color, bits - 8).astype(np.uint8)
    if deep.shape[2] == 4:
        return _on_white(rgb, deep[:, :, 3] / 65535.0)
    return np.ascontiguousarray(rgb)


def _on_white(rgb: Rgb, opacity: NDArray[np.float64]) -> Rgb:
    blended = 255.0 + (rgb.astype(np.float64) - 255.0) * opacity[:, :, None]
    return np.rint(blended).astype(np.uint8)


def _by_pillow(image: ImageFile.ImageFile) -> Rgb:
    turned: Image.Image = ImageOps.exif_transpose(image)
    if turned.has_transparency_data:
        rgba = turned.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        turned = Image.alpha_composite(white, rgba)
    return np.array(turned.convert("RGB"), np.uint8)


def _unreadable(path: Path, error: Exception) -> InputError:
    text = " ".join(str(error).split())[:160] or type(error).__name__
    return InputError(f"{path}: cut off, damaged or of a kind that can't be read ({text})")
