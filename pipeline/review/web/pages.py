"""The pages, made from the templates in this package.

Every template gets:

- `csrf`: the token for the `X-CSRF-Token` header, or the form's field `csrf`
- `user`, `role`: who is logged in; empty where no login is needed
- `users_exist`: true where people log in, and so a signature needs a password
- `can`: rights of the role (`look`, `review`, `sign`, `analyze`, `manage`)
- `slide_id`: the slide of the page, else empty
- `page_name`: of a page that the header links to, else empty
- `version`: of leukodiff

`login.html` has `next` (where to go then) and `error`, `error.html` has `title` and `message`.
"""

import secrets
from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..record import LockedOut
from ..service.people import ANYONE, MANAGE, READ, REVIEW
from ..service.reviewed_report import export, reviewed_report
from .api_edits import note_opened
from .endpoint import (
    ApiRequest,
    Endpoint,
    api_request,
    app_of,
    client_of,
    content_type,
    require_logins,
    require_right,
    session_of,
)
from .errors import ApiError
from .middleware import NEXT_MAX_LETTERS
from .security import LOGIN_COOKIE, REPORT_POLICY, is_same

STATIC = Path(__file__).parent / "static"

TEMPLATES = Path(__file__).parent / "templates"

NAME_MAX_LETTERS = 300
"""Letters of a name in a login form that are read."""

FORM_MAX_BYTES = 4096


@cache
def environment() -> Environment:
    """The templates; everything that is put into them is escaped."""
    made = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    made.globals["version"] = version_of("leukodiff")
    return made


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page for whoever asks."""
    app, person = app_of(request), request.scope.get("person", ANYONE)
    local = app.settings.is_local
    known = {
        "csrf": app.tokens.csrf(session_of(request)) if person.name else "",
        "user": "" if local else person.name,
        "role": "" if local else person.role,
        "users_exist": not local,
        "can": person.can,
        "slide_id": "",
        "page_name": "",
    }
    content = environment().get_template(template).render({**known, **values})
    return HTMLResponse(content, status_code=status)


async def worklist(request: Request) -> Response:
    """`/`: the slides, and where images are dropped."""
    return page(request, "worklist.html")


def slide_page(template: str) -> Endpoint:
    """`/slides/{id}...`: a page of one slide; that it was opened is noted."""

    async def shown(request: Request) -> Response:
        slide_id = await run_in_threadpool(_opened, api_request(request))
        return page(request, template, slide_id=slide_id)

    return shown


async def people(request: Request) -> Response:
    """`/people`: people who may log in; for administrators, where people log in."""
    require_logins(app_of(request))
    require_right(request, MANAGE)
    return page(request, "people.html", page_name="people")


async def password(request: Request) -> Response:
    """`/password`: another password for whoever is logged in."""
    require_logins(app_of(request))
    require_right(request, READ)
    return page(request, "password.html")


def _opened(request: ApiRequest) -> str:
    if request.person.may(REVIEW):
        note_opened(request)
    return request.view.slide.slide_id


async def report(request: Request) -> Response:
    """`/slides/{id}/report`: the report as it stands now."""
    return await run_in_threadpool(_report, api_request(request))


def _report(request: ApiRequest) -> Response:
    view = request.view
    made = reviewed_report(view)
    _, content = export("html", view.slide, made, request.app.pictures)
    return HTMLResponse(content, headers={"Content-Security-Policy": REPORT_POLICY})


async def login_page(request: Request) -> Response:
    """`GET /login`."""
    app = app_of(request)
    if app.settings.is_local or request.scope["person"] != ANYONE:
        return RedirectResponse("/", status_code=303)
    return login_form(request, next_of(request.query_params.get("next", "/")))


def login_form(request: Request, then: str, error: str = "", status: int = 200) -> Response:
    """The form, with a CSRF token for this visit; `then`: the address to go to after the login."""
    tokens = app_of(request).tokens
    visit = request.cookies.get(LOGIN_COOKIE, "") or secrets.token_urlsafe(16)
    csrf = tokens.login_csrf(visit)
    response = page(request, "login.html", status, next=then, error=error, csrf=csrf)
    tokens.set_cookie(response, LOGIN_COOKIE, visit)
    return response


def next_of(text: str) -> str:
    """The address to go to after the login: one on this server, else the worklist."""
    plain = text.isascii() and text.isprintable() and "\\" not in text
    own = text.startswith("/") and not text.startswith("//")
    return text if plain and own and len(text) <= NEXT_MAX_LETTERS else "/"


async def login(request: Request) -> Response:
    """`POST /login`: name and password for a session."""
    app = app_of(request)
    if app.settings.is_local:
        raise ApiError(404, "no login is needed here")
    form = await form_of(request)
    then = next_of(form.get("next", "/"))
    visit = request.cookies.get(LOGIN_COOKIE, "")
    if not visit or not is_same(form.get("csrf", ""), app.tokens.login_csrf(visit)):
        forged = ApiError(403, "a login form without its token", "csrf")
        await run_in_threadpool(app.record_refusal, ANYONE, "POST /login", forged)
        return login_form(request, then, "The page was too old; please try again.", 403)
    name, password = form.get("name", "")[:NAME_MAX_LETTERS], form.get("password", "")
    people = app.record.people
    try:
        user = await run_in_threadpool(people.check_password, name, password, client_of(request))
    except LockedOut as error:
        return login_form(request, then, f"{error}.", 403)
    if user is None:
        return login_form(request, then, "Name or password is wrong.", 403)
    response = RedirectResponse(then, status_code=303)
    session = await run_in_threadpool(people.create_session, user)
    app.tokens.set_cookie(response, app.tokens.cookie, session)
    response.delete_cookie(LOGIN_COOKIE, path="/")
    return response


async def logout(request: Request) -> Response:
    """`POST /logout`: ends the session."""
    app, form = app_of(request), await form_of(request)
    csrf = form.get("csrf") or request.headers.get("x-csrf-token", "")
    if app.settings.is_local or request.scope["person"] == ANYONE:
        return RedirectResponse("/", status_code=303)
    if not is_same(csrf, app.tokens.csrf(session_of(request))):
        raise ApiError(403, "the page is too old; load it again", "csrf")
    await run_in_threadpool(app.record.people.end_session, session_of(request))
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(app.tokens.cookie, path="/")
    return response


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a plain form.

    Raises:
        ApiError: 415 it is none, 413 it is too long.
    """
    if content_type(request) != "application/x-www-form-urlencoded":
        raise ApiError(415, "send a form", "type")
    if len(await request.body()) > FORM_MAX_BYTES:
        raise ApiError(413, "too long a form", "size")
    form = await request.form(max_fields=10)
    return {key: one for key, one in form.items() if isinstance(one, str)}
