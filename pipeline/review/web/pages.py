"""The pages, made from the templates beside this package.

What every template is given:

- `csrf`: the token for the `X-CSRF-Token` header, or the form's field `csrf`
- `user`, `role`: who is logged in; empty where no login is needed
- `users_exist`: whether people log in, and so a signature needs a password
- `can`: what the role allows (`look`, `review`, `sign`, `analyze`, `manage`)
- `slide_id`: the slide of the page, else empty
- `page_name`: of a page that the header links to, else empty
- `version`: of leukodiff

`login.html` has `next` (where to go then) and `error`, `error.html` has `title` and `message`.
"""

from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, TemplateNotFound
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..record import LockedOut
from ..service.people import ANYONE, LOOK, MANAGE, REVIEW, Person
from ..service.reviewed_report import export, reviewed_report
from .access import NEXT_LETTERS
from .api_slides import exported, opened
from .app_state import ReviewApp
from .endpoint import ApiRequest, call_of, client_of, desk_of
from .errors import ApiError
from .headers import REPORT_POLICY

HERE = Path(__file__).parent
TEMPLATES, STATIC = HERE / "templates", HERE / "static"

BARE = "<!doctype html><html lang=en><title>leukodiff</title><body><p>{}</p></body></html>"
"""What is shown where a template is missing: the package is not whole."""

VISIT = "leukodiff-visit"
"""The cookie of a login form: its CSRF token holds for it alone."""

LETTERS = 300
"""Of a name or password in a login form that are looked at."""

FORM_BYTES = 4096


@cache
def environment() -> Environment:
    """The templates; everything that is put into them is escaped."""
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)


def rendered(template: str, **values: Any) -> str:
    """A page."""
    try:
        return (
            environment().get_template(template).render(version=version_of("leukodiff"), **values)
        )
    except TemplateNotFound:
        from markupsafe import escape

        return BARE.format(escape(values.get("message", template)))


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page for whoever asks."""
    desk, person = desk_of(request), request.scope.get("person", ANYONE)
    local = desk.settings.is_local
    known = {
        "csrf": desk.csrf(request) if person.name else "",
        "user": "" if local else person.name,
        "role": "" if local else person.role,
        "users_exist": not local,
        "can": person.can,
        "slide_id": "",
        "page_name": "",
    }
    return HTMLResponse(rendered(template, **{**known, **values}), status_code=status)


async def worklist(request: Request) -> Response:
    """`/`: the slides, and where images are dropped."""
    return page(request, "worklist.html")


async def gallery(request: Request) -> Response:
    """`/slides/{id}`: the cells by class."""
    slide_id = await run_in_threadpool(_opened, call_of(request, {}))
    return page(request, "gallery.html", slide_id=slide_id)


async def viewer(request: Request) -> Response:
    """`/slides/{id}/view`: the cells in their place."""
    slide_id = await run_in_threadpool(_opened, call_of(request, {}))
    return page(request, "viewer.html", slide_id=slide_id)


async def differences(request: Request) -> Response:
    """`/slides/{id}/differences`: where two readers differ, for the third."""
    slide_id = await run_in_threadpool(_opened, call_of(request, {}))
    return page(request, "differences.html", slide_id=slide_id)


async def people(request: Request) -> Response:
    """`/people`: who may log in; for administrators, where people log in."""
    _logged_in(request, MANAGE)
    return page(request, "people.html", page_name="people")


async def password(request: Request) -> Response:
    """`/password`: where whoever is logged in gives themselves another one."""
    _logged_in(request, LOOK)
    return page(request, "password.html")


def _logged_in(request: Request, needs: str) -> None:
    if desk_of(request).settings.is_local:
        raise ApiError(404, "nobody logs in here: this review is opened on its own computer alone")
    if not request.scope["person"].may(needs):
        raise ApiError(403, "your role does not allow this", "role")


def _opened(call: ApiRequest) -> str:
    if call.person.may(REVIEW):
        opened(call)
    return call.view.slide.slide_id


async def report(request: Request) -> Response:
    """`/slides/{id}/report`: the report as it stands now."""
    return await run_in_threadpool(_report, call_of(request, {}))


def _report(call: ApiRequest) -> Response:
    view = call.view
    made = reviewed_report(view.slide.report, view.report, view.state, view.reading)
    _, content = export("html", view.slide, made, call.desk.pictures)
    return HTMLResponse(content, headers={"Content-Security-Policy": REPORT_POLICY})


async def export_file(request: Request) -> Response:
    """`/api/slides/{id}/export/{kind}`."""
    return await run_in_threadpool(exported, call_of(request, {}))


async def login_page(request: Request) -> Response:
    """`GET /login`."""
    desk = desk_of(request)
    if desk.settings.is_local or request.scope["person"] != ANYONE:
        return RedirectResponse("/", status_code=303)
    return login_form(request, next_of(request.query_params.get("next", "/")))


def login_form(request: Request, where: str, error: str = "", status: int = 200) -> Response:
    """The form, with a CSRF token for this visit."""
    desk = desk_of(request)
    visit = request.cookies.get(VISIT, "") or desk.new_visit()
    csrf = desk.visit_csrf(visit)
    answer = page(request, "login.html", status, next=where, error=error, csrf=csrf)
    desk.set_cookie(answer, VISIT, visit)
    return answer


def next_of(text: str) -> str:
    """Where to go after the login: an address on this server, else the worklist."""
    plain = text.isascii() and text.isprintable() and "\\" not in text
    own = text.startswith("/") and not text.startswith("//")
    return text if plain and own and len(text) <= NEXT_LETTERS else "/"


async def login(request: Request) -> Response:
    """`POST /login`: name and password for a session."""
    desk = desk_of(request)
    if desk.settings.is_local:
        raise ApiError(404, "no login is needed here")
    said = await form_of(request)
    where = next_of(said.get("next", "/"))
    if not desk.is_visit_csrf(request.cookies.get(VISIT, ""), said.get("csrf", "")):
        forged = ApiError(403, "a login form without its token", "csrf")
        await run_in_threadpool(desk.refused, ANYONE, "POST /login", forged)
        return login_form(request, where, "The page was too old; please try again.", 403)
    name, password = said.get("name", "")[:LETTERS], said.get("password", "")
    try:
        token = await run_in_threadpool(_session, desk, name, password, client_of(request))
    except LockedOut as error:
        return login_form(request, where, f"{error}.", 403)
    if token is None:
        return login_form(request, where, "Name or password is wrong.", 403)
    answer = RedirectResponse(where, status_code=303)
    desk.set_cookie(answer, desk.cookie, token)
    answer.delete_cookie(VISIT, path="/")
    return answer


def _session(desk: ReviewApp, name: str, password: str, client: str) -> str | None:
    people = desk.record.people
    user = people.check_password(name, password, client)
    return people.create_session(user) if user else None


async def logout(request: Request) -> Response:
    """`POST /logout`: ends the session."""
    desk, said = desk_of(request), await form_of(request)
    person: Person = request.scope["person"]
    token = said.get("csrf") or request.headers.get("x-csrf-token", "")
    if desk.settings.is_local or person == ANYONE:
        return RedirectResponse("/", status_code=303)
    if not desk.is_csrf(request, token):
        raise ApiError(403, "the page is too old; load it again", "csrf")
    await run_in_threadpool(desk.record.people.end_session, request.scope["session"])
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(desk.cookie, path="/")
    return answer


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a plain form.

    Raises:
        Refused: 415 it is none, 413 it is too long.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise ApiError(415, "send a form", "type")
    if len(await request.body()) > FORM_BYTES:
        raise ApiError(413, "too long a form", "size")
    form = await request.form(max_fields=10)
    return {key: one for key, one in form.items() if isinstance(one, str)}
