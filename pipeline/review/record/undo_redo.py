"""What takes an edit back, and does it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import events as kinds
from .state import Reading, SlideState, Step

_INVERSE = {
    kinds.RECLASSIFIED: kinds.RECLASSIFIED,
    kinds.CELL_ADDED: kinds.CELL_REMOVED,
    kinds.CELL_REMOVED: kinds.CELL_RESTORED,
    kinds.CELL_RESTORED: kinds.CELL_REMOVED,
}


@dataclass(frozen=True)
class Change:
    """The kind and the payload of an event to append."""

    kind: str
    payload: Mapping[str, Any]


def undo(state: SlideState, actor: str, reader: int = 1) -> Change | None:
    """What undoes a person's last edit; `None` where there is none.

    Cells that are no longer as that edit left them (another person changed them) stay as they are;
    an edit of which nothing else is left is passed over.
    """
    reading = state.reading(reader)
    return _back(reading, reading.undo.get(actor, ()), "undo_of")


def redo(state: SlideState, actor: str, reader: int = 1) -> Change | None:
    """What does again what a person undid last, in the same way."""
    reading = state.reading(reader)
    return _back(reading, reading.redo.get(actor, ()), "redo_of")


def _back(reading: Reading, steps: tuple[Step, ...], word: str) -> Change | None:
    for step in reversed(steps):
        if cells := _cells(reading, step):
            said: dict[str, Any] = {"cells": cells, word: step.number}
            if reading.reader != 1:
                said["reader"] = reading.reader
            return Change(_INVERSE[step.kind], said)
    return None


def _cells(reading: Reading, step: Step) -> dict[str, Any] | list[str]:
    """The cells that are still as the step left them, as the payload of its inverse has them."""
    gone = step.kind == kinds.CELL_REMOVED
    held = {
        cell_id: (before, after)
        for cell_id, (before, after) in step.cells.items()
        if (cell_id in reading.removed) == gone and reading.reviewed_as.get(cell_id) == after
    }
    if step.kind != kinds.RECLASSIFIED:
        return sorted(held)
    return {one: {"from": after, "to": before} for one, (before, after) in held.items()}
