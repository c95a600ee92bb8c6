"""Pictures: a cell, a hundred cells, a tile of a field. A browser keeps them by their version."""

import re
from collections.abc import Callable

from starlette.responses import Response

from ..service.pictures import SHEET_SIDE, digest
from ..service.serializers import Json, all_cells
from ..service.views import View
from .endpoint import ApiRequest
from .errors import ApiError
from .headers import ASK_AGAIN, FOR_GOOD

JPEG = "image/jpeg"

PLACE = re.compile(r"[0-9]{1,6}")


def crop(call: ApiRequest) -> Response:
    """`GET /crops/{slide}/{cell}.jpg?px=112&v=CONTENT`: one cell, 24 um wide."""
    view, px = call.view, call.number("px", 112, 16, 512)
    wanted = call.where["cell"]
    cell = view.slide.by_id.get(wanted)
    cell = cell or next((c for c in view.reading.added if c.cell_id == wanted), None)
    if cell is None:
        raise ApiError(404, "no such cell", "address")
    return _kept(call, view, (wanted, px), lambda: call.desk.pictures.crop(view.slide, cell, px))


def sheet(call: ApiRequest) -> Response:
    """`GET /crops/{slide}/sheet/{n}.jpg?v=CONTENT`: cells 100 n to 100 n + 99, 96 px each.

    In the order of `cells` of the slide. The last sheet grows where cells are added, so a browser
    asks for it again.
    """
    view, number = call.view, _place(call.where["n"])
    cells = all_cells(view.slide, view.reading)[number * SHEET_SIDE**2 :][: SHEET_SIDE**2]
    if not cells:
        raise ApiError(404, "no such sheet")
    key = ("sheet", *(cell.cell_id for cell in cells))
    machine = len(view.slide.report.cells)
    full = (number + 1) * SHEET_SIDE**2 <= machine
    return _kept(call, view, key, lambda: call.desk.pictures.sheet(view.slide, cells), full)


def tiles(call: ApiRequest) -> Json:
    """`GET /tiles/{slide}/{field}.json`: a field's size and how it is cut."""
    view = call.view
    return {**call.desk.tiles.facts(view.slide, call.where["field"]), "content": view.slide.content}


def tile(call: ApiRequest) -> Response:
    """`GET /tiles/{slide}/{field}/{level}/{x}_{y}.jpg?v=CONTENT`."""
    view, field_id = call.view, call.where["field"]
    level, x, y = (_place(call.where[name]) for name in ("level", "x", "y"))
    tiles = call.desk.tiles
    key = (field_id, level, x, y)
    return _kept(call, view, key, lambda: tiles.tile(view.slide, field_id, level, x, y))


def _place(text: str) -> int:
    if not PLACE.fullmatch(text):
        raise ApiError(404, "no such picture", "address")
    return int(text)


def _kept(
    call: ApiRequest, view: View, key: object, make: Callable[[], bytes], for_good: bool = True
) -> Response:
    """A picture with its ETag; not sent where the browser has it."""
    etag = f'"{digest(view.slide.sha256, key)}"'
    same = call.asked.get("v") == view.slide.content
    headers = {"ETag": etag, "Cache-Control": FOR_GOOD if same and for_good else ASK_AGAIN}
    if call.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(make(), media_type=JPEG, headers=headers)
