"""The record: every change that a person makes, kept for good."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from leukodiff.core.cache import Cache
from leukodiff.core.errors import InputError

from . import events as kinds
from . import tables
from .database import Database
from .events import (
    MAX_NAME,
    Clock,
    Event,
    RateLimiter,
    as_text,
    canonical,
    check_shape,
    hash_of,
    is_name,
    normal,
    now_utc,
    refusal_payload,
    short_printable,
)
from .hash_chain import Fault, Head, StoredEvent, chain_faults
from .replay import fold
from .rules import check_event
from .sessions import People
from .state import SlideState
from .worklist import SlideRow, read_rows, worklist_faults, write_row

REFUSALS_AT_ONCE = 60

SECONDS_A_REFUSAL = 1.0

CACHED_SLIDES = 64
"""Slides whose events and state are kept in memory."""


@dataclass(frozen=True)
class SlideHistory:
    """Events of a slide, the one of version n at n - 1, and the state that they add up to."""

    state: SlideState
    events: tuple[Event, ...] = ()

    def with_events(self, new: Iterable[Event]) -> SlideHistory:
        """The history with later events; itself where there are none."""
        later = tuple(new)
        return SlideHistory(fold(later, self.state), self.events + later) if later else self


class Record:
    """An append-only log of events with a hash chain, and what follows from it.

    Safe to use from several threads and several processes at once. What a method has written is
    on the disk when it returns. `people` has the users and their sessions. `url` and `make` are as
    in `Database`.
    """

    def __init__(self, url: str, *, make: bool = True, clock: Clock = now_utc) -> None:
        self.database = Database(url, make)
        self.clock = clock
        self.people = People(self)
        self._lock = threading.Lock()
        self._histories: Cache[SlideHistory] = Cache(CACHED_SLIDES)
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
        """Adds an event of a slide, and returns it as it was kept.

        `expected_version` is the version of the slide that the actor had seen: edits of other cells
        since then pass, one of the same cells does not.

        Raises:
            InputError: it is malformed, or makes no sense in the slide's state.
            Conflict, Locked, StaleSignature: see there.
            RecordError: it could not be written; nothing is kept of it.
        """
        given = normal(payload)
        check_shape(kind, given)
        _check_names(slide, actor)
        with self.database.writing() as (connection, number, last):
            before = self._refreshed(connection, slide)
            version = before.state.version
            seen = version if expected_version is None else expected_version
            if not 0 <= seen <= version:
                raise InputError(f"{slide}: there is no version {seen} yet")
            filled = check_event(before.state, actor, kind, given, before.events[seen:])
            event = self._sealed(Head(number, last), slide, version + 1, actor, kind, filled)
            after = before.with_events([event])
            insert_event(connection, event)
            if kind in kinds.SLIDE_KINDS:
                write_row(connection, after.state)
        self._keep(after)
        return event

    def append_about_people(
        self, connection: Connection, head: Head, actor: str, kind: str, payload: Mapping[str, Any]
    ) -> Event:
        """Adds an event of no slide, within a transaction of `Database.writing`."""
        newest = select(func.max(tables.events.c.version)).where(tables.events.c.slide == "")
        version = (connection.execute(newest).scalar() or 0) + 1
        event = self._sealed(head, "", version, actor, kind, normal(payload))
        insert_event(connection, event)
        return event

    def note(self, actor: str, kind: str, payload: Mapping[str, Any]) -> Event:
        """Adds an event of no slide that stands alone.

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
        """Notes an attack or a refusal; texts are cut short, odd characters replaced.

        A process keeps `REFUSALS_AT_ONCE`, then one in `SECONDS_A_REFUSAL`, lest an attacker fills
        the disk: then `None`, and the next one that is kept has in `left_out` how many were not.
        """
        left_out = self._refusals.admit("")
        if left_out is None:
            return None
        payload = refusal_payload(what, why, address, slide, left_out)
        with self.database.writing() as (connection, number, last):
            head, who = Head(number, last), short_printable(actor or "?")
            return self.append_about_people(connection, head, who, kinds.REFUSED, payload)

    def slides(self) -> list[SlideRow]:
        """The worklist, in no particular order."""
        with self.database.reading() as connection:
            return read_rows(connection)

    def events(self, slide: str | None = None, after: int = 0, limit: int = 100_000) -> list[Event]:
        """Events with a number above `after` in their order: of one slide, or all."""
        if slide and not is_name(slide):
            return []
        wanted = select(tables.events).where(tables.events.c.number > after)
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

    def history(self, slide: str) -> SlideHistory:
        """A slide's events and present state, of which only what is new is read and folded."""
        if not is_name(slide):
            return SlideHistory(SlideState(slide))
        with self.database.reading() as connection:
            history = self._refreshed(connection, slide)
        self._keep(history)
        return history

    def state(self, slide: str) -> SlideState:
        """A slide's present state; its `version` is 0 where there is no such slide."""
        return self.history(slide).state

    def head(self) -> Head:
        """The last event's number and hash: noted elsewhere, they prove the record up to there."""
        with self.database.reading() as connection:
            row = connection.execute(select(tables.head)).mappings().one()
        return Head(row["number"], row["hash"])

    def verify(self, noted: Head | None = None) -> list[Fault]:
        """Faults of the record, by number; none where it is whole.

        `noted` is a head noted earlier: see `chain_faults` for how far each finding can be trusted.
        """
        with self.database.reading() as connection:
            last = connection.execute(select(tables.head)).mappings().first()
            ordered = select(tables.events).order_by(tables.events.c.number)
            streamed = connection.execution_options(yield_per=1000).execute(ordered).mappings()
            stored = (StoredEvent(**row) for row in streamed)
            found = chain_faults(stored, _head(last) if last else None, noted)
            missing = tables.missing_triggers(connection)
        unguarded = [
            Fault(0, "unguarded", f"the database no longer guards its log: {name} is gone")
            for name in missing
        ]
        return unguarded + (found or worklist_faults(self.events(limit=2**31 - 1), self.slides()))

    def close(self) -> None:
        """Closes the connections."""
        self.database.close()

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def time(self) -> str:
        """Now, as the record writes it."""
        return as_text(self.clock())

    def _sealed(
        self,
        head: Head,
        slide: str,
        version: int,
        actor: str,
        kind: str,
        payload: Mapping[str, Any],
    ) -> Event:
        at, number = self.time(), head.number + 1
        event = Event(number, slide, version, actor, at, kind, payload, head.hash, "")
        return Event(**vars(event) | {"hash": hash_of(event)})

    def _refreshed(self, connection: Connection, slide: str) -> SlideHistory:
        """The history with all that is committed, from the one that is kept in memory."""
        known = self._histories.get(slide) or SlideHistory(SlideState(slide))
        e = tables.events.c
        later = select(tables.events).where(e.slide == slide, e.version > known.state.version)
        rows = connection.execute(later.order_by(e.version)).mappings()
        return known.with_events(_event(row) for row in rows)

    def _keep(self, history: SlideHistory) -> None:
        slide, version = history.state.slide, history.state.version
        with self._lock:
            known = self._histories.get(slide)
            if version and (known is None or known.state.version <= version):
                self._histories.put(slide, history)


def _check_names(slide: str, actor: str) -> None:
    for what, name in (("slide", slide), ("actor", actor)):
        if not is_name(name):
            raise InputError(f"{what}: a name of 1 to {MAX_NAME} printable characters is needed")


def insert_event(connection: Connection, event: Event) -> None:
    """Writes an event to the log, and moves the head on."""
    row = vars(event) | {"payload": canonical(event.payload)}
    connection.execute(insert(tables.events).values(**row))
    connection.execute(update(tables.head).values(number=event.number, hash=event.hash))


def _head(row: RowMapping) -> Head | None:
    """The head as it stands there; `None` where it was damaged so that it is none."""
    number, found = row["number"], row["hash"]
    return Head(number, found) if isinstance(number, int) and isinstance(found, str) else None


def _event(row: RowMapping) -> Event:
    return Event(**{**row, "payload": json.loads(row["payload"])})
