"""Requests to plain functions and back: JSON in, JSON or a file out, each function in a thread.

Bodies are read by `json`: what they may hold depends on the slide, so a schema would check little.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..service.people import Person
from ..service.reviews import View
from ..service.serializers import Json
from .app_state import ReviewApp
from .errors import ApiError

Endpoint = Callable[[Request], Awaitable[Response]]

CACHE_FOREVER = "private, max-age=31536000, immutable"
"""Of a picture whose address carries the version of its content."""

CACHE_BY_ETAG = "private, no-cache"
"""Of one whose address does not: kept, and asked for by its ETag."""

NUMBER_MAX_DIGITS = 15

WHOLE_NUMBER_MAX = 2**53

CLIENT_MAX_LETTERS = 100

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")


@dataclass(frozen=True)
class ApiRequest:
    """A request to one of our functions; `client` is the address that it came from."""

    app: ReviewApp
    person: Person
    path_params: Mapping[str, str]
    query_params: Mapping[str, str]
    headers: Mapping[str, str]
    client: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def view(self) -> View:
        """The slide of the address as whoever asks sees it.

        Raises:
            ApiError: 404: there is none.
        """
        return self.app.reviews.view(self.path_params["slide"], self.person)

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number of the query, within bounds.

        Raises:
            ApiError: 400: it is none.
        """
        text = self.query_params.get(name, str(default))
        if not text.isdecimal() or not text.isascii() or len(text) > NUMBER_MAX_DIGITS:
            raise ApiError(400, f"{name}: a whole number is needed", "address")
        return min(max(int(text), low), high)


Function = Callable[[ApiRequest], Any]


class JsonResponse(Response):
    """JSON without spaces."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes that are sent."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def endpoint(function: Function, right: str) -> Endpoint:
    """An endpoint of a function: JSON of what it returns, or its own response; needs a right."""

    def answer(request: ApiRequest) -> Response:
        result = function(request)
        return result if isinstance(result, Response) else JsonResponse(result)

    async def answers(request: Request) -> Response:
        require_right(request, right)
        body = await body_of(request) if request.method == "POST" else {}
        return await run_in_threadpool(answer, api_request(request, body))

    return answers


def app_of(request: Request) -> ReviewApp:
    """The review that a request goes to."""
    app = request.app.state.review
    assert isinstance(app, ReviewApp)  # noqa: S101 - the application sets it
    return app


def session_of(request: Request) -> str:
    """The session of whoever asks; empty where nobody logs in."""
    return str(request.scope.get("session", ""))


def require_right(request: Request, right: str) -> Person:
    """Whoever asks, if their role has a right.

    Raises:
        ApiError: 403: it has not.
    """
    person: Person = request.scope["person"]
    if not person.may(right):
        raise ApiError(403, f"your role ({person.role or 'none'}) does not allow this", "role")
    return person


def require_logins(app: ReviewApp) -> None:
    """Checks that people log in.

    Raises:
        ApiError: 404: they do not.
    """
    if app.settings.is_local:
        raise ApiError(404, "nobody logs in here: this review is opened on its own computer alone")


def api_request(request: Request, body: Mapping[str, Any] | None = None) -> ApiRequest:
    """A request as our functions take it."""
    return ApiRequest(
        app_of(request),
        request.scope["person"],
        request.path_params,
        dict(request.query_params),
        dict(request.headers),
        client_of(request),
        body or {},
    )


def client_of(request: Request) -> str:
    """The address that a request came from; behind a proxy the one that the proxy saw."""
    forwarded = request.headers.get("x-forwarded-for", "")
    if forwarded and app_of(request).settings.behind_proxy:
        return forwarded.rpartition(",")[2].strip()[:CLIENT_MAX_LETTERS]
    return request.client.host if request.client else ""


def content_type(request: Request) -> str:
    """The media type of a body, lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def body_of(request: Request) -> Json:
    """A request's JSON object; empty where it has no body.

    Raises:
        ApiError: 415 not sent as JSON, 400 not an object of JSON or too deep.
    """
    kind, data = content_type(request), await request.body()
    if not data and kind in ("", "application/json"):
        return {}
    if kind != "application/json":
        raise ApiError(415, "send JSON (Content-Type: application/json)", "type")
    if json_depth(data) > app_of(request).settings.limits.json_depth:
        raise ApiError(400, "the JSON is nested too deep", "body")
    try:
        found = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "not JSON", "body") from error
    if not isinstance(found, dict):
        raise ApiError(400, "send a JSON object", "body")
    return found


def json_depth(data: bytes) -> int:
    """Largest depth of brackets in a JSON text; brackets in strings don't count."""
    depth = most = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        most = max(most, depth)
    return most


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def storable(name: str, text: object, max_letters: int) -> str:
    """A text of a body, as it is.

    Raises:
        ApiError: 400: it is no text, too long, or holds what can't be stored.
    """
    if not isinstance(text, str):
        raise ApiError(400, f"{name}: a text is needed", "body")
    if len(text) > max_letters:
        raise ApiError(400, f"{name}: at most {max_letters} letters", "body")
    if "\0" in text or any(0xD800 <= ord(one) <= 0xDFFF for one in text):
        raise ApiError(400, f"{name}: has letters that can't be stored", "body")
    return text


def text_of(
    body: Mapping[str, Any], name: str, max_letters: int, default: str | None = None
) -> str:
    """A text of a body without spaces around it; errors as `storable`, and where it is missing."""
    found = body.get(name, default)
    return storable(name, found.strip() if isinstance(found, str) else found, max_letters)


def whole_of(body: Mapping[str, Any], name: str) -> int:
    """A whole number of a body.

    Raises:
        ApiError: 400: it is missing or none.
    """
    found = body.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or abs(found) > WHOLE_NUMBER_MAX:
        raise ApiError(400, f"{name}: a whole number is needed", "body")
    return found


def picture_response(
    request: ApiRequest, digest: str, cache: str, media_type: str, make: Callable[[], bytes]
) -> Response:
    """A picture with its ETag; neither made nor sent where the browser has it."""
    headers = {"ETag": f'"{digest}"', "Cache-Control": cache}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(make(), media_type=media_type, headers=headers)


def attachment(name: str) -> str:
    """The Content-Disposition of a file to be saved under a name (RFC 6266)."""
    plain = "".join(
        one if one.isascii() and (one.isalnum() or one in " ._-") else "_" for one in name
    )
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
