"""Accounts: users, their roles, and passwords.

A store of our own: the libraries for users assume theirs, and none writes into the hash chain.
"""

from __future__ import annotations

import secrets
import threading
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from leukodiff.core.errors import InputError
from leukodiff.core.text import printable

from . import tables
from .database import Database
from .events import Clock, Event
from .hash_chain import Head

if TYPE_CHECKING:
    from collections.abc import Mapping

    from argon2 import PasswordHasher

UserRow = Row[tuple[object, ...]]

TECHNOLOGIST = "technologist"
PATHOLOGIST = "pathologist"
ADMINISTRATOR = "administrator"
ROLES = (TECHNOLOGIST, PATHOLOGIST, ADMINISTRATOR)

RESERVED = frozenset({"operator", "machine", "?"})
"""Names that the record itself uses."""

MIN_PASSWORD_LETTERS = 12

MAX_PASSWORD_LETTERS = 1024

MIN_DIFFERENT_LETTERS = 5
"""Different characters in a password."""

MAX_HASHERS = 2
"""Passwords that are hashed at a time: each takes 64 MB."""


class EventLog(Protocol):
    """The part of the record that accounts and sessions write to."""

    database: Database
    clock: Clock

    def time(self) -> str:
        """Now, as the record writes it."""

    def append_about_people(
        self, connection: Connection, head: Head, actor: str, kind: str, payload: Mapping[str, str]
    ) -> Event:
        """Adds an event of no slide, within a transaction."""

    def refuse(self, actor: str, what: str, why: str, *, address: str = "") -> Event | None:
        """Notes a refusal."""


@dataclass(frozen=True)
class User:
    """Someone with an account; one who is not `active` was removed. Their name stays taken."""

    name: str
    role: str
    active: bool = True


@dataclass
class Accounts:
    """Users and their passwords; every change is an event of the log."""

    log: EventLog
    _hashing: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(MAX_HASHERS)
    )

    def add_user(self, name: str, password: str, role: str, by: str = "operator") -> User:
        """Makes an account.

        Raises:
            InputError: the name is taken or none, the role is none, or the password is weak.
        """
        name = checked_name(name)
        _check_role(role)
        check_strength(name, password)
        hashed = self.hash(password)
        with self.log.database.writing() as (connection, number, last):
            if user_row(connection, name) is not None:
                raise InputError(f"{name}: there is a user of this name already")
            row = {"key": key_of(name), "name": name, "role": role, "password": hashed}
            made = {"active": True, "created": self.log.time()}
            connection.execute(insert(tables.users).values(**row, **made))
            event = {"user": name, "role": role}
            self.log.append_about_people(connection, Head(number, last), by, "user_added", event)
        return User(name, role)

    def users(self) -> list[User]:
        """Everyone, by name; those removed too."""
        with self.log.database.reading() as connection:
            rows = connection.execute(select(tables.users).order_by(tables.users.c.key)).all()
        return [user_of(row) for row in rows]

    def set_password(self, name: str, password: str, by: str = "operator") -> None:
        """Gives a user another password; their sessions end."""
        check_strength(name, password)
        self._change(name, by, "password", password=self.hash(password))

    def set_role(self, name: str, role: str, by: str = "operator") -> None:
        """Gives a user another role, from their next request on."""
        _check_role(role)
        self._change(name, by, f"role {role}", role=role)

    def remove_user(self, name: str, by: str = "operator") -> None:
        """Closes an account; its sessions end, its name stays in the record.

        Raises:
            InputError: there is no such user, or no administrator would be left.
        """
        self._change(name, by, "removed", active=False)

    def restore_user(self, name: str, by: str = "operator") -> None:
        """Opens an account again."""
        self._change(name, by, "restored", active=True)

    @cached_property
    def hasher(self) -> PasswordHasher:
        """The hash function of passwords: argon2id with the library's parameters."""
        from argon2 import PasswordHasher

        return PasswordHasher()

    @cached_property
    def nobody(self) -> str:
        """The hash of a password that nobody has."""
        return self.hash(secrets.token_urlsafe(32))

    def hash(self, password: str) -> str:
        """A password as it is stored."""
        with self._hashing:
            return self.hasher.hash(unicodedata.normalize("NFKC", password))

    def verify(self, hashed: str, password: str) -> bool:
        """True for the password that was hashed."""
        from argon2.exceptions import InvalidHashError, VerificationError

        start = password[:MAX_PASSWORD_LETTERS]
        with self._hashing:
            try:
                return self.hasher.verify(hashed, unicodedata.normalize("NFKC", start))
            except (VerificationError, InvalidHashError):
                return False

    def _change(self, name: str, by: str, what: str, **values: object) -> None:
        u = tables.users.c
        with self.log.database.writing() as (connection, number, last):
            row = user_row(connection, name)
            if row is None:
                raise InputError(f"{name!r:.60}: there is no such user")
            connection.execute(update(tables.users).where(u.key == row.key).values(**values))
            if row.role == ADMINISTRATOR and row.active:
                left = select(func.count()).where(u.role == ADMINISTRATOR, u.active)
                if not connection.execute(left).scalar():
                    raise InputError(f"{row.name}: the last administrator stays one")
            if what == "password" or not values.get("active", True):
                connection.execute(delete(tables.sessions).where(tables.sessions.c.user == row.key))
            event = {"user": row.name, "what": what}
            self.log.append_about_people(connection, Head(number, last), by, "user_changed", event)


def checked_name(name: str) -> str:
    """A user's name, in one Unicode form.

    Raises:
        InputError: it is empty, too long, not printable, or one that the record uses.
    """
    name = unicodedata.normalize("NFKC", name).strip()
    if not 0 < len(name) <= 64 or not name.isprintable():
        raise InputError("a user's name has 1 to 64 printable characters")
    if key_of(name) in RESERVED:
        raise InputError(f"{name}: a name that the record itself uses; take another")
    return name


def check_strength(name: str, password: str) -> None:
    """Refuses a password that is easily guessed (length first: NIST SP 800-63B).

    Raises:
        InputError: it is, and why.
    """
    if len(password) < MIN_PASSWORD_LETTERS:
        raise InputError(f"a password has {MIN_PASSWORD_LETTERS} characters or more")
    if len(password) > MAX_PASSWORD_LETTERS:
        raise InputError(f"a password has {MAX_PASSWORD_LETTERS} characters at most")
    if len(set(password)) < MIN_DIFFERENT_LETTERS:
        raise InputError(f"a password has {MIN_DIFFERENT_LETTERS} different characters or more")
    if key_of(name) in key_of(password) and len(password) - len(name) < MIN_PASSWORD_LETTERS:
        raise InputError("a password is not the name with a little added")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InputError(f"{role!r:.40}: no role; one of {', '.join(ROLES)}")


def user_row(connection: Connection, name: str) -> UserRow | None:
    """The row of a user, by name without regard to case."""
    own = select(tables.users).where(tables.users.c.key == key_of(name))
    return connection.execute(own).one_or_none()


def user_of(row: UserRow) -> User:
    """The user of a row."""
    return User(row.name, row.role, row.active)


def key_of(name: str) -> str:
    """The form of a name in which it is compared: one Unicode form, without regard to case."""
    return shown(unicodedata.normalize("NFKC", name[:1000])).strip().casefold()


def shown(text: str) -> str:
    """The first 100 characters of a text, `?` for those that can't be printed."""
    return printable(text[:100])
