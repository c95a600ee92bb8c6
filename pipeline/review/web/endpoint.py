"""From requests to plain functions and back: each call runs in a thread, and gets what it needs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..service.people import Person
from ..service.views import View
from .app_state import ReviewApp
from .errors import ApiError
from .json_http import JsonResponse, body_of

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class ApiRequest:
    """A request to one of our functions. `where` has the address's parts, `asked` its query.

    `client` is the address that it came from.
    """

    desk: ReviewApp
    person: Person
    where: Mapping[str, str]
    asked: Mapping[str, str]
    headers: Mapping[str, str]
    client: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)

    def require(self, what: str) -> None:
        """Refuses whoever may not do it.

        Raises:
            Refused: 403.
        """
        if not self.person.may(what):
            raise ApiError(
                403, f"your role ({self.person.role or 'none'}) does not allow this", "role"
            )

    @property
    def view(self) -> View:
        """The slide of the address as whoever asks sees it.

        Raises:
            Refused: 404: there is none.
        """
        return self.desk.reviews.view(self.where["slide"], self.person)

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number of the query, within bounds.

        Raises:
            Refused: 400: it is none.
        """
        text = self.asked.get(name, str(default))
        if not text.isdecimal() or not text.isascii() or len(text) > 15:
            raise ApiError(400, f"{name}: a whole number is needed", "address")
        return min(max(int(text), low), high)


Function = Callable[[ApiRequest], Any]


def desk_of(request: Request) -> ReviewApp:
    """The desk of the application that a request goes to."""
    desk = request.app.state.desk
    assert isinstance(desk, ReviewApp)  # noqa: S101 - the application sets it
    return desk


def call_of(request: Request, body: Mapping[str, Any]) -> ApiRequest:
    """A request as our functions take it."""
    person: Person = request.scope["person"]
    where, asked = request.path_params, dict(request.query_params)
    client = client_of(request)
    return ApiRequest(desk_of(request), person, where, asked, dict(request.headers), client, body)


def client_of(request: Request) -> str:
    """The address that a request came from; behind a proxy the one that the proxy saw."""
    forwarded = request.headers.get("x-forwarded-for", "")
    if forwarded and desk_of(request).settings.behind_proxy:
        return forwarded.rpartition(",")[2].strip()[:100]
    return request.client.host if request.client else ""


def answers(function: Function, needs: str) -> Endpoint:
    """An endpoint of a function: JSON of what it returns, or its own response; `needs` a right."""

    async def endpoint(request: Request) -> Response:
        person: Person = request.scope["person"]
        if not person.may(needs):
            raise ApiError(403, f"your role ({person.role or 'none'}) does not allow this", "role")
        body: Mapping[str, Any] = {}
        if request.method == "POST":
            body = await body_of(request, desk_of(request).settings.limits.json_depth)
        made = await run_in_threadpool(_answered, function, call_of(request, body))
        return made if isinstance(made, Response) else JsonResponse(made)

    return endpoint


def _answered(function: Function, call: ApiRequest) -> Any:
    made = function(call)
    return made if isinstance(made, Response) else JsonResponse(made)
