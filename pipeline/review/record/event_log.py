"""The record: every change that a person makes, kept for good."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from leukodiff.core.cache import Cache
from leukodiff.core.errors import InputError

from . import events as kinds
from . import tables
from .database import Database
from .events import Event, canonical, hash_of, normal
from .hash_chain import Fault, Head, StoredEvent, chain_faults
from .payload_schema import MAX_NAME, check_shape
from .refusals import RateLimiter, refusal_payload, short_printable
from .replay import fold
from .rules import check_event
from .state import SlideState
from .triggers import missing_guards
from .worklist import SlideRow, row_of, worklist_faults

Clock = Callable[[], datetime]

_ALL = 2**31 - 1

REFUSALS_AT_ONCE = 60

SECONDS_A_REFUSAL = 1.0

KEPT_STATES = 64
"""How many slides' states are kept in memory."""


def now_utc() -> datetime:
    """The time."""
    return datetime.now(UTC)


def as_text(time: datetime) -> str:
    """A time as ISO 8601 UTC to the microsecond: always as long, so texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


class Record:
    """An append-only log of events with a hash chain, and what follows from it.

    Safe to use from several threads and several processes at once. What a method has written is
    on the disk when it returns. `people` has the users and their sessions. What `url` and `make`
    are: see `Database`.
    """

    def __init__(self, url: str, *, make: bool = True, clock: Clock = now_utc) -> None:
        from .people import People

        self.database = Database(url, make)
        self.clock = clock
        self.people = People(self)
        self._lock = threading.Lock()
        self._states = Cache[SlideState](KEPT_STATES)
        self._refusals = RateLimiter(
            REFUSALS_AT_ONCE, SECONDS_A_REFUSAL, lambda: self.clock().timestamp()
        )

    def append(
        self,
        slide: str,
        actor: str,
        kind: str,
        payload: Mapping[str, Any],
        expected_version: int | None = None,
    ) -> Event:
        """Add an event of a slide, and return it as it was kept.

        `expected_version` is the version of the slide that the actor had seen: edits of other cells
        since then pass, one of the same cells does not.

        Raises:
            InputError: it is malformed, or makes no sense in the slide's state.
            Conflict, Locked, StaleSignature: see there.
            RecordError: it could not be written; nothing is kept of it.
        """
        said = normal(payload)
        check_shape(kind, said)
        _check_names(slide, actor)
        with self.database.writing() as (connection, number, last):
            before = self._refreshed(connection, slide)
            since = self._since(connection, before, expected_version)
            said = check_event(before, actor, kind, said, since)
            event = self._sealed(number, last, (slide, before.version + 1, actor, kind, said))
            after = fold([event], before)
            _insert(connection, event)
            if kind in kinds.SLIDE_KINDS:
                _write_row(connection, after)
        self._keep(after)
        return event

    def append_about_people(
        self, connection: Connection, head: Head, actor: str, kind: str, payload: Mapping[str, Any]
    ) -> Event:
        """Add an event of no slide, within a transaction of `Database.writing`."""
        version = select(func.max(tables.events.c.version)).where(tables.events.c.slide == "")
        next_version = (connection.execute(version).scalar() or 0) + 1
        said = normal(payload)
        event = self._sealed(head.number, head.hash, ("", next_version, actor, kind, said))
        _insert(connection, event)
        return event

    def note(self, actor: str, kind: str, payload: Mapping[str, Any]) -> Event:
        """Add an event of no slide that stands alone.

        Raises:
            InputError: a name or the payload is malformed.
            RecordError: it could not be written; nothing is kept of it.
        """
        _check_names("-", actor)
        with self.database.writing() as (connection, number, last):
            return self.append_about_people(connection, Head(number, last), actor, kind, payload)

    def refuse(
        self, actor: str, what: str, why: str, *, address: str = "", slide: str = ""
    ) -> Event | None:
        """Note an attack or a refusal; texts are cut short, odd characters replaced.

        A process keeps `REFUSALS_AT_ONCE`, then one in `SECONDS_A_REFUSAL`, lest an attacker fills
        the disk: then `None`, and the next one that is kept says in `left_out` how many were not.
        """
        left_out = self._refusals.admit("")
        if left_out is None:
            return None
        said = refusal_payload(what, why, address, slide, left_out)
        with self.database.writing() as (connection, number, last):
            head = Head(number, last)
            who = short_printable(actor or "?")
            return self.append_about_people(connection, head, who, kinds.REFUSED, said)

    def slides(self) -> list[SlideRow]:
        """The worklist, in no particular order."""
        with self.database.reading() as connection:
            rows = connection.execute(select(tables.slides)).mappings().all()
        return [_slide_row(row) for row in rows]

    def events(self, slide: str | None = None, after: int = 0, limit: int = 100_000) -> list[Event]:
        """Events with a number above `after` in their order: of one slide, or all."""
        wanted = select(tables.events).where(tables.events.c.number > after)
        if slide and not _is_name(slide):
            return []
        if slide is not None:
            wanted = wanted.where(tables.events.c.slide == slide)
        with self.database.reading() as connection:
            ordered = wanted.order_by(tables.events.c.number).limit(limit)
            return [_event(row) for row in connection.execute(ordered).mappings()]

    def newest(self, slide: str, n: int) -> list[Event]:
        """The last `n` events of a slide, or with an empty name of no slide; newest first."""
        e = tables.events.c
        last = select(tables.events).where(e.slide == slide).order_by(e.number.desc()).limit(n)
        with self.database.reading() as connection:
            return [_event(row) for row in connection.execute(last).mappings()]

    def state(self, slide: str) -> SlideState:
        """A slide's present state; its `version` is 0 where there is no such slide."""
        if not _is_name(slide):
            return SlideState(slide)
        with self.database.reading() as connection:
            state = self._refreshed(connection, slide)
        self._keep(state)
        return state

    def head(self) -> Head:
        """The last event's number and hash: noted elsewhere, they prove the record up to there."""
        with self.database.reading() as connection:
            row = connection.execute(select(tables.head)).mappings().one()
        return Head(row["number"], row["hash"])

    def verify(self, noted: Head | None = None) -> list[Fault]:
        """What is wrong with the record, by number; empty where it is whole.

        `noted` is a head noted earlier: see `chain_faults` for how far each finding can be trusted.
        """
        with self.database.reading() as connection:
            last = connection.execute(select(tables.head)).mappings().first()
            head = _head(last) if last else None
            ordered = select(tables.events).order_by(tables.events.c.number)
            streamed = connection.execution_options(yield_per=1000).execute(ordered).mappings()
            found = chain_faults((StoredEvent(**row) for row in streamed), head, noted)
            rows = connection.execute(select(tables.slides)).mappings().all()
        found = found or worklist_faults(self.events(limit=_ALL), map(_slide_row, rows))
        with self.database.reading() as connection:
            return [*missing_guards(connection), *found]

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def time(self) -> str:
        """Now, as the record writes it."""
        return as_text(self.clock())

    def _sealed(
        self, number: int, last: str, what: tuple[str, int, str, str, Mapping[str, Any]]
    ) -> Event:
        slide, version, actor, kind, said = what
        event = Event(number + 1, slide, version, actor, self.time(), kind, said, last, "")
        return Event(**vars(event) | {"hash": hash_of(event)})

    def _refreshed(self, connection: Connection, slide: str) -> SlideState:
        """The state with all that is committed, from what is kept in memory."""
        known = self._states.get(slide) or SlideState(slide)
        e = tables.events.c
        later = select(tables.events).where(e.slide == slide, e.version > known.version)
        rows = connection.execute(later.order_by(e.version)).mappings()
        return fold((_event(row) for row in rows), known)

    def _since(
        self, connection: Connection, state: SlideState, seen: int | None
    ) -> tuple[Event, ...]:
        if seen is None or seen == state.version:
            return ()
        if not 0 <= seen < state.version:
            raise InputError(f"{state.slide}: there is no version {seen} yet")
        e = tables.events.c
        later = select(tables.events).where(e.slide == state.slide, e.version > seen)
        return tuple(
            _event(row) for row in connection.execute(later.order_by(e.version)).mappings()
        )

    def _keep(self, state: SlideState) -> None:
        with self._lock:
            known = self._states.get(state.slide)
            if state.version and (known is None or known.version <= state.version):
                self._states.put(state.slide, state)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable()


def _check_names(slide: str, actor: str) -> None:
    for what, name in (("slide", slide), ("actor", actor)):
        if not _is_name(name):
            raise InputError(f"{what}: a name of 1 to {MAX_NAME} printable characters is needed")


def _insert(connection: Connection, event: Event) -> None:
    row = vars(event) | {"payload": canonical(event.payload)}
    connection.execute(insert(tables.events).values(**row))
    forward = update(tables.head).values(number=event.number, hash=event.hash)
    connection.execute(forward)


def _write_row(connection: Connection, state: SlideState) -> None:
    connection.execute(delete(tables.slides).where(tables.slides.c.slide == state.slide))
    row = vars(row_of(state))
    row = row | {"slide": row["slide_id"], "summary": canonical(row["summary"])}
    del row["slide_id"]
    connection.execute(insert(tables.slides).values(**row))


def _head(row: RowMapping) -> Head | None:
    """The head as it stands there; `None` where it was damaged so that it is none."""
    number, found = row["number"], row["hash"]
    return Head(number, found) if isinstance(number, int) and isinstance(found, str) else None


def _event(row: RowMapping) -> Event:
    return Event(**{**row, "payload": json.loads(row["payload"])})


def _slide_row(row: RowMapping) -> SlideRow:
    known = {name: value for name, value in row.items() if name not in ("slide", "summary")}
    return SlideRow(slide_id=row["slide"], summary=json.loads(row["summary"]), **known)
