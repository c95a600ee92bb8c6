"""Cells as a GeoJSON FeatureCollection (RFC 7946) with the properties that QuPath reads."""

import json
import uuid

from leukodiff.datasets.vocabulary import BY_NAME
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.report import SmearReport

from .formatting import rgb

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "leukodiff/cells.geojson")


def cells_geojson(report: SmearReport) -> str:
    """A rectangle a cell, in px of its field, with its class, color and measurements.

    QuPath opens one image at a time and a slide may have many: `field_id` tells the cells apart.
    The cells of a field are annotations, to be corrected one by one; those of a scan detections, of
    which QuPath shows a million.
    """
    features = ",".join(_PLAIN.encode(_feature(report, cell)) for cell in report.cells)
    return f'{{"type":"FeatureCollection","features":[{features}]}}'


_PLAIN = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def _feature(report: SmearReport, cell: Cell) -> dict[str, object]:
    kind = BY_NAME[cell.counted_as]
    # Bytes of a file name that are no text can't be hashed as UTF-8: their escapes are.
    name = f"{report.slide_id}/{cell.cell_id}".encode("utf-8", "backslashreplace").decode("utf-8")
    x0, y0, x1, y1 = cell.x_min, cell.y_min, cell.x_max, cell.y_max
    # Counter-clockwise where y grows upwards, as RFC 7946 asks.
    ring = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    chances = zip(report.class_names, cell.probabilities, strict=True)
    facts = cell.facts
    measures = {
        "cell area um2": facts.cell_um2,
        "nucleus area um2": facts.nucleus_um2,
        "nucleus to cell ratio": facts.nucleus_to_cell,
        "nucleus lobes": facts.lobes,
        "atypical": cell.atypical,
    }
    known = {name: round(value, 4) for name, value in measures.items() if value is not None}
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(_NAMESPACE, name)),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "objectType": "detection" if cell.field_id in report.readings else "annotation",
            "name": cell.cell_id,
            "field_id": cell.field_id,
            "classification": {"name": kind.title, "color": rgb(kind.color)},
            "measurements": {
                "detection confidence": round(cell.detection_confidence, 4),
                "confidence": round(cell.confidence, 4),
                **{f"p {name}": round(p, 4) for name, p in chances},
                **known,  # QuPath wants numbers
            },
            **({"note": cell.note} if cell.note else {}),
        },
    }
