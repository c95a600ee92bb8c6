"""Values from a file -> a dataclass whose every field is of the type that it says."""

import math
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Made = TypeVar("Made")

LARGEST = 1e12
"""No number that leukodiff stores is larger."""

_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def typed(kind: type[Made], values: Mapping[str, Any]) -> Made:
    """An instance, once its values fit: numbers are finite and of a size that can be.

    Only text, numbers, yes or no, and None are looked at; other fields are taken as they come.

    Raises:
        TypeError: a value is of another type, or one is missing or unknown.
        ValueError: a number can't be.
    """
    of_any: type = kind
    for name, allowed in _simple(of_any).items():
        if name in values:
            _require(name, values[name], allowed)
    return kind(**values)


@cache
def _simple(kind: type) -> dict[str, tuple[type, ...]]:
    """The fields that hold one plain value, and which types it may have."""
    found = {}
    for name, hint in get_type_hints(kind).items():
        union = get_origin(hint) in (Union, types.UnionType)
        parts = get_args(hint) if union else (hint,)
        if all(part in (*_NAMES, types.NoneType) for part in parts):
            found[name] = tuple(parts)
    return found


def _require(name: str, value: Any, allowed: tuple[type, ...]) -> None:
    exact = type(value)
    if exact not in allowed and not (exact is int and float in allowed):
        expected = " or ".join(_NAMES.get(one, "nothing") for one in allowed)
        raise TypeError(f"{name}: expected {expected}, not {str(value)[:40]!r}")
    if exact in (int, float) and not (abs(value) <= LARGEST and math.isfinite(value)):
        raise ValueError(f"{name}: {str(value)[:40]} can't be")
