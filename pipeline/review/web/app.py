"""The routes, and the order in which a request meets what stands before them."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from leukodiff.core.errors import LeukodiffError
from leukodiff.pipeline.runs.output import OutputError, log_error

from ..service.errors import ServiceError
from ..service.people import ANALYZE, ANYONE, MANAGE, READ, REVIEW, SIGN
from . import api_edits, api_people, api_pictures, api_queue, api_references, api_slides, pages
from .app_state import ReviewApp
from .endpoint import Function, JsonResponse, app_of, endpoint
from .errors import ApiError
from .middleware import BodyLimit, Check, SecurityHeaders, check_host, check_origin, identify
from .security import HEADERS, TLS_HEADERS

log = logging.getLogger("leukodiff")

MADE_FOR_SCRIPTS = ("/api/", "/crops/", "/references/", "/tiles/", "/static/")
"""Addresses that answer a script or a picture, never a page."""


def make_app(review: ReviewApp) -> Starlette:
    """The whole application over a review, which it opens at its start and closes at its end."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(review.open)
        yield
        await run_in_threadpool(review.close)

    app = Starlette(
        routes=routes(),
        lifespan=lifespan,
        exception_handlers=HANDLERS,
        middleware=[
            Middleware(SecurityHeaders, HEADERS | TLS_HEADERS if review.tokens.is_tls else HEADERS),
            Middleware(ServerErrorMiddleware, handler=on_bug),
            Middleware(ExceptionMiddleware, handlers=HANDLERS),  # of the checks that follow
            Middleware(Check, check_host),
            Middleware(Check, identify),
            Middleware(Check, check_origin),
            Middleware(BodyLimit, review.settings.limits),
        ],
    )
    app.state.review = review
    app.router.redirect_slashes = False
    return app


def routes() -> list[BaseRoute]:
    """All that the server answers."""
    one = "/api/slides/{slide}"
    return [
        Route("/", pages.worklist),
        Route("/slides/{slide}", pages.slide_page("gallery.html")),
        Route("/slides/{slide}/view", pages.slide_page("viewer.html")),
        Route("/slides/{slide}/differences", pages.slide_page("differences.html")),
        Route("/slides/{slide}/report", pages.report),
        Route("/people", pages.people),
        Route("/password", pages.password),
        Route("/login", pages.login_page, methods=["GET"]),
        Route("/login", pages.login, methods=["POST"]),
        Route("/logout", pages.logout, methods=["POST"]),
        _get("/api/slides", api_slides.slides),
        _get(one, api_slides.slide),
        _get(f"{one}/events", api_slides.events),
        _get(f"{one}/history", api_slides.history),
        Route(f"{one}/stream", api_slides.stream, methods=["GET"]),
        _get(f"{one}/export/{{kind}}", api_slides.exported),
        _get(f"{one}/differences", api_slides.differing),
        _post(f"{one}/events", api_edits.change, REVIEW),
        _post(f"{one}/undo", api_edits.undo, REVIEW),
        _post(f"{one}/redo", api_edits.redo, REVIEW),
        _post(f"{one}/cells", api_edits.add_cell, REVIEW),
        _post(f"{one}/sign", api_edits.sign, SIGN),
        _post(f"{one}/reopen", api_edits.reopen, SIGN),
        _get("/api/references", api_references.references),
        _post("/api/references", api_references.add, SIGN),
        _post("/api/references/remove", api_references.remove, SIGN),
        _get("/references/{type}/{id}", api_references.picture),
        _get("/api/users", api_people.users, MANAGE),
        _post("/api/users", api_people.add, MANAGE),
        _post("/api/users/role", api_people.give_role, MANAGE),
        _post("/api/users/password", api_people.give_password, MANAGE),
        _post("/api/users/disable", api_people.disable, MANAGE),
        _post("/api/users/enable", api_people.enable, MANAGE),
        _get("/api/log", api_people.log, MANAGE),
        _post("/api/password", api_people.own_password, READ),
        _get("/crops/{slide}/sheet/{n}.jpg", api_pictures.sheet),
        _get("/crops/{slide}/{cell}.jpg", api_pictures.crop),
        _get("/tiles/{slide}/{field}/{level}/{x}_{y}.jpg", api_pictures.tile),
        _get("/tiles/{slide}/{field}.json", api_pictures.tiles),
        _get("/api/queue", api_queue.queue),
        Route("/api/upload", api_queue.upload, methods=["POST"]),
        _post("/api/analyze", api_queue.analyze, ANALYZE),
        _post("/api/queue/{n}/stop", api_queue.stop, ANALYZE),
        Mount("/static", StaticFiles(directory=pages.STATIC, check_dir=False), name="static"),
    ]


def _get(path: str, function: Function, right: str = READ) -> Route:
    return Route(path, endpoint(function, right), methods=["GET"])


def _post(path: str, function: Function, right: str) -> Route:
    return Route(path, endpoint(function, right), methods=["POST"])


async def on_refused(request: Request, error: Exception) -> Response:
    """A refusal with its reason: a page where a browser goes to one; recorded if it has a kind."""
    if isinstance(error, ServiceError):
        error = ApiError.of(error)
    assert isinstance(error, ApiError)  # noqa: S101 - registered for these two alone
    if error.what:
        person = request.scope.get("person", ANYONE)
        where = f"{request.method} {request.url.path}"
        await run_in_threadpool(app_of(request).record_refusal, person, where, error)
    wants_page = "text/html" in request.headers.get("accept", "")
    if wants_page and not request.url.path.startswith(MADE_FOR_SCRIPTS):
        title = "Not found" if error.status == 404 else "Refused"
        return pages.page(request, "error.html", error.status, title=title, message=error.error)
    return JsonResponse(error.body, status_code=error.status)


async def on_http(request: Request, error: Exception) -> Response:
    """A refusal by the routes themselves: no such page, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    what = "address" if error.status_code in (404, 405) else "request"
    line = {404: "there is no such page", 405: "not used here"}.get(error.status_code, error.detail)
    return await on_refused(request, ApiError(error.status_code, line, what))


async def on_ours(request: Request, error: Exception) -> Response:
    """The record or a file can't be read or written: nothing was kept of what was asked."""
    log.error("%s %s: %s", request.method, request.url.path, error)
    return await on_refused(request, ApiError(503, str(error)))


async def on_bug(request: Request, error: Exception) -> Response:
    """An error of ours: the log has all of it, the page a line."""
    log.exception("%s %s", request.method, request.url.path, exc_info=error)
    try:
        log_error(app_of(request).settings.out, f"{request.method} {request.url.path}", error)
    except OutputError:
        log.error("errors.log can't be written")
    return JsonResponse({"error": "an error in leukodiff; errors.log has it"}, status_code=500)


HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    ApiError: on_refused,
    ServiceError: on_refused,
    HTTPException: on_http,
    LeukodiffError: on_ours,
}
