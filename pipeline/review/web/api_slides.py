"""The slides: what there is, what was found, and what a person makes of it."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from ..record import SlideRow, signing
from ..record.events import ADDED, COMMENTED, OPENED, REOPENED, SIGNED, VIEWED
from ..service.cell_classifier import Named
from ..service.jobs import Job
from ..service.people import SIGN
from ..service.reviewed_report import TYPES, export, reviewed_report
from ..service.serializers import (
    NAMES,
    Json,
    agreement_json,
    cell_json,
    feed_json,
    slide_json,
    status_json,
)
from ..service.views import View
from .endpoint import ApiRequest
from .errors import ApiError
from .headers import attachment
from .json_http import text_of, whole_of

CELLS_AT_ONCE = 50_000
LETTERS = 10_000
"""Of a comment or a reason."""

ID_LETTERS = 300


def slides(call: ApiRequest) -> Json:
    """`GET /api/slides`: the worklist."""
    call.desk.reviews.add_new_slides()
    known = {row.slide_id: row for row in call.desk.record.slides()}
    there = call.desk.slide_store.refresh()
    listed = [_row(call, slide_id, known.get(slide_id)) for slide_id in there]
    return {"slides": [*listed, *(_job_row(j) for j in call.desk.queue.jobs() if j.is_open)]}


def _row(call: ApiRequest, slide_id: str, row: SlideRow | None) -> Json:
    if row is None:
        return {
            "slide_id": slide_id,
            "status": "unreadable",
            "n_cells": 0,
            "n_unidentified": 0,
            "n_atypical": 0,
            "flags": ["its folder can't be read; see the terminal"],
            "who": "",
            "when": "",
        }
    summary = call.desk.reviews.summary(row)
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


def _job_row(job: Job) -> Json:
    return {
        "slide_id": job.name,
        "status": "queued" if job.state == "queued" else "analysing",
        "n_cells": 0,
        "n_unidentified": 0,
        "n_atypical": 0,
        "flags": [],
        "who": job.by,
        "when": job.at,
        "progress": job_json(job),
    }


def job_json(job: Job) -> Json:
    """A job of the queue as the page shows it."""
    return {
        "number": job.number,
        "name": job.name,
        "state": job.state,
        "by": job.by,
        "at": job.at,
        "done": job.done,
        "total": job.total,
        "what": job.what,
        "rate": job.rate,
        "left": job.left,
        "slides": list(job.slides),
        "error": job.error,
        "ended": job.ended,
    }


def slide(call: ApiRequest) -> Json:
    """`GET /api/slides/{id}`: all of a slide."""
    view = call.view
    found = slide_json(view.slide, view.state, view.reading, view.report)
    return {**found, **status_json(view, call.person), "agreement": agreement_json(view)}


def events(call: ApiRequest) -> Json:
    """`GET /api/slides/{id}/events?after=VERSION`: what happened since, and what it changed."""
    version = call.number("after", 0, 0, 2**31)
    return feed_json(call.view, call.person, version)


def history(call: ApiRequest) -> Json:
    """`GET /api/slides/{id}/history`: every event that may be seen, with its hash."""
    view = call.view
    names = ("number", "version", "actor", "at", "kind", "hash")
    return {
        "events": [
            {**{name: getattr(one, name) for name in names}, "payload": dict(one.payload)}
            for one in view.since(0)
        ]
    }


def change(call: ApiRequest) -> Json:
    """`POST /api/slides/{id}/events`: an edit of cells, cells looked at, or a comment."""
    view, kind = call.view, text_of(call.body, "kind", 40)
    version, payload = _version(call, view), call.body.get("payload")
    make = _PAYLOADS.get(kind)
    if make is None or not isinstance(payload, dict):
        raise ApiError(400, f"kind: one of {', '.join(_PAYLOADS)}, with its payload", "body")
    said = make(view, payload)
    if said is None:  # nothing of it is new
        return call.desk.reviews.changes_since(view, call.person, version)
    return call.desk.reviews.apply_event(view, call.person, kind, said, version)


def back(call: ApiRequest) -> Json:
    """`POST /api/slides/{id}/undo`: takes one's last edit back."""
    view = call.view
    return call.desk.reviews.undo_or_redo(view, call.person, False, _version(call, view))


def again(call: ApiRequest) -> Json:
    """`POST /api/slides/{id}/redo`: does again what one took back last."""
    view = call.view
    return call.desk.reviews.undo_or_redo(view, call.person, True, _version(call, view))


def add_cell(call: ApiRequest) -> Json:
    """`POST /api/slides/{id}/cells`: a cell in a box that a person drew, classified at once."""
    view, field_id = call.view, text_of(call.body, "field", ID_LETTERS)
    version, box = _version(call, view), box_of(call.body.get("box"))
    if view.locked:
        raise ApiError(423, "this slide can't be changed now", "locked")
    named = call.desk.namer.name(view.slide, field_id, box)
    to = call.body.get("to")
    _require_type(to)
    said = {"cell": added_payload(field_id, box, named), "to": to}
    answer = call.desk.reviews.apply_event(view, call.person, "cell_added", said, version)
    after = call.view
    newest = next(
        e.payload["cell"]["cell_id"]
        for e in reversed(after.events)
        if e.kind == "cell_added" and e.actor == call.person.name
    )
    cell = next(one for one in after.reading.added if one.cell_id == newest)
    made = cell_json(cell, after.slide, after.reading)
    return {**answer, "cell": made, "warning": named.warning}


def added_payload(field_id: str, box: tuple[float, ...], named: Named) -> Json:
    """A cell that a person added, as the record has it. Nobody detected it: that is surely so."""
    return {
        "field_id": field_id,
        **dict(zip(("x_min", "y_min", "x_max", "y_max"), box, strict=True)),
        "detection_confidence": 1.0,
        "cell_type": named.cell_type,
        "confidence": named.confidence,
        "probabilities": list(named.probabilities),
        "note": named.note,
    }


def box_of(value: object) -> tuple[float, float, float, float]:
    """A box of a body, px to 0.1.

    Raises:
        Refused: 400: it is none.
    """
    if not isinstance(value, list) or len(value) != 4:
        raise ApiError(400, "box: four numbers are needed", "body")
    if not all(isinstance(x, int | float) and not isinstance(x, bool) for x in value):
        raise ApiError(400, "box: four numbers are needed", "body")
    x0, y0, x1, y1 = (round(float(min(max(x, -1e7), 1e7)), 1) for x in value)
    return x0, y0, x1, y1


def sign(call: ApiRequest) -> Json:
    """`POST /api/slides/{id}/sign`: the slide is done, and can't be changed any more.

    `version` is what the signer saw: a signature that is sent again is refused, since its own event
    has moved the slide on.
    """
    call.require(SIGN)
    view, name = call.view, text_of(call.body, "name", 200)
    reason, comment = (text_of(call.body, key, LETTERS, "") for key in ("reason", "comment"))
    version = whole_of(call.body, "version")
    if not name:
        raise ApiError(400, "name: who signs?", "body")
    _require_openness(view, version)
    call.desk.check_signer(call.person, call.body.get("password"), call.client)
    if left := view.obstacles(reason):
        raise ApiError(400, "; ".join(left), may_sign=left)
    if comment and comment != view.reading.comment:
        call.desk.reviews.apply_event(view, call.person, COMMENTED, {"text": comment}, version)
        view = call.view
        version = view.state.version
    said = signing(view.slide.report, view.state, name, reader=view.reader or 1, reason=reason)
    return call.desk.reviews.apply_event(view, call.person, SIGNED, said, version)


def _require_openness(view: View, version: int) -> None:
    """Refuses a signature for a state that has been signed or re-opened since."""
    if view.locked:
        raise ApiError(423, "signed already, or not yours to sign; re-open it first", "signature")
    later = {one.kind for one in view.events[max(0, version) :]}
    if later & {SIGNED, REOPENED, ADDED} or not 0 < version <= view.state.version:
        raise ApiError(
            409,
            "the slide was signed or re-opened since; look and sign again",
            "signature",
            version=view.state.version,
        )


def reopen(call: ApiRequest) -> Json:
    """`POST /api/slides/{id}/reopen`: a signed slide can be changed again, for a reason."""
    call.require(SIGN)
    view, reason = call.view, text_of(call.body, "reason", LETTERS)
    if not reason:
        raise ApiError(400, "reason: why is it opened again?", "body")
    version = _version(call, view)
    call.desk.reviews.append(view, call.person, REOPENED, {"reason": reason}, version)
    return call.desk.reviews.changes_since(view, call.person, version)


def opened(call: ApiRequest) -> None:
    """Notes that a person has a slide open; of two readers, whose reading it is."""
    view = call.view
    mine = any(one.kind == OPENED and one.actor == call.person.name for one in view.events)
    if mine or view.locked:
        return
    reader = {"reader": view.reader} if view.state.readers > 1 else {}
    call.desk.reviews.append(view, call.person, OPENED, reader, view.state.version)


def exported(call: ApiRequest) -> Response:
    """`GET /api/slides/{id}/export/{kind}`: a file made from the reviewed state."""
    view, kind = call.view, call.where["kind"]
    report = reviewed_report(view.slide.report, view.report, view.state, view.reading)
    pictures, table = call.desk.pictures, call.asked.get("table", "cells")
    name, content = export(kind, view.slide, report, pictures, table)
    headers = {"Content-Disposition": attachment(name)}
    return Response(content, media_type=TYPES[kind], headers=headers)


def _version(call: ApiRequest, view: View) -> int:
    """The version that the page knows; the present one where it does not say."""
    if call.body.get("version") is None:
        return view.state.version
    version = whole_of(call.body, "version")
    if not 0 <= version <= view.state.version:
        raise ApiError(400, "version: there is none such yet", "body")
    return version


def _reclassified(view: View, payload: Mapping[str, Any]) -> Json | None:
    cells = payload.get("cells")
    if not isinstance(cells, dict) or not cells or len(cells) > CELLS_AT_ONCE:
        raise ApiError(400, "cells: which, and what is each?", "body")
    _require_cells(view, cells)
    wanted = {}
    for cell_id, said in cells.items():
        to = said.get("to") if isinstance(said, dict) else said
        _require_type(to)
        wanted[cell_id] = {"to": to, **_believed(view, cell_id, said)}
    return {"cells": wanted}


def _believed(view: View, cell_id: str, said: Any) -> Json:
    """What the page took the cell for, as the record has it; empty where it does not say.

    A third reader is shown what the first two say together: the record has that in their readings.
    """
    if not isinstance(said, dict) or "from" not in said:
        return {}
    _require_type(said["from"])
    if said["from"] != view.reading.reviewed_as.get(cell_id):
        return {"from": said["from"]}
    return {"from": view.state.reading(view.reader or 1).reviewed_as.get(cell_id)}


def _looked_at(view: View, payload: Mapping[str, Any]) -> Json | None:
    cells = _cell_list(view, payload)
    new = [one for one in cells if one not in view.reading.viewed]
    return {"cells": new} if new else None


def _removed(view: View, payload: Mapping[str, Any]) -> Json | None:
    reason = text_of(payload, "reason", LETTERS, "")
    return {"cells": _cell_list(view, payload), **({"reason": reason} if reason else {})}


def _commented(view: View, payload: Mapping[str, Any]) -> Json | None:
    text = text_of(payload, "text", LETTERS)
    return {"text": text} if text != view.reading.comment else None


_PAYLOADS = {
    "reclassified": _reclassified,
    VIEWED: _looked_at,
    "cell_removed": _removed,
    "cell_restored": _removed,
    COMMENTED: _commented,
}


def _cell_list(view: View, payload: Mapping[str, Any]) -> list[str]:
    cells = payload.get("cells")
    if not isinstance(cells, list) or not cells or len(cells) > CELLS_AT_ONCE:
        raise ApiError(400, "cells: a list of cells is needed", "body")
    _require_cells(view, cells)
    return list(dict.fromkeys(cells))


def _require_cells(view: View, cells: Any) -> None:
    added = {cell.cell_id for cell in view.reading.added}
    for one in cells:
        if not isinstance(one, str) or (one not in view.slide.by_id and one not in added):
            raise ApiError(400, "cells: there is no such cell on this slide", "body")


def _require_type(name: object) -> None:
    if name is not None and name not in NAMES:
        raise ApiError(400, f"to: one of {', '.join(NAMES)}", "body")
