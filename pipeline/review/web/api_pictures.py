"""Pictures: a cell, a hundred cells, a tile of a field. A browser keeps them by their version."""

import re
from collections.abc import Callable

from starlette.responses import Response

from ..service.pictures import SHEET_SIDE, digest
from ..service.reviews import View
from ..service.serializers import Json, all_cells
from .endpoint import CACHE_BY_ETAG, CACHE_FOREVER, ApiRequest, picture_response
from .errors import ApiError

JPEG = "image/jpeg"

PLACE = re.compile(r"[0-9]{1,6}")


def crop(request: ApiRequest) -> Response:
    """`GET /crops/{slide}/{cell}.jpg?px=112&v=CONTENT`: one cell, 24 um wide."""
    app, view, px = request.app, request.view, request.number("px", 112, 16, 512)
    wanted = request.path_params["cell"]
    cell = view.slide.by_id.get(wanted)
    cell = cell or next((c for c in view.reading.added if c.cell_id == wanted), None)
    if cell is None:
        raise ApiError(404, "no such cell", "address")
    return _kept(request, view, (wanted, px), lambda: app.pictures.crop(view.slide, cell, px))


def sheet(request: ApiRequest) -> Response:
    """`GET /crops/{slide}/sheet/{n}.jpg?v=CONTENT`: cells 100 n to 100 n + 99, 96 px each.

    In the order of `cells` of the slide. The last sheet grows where cells are added, so a browser
    asks for it again.
    """
    view, number = request.view, _place(request.path_params["n"])
    cells = all_cells(view.slide, view.reading)[number * SHEET_SIDE**2 :][: SHEET_SIDE**2]
    if not cells:
        raise ApiError(404, "no such sheet")
    key = ("sheet", *(cell.cell_id for cell in cells))
    machine = len(view.slide.report.cells)
    full = (number + 1) * SHEET_SIDE**2 <= machine
    return _kept(request, view, key, lambda: request.app.pictures.sheet(view.slide, cells), full)


def tiles(request: ApiRequest) -> Json:
    """`GET /tiles/{slide}/{field}.json`: a field's size and how it is cut."""
    view = request.view
    return {
        **request.app.tiles.facts(view.slide, request.path_params["field"]),
        "content": view.slide.content,
    }


def tile(request: ApiRequest) -> Response:
    """`GET /tiles/{slide}/{field}/{level}/{x}_{y}.jpg?v=CONTENT`."""
    view, field_id = request.view, request.path_params["field"]
    level, x, y = (_place(request.path_params[name]) for name in ("level", "x", "y"))
    tiles = request.app.tiles
    key = (field_id, level, x, y)
    return _kept(request, view, key, lambda: tiles.tile(view.slide, field_id, level, x, y))


def _place(text: str) -> int:
    if not PLACE.fullmatch(text):
        raise ApiError(404, "no such picture", "address")
    return int(text)


def _kept(
    request: ApiRequest, view: View, key: object, make: Callable[[], bytes], is_final: bool = True
) -> Response:
    """A picture of a slide, to be kept for good where the address has the content's version."""
    final = is_final and request.query_params.get("v") == view.slide.content
    cache = CACHE_FOREVER if final else CACHE_BY_ETAG
    return picture_response(request, digest(view.slide.sha256, key), cache, JPEG, make)
