"""Which requests are let in: from this address, from its own pages, from somebody known."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..service.people import ANYONE, OPERATOR, Person, person_of
from .app_state import ReviewApp
from .errors import ApiError

SAFE = frozenset({"GET", "HEAD"})
UNSAFE = frozenset({"POST"})

LOGIN = "/login"
STATIC = "/static/"
UPLOAD = "/api/upload"

FORMS = (LOGIN, "/logout")
"""What a plain form posts to: its CSRF token stands in the form, and the handler checks it."""

TOKEN = "token"  # noqa: S105 - the name of a parameter

NEXT_LETTERS = 200


@dataclass(frozen=True)
class AccessMiddleware:
    """Stands before every page, script, picture and call."""

    app: ASGIApp
    desk: ReviewApp
    refuse: Callable[[Request, ApiError], Awaitable[Response]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or refuses it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            answer = await self._entry(request)
            if answer is None:
                self._require_own_page(request)
                limited = self._limited(request, receive)
        except ApiError as error:
            answer = await self.refuse(request, error)
        if answer is not None:
            await answer(scope, receive, send)
            return
        await self.app(scope, limited, send)

    async def _entry(self, request: Request) -> Response | None:
        """Sets who asks; an answer where the request ends here: a token taken, a login needed."""
        request.scope["person"] = ANYONE
        self._require_method(request)
        self._require_host(request)
        settings = self.desk.settings
        if settings.is_local:
            if TOKEN in request.query_params:
                return self._with_token(request)
            if not self.desk.is_token(request.cookies.get(self.desk.cookie, "")):
                raise ApiError(
                    403, "open the address that leukodiff review printed: it has a token", "token"
                )
            request.scope["person"] = OPERATOR
            return None
        return await self._known(request)

    def _with_token(self, request: Request) -> Response:
        if request.method != "GET" or not self.desk.is_token(request.query_params[TOKEN]):
            raise ApiError(403, "that is not the token that leukodiff review printed", "token")
        # The page itself does not carry the token: it would stay in the browser's history.
        answer = RedirectResponse(request.url.path, status_code=303)
        self.desk.set_cookie(answer, self.desk.cookie, self.desk.token)
        return answer

    async def _known(self, request: Request) -> Response | None:
        session = request.cookies.get(self.desk.cookie, "")
        person = await run_in_threadpool(self._of_session, session) if session else None
        if person is not None:
            request.scope["person"], request.scope["session"] = person, session
            return None
        path = request.url.path
        if path == LOGIN or path.startswith(STATIC):
            return None
        wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        if wants_page and not path.startswith("/api/"):
            return RedirectResponse(f"{LOGIN}?next={_quoted(path)}", status_code=303)
        raise ApiError(403, "log in first", "login" if session else "", login=LOGIN)

    def _of_session(self, session: str) -> Person | None:
        return person_of(self.desk.record.people.session(session))

    def _require_method(self, request: Request) -> None:
        if request.method not in SAFE | UNSAFE:
            raise ApiError(405, f"{request.method[:16]} is not used here", "method")

    def _require_host(self, request: Request) -> None:
        """Against DNS rebinding: a foreign name that points here."""
        said = request.headers.getlist("host")
        if self.desk.settings.behind_proxy and "x-forwarded-host" in request.headers:
            said = [request.headers["x-forwarded-host"]]
        if len(said) != 1 or said[0].lower() not in self.desk.settings.hosts:
            raise ApiError(403, "not the address that this review is opened at", "host")

    def _require_own_page(self, request: Request) -> None:
        """That an unsafe request comes from a page of ours: its origin, and the token in it."""
        if request.method in SAFE:
            return
        if not is_own(request.headers, self.desk.settings.origins):
            raise ApiError(403, "this request comes from another page", "origin")
        if request.url.path in FORMS:
            return
        if not self.desk.is_csrf(request, request.headers.get("x-csrf-token", "")):
            raise ApiError(403, "the page is too old; load it again", "csrf")

    def _limited(self, request: Request, receive: Receive) -> Receive:
        limits = self.desk.settings.limits
        most = limits.upload_bytes if request.url.path == UPLOAD else limits.json_bytes
        told = request.headers.get("content-length", "0")
        if not told.isdecimal() or int(told) > most:
            raise ApiError(413, f"too much at once: at most {most // 10**6} MB", "size")
        return counted(receive, most)


def counted(receive: Receive, most: int) -> Receive:
    """Receives no more than `most` bytes, whatever Content-Length says."""
    so_far = 0

    async def receive_some() -> Message:
        nonlocal so_far
        message = await receive()
        so_far += len(message.get("body", b""))
        if so_far > most:
            raise ApiError(413, f"too much at once: at most {most // 10**6} MB", "size")
        return message

    return receive_some


def is_own(headers: Headers, origins: frozenset[str]) -> bool:
    """Whether a request comes from one of our pages, as far as the browser tells.

    Origin counts, Referer where there is none; a browser sends one of them with each POST.
    """
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        parts = urlsplit(headers.get("referer", ""))
        origin = f"{parts.scheme}://{parts.netloc}"
    return origin.lower() in origins


def _quoted(path: str) -> str:
    return quote(path[:NEXT_LETTERS], safe="/")
