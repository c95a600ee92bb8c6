"""The laboratory's own reference cells: shown next to the gallery, chosen on signed slides."""

import hashlib
from urllib.parse import quote

from starlette.responses import Response

from leukodiff.core.units import CROP_UM
from leukodiff.datasets.vocabulary import UNIDENTIFIED

from ..record import STATE_SIGNED
from ..record.events import REFERENCE_ADDED, REFERENCE_REMOVED
from ..service.reference_cells import Origin
from ..service.serializers import Json
from .api_edits import ID_MAX_LETTERS
from .endpoint import CACHE_BY_ETAG, ApiRequest, picture_response, text_of
from .errors import ApiError

PICTURE_PX = 224


def references(request: ApiRequest) -> Json:
    """`GET /api/references`: by class; empty where the laboratory has chosen none."""
    classes: dict[str, list[Json]] = {}
    for one in request.app.references.all():
        address = f"/references/{one.cell_type}/{quote(one.name, safe='')}"
        known = {"id": one.name, "url": address, **vars(one.origin)}
        classes.setdefault(one.cell_type, []).append(known)
    return {"classes": classes, "width_um": CROP_UM}


def picture(request: ApiRequest) -> Response:
    """`GET /references/{type}/{id}`: the picture of a reference cell."""
    content, kind = request.app.references.picture(
        request.path_params["type"], request.path_params["id"]
    )
    digest = hashlib.sha256(content).hexdigest()[:32]
    return picture_response(request, digest, CACHE_BY_ETAG, kind, lambda: content)


def add(request: ApiRequest) -> Json:
    """`POST /api/references {"slide", "cell"}`: a cell of a signed slide, as what it was signed."""
    slide_id, cell_id = (text_of(request.body, key, ID_MAX_LETTERS) for key in ("slide", "cell"))
    view = request.app.reviews.view(slide_id, request.person)
    if view.state.status != STATE_SIGNED or view.stale:
        raise ApiError(409, "reference cells come from signed slides")
    cell = next((one for one in view.report.cells if one.cell_id == cell_id), None)
    if cell is None:
        raise ApiError(404, "no such cell on this slide", "address")
    if cell.counted_as == UNIDENTIFIED:
        raise ApiError(400, "nobody could tell this cell: it is no example of a class")
    crop = request.app.pictures.crop(view.slide, cell, PICTURE_PX)
    name = f"{hashlib.sha256(f'{slide_id}/{cell_id}'.encode()).hexdigest()[:16]}.jpg"
    origin = Origin(slide_id, cell_id, request.person.name, request.app.record.time())
    request.app.references.add(cell.counted_as, name, crop, origin)
    payload = {"type": cell.counted_as, "id": name, "slide": slide_id, "cell": cell_id}
    request.app.record.note(request.person.name, REFERENCE_ADDED, payload)
    return references(request)


def remove(request: ApiRequest) -> Json:
    """`POST /api/references/remove {"type", "id"}`: takes a reference cell away."""
    kind, name = (text_of(request.body, key, ID_MAX_LETTERS) for key in ("type", "id"))
    request.app.references.remove(kind, name)
    request.app.record.note(request.person.name, REFERENCE_REMOVED, {"type": kind, "id": name})
    return references(request)
