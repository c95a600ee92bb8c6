"""Colors as numbers, and which letters can be read on them."""

from functools import cache

DARK, LIGHT = "#000000", "#ffffff"

LEAST_CONTRAST = 4.58
"""On every color black or white letters have it; WCAG 2.2 asks for 4.5."""


@cache
def shade(color: str) -> tuple[float, float, float]:
    """Red, green and blue of `#rrggbb`, 0-1."""
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def ink_on(color: str) -> str:
    """White or black letters, whichever can be read on a color (`#rrggbb`)."""
    return LIGHT if contrast(LIGHT, color) >= LEAST_CONTRAST else DARK


def contrast(one: str, other: str) -> float:
    """How much two colors stand out from each other, 1-21 (WCAG 2.2)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    """Relative luminance, 0-1 (WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shade(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
