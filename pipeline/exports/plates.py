"""Words as small pictures: the labels and legends that overlays are put together from."""

import threading
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .geojson import rgb

Rgb = NDArray[np.uint8]
Color = tuple[int, int, int]

WHITE: Color = (255, 255, 255)
INK: Color = (34, 34, 34)
LIGHT = 140
"""Luma, 0-255, from which dark letters read better than white ones."""

_fonts = threading.Lock()


@lru_cache(maxsize=4096)
def plate(text: str, size: int, ink: Color, ground: Color) -> Rgb:
    """A line of text on a plain ground, (h, w, 3) uint8 RGB; the same array for the same words.

    `size` is the letters' size in px. The height depends on `size` alone, so plates line up.
    """
    with _fonts:  # a FreeType face may not be used by two threads at once
        font = _font(size)
        width = round(font.getlength(text)) + 2 * margin(size)
        height = round(size * 1.15) + 2 * margin(size)
        picture = Image.new("RGB", (width, height), ground)
        baseline = margin(size) + round(size * 0.95)
        ImageDraw.Draw(picture).text((margin(size), baseline), text, ink, font, anchor="ls")
    made = np.array(picture, np.uint8)
    made.setflags(write=False)
    return made


def label(text: str, size: int, color: str) -> Rgb:
    """Letters on a class's color (`#rrggbb`), white or dark, whichever stands out."""
    ground = rgb(color)
    return plate(text, size, INK if _luma(ground) > LIGHT else WHITE, ground)


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


def _luma(color: Color) -> float:
    """Brightness to the eye, 0-255 (ITU-R BT.601)."""
    red, green, blue = color
    return 0.299 * red + 0.587 * green + 0.114 * blue


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
