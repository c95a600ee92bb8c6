"""Numbers and names as a report shows them: never a NaN, never a letter that breaks the page."""

import math
import unicodedata
from dataclasses import dataclass

from leukodiff.pipeline.report.texts import Texts

DASH = "–"
"""Sign for a missing number."""

_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Invisible letters that turn the direction of those after them."""


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
    if low is None or high is None or not math.isfinite(low + high):
        return DASH
    return f"{texts.number(low, decimals)}{DASH}{texts.number(high, decimals)}"


def limit(value: float, texts: Texts) -> str:
    """A limit as a profile has it: no more decimals than it needs."""
    return f"{value:g}".replace(".", texts.point)


def sentence(text: str) -> str:
    """Words that begin as a sentence does."""
    return text[:1].upper() + text[1:]


def readable(text: str) -> str:
    r"""A name from elsewhere with whatever is no letter escaped: `f\xff.jpg`, `a\nb`."""
    return "".join(letter if _has_form(letter) else _escaped(letter) for letter in text)


def _has_form(letter: str) -> bool:
    return unicodedata.category(letter) not in ("Cc", "Cs", "Zl", "Zp") and letter not in _BIDI


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is no text (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")
