"""Checks that a request passes before any page or function answers it; `app` has their order.

Starlette's TrustedHostMiddleware and AuthenticationMiddleware are not used: the first ignores the
port, and both refuse by themselves, so that the record would not have the refusal.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from ..service.people import ANYONE, OPERATOR, person_of
from ..service.settings import Limits
from .app_state import ReviewApp
from .endpoint import app_of, session_of
from .errors import ApiError
from .security import is_own, is_same

SAFE_METHODS = frozenset({"GET", "HEAD"})

METHODS = SAFE_METHODS | {"POST"}

LOGIN = "/login"

STATIC = "/static/"

UPLOAD = "/api/upload"

FORMS = (LOGIN, "/logout")
"""Addresses of plain forms: their CSRF token stands in the form, and the handler checks it."""

TOKEN = "token"  # noqa: S105 - the name of a parameter

NEXT_MAX_LETTERS = 200

CONTENT_LENGTH_MAX_DIGITS = 15


@dataclass(frozen=True)
class SecurityHeaders:
    """Adds headers to every response that has none of its own by that name."""

    app: ASGIApp
    headers: Mapping[str, str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)


@dataclass(frozen=True)
class Check:
    """Lets a request on unless `check` raises an ApiError, or answers in its place."""

    app: ASGIApp
    check: Callable[[Request], Awaitable[Response | None]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; a WebSocket is closed, as nothing here speaks it."""
        answer: ASGIApp | None = None
        if scope["type"] == "websocket":
            answer = WebSocketClose(1008)
        elif scope["type"] == "http":
            answer = await self.check(Request(scope, receive))
        await (answer or self.app)(scope, receive, send)


@dataclass(frozen=True)
class BodyLimit:
    """Receives no more bytes of a body than the limits allow, whatever Content-Length says."""

    app: ASGIApp
    limits: Limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self.limits.upload_bytes if scope["path"] == UPLOAD else self.limits.json_bytes
        too_large = ApiError(413, f"too much at once: at most {most // 10**6} MB", "size")
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or len(length) > CONTENT_LENGTH_MAX_DIGITS or int(length) > most:
            raise too_large
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise too_large
            return message

        await self.app(scope, limited, send)


async def check_host(request: Request) -> None:
    """Refuses a foreign name that points here (DNS rebinding), and methods that nothing uses."""
    if request.method not in METHODS:
        raise ApiError(405, f"{request.method[:16]} is not used here", "method")
    settings = app_of(request).settings
    hosts = request.headers.getlist("host")
    if settings.behind_proxy and "x-forwarded-host" in request.headers:
        hosts = [request.headers["x-forwarded-host"]]
    if len(hosts) != 1 or hosts[0].lower() not in settings.hosts:
        raise ApiError(403, "not the address that this review is opened at", "host")


async def identify(request: Request) -> Response | None:
    """Sets who asks: `person` of the scope, and `session` where people log in.

    A response where the request ends here: a token was taken, or a login is needed.
    """
    app = app_of(request)
    request.scope["person"] = ANYONE
    if app.settings.is_local:
        return _by_token(request, app)
    session = request.cookies.get(app.tokens.cookie, "")
    user = await run_in_threadpool(app.record.people.session, session) if session else None
    if person := person_of(user):
        request.scope["person"], request.scope["session"] = person, session
        return None
    path = request.url.path
    if path == LOGIN or path.startswith(STATIC):
        return None
    wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if wants_page and not path.startswith("/api/"):
        then = quote(path[:NEXT_MAX_LETTERS], safe="/")
        return RedirectResponse(f"{LOGIN}?next={then}", status_code=303)
    raise ApiError(403, "log in first", "login" if session else "", login=LOGIN)


def _by_token(request: Request, app: ReviewApp) -> Response | None:
    token = request.query_params.get(TOKEN)
    if token is None:
        if not app.tokens.is_access(request.cookies.get(app.tokens.cookie, "")):
            hint = "open the address that leukodiff review printed: it has a token"
            raise ApiError(403, hint, "token")
        request.scope["person"] = OPERATOR
        return None
    if request.method != "GET" or not app.tokens.is_access(token):
        raise ApiError(403, "that is not the token that leukodiff review printed", "token")
    # The page itself does not carry the token: it would stay in the browser's history.
    response = RedirectResponse(request.url.path, status_code=303)
    app.tokens.set_cookie(response, app.tokens.cookie, app.tokens.access)
    return response


async def check_origin(request: Request) -> None:
    """Refuses an unsafe request that no page of ours sent: its origin, and its CSRF token."""
    if request.method in SAFE_METHODS:
        return
    app = app_of(request)
    if not is_own(request.headers, app.settings.origins):
        raise ApiError(403, "this request comes from another page", "origin")
    csrf = request.headers.get("x-csrf-token", "")
    if request.url.path not in FORMS and not is_same(csrf, app.tokens.csrf(session_of(request))):
        raise ApiError(403, "the page is too old; load it again", "csrf")
