"""Rules of the record: events that a slide does not take, and what the record adds to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leukodiff.core.errors import InputError, LeukodiffError

from . import events as kinds
from .events import Event
from .state import ANALYZED, REMOVED, STATE_SIGNED, THIRD, SlideState, digest

COMMENT = ""
"""The comment among the names of cells: none of these is empty."""

_WITH_SIGNED = frozenset({kinds.REOPENED, kinds.REFUSED, kinds.OPENED})
_TOUCHING = kinds.EDITS | {kinds.COMMENTED}


class Locked(LeukodiffError):  # noqa: N818
    """The slide, or this reader's reading of it, is signed: it must be re-opened first."""


class StaleSignature(LeukodiffError):  # noqa: N818
    """A signature for a state that is not the present one: an older one, or sent twice."""


class Conflict(LeukodiffError):  # noqa: N818
    """Someone changed the same cells since.

    `mine` is what was to be done to each cell that both touched and `theirs` what it is now: a
    type, `None` for as the machine named it, `"removed"`; the key `""` is
    the comment. `since` are the events that touched them, `state` is the present one.
    """

    def __init__(
        self,
        state: SlideState,
        since: tuple[Event, ...],
        mine: Mapping[str, str | None],
        theirs: Mapping[str, str | None],
    ) -> None:
        self.state, self.since, self.mine, self.theirs = state, since, mine, theirs
        who = ", ".join(dict.fromkeys(event.actor for event in since)) or "someone"
        what = ", ".join(key or "the comment" for key in list(theirs)[:5])
        more = f" and {len(theirs) - 5} more" if len(theirs) > 5 else ""
        super().__init__(f"{state.slide}: {who} changed {what}{more} meanwhile; look again")


def check_event(
    state: SlideState,
    actor: str,
    kind: str,
    payload: Mapping[str, Any],
    since: Sequence[Event],
) -> dict[str, Any]:
    """Checks an event; returns its payload with `from`, or a new cell's name, filled in.

    `since` are the events of the slide after the version that the actor had seen.

    Raises:
        InputError: it makes no sense in this state.
        Locked: the slide or the reading is signed.
        Conflict: others touched the same cells since, or they are not what `from` says.
        StaleSignature: the state that was signed is not the present one.
    """
    given = {key: value for key, value in payload.items() if value is not None or key == "to"}
    if not state.version and kind != kinds.ADDED:
        raise InputError(f"{state.slide}: no such slide in the record")
    if state.status == STATE_SIGNED and kind not in _WITH_SIGNED:
        raise Locked(f"{state.slide}: signed; re-open it first, with a reason")
    if kind not in kinds.READING_KINDS:
        _check_slide_wide(state, actor, kind, given)
        return given
    reader = _checked_reader(state, actor, given.get("reader", 1))
    filled = _filled(state, reader, kind, given)
    _check_conflict(state, reader, kind, filled, since)
    if kind == kinds.SIGNED:
        _check_signature(state, reader, filled)
    elif kind == kinds.CELL_ADDED:
        _check_new_cell(state, reader, filled)
    elif kind in kinds.EDITS:
        _check_edit(state, reader, actor, filled)
    return filled


def touched(kind: str, payload: Mapping[str, Any]) -> frozenset[str]:
    """The cells that an event changes; `COMMENT` for the comment."""
    if kind == kinds.COMMENTED:
        return frozenset({COMMENT})
    if kind == kinds.CELL_ADDED:
        return frozenset({payload["cell"]["cell_id"]})
    return frozenset(payload["cells"]) if kind in kinds.EDITS else frozenset()


def _check_slide_wide(state: SlideState, actor: str, kind: str, payload: Mapping[str, Any]) -> None:
    if kind == kinds.ADDED and state.version and state.status != ANALYZED:
        raise InputError(f"{state.slide}: under review; its cells can't be exchanged")
    if kind == kinds.ADDED and state.version and payload["sha256"] == state.source_sha256:
        raise InputError(f"{state.slide}: in the record already")
    if kind == kinds.OPENED and "reader" in payload:
        _checked_reader(state, actor, payload["reader"])
    if kind == kinds.REOPENED and not state.signatures:
        raise InputError(f"{state.slide}: not signed, so there is nothing to re-open")


def _checked_reader(state: SlideState, actor: str, reader: int) -> int:
    if state.readers == 1:
        if reader != 1:
            raise InputError(f"{state.slide}: read by one reader, not by a reader {reader}")
    elif reader != state.reader_of(actor):
        raise InputError(f"{state.slide}: reading {reader} is not for {actor} to change")
    if state.reading(reader).signature:
        raise Locked(f"{state.slide}: reading {reader} is signed; re-open it first, with a reason")
    return reader


def _filled(state: SlideState, reader: int, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    if kind == kinds.RECLASSIFIED:
        named = state.reading(reader).reviewed_as
        full = {one: {"from": named.get(one)} | change for one, change in payload["cells"].items()}
        return payload | {"cells": full}
    if kind == kinds.CELL_ADDED:
        cell = {"cell_id": f"p{state.cells_made + 1}"} | payload["cell"]
        return payload | {"cell": cell, "to": payload.get("to")}
    return payload


def _check_conflict(
    state: SlideState,
    reader: int,
    kind: str,
    payload: Mapping[str, Any],
    since: Sequence[Event],
) -> None:
    mine = touched(kind, payload)
    other = [e for e in since if e.kind in _TOUCHING and e.reader == reader]
    clash = [e for e in other if kind == kinds.SIGNED or mine & touched(e.kind, e.payload)]
    theirs = {one for e in clash for one in touched(e.kind, e.payload)}
    both = theirs if kind == kinds.SIGNED else theirs & mine
    both |= _not_as_claimed(state, reader, kind, payload)
    if both:
        reading = state.reading(reader)
        raise Conflict(
            state,
            tuple(clash),
            {one: _wanted(kind, payload, one) for one in sorted(both)},
            {c: reading.comment if c == COMMENT else reading.value(c) for c in sorted(both)},
        )


def _not_as_claimed(
    state: SlideState, reader: int, kind: str, payload: Mapping[str, Any]
) -> set[str]:
    reading = state.reading(reader)
    if kind == kinds.RECLASSIFIED:
        named, gone = reading.reviewed_as, reading.removed
        changes = payload["cells"].items()
        return {one for one, c in changes if c["from"] != named.get(one) or one in gone}
    if kind == kinds.CELL_REMOVED:
        return {one for one in payload["cells"] if one in reading.removed}
    if kind == kinds.CELL_RESTORED:
        return {one for one in payload["cells"] if one not in reading.removed}
    return set()


def _wanted(kind: str, payload: Mapping[str, Any], cell_id: str) -> str | None:
    if kind == kinds.COMMENTED:
        return str(payload["text"])
    if kind == kinds.RECLASSIFIED:
        to: str | None = payload["cells"][cell_id]["to"]
        return to
    return REMOVED if kind == kinds.CELL_REMOVED else None


def _check_edit(state: SlideState, reader: int, actor: str, payload: Mapping[str, Any]) -> None:
    reading = state.reading(reader)
    for word, stacks in (("undo_of", reading.undo), ("redo_of", reading.redo)):
        number = payload.get(word)
        if number is not None and number not in {one.number for one in stacks.get(actor, ())}:
            raise InputError(f"{state.slide}: event {number} is not there to {word[:4]}")


def _check_new_cell(state: SlideState, reader: int, payload: Mapping[str, Any]) -> None:
    made = {cell.cell_id for one in state.readings.values() for cell in one.added}
    if reader == THIRD:
        raise InputError(f"{state.slide}: the third reader decides, and adds no cells")
    if payload["cell"]["cell_id"] in made:
        raise InputError(f"{state.slide}: there is a cell {payload['cell']['cell_id']} already")


def _check_signature(state: SlideState, reader: int, payload: Mapping[str, Any]) -> None:
    if payload["sha256"] != digest(state, reader):
        raise StaleSignature(f"{state.slide}: changed since it was looked at; look and sign again")
    n_open = payload["open"]["unidentified"] + payload["open"]["not_looked_at"]
    if n_open and not payload["reason"].strip():
        raise InputError(f"{state.slide}: signed with cells left open only for a reason")
