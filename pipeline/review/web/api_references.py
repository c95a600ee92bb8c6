"""The laboratory's own reference cells: shown beside the gallery, chosen on signed slides."""

import hashlib
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from leukodiff.core.units import CROP_UM
from leukodiff.datasets.vocabulary import UNIDENTIFIED

from ..record import STATE_SIGNED
from ..record.events import REFERENCE_ADDED, REFERENCE_REMOVED
from ..service.reference_cells import Origin, Reference
from ..service.serializers import Json
from .api_slides import ID_LETTERS
from .endpoint import ApiRequest
from .errors import ApiError
from .headers import ASK_AGAIN
from .json_http import text_of

PICTURE_PX = 224


def references(call: ApiRequest) -> Json:
    """`GET /api/references`: by class; empty where the laboratory has chosen none."""
    classes: dict[str, list[Json]] = {}
    for one in call.desk.references.all():
        classes.setdefault(one.cell_type, []).append(_json(one))
    return {"classes": classes, "width_um": CROP_UM}


def picture(call: ApiRequest) -> Response:
    """`GET /references/{type}/{id}`: the picture of a reference cell."""
    content, kind = call.desk.references.picture(call.where["type"], call.where["id"])
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": ASK_AGAIN}
    if call.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


def add(call: ApiRequest) -> Json:
    """`POST /api/references {"slide", "cell"}`: a cell of a signed slide, as what it was signed."""
    slide_id, cell_id = (text_of(call.body, key, ID_LETTERS) for key in ("slide", "cell"))
    view = call.desk.reviews.view(slide_id, call.person)
    if view.state.status != STATE_SIGNED or view.stale:
        raise ApiError(409, "reference cells come from signed slides")
    cell = next((one for one in view.report.cells if one.cell_id == cell_id), None)
    if cell is None:
        raise ApiError(404, "no such cell on this slide", "address")
    if cell.counted_as == UNIDENTIFIED:
        raise ApiError(400, "nobody could tell this cell: it is no example of a class")
    made = call.desk.pictures.crop(view.slide, cell, PICTURE_PX)
    name = f"{hashlib.sha256(f'{slide_id}/{cell_id}'.encode()).hexdigest()[:16]}.jpg"
    origin = Origin(slide_id, cell_id, call.person.name, call.desk.record.time())
    call.desk.references.add(cell.counted_as, name, made, origin)
    said = {"type": cell.counted_as, "id": name, "slide": slide_id, "cell": cell_id}
    call.desk.record.note(call.person.name, REFERENCE_ADDED, said)
    return references(call)


def remove(call: ApiRequest) -> Json:
    """`POST /api/references/remove {"type", "id"}`: takes a reference cell away."""
    kind, name = (text_of(call.body, key, ID_LETTERS) for key in ("type", "id"))
    call.desk.references.remove(kind, name)
    call.desk.record.note(call.person.name, REFERENCE_REMOVED, {"type": kind, "id": name})
    return references(call)


def _json(one: Reference) -> dict[str, Any]:
    address = f"/references/{one.cell_type}/{quote(one.name, safe='')}"
    return {"id": one.name, "url": address, **vars(one.origin)}
