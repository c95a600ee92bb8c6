"""The slides: the worklist, all of one slide, its events as they happen, its exports."""

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ..record import THIRD, SlideRow, differences
from ..service.people import READ
from ..service.reviewed_report import TYPES, export, reviewed_report
from ..service.serializers import (
    Json,
    agreement_json,
    cell_json,
    feed_json,
    slide_json,
    status_json,
)
from .api_queue import job_json
from .endpoint import ApiRequest, api_request, attachment, require_right
from .errors import ApiError

POLL_S = 0.5
"""Time between two reads of the record for a stream: another process may write to it, too."""

HEARTBEAT_S = 15.0
"""Time after which a silent stream sends that it is alive."""

MAX_VERSION = 2**31


def slides(request: ApiRequest) -> Json:
    """`GET /api/slides`: the worklist."""
    app = request.app
    app.reviews.add_new_slides()
    known = {row.slide_id: row for row in app.record.slides()}
    listed = [
        _row(request, slide_id, known.get(slide_id)) for slide_id in app.slide_store.refresh()
    ]
    waiting: list[Json] = [
        {
            "slide_id": job.name,
            "status": "queued" if job.state == "queued" else "analysing",
            **_NO_CELLS,
            "flags": [],
            "who": job.by,
            "when": job.at,
            "progress": job_json(job),
        }
        for job in app.queue.jobs()
        if job.is_open
    ]
    return {"slides": [*listed, *waiting]}


_NO_CELLS = {"n_cells": 0, "n_unidentified": 0, "n_atypical": 0}


def _row(request: ApiRequest, slide_id: str, row: SlideRow | None) -> Json:
    if row is None:
        return {
            "slide_id": slide_id,
            "status": "unreadable",
            **_NO_CELLS,
            "flags": ["its folder can't be read; see the terminal"],
            "who": "",
            "when": "",
        }
    summary = request.app.reviews.summary(row)
    return {
        "slide_id": slide_id,
        "status": row.status,
        "n_cells": summary["n_cells"],
        "n_unidentified": summary["n_unidentified"],
        "n_atypical": summary["n_atypical"],
        "flags": summary["flags"],
        "anew": summary["anew"],
        "awaits_third": summary["awaits_third"],
        "who": row.actor if row.status != "analysed" else "",
        "when": row.at,
        "version": row.version,
    }


def slide(request: ApiRequest) -> Json:
    """`GET /api/slides/{id}`: all of a slide."""
    view = request.view
    found = slide_json(view.slide, view.state, view.reading, view.report)
    return {**found, **status_json(view, request.person), "agreement": agreement_json(view)}


def events(request: ApiRequest) -> Json:
    """`GET /api/slides/{id}/events?after=VERSION`: what happened since, and what it changed."""
    return _news(request, request.number("after", 0, 0, MAX_VERSION))


def _news(request: ApiRequest, version: int) -> Json:
    return feed_json(request.view, request.person, version)


def history(request: ApiRequest) -> Json:
    """`GET /api/slides/{id}/history`: every event that may be seen, with its hash."""
    names = ("number", "version", "actor", "at", "kind", "hash")
    return {
        "events": [
            {**{name: getattr(one, name) for name in names}, "payload": dict(one.payload)}
            for one in request.view.since(0)
        ]
    }


async def stream(request: Request) -> Response:
    """`GET /api/slides/{id}/stream?after=VERSION`: answers of GET events as they come.

    Server-sent events; the stream ends with the session, or when the server stops.
    """
    require_right(request, READ)
    asked = api_request(request)
    version = asked.number("after", 0, 0, MAX_VERSION)
    await run_in_threadpool(lambda: asked.view)  # there is such a slide
    if not asked.app.streams.acquire(blocking=False):
        raise ApiError(409, "too many pages listen; ask by GET events")
    return StreamingResponse(_streamed(asked, version, request), media_type="text/event-stream")


async def _streamed(asked: ApiRequest, version: int, request: Request) -> AsyncIterator[bytes]:
    app, session, silent_s = asked.app, request.scope.get("session"), 0.0
    try:
        yield b"retry: 2000\n\n"
        while not app.closing.is_set() and not await request.is_disconnected():
            if session and await run_in_threadpool(app.record.people.session, session) is None:
                return
            news = await run_in_threadpool(_news, asked, version)
            if news["events"]:
                version, silent_s = news["version"], 0.0
                yield f"id: {version}\ndata: {json.dumps(news)}\n\n".encode()
            elif silent_s > HEARTBEAT_S:
                silent_s = 0.0
                yield b": still here\n\n"
            silent_s += POLL_S
            await asyncio.sleep(POLL_S)
    finally:
        app.streams.release()


def exported(request: ApiRequest) -> Response:
    """`GET /api/slides/{id}/export/{kind}`: a file made from the reviewed state."""
    view, kind = request.view, request.path_params["kind"]
    report = reviewed_report(view)
    table = request.query_params.get("table", "cells")
    name, content = export(kind, view.slide, report, request.app.pictures, table)
    headers = {"Content-Disposition": attachment(name)}
    return Response(content, media_type=TYPES[kind], headers=headers)


def differing(request: ApiRequest) -> Json:
    """`GET /api/slides/{id}/differences`: the cells on which two readers differ.

    `now` is the third reader's word, `null` before. To decide is an edit of the third reading:
    `reclassified` or `cell_removed` of the cell.
    """
    view = request.view
    if view.state.readers == 1:
        raise ApiError(404, "this slide is read by one reader")
    if not view.state.first_two_signed:
        raise ApiError(409, "both readers have to sign first", version=view.state.version)
    state = view.state
    cells = {cell.cell_id: cell for n in (1, 2) for cell in state.reading(n).added}
    cells |= view.slide.by_id
    found = differences(view.slide.report, state)
    return {
        "version": view.state.version,
        "awaits_third": view.state.awaits_third,
        "readers": [
            {"reader": one.reader, "actor": one.actor, "name": one.name, "at": one.at}
            for one in view.state.signatures
        ],
        "you": view.reader,
        "undecided": sum(not one.decided for one in found),
        "differences": [
            {
                "cell": cell_json(cells[one.cell_id], view.slide, view.reading),
                "first": one.first,
                "second": one.second,
                "decided": one.decided,
                "now": state.reading(THIRD).value(one.cell_id),
            }
            for one in found
        ],
    }
