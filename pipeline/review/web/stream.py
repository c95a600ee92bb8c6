"""Changes as they happen, pushed to a page that is open (server-sent events)."""

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ..service.people import LOOK
from ..service.serializers import Json, feed_json
from .endpoint import ApiRequest, call_of, desk_of
from .errors import ApiError

EVERY = 0.5
"""Seconds between looks at the record: another process may write to it, too."""

BEAT = 15.0
"""Seconds after which a silent stream says that it is alive."""


async def stream(request: Request) -> Response:
    """`GET /api/slides/{id}/stream?after=VERSION`: what GET events answers, as it comes."""
    call = call_of(request, {})
    if not call.person.may(LOOK):
        raise ApiError(403, "your role does not allow this", "role")
    version = call.number("after", 0, 0, 2**31)
    await run_in_threadpool(lambda: call.view)  # there is such a slide
    if not desk_of(request).streams.acquire(blocking=False):
        raise ApiError(409, "too many pages listen; ask by GET events")
    return StreamingResponse(_told(call, version, request), media_type="text/event-stream")


async def _told(call: ApiRequest, version: int, request: Request) -> AsyncIterator[bytes]:
    silent = 0.0
    try:
        yield b"retry: 2000\n\n"
        while not call.desk.closing.is_set() and not await request.is_disconnected():
            if not await run_in_threadpool(call.desk.still_known, request):
                return
            news = await run_in_threadpool(_news, call, version)
            if news["events"]:
                version, silent = news["version"], 0.0
                yield f"id: {version}\ndata: {json.dumps(news)}\n\n".encode()
            elif silent > BEAT:
                silent = 0.0
                yield b": still here\n\n"
            silent += EVERY
            await asyncio.sleep(EVERY)
    finally:
        call.desk.streams.release()


def _news(call: ApiRequest, version: int) -> Json:
    return feed_json(call.view, call.person, version)
