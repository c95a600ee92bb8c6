"""Events: what the record is made of, and the hash that ties each to the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leukodiff.core.errors import InputError

ADDED, OPENED, RECLASSIFIED, LOOKED_AT = "added", "opened", "reclassified", "looked_at"
CELL_ADDED, CELL_REMOVED, CELL_RESTORED = "cell_added", "cell_removed", "cell_restored"
COMMENTED, SIGNED, REOPENED, REFUSED = "commented", "signed", "reopened", "refused"
REFERENCE_ADDED, REFERENCE_REMOVED = "reference_added", "reference_removed"

READING_KINDS = frozenset(
    {RECLASSIFIED, LOOKED_AT, CELL_ADDED, CELL_REMOVED, CELL_RESTORED, COMMENTED, SIGNED}
)
"""What belongs to one reader's reading: the payload's `reader`, 1 where it does not say."""

EDITS = frozenset({RECLASSIFIED, CELL_ADDED, CELL_REMOVED, CELL_RESTORED})
"""What can be undone: a payload may have `undo_of` or `redo_of`, the number of an event."""

SLIDE_KINDS = READING_KINDS | {ADDED, OPENED, REOPENED, REFUSED}
PEOPLE_KINDS = frozenset(
    {"user_added", "user_changed", "logged_in", "login_failed", "logged_out", REFUSED}
)
REFERENCE_KINDS = frozenset({REFERENCE_ADDED, REFERENCE_REMOVED})
KINDS = SLIDE_KINDS | PEOPLE_KINDS | REFERENCE_KINDS

FIRST = "0" * 64
"""What the first event has for the hash of the one before."""

OPERATOR = "operator"
"""Who acts where no login is needed."""

MAX_PAYLOAD = 8 * 1024 * 1024
"""Bytes of a payload: 5,000 cells reclassified at once are half a megabyte."""


@dataclass(frozen=True)
class Event:
    """One thing that a person did. `at` is ISO 8601 UTC.

    `number` counts 1, 2, ... over the whole record, `version` within the slide; `slide` is empty
    of what people did to no slide. `previous` is the hash of the event before over the whole
    record, `hash` that of everything else here.
    """

    number: int
    slide: str
    version: int
    actor: str
    at: str
    kind: str
    payload: Mapping[str, Any]
    previous: str
    hash: str

    @property
    def reader(self) -> int:
        """Whose reading it belongs to: 1, 2 or 3."""
        return int(self.payload.get("reader") or 1)


def canonical(value: Any) -> str:
    """The one way to write a value as JSON: what is hashed, and how a payload is stored.

    Keys sorted by code point, no space, only what JSON must escape is escaped, floats as Python's
    `repr`, UTF-8. Not a number and infinity are refused.

    Raises:
        InputError: it has no such form.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"not fit for the record: {_short(error)}") from error
    return text


def normal(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A payload as it comes back from the record: lists for tuples, text for keys.

    Raises:
        InputError: it is no JSON object, or larger than `MAX_PAYLOAD`.
    """
    text = canonical(payload)
    if len(text.encode("utf-8")) > MAX_PAYLOAD:
        raise InputError(f"too large for one event: more than {MAX_PAYLOAD // 1024**2} MB")
    found = json.loads(text)
    if not isinstance(found, dict):
        raise InputError("not fit for the record: a payload is an object")
    return found


def hash_of(event: Event) -> str:
    """SHA-256 over the canonical JSON of an event without its `hash`, 64 hex digits."""
    content = {
        "number": event.number,
        "slide": event.slide,
        "version": event.version,
        "actor": event.actor,
        "at": event.at,
        "kind": event.kind,
        "payload": event.payload,
        "previous": event.previous,
    }
    return hashlib.sha256(canonical(content).encode("utf-8")).hexdigest()


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
