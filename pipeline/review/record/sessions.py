"""Logins and sessions: passwords that are tried, names and addresses locked out, who is logged in.

Attempts are counted in the database, not by `RateLimiter`: several processes and a restart count
them alike.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from leukodiff.core.errors import LeukodiffError

from . import tables
from .accounts import Accounts, User, UserRow, key_of, shown, user_of, user_row
from .events import as_text
from .hash_chain import Head


@dataclass(frozen=True)
class PeopleSettings:
    """Limits of logins and sessions.

    After `attempts` failed logins of a name, or `attempts_by_address` from an address, within
    `window`, more are refused until the oldest of them is as old as that. A session ends when
    nothing was asked for `idle`, and in any case after `longest`; that it is in use is written
    once in `seen_again`.
    """

    attempts: int = 5
    attempts_by_address: int = 20
    window: timedelta = timedelta(minutes=15)
    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=12)
    seen_again: timedelta = timedelta(seconds=30)


class LockedOut(LeukodiffError):  # noqa: N818
    """Too many logins failed: `seconds` until the next may be tried."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        minutes = -(-seconds // 60)
        super().__init__(f"too many logins failed; try again in {minutes} min")


@dataclass
class People(Accounts):
    """Accounts with their logins and sessions."""

    settings: PeopleSettings = field(default_factory=PeopleSettings)

    def check_password(
        self, name: str, password: str, address: str = "", is_login: bool = True
    ) -> User | None:
        """The user whose password it is, else `None`; takes as long for a name that nobody has.

        Unless it `is_login`, one that is right is no event: its purpose will be one.

        Raises:
            LockedOut: too many attempts failed before.
        """
        name, address = shown(name), shown(address)
        row, attempt = self._attempt(name, address)
        right = self.verify(row.password if row else self.nobody, password)
        with self.log.database.writing() as (connection, number, last):
            head = Head(number, last)
            if not (right and row and row.active):
                failed = {"user": name, "address": address}
                self.log.append_about_people(connection, head, "?", "login_failed", failed)
                return None
            tried = tables.login_attempts.c
            own = or_(tried.id == attempt, tried.user == key_of(name))
            connection.execute(delete(tables.login_attempts).where(own))
            if self.hasher.check_needs_rehash(row.password):
                again = update(tables.users).where(tables.users.c.key == row.key)
                connection.execute(again.values(password=self.hash(password)))
            if is_login:
                origin = {"address": address}
                self.log.append_about_people(connection, head, row.name, "logged_in", origin)
        return user_of(row)

    def create_session(self, user: User) -> str:
        """Begins a session; the token that the browser keeps is stored nowhere."""
        token, now = secrets.token_urlsafe(32), self.log.time()
        known = tables.sessions.c
        idle = known.seen <= self._ago(self.settings.idle)
        old = known.created <= self._ago(self.settings.longest)
        with self.log.database.writing() as (connection, _, _):
            connection.execute(delete(tables.sessions).where(or_(idle, old)))
            row = {"token": _digest(token), "user": key_of(user.name), "created": now, "seen": now}
            connection.execute(insert(tables.sessions).values(**row))
        return token

    def session(self, token: str) -> User | None:
        """The user of a session; `None` where there is none, or it has ended."""
        known, now = tables.sessions.c, self.log.time()
        fresh = known.seen > self._ago(self.settings.idle)
        young = known.created > self._ago(self.settings.longest)
        with self.log.database.reading() as connection:
            both = select(tables.users, known.seen).join_from(tables.sessions, tables.users)
            own = and_(known.token == _digest(token), fresh, young, tables.users.c.active)
            row = connection.execute(both.where(own)).one_or_none()
        if row is None:
            return None
        if row.seen < self._ago(self.settings.seen_again):
            with self.log.database.writing() as (connection, _, _):
                again = update(tables.sessions).where(known.token == _digest(token))
                connection.execute(again.values(seen=now))
        return user_of(row)

    def end_session(self, token: str) -> None:
        """Ends a session; nothing where there is none."""
        known = tables.sessions.c
        with self.log.database.writing() as (connection, number, last):
            ended = delete(tables.sessions).where(known.token == _digest(token))
            key = connection.execute(ended.returning(known.user)).scalar()
            if key is not None:
                row, head = user_row(connection, key), Head(number, last)
                who = row.name if row else key
                self.log.append_about_people(connection, head, who, "logged_out", {})

    def _attempt(self, name: str, address: str) -> tuple[UserRow | None, int]:
        """Notes an attempt before it is tried, so that many at once are counted too."""
        tried, since = tables.login_attempts.c, self._ago(self.settings.window)
        limits = [(tried.user == key_of(name), self.settings.attempts)]
        if address:
            limits.append((tried.address == address, self.settings.attempts_by_address))
        with self.log.database.writing() as (connection, _, _):
            connection.execute(delete(tables.login_attempts).where(tried.at <= since))
            waits = [self._wait_s(connection, which, most) for which, most in limits]
            if not any(waits):
                row = {"user": key_of(name), "address": address, "at": self.log.time()}
                made = insert(tables.login_attempts).values(**row).returning(tried.id)
                attempt = connection.execute(made).scalar_one()
                return user_row(connection, name), attempt
        self.log.refuse(name, "login", "too many logins failed", address=address)
        raise LockedOut(max(waits))

    def _wait_s(self, connection: Connection, which: ColumnElement[bool], most: int) -> int:
        """Seconds until an attempt may be made, 0 for now."""
        tried = tables.login_attempts.c
        newest = select(tried.at).where(which).order_by(tried.at.desc()).limit(most)
        times: Sequence[str] = connection.execute(newest).scalars().all()
        if len(times) < most:
            return 0
        free = datetime.fromisoformat(times[-1]) + self.settings.window
        return max(1, int((free - self.log.clock()).total_seconds()) + 1)

    def _ago(self, time: timedelta) -> str:
        return as_text(self.log.clock() - time)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
