"""JSON in and out: bounded, and with one shape for what is refused."""

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .errors import ApiError

Json = dict[str, Any]

_STRINGS = re.compile(rb'"(?:[^"\\\\]|\\\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")


class JsonResponse(Response):
    """JSON without spaces."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes that are sent."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def refusal(error: ApiError) -> Response:
    """A refusal as the page gets it."""
    return JsonResponse(error.body, status_code=error.status)


async def body_of(request: Request, depth: int) -> Json:
    """A request's JSON object.

    Raises:
        Refused: 415 not said to be JSON, 400 not an object of JSON or too deep.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    data = await request.body()
    if not data and kind in ("", "application/json"):
        return {}
    if kind != "application/json":
        raise ApiError(415, "send JSON (Content-Type: application/json)", "type")
    return parsed(data, depth)


def parsed(data: bytes, depth: int) -> Json:
    """Bytes as a JSON object.

    Raises:
        Refused: 400 not an object of JSON, or too deep.
    """
    if deepest(data) > depth:
        raise ApiError(400, "the JSON is nested too deep", "body")
    try:
        found = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "not JSON", "body") from error
    if not isinstance(found, dict):
        raise ApiError(400, "send a JSON object", "body")
    return found


def deepest(data: bytes) -> int:
    """How deep the brackets of a JSON text are nested at most; brackets in strings don't count."""
    depth = most = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        most = max(most, depth)
    return most


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def text_of(body: Mapping[str, Any], name: str, most: int, default: str | None = None) -> str:
    """A text of a body, without spaces around it.

    Raises:
        Refused: 400: it is missing, no text, too long, or holds what can't be stored.
    """
    found = body.get(name, default)
    if not isinstance(found, str):
        raise ApiError(400, f"{name}: a text is needed", "body")
    found = found.strip()
    if len(found) > most:
        raise ApiError(400, f"{name}: at most {most} letters", "body")
    if "\0" in found or any(0xD800 <= ord(one) <= 0xDFFF for one in found):
        raise ApiError(400, f"{name}: has letters that can't be stored", "body")
    return found


def whole_of(body: Mapping[str, Any], name: str) -> int:
    """A whole number of a body.

    Raises:
        Refused: 400: it is missing or none.
    """
    found = body.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or abs(found) > 2**53:
        raise ApiError(400, f"{name}: a whole number is needed", "body")
    return found
