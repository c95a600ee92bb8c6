"""Parts that overlays are put together from: lines of text, labels, scale bars, tints, legends."""

import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from leukodiff.datasets.vocabulary import BY_NAME

from .formatting import Color, rgb

Rgb = NDArray[np.uint8]

JPEG_QUALITY = 88

WHITE: Color = (255, 255, 255)

TEXT_COLOR: Color = (34, 34, 34)

LIGHT_LUMA = 140
"""Luma, 0-255, from which dark letters read better than white ones."""

LEFT_OUT_COLORS: Mapping[str, Color] = {
    "empty": (150, 150, 150),
    "thick": (178, 34, 34),
    "out of focus": (30, 80, 200),
    "usable": (255, 255, 255),
}
"""The color laid over areas that were left out, by kind; `usable`: there were cells enough."""

TINT_STRENGTH = 0.3
"""Share of that color in the picture, 0-1."""

SMEAR_COLOR: Color = (222, 214, 214)
"""A smear's background, on which a legend shows the tint."""

_fonts = threading.Lock()
_font = lru_cache(maxsize=16)(ImageFont.load_default)


@lru_cache(maxsize=4096)
def text_image(text: str, size: int, color: Color, background: Color) -> Rgb:
    """A line of text on a plain background, (h, w, 3) uint8 RGB; cached, not writable.

    `size` is the letters' size in px. The height depends on `size` alone, so that lines align.
    """
    with _fonts:  # a FreeType face may not be used by two threads at once
        font = _font(size)
        width = round(font.getlength(text)) + 2 * margin(size)
        height = round(size * 1.15) + 2 * margin(size)
        picture = Image.new("RGB", (width, height), background)
        baseline = margin(size) + round(size * 0.95)
        ImageDraw.Draw(picture).text((margin(size), baseline), text, color, font, anchor="ls")
    made = np.array(picture, np.uint8)
    made.setflags(write=False)
    return made


def dark_text(text: str, size: int) -> Rgb:
    """A line of dark text on white."""
    return text_image(text, size, TEXT_COLOR, WHITE)


def label(text: str, size: int, color: str) -> Rgb:
    """Letters on a class's color (`#rrggbb`), white or dark, whichever stands out."""
    red, green, blue = background = rgb(color)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
    return text_image(text, size, TEXT_COLOR if luma > LIGHT_LUMA else WHITE, background)


def margin(size: int) -> int:
    """The room around letters of a size, px."""
    return max(1, size // 6)


def paste(canvas: Rgb, picture: Rgb, x: int, y: int) -> None:
    """Lays a picture on a canvas with its top left at (x, y), cut at the canvas' edges."""
    height, width = canvas.shape[:2]
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + picture.shape[1], width), min(y + picture.shape[0], height)
    if left < right and top < bottom:
        canvas[top:bottom, left:right] = picture[top - y : bottom - y, left - x : right - x]


def tint(part: Rgb, kind: str) -> None:
    """Lays a kind's color over a part of a picture, in place."""
    color = np.array(LEFT_OUT_COLORS[kind], np.float32)
    part[:] = np.rint(part * (1 - TINT_STRENGTH) + color * TINT_STRENGTH).astype(np.uint8)


def legend_swatch(kind: str, reason: str, size: int) -> Rgb:
    """A kind's tint and, in letters of a size (px), the reason why it was left out."""
    name = "not read" if kind == "usable" else f"left out: {kind}"
    words = dark_text(name if reason == kind else f"{name} ({reason})", size)
    chip = np.full((words.shape[0], words.shape[0], 3), 255, np.uint8)
    chip[2:-2, 2:-2] = SMEAR_COLOR
    tint(chip[2:-2, 2:-2], kind)
    gap = np.full((words.shape[0], size // 4, 3), 255, np.uint8)
    return np.hstack([chip, gap, words])


def legend_entry(name: str, count: int, size: int) -> Rgb:
    """A class in its color, with its count."""
    kind = BY_NAME[name]
    chip = label(kind.abbreviation, size, kind.color)
    gap = np.full((chip.shape[0], size // 4, 3), 255, np.uint8)
    return np.hstack([chip, gap, dark_text(f"{kind.title} {count}", size)])


def scale_bar(length_px: float, text: str, size: int) -> Rgb:
    """A bar of a length, with the length in words."""
    words = dark_text(text, size)
    bar = np.full((words.shape[0], max(1, round(length_px)), 3), 255, np.uint8)
    middle, half = words.shape[0] // 2, max(1, size // 12)
    bar[middle - half : middle + half] = 34
    bar[middle - 3 * half : middle + 3 * half, [0, -1]] = 34
    return np.hstack([bar, words])


def legend(entries: Sequence[Rgb], width: int, size: int) -> Rgb:
    """Entries on a white strip of a width, in as many rows as they need; (h, width, 3)."""
    start, pitch = size // 2, entries[0].shape[0] + size // 6
    x, row, places = start, 0, []
    for entry in entries:
        if x > start and x - start + entry.shape[1] > width - size:
            x, row = start, row + 1
        places.append((x, size // 4 + row * pitch))
        x += entry.shape[1] + size
    strip = np.full(((row + 1) * pitch + size // 2, width, 3), 255, np.uint8)
    for entry, place in zip(entries, places, strict=True):
        paste(strip, entry, *place)
    return strip


def shrunk(picture: Rgb, longest_px: int) -> Rgb:
    """A copy of a picture, its longer side at most `longest_px`."""
    factor = longest_px / max(picture.shape[:2])
    if factor >= 1:
        return picture.copy()
    size = tuple(max(1, round(side * factor)) for side in picture.shape[1::-1])
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def encode_jpeg(picture: Rgb, quality: int = JPEG_QUALITY) -> bytes:
    """A picture (H, W, 3) uint8 RGB as a JPEG file."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
