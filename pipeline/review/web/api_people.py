"""People: an administrator adds them, gives roles and passwords; everybody changes their own.

Every change is an event of the record, `user_added` or `user_changed`, with who made it. All of
this is there only where people log in.
"""

from collections.abc import Callable
from typing import Any

from leukodiff.core.errors import InputError

from ..record import ROLES, LockedOut, People
from ..service.serializers import Json, event_json
from .endpoint import ApiRequest, require_logins, storable, text_of
from .errors import ApiError

NAME_MAX_LETTERS = 300

PASSWORD_MAX_LETTERS = 2000

LOG_MAX_EVENTS = 1000
"""Events of the log that are shown at a time."""


def users(request: ApiRequest) -> Json:
    """`GET /api/users`: everybody, those too who may not log in any more."""
    require_logins(request.app)
    known = request.app.record.people.users()
    return {
        "users": [{"name": u.name, "role": u.role, "active": u.active} for u in known],
        "roles": list(ROLES),
        "you": request.person.name,
    }


def add(request: ApiRequest) -> Json:
    """`POST /api/users {"name", "role", "password"}`."""
    name, password = _name(request), _password(request)
    role = text_of(request.body, "role", NAME_MAX_LETTERS)
    return _done(request, lambda people: people.add_user(name, password, role, request.person.name))


def give_role(request: ApiRequest) -> Json:
    """`POST /api/users/role {"name", "role"}`: holds from their next request on."""
    name, role = _name(request), text_of(request.body, "role", NAME_MAX_LETTERS)
    return _done(request, lambda people: people.set_role(name, role, request.person.name))


def give_password(request: ApiRequest) -> Json:
    """`POST /api/users/password {"name", "password"}`: their sessions end."""
    name, password = _name(request), _password(request)
    return _done(request, lambda people: people.set_password(name, password, request.person.name))


def disable(request: ApiRequest) -> Json:
    """`POST /api/users/disable {"name"}`: they log in no more; what they did stays."""
    name = _name(request)
    return _done(request, lambda people: people.remove_user(name, request.person.name))


def enable(request: ApiRequest) -> Json:
    """`POST /api/users/enable {"name"}`: they may log in again."""
    name = _name(request)
    return _done(request, lambda people: people.restore_user(name, request.person.name))


def own_password(request: ApiRequest) -> Json:
    """`POST /api/password {"old", "new"}`: another password for whoever asks; their sessions end.

    So they log in again: `{"login": ADDRESS}`.
    """
    require_logins(request.app)
    old, new = _password(request, "old"), _password(request, "new")
    check_password(request, old, "old: that is not your password", "password")
    people, name = request.app.record.people, request.person.name
    _allowed(lambda: people.set_password(name, new, name))
    return {"login": "/login"}


def log(request: ApiRequest) -> Json:
    """`GET /api/log?n=200`: what happened to no slide, newest first, and the record's head.

    Logins, those that failed, refusals, changes of people and of reference cells.
    """
    record = request.app.record
    newest = record.newest("", request.number("n", 200, 1, LOG_MAX_EVENTS))
    return {"head": str(record.head()), "events": [event_json(one) for one in newest]}


def _done(request: ApiRequest, change: Callable[[People], Any]) -> Json:
    require_logins(request.app)
    _allowed(lambda: change(request.app.record.people))
    return users(request)


def _allowed(change: Callable[[], Any]) -> None:
    try:
        change()
    except InputError as error:
        raise ApiError(400, str(error), "people") from error


def check_password(request: ApiRequest, password: str, wrong: str, kind: str) -> None:
    """Checks the password of whoever asks; `wrong` is said of another one.

    Raises:
        ApiError: 403, a refusal of this kind: it is not theirs, or too many were wrong.
    """
    people, name = request.app.record.people, request.person.name
    try:
        user = people.check_password(name, password, request.client, is_login=False)
    except LockedOut as error:
        raise ApiError(403, str(error), kind) from error
    if user is None:
        raise ApiError(403, wrong, kind)


def _name(request: ApiRequest) -> str:
    return text_of(request.body, "name", NAME_MAX_LETTERS)


def _password(request: ApiRequest, key: str = "password") -> str:
    """A password of a body; unlike other texts it keeps the spaces around it."""
    return storable(key, request.body.get(key), PASSWORD_MAX_LETTERS)
