"""Colors as numbers, and the color of letters that can be read on them."""

Color = tuple[int, int, int]
"""Red, green and blue, 0-255."""

BLACK = "#000000"

WHITE = "#ffffff"

MIN_CONTRAST = 4.58
"""Black or white letters have it on every color; WCAG 2.2 asks for 4.5."""


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
