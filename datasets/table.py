"""Anyone's own smears: a folder of images with one table of labeled cells beside them."""

import json
import math
from collections import defaultdict
from pathlib import Path

from leukodiff.core.errors import DataError

from .fields import LabeledField
from .layout import image_files, read_table, to_boxes
from .splits import SPLITS, split_of
from .vocabulary import BY_NAME

TABLES = ("truth.csv", "cells.csv")
EDGES = ("x_min", "y_min", "x_max", "y_max")
COLUMNS = ("field_id", "cell_type", *EDGES)

LARGEST = 1e6
"""No image has more px along a side, no microscope a coarser px (um)."""

Rows = list[dict[str, str]]


def load_table(root: Path) -> list[LabeledField]:
    """Every image of a folder as a field, with the cells that `truth.csv` or `cells.csv` gives it.

    A row a cell: `field_id` (the image's file name), `cell_type`, and `x_min`, `y_min`, `x_max`,
    `y_max` (px). Optional: `reviewed_as` (goes before `cell_type`), `group` (slide or patient;
    default the image), `split` (default: by group, 70/10/20), `um_per_px` (default:
    `truth.json`'s). An image without a row is a field without cells.

    Raises:
        DataError: there is no table, or a row in it is wrong.
    """
    table = next((root / name for name in TABLES if (root / name).is_file()), None)
    if table is None:
        raise DataError(f"{root}: expected {' or '.join(TABLES)} beside the images")
    by_field: dict[str, Rows] = defaultdict(list)
    for row in read_table(table, COLUMNS):
        by_field[row["field_id"]].append(row)
    images = image_files(root)
    if missing := sorted(set(by_field) - {path.name for path in images}):
        raise DataError(f"{table}: no image {missing[0]} beside it")
    scale = _scale(root / "truth.json")
    try:
        return [_field(path, by_field[path.name], scale) for path in images]
    except ValueError as error:
        raise DataError(f"{table}: {error}") from error


def _scale(path: Path) -> float | None:
    if not path.is_file():
        return None
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["settings"]["um_per_px"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected settings with um_per_px in it") from error


def _field(path: Path, rows: Rows, scale: float | None) -> LabeledField:
    first = rows[0] if rows else {}
    group = first.get("group") or path.name
    split = first.get("split") or split_of(f"table/{group}")
    if split not in SPLITS:
        expected = ", ".join(SPLITS)
        raise ValueError(f"{path.name}: split {split[:40]!r}: expected one of {expected}")
    boxes = to_boxes([[_number(row[edge], path) for edge in EDGES] for row in rows])
    um_per_px = _number(first["um_per_px"], path) if first.get("um_per_px") else scale
    return LabeledField(path, boxes, _types(path, rows), split, "table", group, um_per_px)


def _number(text: str, path: Path) -> float:
    """A px or a scale; beyond a million it is neither."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:
        raise ValueError(f"{path.name}: a box or scale is no number that can be: {text[:40]!r}")
    return value


def _types(path: Path, rows: Rows) -> tuple[str, ...]:
    names = tuple(row.get("reviewed_as") or row["cell_type"] for row in rows)
    if unknown := sorted(set(names) - set(BY_NAME)):
        expected = ", ".join(BY_NAME)
        raise ValueError(f"{path.name}: no cell type {unknown[0][:40]!r}: there are {expected}")
    return names
