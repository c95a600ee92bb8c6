"""From events to a slide's state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from leukodiff.pipeline.report.report import Cell

from . import events as kinds
from .events import Event
from .state import (
    ANALYZED,
    IN_REVIEW,
    STATE_SIGNED,
    Reading,
    Signature,
    SlideState,
    Step,
    cell_of,
)


def fold(events: Iterable[Event], start: SlideState | None = None) -> SlideState:
    """What the events of one slide add up to, in their order, on top of `start`."""
    state = start
    readings: dict[int, _Working] = {}
    for event in events:
        state = state or SlideState(event.slide)
        if event.kind in kinds.READING_KINDS:
            _reading(readings, state, event.reader).take(event)
            made = state.cells_made + (event.kind == kinds.CELL_ADDED)
            state = replace(_touched(state, event), status=IN_REVIEW, cells_made=made)
            if event.kind == kinds.SIGNED:
                state = _frozen(state, readings)
                readings = {}
        else:
            state = _SLIDE_WIDE.get(event.kind, _passed)(_frozen(state, readings), event)
            readings = {}
    return _frozen(state or SlideState(""), readings)


def _frozen(state: SlideState, readings: Mapping[int, _Working]) -> SlideState:
    if readings:
        done = {n: one.frozen() for n, one in readings.items()}
        state = replace(state, readings=dict(state.readings) | done)
    return replace(state, status=STATE_SIGNED) if _is_signed(state) else state


def _is_signed(state: SlideState) -> bool:
    if state.readers == 1:
        return state.reading().signature is not None
    return state.first_two_signed and not state.awaits_third


def _touched(state: SlideState, event: Event) -> SlideState:
    return replace(
        state, number=event.number, version=event.version, actor=event.actor, at=event.at
    )


def _passed(state: SlideState, event: Event) -> SlideState:
    return replace(state, number=event.number, version=event.version)


def _added(state: SlideState, event: Event) -> SlideState:
    said = event.payload
    return replace(
        _touched(state, event),
        status=ANALYZED,
        folder=said["folder"],
        source_sha256=said["sha256"],
        n_cells=said["n_cells"],
        summary=said.get("summary") or {},
        readers=said.get("readers") or 1,
        readings={},
    )


def _opened(state: SlideState, event: Event) -> SlideState:
    state = _passed(state, event)
    if "reader" not in event.payload or state.readers == 1:
        return state
    one = replace(state.reading(event.reader), actor=event.actor)
    return replace(state, readings=dict(state.readings) | {event.reader: one})


def _reopened(state: SlideState, event: Event) -> SlideState:
    open_again = {n: replace(one, signature=None) for n, one in state.readings.items()}
    return replace(
        _touched(state, event),
        status=IN_REVIEW,
        reopened=state.reopened + 1,
        readings=open_again,
    )


_SLIDE_WIDE: Mapping[str, Callable[[SlideState, Event], SlideState]] = {
    kinds.ADDED: _added,
    kinds.OPENED: _opened,
    kinds.REOPENED: _reopened,
}


def _reading(readings: dict[int, _Working], state: SlideState, reader: int) -> _Working:
    if reader not in readings:
        readings[reader] = _Working(state.reading(reader), state.readers > 1)
    return readings[reader]


class _Working:
    """A reading while events are added to it."""

    def __init__(self, one: Reading, owned: bool) -> None:
        self.one, self.owned = one, owned
        self.actor, self.comment, self.signature = one.actor, one.comment, one.signature
        self.reviewed_as: dict[str, str] = dict(one.reviewed_as)
        self.looked_at = set(one.looked_at)
        self.removed = set(one.removed)
        self.added: list[Cell] = list(one.added)
        self.undo = defaultdict(list, {who: list(steps) for who, steps in one.undo.items()})
        self.redo = defaultdict(list, {who: list(steps) for who, steps in one.redo.items()})

    def frozen(self) -> Reading:
        return Reading(
            self.one.reader,
            self.actor,
            self.reviewed_as,
            frozenset(self.looked_at),
            tuple(self.added),
            frozenset(self.removed),
            self.comment,
            self.signature,
            {who: tuple(steps) for who, steps in self.undo.items() if steps},
            {who: tuple(steps) for who, steps in self.redo.items() if steps},
        )

    def take(self, event: Event) -> None:
        self.actor = self.actor or (event.actor if self.owned else "")
        getattr(self, f"_{event.kind}")(event, event.payload)
        if event.kind in kinds.EDITS:
            self._stack(event)

    def _reclassified(self, event: Event, said: Mapping[str, Any]) -> None:
        for cell_id, change in said["cells"].items():
            self._name(cell_id, change["to"])

    def _looked_at(self, event: Event, said: Mapping[str, Any]) -> None:
        self.looked_at.update(said["cells"])

    def _cell_added(self, event: Event, said: Mapping[str, Any]) -> None:
        cell = cell_of(said["cell"])
        self.added.append(cell)
        self._name(cell.cell_id, said.get("to"))

    def _cell_removed(self, event: Event, said: Mapping[str, Any]) -> None:
        self.removed.update(said["cells"])

    def _cell_restored(self, event: Event, said: Mapping[str, Any]) -> None:
        self.removed.difference_update(said["cells"])

    def _commented(self, event: Event, said: Mapping[str, Any]) -> None:
        self.comment = said["text"]

    def _signed(self, event: Event, said: Mapping[str, Any]) -> None:
        self.signature = Signature(
            event.number,
            event.reader,
            event.actor,
            said["name"],
            event.at,
            said["statement"],
            said["reason"],
            said["open"]["unidentified"],
            said["open"]["not_looked_at"],
            said["machine"],
            said["person"],
            said["sha256"],
            said.get("differs") or 0,
        )

    def _name(self, cell_id: str, name: str | None) -> None:
        self.looked_at.add(cell_id)
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

    def _pairs(self, said: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]]:
        if "cell" in said:
            return {said["cell"]["cell_id"]: (said.get("to"), said.get("to"))}
        cells = said["cells"]
        if isinstance(cells, Mapping):
            return {one: (change["from"], change["to"]) for one, change in cells.items()}
        return {one: (self.reviewed_as.get(one),) * 2 for one in cells}


def _pop_through(steps: list[Step], number: int) -> None:
    while steps and steps.pop().number != number:
        pass
