"""Colours as numbers, and which letters can be read on them."""

from functools import cache

DARK, LIGHT = "#000000", "#ffffff"

LEAST_CONTRAST = 4.58
"""On every colour black or white letters have it; WCAG 2.2 asks for 4.5."""


@cache
def shade(colour: str) -> tuple[float, float, float]:
    """Red, green and blue of `#rrggbb`, 0-1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def ink_on(colour: str) -> str:
    """White or black letters, whichever can be read on a colour (`#rrggbb`)."""
    return LIGHT if contrast(LIGHT, colour) >= LEAST_CONTRAST else DARK


def contrast(one: str, other: str) -> float:
    """How much two colours stand out from each other, 1-21 (WCAG 2.2)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance, 0-1 (WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shade(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
