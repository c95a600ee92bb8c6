"""The erratum of BCCD: boxes added, dropped or mended, each with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from leukodiff.core.errors import DataError

from .fields import LabeledField
from .layout import BOX_LABELS, read_table, to_boxes
from .vocabulary import BY_NAME

ERRATUM_CSV = Path(__file__).with_name("bccd_erratum.csv")

EDGES = ("x_min", "y_min", "x_max", "y_max")
COLUMNS = ("field", "action", "class", *EDGES, *(f"new_{edge}" for edge in EDGES), "reason")

Corners = tuple[int, int, int, int]


@dataclass(frozen=True)
class Erratum:
    """One row: `add` has only the new box, `drop` only the official one, `mend` both (px)."""

    image_id: str
    action: str
    cell_type: str
    official: Corners | None
    new: Corners | None
    reason: str


def load_erratum(path: Path = ERRATUM_CSV) -> dict[str, list[Erratum]]:
    """Image id -> its errata; a missing or empty table has none.

    An `add` may give its box in either set of columns.

    Raises:
        DataError: a row has an unknown action or class, or lacks a box it needs.
    """
    errata: dict[str, list[Erratum]] = {}
    for number, row in enumerate(read_table(path, COLUMNS), start=2):
        erratum = _parsed(row, f"{path}, line {number}")
        errata.setdefault(erratum.image_id, []).append(erratum)
    return errata


def _parsed(row: dict[str, str], place: str) -> Erratum:
    action = row["action"].strip()
    cell_type = BOX_LABELS.get(row["class"].strip(), row["class"].strip())
    official, new = _corners(row, "", place), _corners(row, "new_", place)
    if action == "add":
        official, new = None, new or official
    elif action == "drop":
        new = None
    whole = {"add": new, "drop": official, "mend": official and new}.get(action)
    if cell_type not in BY_NAME or whole is None:
        raise DataError(f"{place}: expected add, drop or mend, a known class and its boxes")
    image_id = row["field"].strip().removesuffix(".jpg")
    return Erratum(image_id, action, cell_type, official, new, row["reason"].strip())


def _corners(row: dict[str, str], prefix: str, place: str) -> Corners | None:
    texts = [(row[prefix + edge] or "").strip() for edge in EDGES]
    if not any(texts):
        return None
    try:
        x_min, y_min, x_max, y_max = (round(float(text)) for text in texts)
    except ValueError as error:
        raise DataError(f"{place}: expected four numbers, found {texts}") from error
    return x_min, y_min, x_max, y_max


def corrected(field: LabeledField, errata: Sequence[Erratum]) -> LabeledField:
    """The field with its errata applied.

    Raises:
        DataError: a row names a box that the field does not have.
    """
    boxes = [tuple(box) for box in field.xyxy.round().astype(int).tolist()]
    cells = list(zip(field.cell_types, boxes, strict=True))
    for erratum in errata:
        if erratum.official is not None:
            cells.pop(_index(cells, erratum, field))
        if erratum.new is not None:
            cells.append((erratum.cell_type, erratum.new))
    types = tuple(cell_type for cell_type, _ in cells)
    return replace(field, xyxy=to_boxes([box for _, box in cells]), cell_types=types)


def _index(
    cells: Sequence[tuple[str, tuple[int, ...]]], erratum: Erratum, field: LabeledField
) -> int:
    same = [i for i, cell in enumerate(cells) if cell == (erratum.cell_type, erratum.official)]
    if not same:
        raise DataError(
            f"{ERRATUM_CSV.name}: {field.field_id} has no {erratum.cell_type} at {erratum.official}"
        )
    return int(np.min(same))
