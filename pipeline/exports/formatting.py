"""Numbers, names and colors as exports show them: no NaN, no letter that breaks the page."""

import math
import unicodedata
from dataclasses import dataclass

from leukodiff.pipeline.report.texts import Texts

DASH = "–"
"""Sign for a missing number."""

_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Invisible letters that turn the direction of those after them."""

Color = tuple[int, int, int]
"""Red, green and blue, 0-255."""

BLACK = "#000000"

WHITE = "#ffffff"

MIN_CONTRAST = 4.58
"""Black or white letters have it on every color; WCAG 2.2 asks for 4.5."""


@dataclass(frozen=True)
class Fact:
    """Something known, under a label."""

    label: str
    value: str


def number(value: float | None, decimals: int, texts: Texts) -> str:
    """A number in a language, or a dash."""
    if value is None or not math.isfinite(value):
        return DASH
    return texts.number(value, decimals)


def between(low: float | None, high: float | None, decimals: int, texts: Texts) -> str:
    """The ends of an interval, or a dash."""
    ends = [number(end, decimals, texts) for end in (low, high)]
    return DASH if DASH in ends else DASH.join(ends)


def format_number(value: float | None) -> str | None:
    """Four significant digits without an exponent, a count in full; `None`: unknown, not finite."""
    if value is None or not math.isfinite(value):
        return None
    if isinstance(value, int):
        return str(value)
    return f"{float(f'{value:.4g}'):.6f}".rstrip("0").rstrip(".")


def limit(value: float, texts: Texts) -> str:
    """A limit as a profile has it: no more decimals than it needs."""
    return f"{value:g}".replace(".", texts.point)


def sentence(text: str) -> str:
    """Words that begin as a sentence does."""
    return text[:1].upper() + text[1:]


def readable(text: str) -> str:
    r"""A name from elsewhere with whatever is no letter escaped: `f\xff.jpg`, `a\nb`."""
    return "".join(map(_shown, text))


def _shown(letter: str) -> str:
    if unicodedata.category(letter) not in ("Cc", "Cs", "Zl", "Zp") and letter not in _BIDI:
        return letter
    if "\udc80" <= letter <= "\udcff":  # a byte of a file name that is no text (PEP 383)
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")


def rgb(color: str) -> Color:
    """`#rrggbb` as three numbers, 0-255."""
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue


def text_color_on(color: str) -> str:
    """White or black, whichever can be read on a color (`#rrggbb`)."""
    return WHITE if contrast(WHITE, color) >= MIN_CONTRAST else BLACK


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colors, 1-21 (WCAG 2.2)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    """Relative luminance, 0-1 (WCAG 2.2)."""
    shares = (part / 255 for part in rgb(color))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
