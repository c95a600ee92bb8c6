"""What the payload of each kind of event must have, and may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from leukodiff.core.errors import InputError
from leukodiff.datasets.vocabulary import BY_NAME

from . import events as kinds
from .state import cell_of

Check = Callable[[Any], str]
"""Says what a value should have been; empty where it is fine."""

MAX_TEXT = 10_000
"""Characters of a comment or a reason."""
MAX_NAME = 300
"""Characters of a cell's, a slide's or a person's name."""


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and len(value) <= MAX_TEXT else "a text"


def _said(value: Any) -> str:
    return "a reason in words" if _text(value) or not value.strip() else ""


def _name(value: Any) -> str:
    fits = isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()
    return "" if fits else "a name"


def _count(value: Any) -> str:
    return "" if type(value) is int and value >= 0 else "a whole number, 0 or more"


def _one_of(*allowed: int) -> Check:
    told = " or ".join(map(str, allowed))
    return lambda value: "" if type(value) is int and value in allowed else told


def _mapping(value: Any) -> str:
    return "" if isinstance(value, Mapping) else "an object"


def _type(value: Any) -> str:
    return "" if value is None or (isinstance(value, str) and value in BY_NAME) else "a cell type"


def _sha256(value: Any) -> str:
    fits = isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
    return "" if fits else "64 hexadecimal digits"


def _cells(value: Any) -> str:
    fits = isinstance(value, list) and value and not any(map(_name, value))
    return "" if fits else "a list of cells"


def _changes(value: Any) -> str:
    if not isinstance(value, Mapping) or not value:
        return "an object of cells"
    if not all(isinstance(one, Mapping) and "to" in one for one in value.values()):
        return "for each cell what it is to be: `to`"
    wrong = [one for one in value if _name(one)]
    types = [one.get(side) for one in value.values() for side in ("from", "to")]
    return "an object of cells with cell types" if wrong or any(map(_type, types)) else ""


def _counts(value: Any) -> str:
    fits = isinstance(value, Mapping) and not any(_type(k) or _count(v) for k, v in value.items())
    return "" if fits else "numbers by cell type"


def _open(value: Any) -> str:
    fits = isinstance(value, Mapping) and not any(
        _count(value.get(one)) for one in ("unidentified", "not_looked_at")
    )
    return "" if fits else "`unidentified` and `not_looked_at`, whole numbers"


def _cell(value: Any) -> str:
    try:
        cell = cell_of({"cell_id": "?", **value})
    except (KeyError, TypeError, ValueError):
        return "a cell with field_id, its box, cell_type, confidence and probabilities"
    box = (cell.x_min, cell.y_min, cell.x_max, cell.y_max)
    sure = (cell.detection_confidence, cell.confidence, *cell.probabilities)
    if not all(type(one) in (int, float) for one in (*box, *sure)):
        return "a cell with numbers for its box and its probabilities"
    if _name(cell.field_id) or cell.cell_type is None or _type(cell.cell_type):
        return "a cell in a field and of a known type"
    return "" if box[0] < box[2] and box[1] < box[3] else "a cell with a box that is not empty"


_READER = {"reader": _one_of(1, 2, 3)}
_BACK = {"undo_of": _count, "redo_of": _count}

MUST: Mapping[str, Mapping[str, Check]] = {
    kinds.ADDED: {"folder": _text, "sha256": _sha256, "n_cells": _count},
    kinds.OPENED: {},
    kinds.RECLASSIFIED: {"cells": _changes},
    kinds.LOOKED_AT: {"cells": _cells},
    kinds.CELL_ADDED: {"cell": _cell},
    kinds.CELL_REMOVED: {"cells": _cells},
    kinds.CELL_RESTORED: {"cells": _cells},
    kinds.COMMENTED: {"text": _text},
    kinds.SIGNED: {
        "name": _name,
        "statement": _text,
        "open": _open,
        "reason": _text,
        "machine": _counts,
        "person": _counts,
        "sha256": _sha256,
    },
    kinds.REOPENED: {"reason": _said},
    kinds.REFUSED: {"what": _text, "why": _text},
}
"""What each kind must have."""

MAY: Mapping[str, Mapping[str, Check]] = {
    kinds.ADDED: {"readers": _one_of(1, 2), "summary": _mapping},
    kinds.OPENED: _READER,
    kinds.RECLASSIFIED: _READER | _BACK,
    kinds.LOOKED_AT: _READER,
    kinds.CELL_ADDED: _READER | {"to": _type},
    kinds.CELL_REMOVED: _READER | _BACK | {"reason": _text},
    kinds.CELL_RESTORED: _READER | _BACK | {"reason": _text},
    kinds.COMMENTED: _READER,
    kinds.SIGNED: _READER | {"differs": _count},
    kinds.REFUSED: {"slide": _text, "address": _text, "left_out": _count},
}
"""What each kind may have; `None` is as good as absent."""


def check_shape(kind: str, payload: Mapping[str, Any]) -> None:
    """See that an event of a slide has what its kind needs, and nothing else.

    Raises:
        InputError: it has not.
    """
    if kind not in MUST:
        raise InputError(f"{kind!r:.40}: no kind of event; one of {', '.join(MUST)}")
    must, may = MUST[kind], MAY.get(kind, {})
    if strange := sorted(set(payload) - set(must) - set(may)):
        raise InputError(f"{kind}: nobody knows what {strange[0]!r:.40} means")
    for key, check in must.items():
        if told := "something" if key not in payload else check(payload[key]):
            raise InputError(f"{kind}: {key} must be {told}")
    for key, check in may.items():
        if payload.get(key) is not None and (told := check(payload[key])):
            raise InputError(f"{kind}: {key} must be {told}")
