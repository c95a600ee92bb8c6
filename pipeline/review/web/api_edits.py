"""Changes of a slide: edits of cells, undo, cells that a person adds, signatures.

Each function answers with the changes since the version that the page knows.
"""

from collections.abc import Mapping
from typing import Any

from ..record import signing
from ..record.events import ADDED, CELL_ADDED, COMMENTED, OPENED, REOPENED, SIGNED, VIEWED
from ..service.cell_classifier import Named
from ..service.reviews import View
from ..service.serializers import NAMES, Json, cell_json, update_json
from .api_people import check_password
from .endpoint import ApiRequest, text_of, whole_of
from .errors import ApiError

MAX_CELLS = 50_000
"""Cells of one edit."""

TEXT_MAX_LETTERS = 10_000
"""Letters of a comment or a reason."""

ID_MAX_LETTERS = 300

SIGNER_MAX_LETTERS = 200

KIND_MAX_LETTERS = 40

COORDINATE_MAX_PX = 1e7


def change(request: ApiRequest) -> Json:
    """`POST /api/slides/{id}/events`: an edit of cells, cells looked at, or a comment."""
    view, kind = request.view, text_of(request.body, "kind", KIND_MAX_LETTERS)
    version, payload = _version(request, view), request.body.get("payload")
    checked = _PAYLOADS.get(kind)
    if checked is None or not isinstance(payload, dict):
        raise ApiError(400, f"kind: one of {', '.join(_PAYLOADS)}, with its payload", "body")
    stored = checked(view, payload)
    if stored is None:  # nothing of it is new
        return update_json(view, request.person, version)
    after = request.app.reviews.apply_event(view, request.person, kind, stored, version)
    return update_json(after, request.person, version)


def undo(request: ApiRequest) -> Json:
    """`POST /api/slides/{id}/undo`: takes one's last edit back."""
    return _undo_or_redo(request, again=False)


def redo(request: ApiRequest) -> Json:
    """`POST /api/slides/{id}/redo`: does again what one took back last."""
    return _undo_or_redo(request, again=True)


def _undo_or_redo(request: ApiRequest, again: bool) -> Json:
    view = request.view
    version = _version(request, view)
    after = request.app.reviews.undo_or_redo(view, request.person, again, version)
    return update_json(after, request.person, version)


def add_cell(request: ApiRequest) -> Json:
    """`POST /api/slides/{id}/cells`: a cell in a box that a person drew, classified at once."""
    view, field_id = request.view, text_of(request.body, "field", ID_MAX_LETTERS)
    version, box = _version(request, view), box_of(request.body.get("box"))
    if view.locked:
        raise ApiError(423, "this slide can't be changed now", "locked")
    named = request.app.cell_classifier.name(view.slide, field_id, box)
    to = request.body.get("to")
    _require_type(to)
    payload = {"cell": added_payload(field_id, box, named), "to": to}
    after = request.app.reviews.apply_event(view, request.person, CELL_ADDED, payload, version)
    newest = next(
        e.payload["cell"]["cell_id"]
        for e in reversed(after.events)
        if e.kind == CELL_ADDED and e.actor == request.person.name
    )
    cell = next(one for one in after.reading.added if one.cell_id == newest)
    added = cell_json(cell, after.slide, after.reading)
    return {**update_json(after, request.person, version), "cell": added, "warning": named.warning}


def added_payload(field_id: str, box: tuple[float, ...], named: Named) -> Json:
    """A cell that a person added, as the record has it; nobody detected it: its confidence is 1."""
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
        ApiError: 400: it is none.
    """
    if (
        not isinstance(value, list)
        or len(value) != 4
        or not all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)
    ):
        raise ApiError(400, "box: four numbers are needed", "body")
    most = COORDINATE_MAX_PX
    x0, y0, x1, y1 = (round(float(min(max(x, -most), most)), 1) for x in value)
    return x0, y0, x1, y1


def sign(request: ApiRequest) -> Json:
    """`POST /api/slides/{id}/sign`: the slide is done, and can't be changed any more.

    `version` is what the signer saw: a signature that is sent again is refused, since its own event
    has moved the slide on.
    """
    app, view, person = request.app, request.view, request.person
    name = text_of(request.body, "name", SIGNER_MAX_LETTERS)
    reason = text_of(request.body, "reason", TEXT_MAX_LETTERS, "")
    comment = text_of(request.body, "comment", TEXT_MAX_LETTERS, "")
    version = whole_of(request.body, "version")
    if not name:
        raise ApiError(400, "name: who signs?", "body")
    _require_openness(view, version)
    if not app.settings.is_local:
        password = request.body.get("password")
        if not isinstance(password, str) or not password:
            raise ApiError(403, "password: a signature needs it", "signature")
        check_password(request, password, "that is not your password", "signature")
    if left := view.obstacles(reason):
        raise ApiError(400, "; ".join(left), may_sign=left)
    if comment and comment != view.reading.comment:
        view = app.reviews.apply_event(view, person, COMMENTED, {"text": comment}, version)
        version = view.state.version
    payload = signing(view.slide.report, view.state, name, reader=view.reader or 1, reason=reason)
    after = app.reviews.apply_event(view, person, SIGNED, payload, version)
    return update_json(after, person, version)


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


def reopen(request: ApiRequest) -> Json:
    """`POST /api/slides/{id}/reopen`: a signed slide can be changed again, for a reason."""
    view, reason = request.view, text_of(request.body, "reason", TEXT_MAX_LETTERS)
    if not reason:
        raise ApiError(400, "reason: why is it opened again?", "body")
    version = _version(request, view)
    payload = {"reason": reason}
    after = request.app.reviews.append(view, request.person, REOPENED, payload, version)
    return update_json(after, request.person, version)


def note_opened(request: ApiRequest) -> None:
    """Notes that a person has a slide open; of two readers, whose reading it is."""
    view, person = request.view, request.person
    mine = any(one.kind == OPENED and one.actor == person.name for one in view.events)
    if mine or view.locked:
        return
    reader = {"reader": view.reader} if view.state.readers > 1 else {}
    request.app.reviews.append(view, person, OPENED, reader, view.state.version)


def _version(request: ApiRequest, view: View) -> int:
    """The version that the page knows; the present one where it does not say."""
    if request.body.get("version") is None:
        return view.state.version
    version = whole_of(request.body, "version")
    if not 0 <= version <= view.state.version:
        raise ApiError(400, "version: there is none such yet", "body")
    return version


def _reclassified(view: View, payload: Mapping[str, Any]) -> Json | None:
    cells = payload.get("cells")
    if not isinstance(cells, dict) or not cells or len(cells) > MAX_CELLS:
        raise ApiError(400, "cells: which, and what is each?", "body")
    _require_cells(view, cells)
    wanted = {}
    for cell_id, edit in cells.items():
        to = edit.get("to") if isinstance(edit, dict) else edit
        _require_type(to)
        wanted[cell_id] = {"to": to, **_believed(view, cell_id, edit)}
    return {"cells": wanted}


def _believed(view: View, cell_id: str, edit: Any) -> Json:
    """The type that the page took the cell for, as the record has it; empty where not given.

    A third reader is shown what the first two have in common: the record has that in their
    readings.
    """
    if not isinstance(edit, dict) or "from" not in edit:
        return {}
    _require_type(edit["from"])
    if edit["from"] != view.reading.reviewed_as.get(cell_id):
        return {"from": edit["from"]}
    return {"from": view.state.reading(view.reader or 1).reviewed_as.get(cell_id)}


def _viewed(view: View, payload: Mapping[str, Any]) -> Json | None:
    cells = _cell_list(view, payload)
    new = [one for one in cells if one not in view.reading.viewed]
    return {"cells": new} if new else None


def _removed(view: View, payload: Mapping[str, Any]) -> Json | None:
    reason = text_of(payload, "reason", TEXT_MAX_LETTERS, "")
    return {"cells": _cell_list(view, payload), **({"reason": reason} if reason else {})}


def _commented(view: View, payload: Mapping[str, Any]) -> Json | None:
    text = text_of(payload, "text", TEXT_MAX_LETTERS)
    return {"text": text} if text != view.reading.comment else None


_PAYLOADS = {
    "reclassified": _reclassified,
    VIEWED: _viewed,
    "cell_removed": _removed,
    "cell_restored": _removed,
    COMMENTED: _commented,
}
"""By kind of event: its payload of the body, checked, or `None` where nothing of it is new."""


def _cell_list(view: View, payload: Mapping[str, Any]) -> list[str]:
    cells = payload.get("cells")
    if not isinstance(cells, list) or not cells or len(cells) > MAX_CELLS:
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
