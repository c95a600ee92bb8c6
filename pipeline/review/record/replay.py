"""Replay of a slide's events to its state, and the events that undo or redo an edit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from leukodiff.pipeline.report.cells import Cell

from . import events as kinds
from .events import Event, cell_of
from .state import ANALYZED, IN_REVIEW, STATE_SIGNED, Reading, Signature, SlideState, Step


def fold(events: Iterable[Event], start: SlideState | None = None) -> SlideState:
    """The state that the events of one slide add up to, in their order, on top of `start`."""
    state = start
    readings: dict[int, _OpenReading] = {}
    for event in events:
        state = state or SlideState(event.slide)
        if event.kind in kinds.READING_KINDS:
            if event.reader not in readings:
                reading = state.reading(event.reader)
                readings[event.reader] = _OpenReading(reading, state.readers > 1)
            readings[event.reader].apply(event)
            made = state.cells_made + (event.kind == kinds.CELL_ADDED)
            state = replace(_changed(state, event), status=IN_REVIEW, cells_made=made)
            if event.kind == kinds.SIGNED:
                state, readings = _closed(state, readings), {}
        else:
            state, readings = _on_slide(_closed(state, readings), event), {}
    return _closed(state or SlideState(""), readings)


def _closed(state: SlideState, readings: Mapping[int, _OpenReading]) -> SlideState:
    if readings:
        done = {n: one.close() for n, one in readings.items()}
        state = replace(state, readings=dict(state.readings) | done)
    signed = state.first_two_signed and not state.awaits_third
    if state.readers == 1:
        signed = state.reading().signature is not None
    return replace(state, status=STATE_SIGNED) if signed else state


def _changed(state: SlideState, event: Event) -> SlideState:
    return replace(_passed(state, event), actor=event.actor, at=event.at)


def _passed(state: SlideState, event: Event) -> SlideState:
    return replace(state, number=event.number, version=event.version)


def _on_slide(state: SlideState, event: Event) -> SlideState:
    payload = event.payload
    match event.kind:
        case kinds.ADDED:
            return replace(
                _changed(state, event),
                status=ANALYZED,
                folder=payload["folder"],
                source_sha256=payload["sha256"],
                n_cells=payload["n_cells"],
                summary=payload.get("summary") or {},
                readers=payload.get("readers") or 1,
                readings={},
            )
        case kinds.OPENED if "reader" in payload and state.readers != 1:
            own = {event.reader: replace(state.reading(event.reader), actor=event.actor)}
            return replace(_passed(state, event), readings=dict(state.readings) | own)
        case kinds.REOPENED:
            readings = {n: replace(one, signature=None) for n, one in state.readings.items()}
            changed = replace(_changed(state, event), status=IN_REVIEW, readings=readings)
            return replace(changed, reopened=state.reopened + 1)
    return _passed(state, event)


class _OpenReading:
    """A reading while events are added to it; it is `owned` where there are two readers."""

    def __init__(self, one: Reading, owned: bool) -> None:
        self.reader, self.owned = one.reader, owned
        self.actor, self.comment, self.signature = one.actor, one.comment, one.signature
        self.reviewed_as: dict[str, str] = dict(one.reviewed_as)
        self.viewed = set(one.viewed)
        self.removed = set(one.removed)
        self.added: list[Cell] = list(one.added)
        self.undo = defaultdict(list, {who: list(steps) for who, steps in one.undo.items()})
        self.redo = defaultdict(list, {who: list(steps) for who, steps in one.redo.items()})

    def close(self) -> Reading:
        return Reading(
            reader=self.reader,
            actor=self.actor,
            reviewed_as=self.reviewed_as,
            viewed=frozenset(self.viewed),
            added=tuple(self.added),
            removed=frozenset(self.removed),
            comment=self.comment,
            signature=self.signature,
            undo={who: tuple(steps) for who, steps in self.undo.items() if steps},
            redo={who: tuple(steps) for who, steps in self.redo.items() if steps},
        )

    def apply(self, event: Event) -> None:
        self.actor = self.actor or (event.actor if self.owned else "")
        payload = event.payload
        match event.kind:
            case kinds.RECLASSIFIED:
                for cell_id, change in payload["cells"].items():
                    self.name(cell_id, change["to"])
            case kinds.VIEWED:
                self.viewed.update(payload["cells"])
            case kinds.CELL_ADDED:
                cell = cell_of(payload["cell"])
                self.added.append(cell)
                self.name(cell.cell_id, payload.get("to"))
            case kinds.CELL_REMOVED:
                self.removed.update(payload["cells"])
            case kinds.CELL_RESTORED:
                self.removed.difference_update(payload["cells"])
            case kinds.COMMENTED:
                self.comment = payload["text"]
            case kinds.SIGNED:
                self.signature = _signature(event)
        if event.kind in kinds.EDITS:
            self._stack(event)

    def name(self, cell_id: str, name: str | None) -> None:
        self.viewed.add(cell_id)
        if name is None:
            self.reviewed_as.pop(cell_id, None)
        else:
            self.reviewed_as[cell_id] = name

    def _stack(self, event: Event) -> None:
        """Keeps what can be undone: an undo takes its step, and all above it, from the stack."""
        undo, redo = self.undo[event.actor], self.redo[event.actor]
        step = Step(event.number, event.kind, self._pairs(event.payload))
        if undone := event.payload.get("undo_of"):
            _pop_through(undo, undone)
            redo.append(step)
        else:
            if redone := event.payload.get("redo_of"):
                _pop_through(redo, redone)
            else:
                redo.clear()
            undo.append(step)

    def _pairs(self, payload: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]]:
        if "cell" in payload:
            return {payload["cell"]["cell_id"]: (payload.get("to"), payload.get("to"))}
        cells = payload["cells"]
        if isinstance(cells, Mapping):
            return {one: (change["from"], change["to"]) for one, change in cells.items()}
        return {one: (self.reviewed_as.get(one),) * 2 for one in cells}


def _signature(event: Event) -> Signature:
    payload = event.payload
    return Signature(
        number=event.number,
        reader=event.reader,
        actor=event.actor,
        name=payload["name"],
        at=event.at,
        statement=payload["statement"],
        reason=payload["reason"],
        unidentified=payload["open"]["unidentified"],
        not_viewed=payload["open"]["not_looked_at"],
        machine=payload["machine"],
        person=payload["person"],
        sha256=payload["sha256"],
        differs=payload.get("differs") or 0,
    )


def _pop_through(steps: list[Step], number: int) -> None:
    while steps and steps.pop().number != number:
        pass


@dataclass(frozen=True)
class Change:
    """The kind and the payload of an event to append."""

    kind: str
    payload: Mapping[str, Any]


_INVERSE = {
    kinds.RECLASSIFIED: kinds.RECLASSIFIED,
    kinds.CELL_ADDED: kinds.CELL_REMOVED,
    kinds.CELL_REMOVED: kinds.CELL_RESTORED,
    kinds.CELL_RESTORED: kinds.CELL_REMOVED,
}


def undo(state: SlideState, actor: str, reader: int = 1) -> Change | None:
    """The change that undoes a person's last edit; `None` where there is none.

    Cells that are no longer as that edit left them (another person changed them) stay as they are;
    an edit of which nothing else is left is passed over.
    """
    reading = state.reading(reader)
    return _inverse(reading, reading.undo.get(actor, ()), "undo_of")


def redo(state: SlideState, actor: str, reader: int = 1) -> Change | None:
    """The change that does again what a person undid last, in the same way."""
    reading = state.reading(reader)
    return _inverse(reading, reading.redo.get(actor, ()), "redo_of")


def _inverse(reading: Reading, steps: tuple[Step, ...], key: str) -> Change | None:
    for step in reversed(steps):
        if cells := _cells(reading, step):
            payload: dict[str, Any] = {"cells": cells, key: step.number}
            if reading.reader != 1:
                payload["reader"] = reading.reader
            return Change(_INVERSE[step.kind], payload)
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
