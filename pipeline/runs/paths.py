"""Paths as a caller may give them -> `Path`s."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

AnyPath: TypeAlias = str | os.PathLike[str]
"""A path as text, or as any path object."""


def as_paths(given: AnyPath | Iterable[AnyPath]) -> list[Path]:
    """One path or several, as a list."""
    if isinstance(given, str | os.PathLike):
        return [Path(given)]
    return [Path(one) for one in given]
