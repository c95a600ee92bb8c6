"""Users, their passwords and sessions."""

from __future__ import annotations

import hashlib
import secrets
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from leukodiff.core.errors import InputError, LeukodiffError
from leukodiff.core.text import printable

from . import tables
from .hash_chain import Head

if TYPE_CHECKING:
    from argon2 import PasswordHasher

    from .event_log import Record

TECHNOLOGIST, PATHOLOGIST, ADMINISTRATOR = "technologist", "pathologist", "administrator"
ROLES = (TECHNOLOGIST, PATHOLOGIST, ADMINISTRATOR)

RESERVED = frozenset({"operator", "machine", "?"})
"""Names that the record itself uses."""

LEAST_PASSWORD, MOST_PASSWORD = 12, 1024
"""Characters of a password."""
LEAST_DIFFERENT = 5
"""Different characters in a password."""


@dataclass(frozen=True)
class PeopleSettings:
    """How long, how often.

    After `attempts` failed logins of a name, or `attempts_by_address` from an address, within
    `window`, more are refused until the oldest of them is as old as that. A session ends when
    nothing was asked for `idle`, and in any case after `longest`.
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


@dataclass(frozen=True)
class User:
    """Someone with an account; one who is not `active` was removed. Their name stays taken."""

    name: str
    role: str
    active: bool = True


@dataclass
class People:
    """Users and sessions, beside a record that keeps what they do."""

    record: Record
    settings: PeopleSettings = field(default_factory=PeopleSettings)
    _at_once: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(2)
    )

    def add_user(self, name: str, password: str, role: str, by: str = "operator") -> User:
        """Make an account.

        Raises:
            InputError: the name is taken or none, the role is none, or the password is weak.
        """
        name = checked_name(name)
        _check_role(role)
        check_strength(name, password)
        hashed = self._hash(password)
        with self.record.database.writing() as (connection, number, last):
            if _row(connection, name) is not None:
                raise InputError(f"{name}: there is a user of this name already")
            row = {"key": _key(name), "name": name, "role": role, "password": hashed}
            made = {"active": True, "created": self.record.time()}
            connection.execute(insert(tables.users).values(**row, **made))
            self._note(connection, (number, last), by, "user_added", user=name, role=role)
        return User(name, role)

    def users(self) -> list[User]:
        """Everyone, by name; those removed too."""
        with self.record.database.reading() as connection:
            rows = connection.execute(select(tables.users).order_by(tables.users.c.key)).all()
        return [_user(row) for row in rows]

    def set_password(self, name: str, password: str, by: str = "operator") -> None:
        """Give a user another password; their sessions end."""
        check_strength(name, password)
        self._change(name, by, "password", password=self._hash(password))

    def set_role(self, name: str, role: str, by: str = "operator") -> None:
        """Give a user another role, from their next request on."""
        _check_role(role)
        self._change(name, by, f"role {role}", role=role)

    def remove_user(self, name: str, by: str = "operator") -> None:
        """Close an account; its sessions end, its name stays in the record.

        Raises:
            InputError: there is no such user, or no administrator would be left.
        """
        self._change(name, by, "removed", active=False)

    def restore_user(self, name: str, by: str = "operator") -> None:
        """Open an account again."""
        self._change(name, by, "restored", active=True)

    def check_password(
        self, name: str, password: str, address: str = "", is_login: bool = True
    ) -> User | None:
        """The user whose password it is, else `None`; takes as long for a name that nobody has.

        Unless it `is_login`, one that is right is no event: what it was asked for will be one.

        Raises:
            LockedOut: too many attempts failed before.
        """
        name, address = _shown(name), _shown(address)
        row, attempt = self._attempt(name, address)
        right = self._verified(row.password if row else self._nobody, password)
        with self.record.database.writing() as (connection, number, last):
            if not (right and row and row.active):
                told = {"user": name, "address": address}
                self._note(connection, (number, last), "?", "login_failed", **told)
                return None
            own = tables.login_attempts.c
            mine = or_(own.id == attempt, own.user == _key(name))
            connection.execute(delete(tables.login_attempts).where(mine))
            self._rehash(connection, row, password)
            if is_login:
                told = {"address": address}
                self._note(connection, (number, last), row.name, "logged_in", **told)
        return _user(row)

    def create_session(self, user: User) -> str:
        """Begin a session; the token that the browser keeps is stored nowhere."""
        token, now = secrets.token_urlsafe(32), self.record.time()
        with self.record.database.writing() as (connection, _, _):
            self._forget_old(connection)
            row = {"token": _digest(token), "user": _key(user.name), "created": now, "seen": now}
            connection.execute(insert(tables.sessions).values(**row))
        return token

    def session(self, token: str) -> User | None:
        """Whose session it is; `None` where there is none, or it has ended."""
        known, now = tables.sessions.c, self.record.time()
        with self.record.database.reading() as connection:
            joined = select(tables.users, known.seen).join_from(tables.sessions, tables.users)
            mine = and_(known.token == _digest(token), self._alive(), tables.users.c.active)
            row = connection.execute(joined.where(mine)).one_or_none()
        if row is None:
            return None
        if row.seen < self._ago(self.settings.seen_again):
            with self.record.database.writing() as (connection, _, _):
                again = update(tables.sessions).where(known.token == _digest(token))
                connection.execute(again.values(seen=now))
        return _user(row)

    def end_session(self, token: str) -> None:
        """End a session; nothing where there is none."""
        known = tables.sessions.c
        with self.record.database.writing() as (connection, number, last):
            ended = (
                delete(tables.sessions).where(known.token == _digest(token)).returning(known.user)
            )
            key = connection.execute(ended).scalar()
            if key is not None:
                row = _row(connection, key)
                self._note(connection, (number, last), row.name if row else key, "logged_out")

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher()

    @cached_property
    def _nobody(self) -> str:
        """The hash of a password that nobody has."""
        return self._hash(secrets.token_urlsafe(32))

    def _hash(self, password: str) -> str:
        with self._at_once:
            return self._hasher.hash(_normal(password))

    def _verified(self, hashed: str, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        with self._at_once:
            try:
                return self._hasher.verify(hashed, _normal(password[:MOST_PASSWORD]))
            except (VerificationError, InvalidHashError):
                return False

    def _rehash(self, connection: Connection, row: Row[tuple[object, ...]], password: str) -> None:
        if self._hasher.check_needs_rehash(row.password):
            mine = update(tables.users).where(tables.users.c.key == row.key)
            connection.execute(mine.values(password=self._hash(password)))

    def _attempt(self, name: str, address: str) -> tuple[Row[tuple[object, ...]] | None, int]:
        """Note an attempt before it is tried, so that many at once are counted too."""
        own, since = tables.login_attempts.c, self._ago(self.settings.window)
        with self.record.database.writing() as (connection, _, _):
            connection.execute(delete(tables.login_attempts).where(own.at <= since))
            limits = [(own.user == _key(name), self.settings.attempts)]
            if address:
                limits.append((own.address == address, self.settings.attempts_by_address))
            waits = [self._wait(connection, which, most) for which, most in limits]
            if not any(waits):
                row = {"user": _key(name), "address": address, "at": self.record.time()}
                made = insert(tables.login_attempts).values(**row).returning(own.id)
                attempt = connection.execute(made).scalar_one()
                return _row(connection, name), attempt
        self.record.refuse(name, "login", "too many logins failed", address=address)
        raise LockedOut(max(waits))

    def _wait(self, connection: Connection, which: ColumnElement[bool], most: int) -> int:
        """Seconds until an attempt may be made, 0 for now."""
        own = tables.login_attempts.c
        newest = select(own.at).where(which).order_by(own.at.desc()).limit(most)
        times: Sequence[str] = connection.execute(newest).scalars().all()
        if len(times) < most:
            return 0
        free = datetime.fromisoformat(times[-1]) + self.settings.window
        return max(1, int((free - self.record.clock()).total_seconds()) + 1)

    def _change(self, name: str, by: str, what: str, **values: object) -> None:
        with self.record.database.writing() as (connection, number, last):
            row = _row(connection, name)
            if row is None:
                raise InputError(f"{name!r:.60}: there is no such user")
            connection.execute(
                update(tables.users).where(tables.users.c.key == row.key).values(**values)
            )
            _check_administrator(connection, row)
            if what == "password" or not values.get("active", True):
                ended = delete(tables.sessions).where(tables.sessions.c.user == row.key)
                connection.execute(ended)
            self._note(connection, (number, last), by, "user_changed", user=row.name, what=what)

    def _note(
        self, connection: Connection, head: tuple[int, str], actor: str, kind: str, **said: str
    ) -> None:
        self.record.append_about_people(connection, Head(*head), actor, kind, said)

    def _alive(self) -> ColumnElement[bool]:
        known = tables.sessions.c
        fresh = known.seen > self._ago(self.settings.idle)
        return and_(fresh, known.created > self._ago(self.settings.longest))

    def _forget_old(self, connection: Connection) -> None:
        known = tables.sessions.c
        idle = known.seen <= self._ago(self.settings.idle)
        old = known.created <= self._ago(self.settings.longest)
        connection.execute(delete(tables.sessions).where(or_(idle, old)))

    def _ago(self, time: timedelta) -> str:
        from .event_log import as_text

        return as_text(self.record.clock() - time)


def checked_name(name: str) -> str:
    """A user's name, in one Unicode form.

    Raises:
        InputError: it is empty, too long, not printable, or one that the record uses.
    """
    name = unicodedata.normalize("NFKC", name).strip()
    if not 0 < len(name) <= 64 or not name.isprintable():
        raise InputError("a user's name has 1 to 64 printable characters")
    if _key(name) in RESERVED:
        raise InputError(f"{name}: a name that the record itself uses; take another")
    return name


def check_strength(name: str, password: str) -> None:
    """See that a password is not easily guessed (length first: NIST SP 800-63B).

    Raises:
        InputError: it is, and why.
    """
    if len(password) < LEAST_PASSWORD:
        raise InputError(f"a password has {LEAST_PASSWORD} characters or more")
    if len(password) > MOST_PASSWORD:
        raise InputError(f"a password has {MOST_PASSWORD} characters at most")
    if len(set(password)) < LEAST_DIFFERENT:
        raise InputError(f"a password has {LEAST_DIFFERENT} different characters or more")
    if _key(name) in _key(password) and len(password) - len(name) < LEAST_PASSWORD:
        raise InputError("a password is not the name with a little added")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InputError(f"{role!r:.40}: no role; one of {', '.join(ROLES)}")


def _check_administrator(connection: Connection, row: Row[tuple[object, ...]]) -> None:
    u = tables.users.c
    admins = select(func.count()).where(u.role == ADMINISTRATOR, u.active)
    was_one = row.role == ADMINISTRATOR and row.active
    if was_one and not connection.execute(admins).scalar():
        raise InputError(f"{row.name}: the last administrator stays one")


def _row(connection: Connection, name: str) -> Row[tuple[object, ...]] | None:
    mine = select(tables.users).where(tables.users.c.key == _key(name))
    return connection.execute(mine).one_or_none()


def _user(row: Row[tuple[object, ...]]) -> User:
    return User(row.name, row.role, row.active)


def _key(name: str) -> str:
    return _shown(unicodedata.normalize("NFKC", name[:1000])).strip().casefold()


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _shown(text: str) -> str:
    return printable(text[:100])
