"""Text for people: foreign text made harmless, and figures in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def printable(text: str, instead: str = "?") -> str:
    """Foreign text with `instead` for each character that can steer a terminal or break a line."""
    return "".join(one if one.isprintable() else instead for one in text)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def share_text(one: Mapping[str, Any] | None) -> str:
    """`97.1 % (95.0-98.5)` of a share with its interval (0-1); nothing where there are no cells."""
    if not one or not one["n"]:
        return ""
    low, high = 100 * one["low"], 100 * one["high"]
    return f"{100 * one['share']:.1f} % ({low:.1f}-{high:.1f})"
