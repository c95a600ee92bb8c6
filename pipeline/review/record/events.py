"""Events of the record: their kinds, the shape of each kind's payload, canonical JSON and the hash.

Shapes are checked by hand, not by msgspec: users of the API get these sentences.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from leukodiff.core.errors import InputError
from leukodiff.core.text import printable
from leukodiff.datasets.vocabulary import BY_NAME
from leukodiff.pipeline.report.cells import Cell

ADDED = "added"
OPENED = "opened"
RECLASSIFIED = "reclassified"
VIEWED = "looked_at"
CELL_ADDED = "cell_added"
CELL_REMOVED = "cell_removed"
CELL_RESTORED = "cell_restored"
COMMENTED = "commented"
SIGNED = "signed"
REOPENED = "reopened"
REFUSED = "refused"
REFERENCE_ADDED = "reference_added"
REFERENCE_REMOVED = "reference_removed"

READING_KINDS = frozenset(
    {RECLASSIFIED, VIEWED, CELL_ADDED, CELL_REMOVED, CELL_RESTORED, COMMENTED, SIGNED}
)
"""Kinds that belong to one reader's reading: the payload's `reader`, 1 where it has none."""

EDITS = frozenset({RECLASSIFIED, CELL_ADDED, CELL_REMOVED, CELL_RESTORED})
"""Kinds that can be undone: a payload may have `undo_of` or `redo_of`, the number of an event."""

SLIDE_KINDS = READING_KINDS | {ADDED, OPENED, REOPENED, REFUSED}
PEOPLE_KINDS = frozenset(
    {"user_added", "user_changed", "logged_in", "login_failed", "logged_out", REFUSED}
)
REFERENCE_KINDS = frozenset({REFERENCE_ADDED, REFERENCE_REMOVED})
KINDS = SLIDE_KINDS | PEOPLE_KINDS | REFERENCE_KINDS

FIRST = "0" * 64
"""`previous` of the first event."""

OPERATOR = "operator"
"""Actor of a review where no login is needed."""

MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
"""5,000 cells reclassified at once are half a megabyte."""

MAX_TEXT = 10_000
"""Characters of a comment or a reason."""

MAX_NAME = 300
"""Characters of a cell's, a slide's or a person's name."""

Clock = Callable[[], datetime]

Check = Callable[[Any], str]
"""Description of what a value should have been; empty where it is fine."""


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
        """The reader whose reading it belongs to: 1, 2 or 3."""
        return int(self.payload.get("reader") or 1)


def now_utc() -> datetime:
    """The time."""
    return datetime.now(UTC)


def as_text(time: datetime) -> str:
    """A time as ISO 8601 UTC to the microsecond: always as long, so texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def canonical(value: Any) -> str:
    """The one way to write a value as JSON: it is hashed, and a payload is stored, in this form.

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
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"not fit for the record: {reason}") from error
    return text


def normal(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A payload as it comes back from the record: lists for tuples, text for keys.

    Raises:
        InputError: it is no JSON object, or larger than `MAX_PAYLOAD_BYTES`.
    """
    text = canonical(payload)
    if len(text.encode("utf-8")) > MAX_PAYLOAD_BYTES:
        raise InputError(f"too large for one event: more than {MAX_PAYLOAD_BYTES // 1024**2} MB")
    found = json.loads(text)
    if not isinstance(found, dict):
        raise InputError("not fit for the record: a payload is an object")
    return found


def hash_of(event: Event) -> str:
    """SHA-256 over the canonical JSON of an event without its `hash`, 64 hex digits."""
    content = {name: value for name, value in vars(event).items() if name != "hash"}
    return hashlib.sha256(canonical(content).encode("utf-8")).hexdigest()


def cell_payload(cell: Cell) -> dict[str, Any]:
    """A cell as the payload of `cell_added` has it."""
    return {**asdict(cell), "probabilities": list(cell.probabilities)}


def cell_of(payload: Mapping[str, Any]) -> Cell:
    """The cell that `cell_payload` wrote; what a cell can be without may be left out.

    Raises:
        TypeError, ValueError: it is none.
    """
    from leukodiff.classifier.facts import CellFacts

    facts = CellFacts(**_with_code(payload.get("facts") or {}))
    chances = tuple(float(p) for p in payload["probabilities"])
    return Cell(**_with_code({**payload, "probabilities": chances, "facts": facts}))


def _with_code(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values whose `note` is a `CellNote` where its text is one's; another text stays."""
    from leukodiff.classifier.facts import CellNote

    codes = {str(one): one for one in CellNote}
    note = values.get("note", "")
    return {**values, "note": codes.get(note, note)} if isinstance(note, str) else dict(values)


def check_shape(kind: str, payload: Mapping[str, Any]) -> None:
    """Checks that an event of a slide has what its kind needs, and nothing else.

    Raises:
        InputError: it has not.
    """
    if kind not in REQUIRED:
        raise InputError(f"{kind!r:.40}: no kind of event; one of {', '.join(REQUIRED)}")
    required, optional = REQUIRED[kind], OPTIONAL.get(kind, {})
    if unknown := sorted(set(payload) - set(required) - set(optional)):
        raise InputError(f"{kind}: nobody knows what {unknown[0]!r:.40} means")
    for key, check in (required | optional).items():
        value = payload.get(key)
        if key in required and key not in payload:
            raise InputError(f"{kind}: {key} must be something")
        if (key in required or value is not None) and (expected := check(value)):
            raise InputError(f"{kind}: {key} must be {expected}")


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and len(value) <= MAX_TEXT else "a text"


def _reason(value: Any) -> str:
    return "a reason in words" if _text(value) or not value.strip() else ""


def is_name(value: object) -> bool:
    """True for a printable text of 1 to `MAX_NAME` characters."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()


def _name(value: Any) -> str:
    return "" if is_name(value) else "a name"


def _count(value: Any) -> str:
    return "" if type(value) is int and value >= 0 else "a whole number, 0 or more"


def _one_of(*allowed: int) -> Check:
    expected = " or ".join(map(str, allowed))
    return lambda value: "" if type(value) is int and value in allowed else expected


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
    types = [one.get(side) for one in value.values() for side in ("from", "to")]
    wrong = any(map(_name, value)) or any(map(_type, types))
    return "an object of cells with cell types" if wrong else ""


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
    chances = (cell.detection_confidence, cell.confidence, *cell.probabilities)
    if not all(type(one) in (int, float) for one in (*box, *chances)):
        return "a cell with numbers for its box and its probabilities"
    if not is_name(cell.field_id) or cell.cell_type is None or _type(cell.cell_type):
        return "a cell in a field and of a known type"
    return "" if box[0] < box[2] and box[1] < box[3] else "a cell with a box that is not empty"


_READER = {"reader": _one_of(1, 2, 3)}
_STEP = {"undo_of": _count, "redo_of": _count}

REQUIRED: Mapping[str, dict[str, Check]] = {
    ADDED: {"folder": _text, "sha256": _sha256, "n_cells": _count},
    OPENED: {},
    RECLASSIFIED: {"cells": _changes},
    VIEWED: {"cells": _cells},
    CELL_ADDED: {"cell": _cell},
    CELL_REMOVED: {"cells": _cells},
    CELL_RESTORED: {"cells": _cells},
    COMMENTED: {"text": _text},
    SIGNED: {
        "name": _name,
        "statement": _text,
        "open": _open,
        "reason": _text,
        "machine": _counts,
        "person": _counts,
        "sha256": _sha256,
    },
    REOPENED: {"reason": _reason},
    REFUSED: {"what": _text, "why": _text},
}
"""Keys that the payload of each kind must have."""

OPTIONAL: Mapping[str, dict[str, Check]] = {
    ADDED: {"readers": _one_of(1, 2), "summary": _mapping},
    OPENED: _READER,
    RECLASSIFIED: _READER | _STEP,
    VIEWED: _READER,
    CELL_ADDED: _READER | {"to": _type},
    CELL_REMOVED: _READER | _STEP | {"reason": _text},
    CELL_RESTORED: _READER | _STEP | {"reason": _text},
    COMMENTED: _READER,
    SIGNED: _READER | {"differs": _count},
    REFUSED: {"slide": _text, "address": _text, "left_out": _count},
}
"""Keys that the payload of each kind may have; `None` is as good as absent."""


MAX_LETTERS = 300
"""Characters of a text of a refusal that are kept: an attacker chooses them."""


@dataclass
class RateLimiter:
    """Admits `burst` of each key at once, then one in `interval_s` seconds (a token bucket)."""

    burst: int = 20
    interval_s: float = 30.0
    now: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, key: str) -> int | None:
        """Number of those left out since the last one admitted; `None`: this one is, too."""
        with self._lock:
            now = self.now()
            tokens, then, left_out = self._buckets.get(key, (float(self.burst), now, 0))
            tokens = min(float(self.burst), tokens + max(0.0, now - then) / self.interval_s)
            if tokens < 1:
                self._buckets[key] = tokens, now, left_out + 1
                return None
            self._buckets[key] = tokens - 1, now, 0
            return left_out


def refusal_payload(what: str, why: str, address: str, slide: str, left_out: int) -> dict[str, Any]:
    """Payload of a refusal: short printable texts, whatever an attacker sent."""
    optional = {
        "address": short_printable(address),
        "slide": short_printable(slide),
        "left_out": left_out,
    }
    given = {key: value for key, value in optional.items() if value}
    return {"what": short_printable(what), "why": short_printable(why), **given}


def short_printable(text: str) -> str:
    """The first `MAX_LETTERS` of a text; what can't be printed is replaced."""
    return printable(text[:MAX_LETTERS], "\N{REPLACEMENT CHARACTER}")
