"""Where two readers differ, for the third who decides."""

from ..record import THIRD, Difference, Signature, differences
from ..service.serializers import Json, cell_json
from ..service.views import View
from .endpoint import ApiRequest
from .errors import ApiError


def differing(call: ApiRequest) -> Json:
    """`GET /api/slides/{id}/differences`: the cells on which two readers differ.

    `now` is what the third reader said, `null` before. To decide is an edit of the third reading:
    `reclassified` or `cell_removed` of the cell.
    """
    view = call.view
    if view.state.readers == 1:
        raise ApiError(404, "this slide is read by one reader")
    if not view.state.first_two_signed:
        raise ApiError(409, "both readers have to sign first", version=view.state.version)
    found = differences(view.slide.report, view.state)
    return {
        "version": view.state.version,
        "awaits_third": view.state.awaits_third,
        "readers": [_signed(one) for one in view.state.signatures],
        "you": view.reader,
        "undecided": sum(not one.decided for one in found),
        "differences": [_difference(view, one) for one in found],
    }


def _difference(view: View, one: Difference) -> Json:
    state = view.state
    added = {cell.cell_id: cell for n in (1, 2) for cell in state.reading(n).added}
    cell = view.slide.by_id.get(one.cell_id) or added[one.cell_id]
    return {
        "cell": cell_json(cell, view.slide, view.reading),
        "first": one.first,
        "second": one.second,
        "decided": one.decided,
        "now": state.reading(THIRD).value(one.cell_id),
    }


def _signed(one: Signature) -> Json:
    return {"reader": one.reader, "actor": one.actor, "name": one.name, "at": one.at}
