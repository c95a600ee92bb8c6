"""People: an administrator adds them, gives roles and passwords; everybody changes their own.

Every change is an event of the record, `user_added` or `user_changed`, with who made it. All of
this is there only where people log in.
"""

from collections.abc import Callable
from typing import Any

from leukodiff.core.errors import InputError

from ..record import ROLES, LockedOut, People
from ..service.serializers import Json, event_json
from .endpoint import ApiRequest
from .errors import ApiError
from .json_http import text_of

NAME_LETTERS = 300
PASSWORD_LETTERS = 2000
LOG_EVENTS = 1000
"""Events of the log that are shown at a time."""


def users(call: ApiRequest) -> Json:
    """`GET /api/users`: everybody, those too who may not log in any more."""
    _require_logins(call)
    known = call.desk.record.people.users()
    return {
        "users": [{"name": u.name, "role": u.role, "active": u.active} for u in known],
        "roles": list(ROLES),
        "you": call.person.name,
    }


def add(call: ApiRequest) -> Json:
    """`POST /api/users {"name", "role", "password"}`."""
    name, role, password = _name(call), text_of(call.body, "role", NAME_LETTERS), _password(call)
    return _done(call, lambda people: people.add_user(name, password, role, call.person.name))


def give_role(call: ApiRequest) -> Json:
    """`POST /api/users/role {"name", "role"}`: holds from their next request on."""
    name, role = _name(call), text_of(call.body, "role", NAME_LETTERS)
    return _done(call, lambda people: people.set_role(name, role, call.person.name))


def give_password(call: ApiRequest) -> Json:
    """`POST /api/users/password {"name", "password"}`: their sessions end."""
    name, password = _name(call), _password(call)
    return _done(call, lambda people: people.set_password(name, password, call.person.name))


def disable(call: ApiRequest) -> Json:
    """`POST /api/users/disable {"name"}`: they log in no more; what they did stays."""
    name = _name(call)
    return _done(call, lambda people: people.remove_user(name, call.person.name))


def enable(call: ApiRequest) -> Json:
    """`POST /api/users/enable {"name"}`: they may log in again."""
    name = _name(call)
    return _done(call, lambda people: people.restore_user(name, call.person.name))


def own_password(call: ApiRequest) -> Json:
    """`POST /api/password {"old", "new"}`: another password for whoever asks; their sessions end.

    So they log in again: `{"login": ADDRESS}`.
    """
    _require_logins(call)
    old, new = _password(call, "old"), _password(call, "new")
    people, name = call.desk.record.people, call.person.name
    try:
        known = people.check_password(name, old, call.client, is_login=False)
    except LockedOut as error:
        raise ApiError(403, str(error), "password") from error
    if known is None:
        raise ApiError(403, "old: that is not your password", "password")
    _allowed(lambda: people.set_password(name, new, name))
    return {"login": "/login"}


def log(call: ApiRequest) -> Json:
    """`GET /api/log?n=200`: what happened to no slide, newest first, and the record's head.

    Logins, those that failed, refusals, changes of people and of reference cells.
    """
    record = call.desk.record
    newest = record.newest("", call.number("n", 200, 1, LOG_EVENTS))
    return {"head": str(record.head()), "events": [event_json(one) for one in newest]}


def _done(call: ApiRequest, change: Callable[[People], Any]) -> Json:
    _require_logins(call)
    _allowed(lambda: change(call.desk.record.people))
    return users(call)


def _allowed(change: Callable[[], Any]) -> None:
    try:
        change()
    except InputError as error:
        raise ApiError(400, str(error), "people") from error


def _require_logins(call: ApiRequest) -> None:
    if call.desk.settings.is_local:
        raise ApiError(404, "nobody logs in here: this review is opened on its own computer alone")


def _name(call: ApiRequest) -> str:
    return text_of(call.body, "name", NAME_LETTERS)


def _password(call: ApiRequest, key: str = "password") -> str:
    """A password of a body; unlike other texts it keeps the spaces around it."""
    found = call.body.get(key)
    if not isinstance(found, str) or len(found) > PASSWORD_LETTERS:
        raise ApiError(400, f"{key}: a text of at most {PASSWORD_LETTERS} letters", "body")
    if any(0xD800 <= ord(one) <= 0xDFFF for one in found):
        raise ApiError(400, f"{key}: has letters that can't be stored", "body")
    return found
