"""BCCD: 364 fields of 640x480 px with boxes of white cells, red cells and platelets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from leukodiff.core.errors import DataError

from .bccd_erratum import Erratum, corrected, load_erratum
from .fields import LabeledField
from .layout import (
    BOX_LABELS,
    cleaned,
    has_area,
    inner_root,
    name_of,
    read_table,
    voc_to_xyxy,
)
from .splits import SPLITS
from .vocabulary import WHITE_CELL

WHITE_CELL_LABELS: Mapping[str, str] = {
    "NEUTROPHIL": "neutrophil",
    "EOSINOPHIL": "eosinophil",
    "LYMPHOCYTE": "lymphocyte",
    "MONOCYTE": "monocyte",
    "BASOPHIL": "basophil",
}

UM_PER_PX = 0.079
"""From the red cells: 95 px across in the median of 192 that stand alone, segmented at half the
depth of their edge, and a red cell is about 7.5 um. (BCCD's own boxes are wider: 102 px.)"""

LABELS_CSV = Path(__file__).with_name("bccd_labels.csv")
"""The table of white-cell types by image number, as published beside cosmicad/dataset and on Kaggle
(MIT); read where a copy of BCCD lacks its own `labels.csv`."""

SCENES_CSV = Path(__file__).with_name("bccd_scenes.csv")
"""The 42 pairs of fields that show the same cells: found by SIFT features, and confirmed by laying
one over the other (correlation of the overlap 0.91 to 0.99; 0.4 at most for all other pairs). The
smear was photographed twice over, so 13 fields of the test split show a place that a field of the
train or val split shows too."""

TEST_CSV = Path(__file__).with_name("bccd_test.csv")
"""The 72 fields of the official test split: known even where BCCD itself is not at hand."""


def load_bccd(root: Path, erratum: bool = True) -> list[LabeledField]:
    """The fields in their official split, boxes clipped and those without area left out.

    A white cell has its type where the field has one white cell and the table one label for it.
    The group is the scene: fields that show the same place share it, across the official splits.
    With `erratum` the known errors of the official boxes are mended first (`bccd_erratum.csv`).
    """
    return [cleaned(field) for field in read_bccd(root, load_erratum() if erratum else {})]


def read_bccd(
    root: Path, erratum: Mapping[str, Sequence[Erratum]] | None = None
) -> list[LabeledField]:
    """The fields with the boxes as they are published, but for those that `erratum` mends."""
    home = inner_root(root, "ImageSets/Main")
    types = _white_cell_types(home)
    mended = erratum or {}
    return [
        _read_field(home, image_id, split, types.get(image_id, ""), mended.get(image_id, ()))
        for split in SPLITS
        for image_id in _image_ids(home / "ImageSets" / "Main" / f"{split}.txt")
    ]


def _image_ids(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError as error:
        raise DataError(f"{path}: the official split is missing ({error.strerror})") from error


def _white_cell_types(home: Path) -> dict[str, str]:
    """Image id -> the one type in the table; images with no label or with two are left out."""
    places = (home / "labels.csv", home.parent / "labels.csv")
    table = next((path for path in places if path.is_file()), LABELS_CSV)
    rows = read_table(table, ("Image", "Category"))
    labels = {f"BloodImage_{int(row['Image']):05d}": row["Category"].strip() for row in rows}
    return {
        image_id: name_of(label, WHITE_CELL_LABELS, table)
        for image_id, label in labels.items()
        if label and "," not in label
    }


def _read_field(
    home: Path, image_id: str, split: str, white_cell_type: str, errata: Sequence[Erratum]
) -> LabeledField:
    xyxy, cell_types = voc_to_xyxy(home / "Annotations" / f"{image_id}.xml", BOX_LABELS)
    path = home / "JPEGImages" / f"{image_id}.jpg"
    scene = bccd_scene(image_id)
    field = LabeledField(path, xyxy, cell_types, split, "bccd", scene, UM_PER_PX)
    return _typed(corrected(field, errata), white_cell_type)


def _typed(field: LabeledField, white_cell_type: str) -> LabeledField:
    real = has_area(field.xyxy)
    white = [i for i, name in enumerate(field.cell_types) if name == WHITE_CELL and real[i]]
    if len(white) != 1 or not white_cell_type:
        return field
    types = np.array(field.cell_types, object)
    types[white[0]] = white_cell_type
    return replace(field, cell_types=tuple(types))


def bccd_scene(image_id: str) -> str:
    """The scene of a field of BCCD: the first of the fields that show the same place."""
    return _scenes().get(image_id, image_id)


@cache
def bccd_test_scenes() -> frozenset[str]:
    """The scenes that the official test split shows: what is made of BCCD must not learn them."""
    return frozenset(bccd_scene(row["image"]) for row in read_table(TEST_CSV, ("image",)))


@cache
def _scenes() -> dict[str, str]:
    return {row["image"]: row["scene"] for row in read_table(SCENES_CSV, ("image", "scene"))}
