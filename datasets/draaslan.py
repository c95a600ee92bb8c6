"""Fields of 256x256 px on mint-green ground, red cells crimson, from one microscope in Turkey."""

from pathlib import Path

import numpy as np

from .fields import Boxes, LabeledField
from .layout import IMAGE_SUFFIXES, cleaned, image_size, inner_root, read_table, to_boxes
from .splits import split_of
from .vocabulary import WHITE_CELL

UM_PER_PX = 0.14
"""From the boxes of its red cells: 53.4 px across in the median of 1,049 inside the field, with
one taken to be about 7.5 um. Our scale estimator says 0.142 to 0.149."""

BOXED = frozenset({WHITE_CELL, "red_cell"})
"""The detector classes of which every cell is boxed: platelets are not."""

TYPES_CSV = Path(__file__).with_name("draaslan_types.csv")
"""The white boxes that hold a white cell, with the type as read by eye, by no hematologist: empty
where it could not be told. The second white boxes of images 100, 104 and 114 hold none."""

COLUMNS = ("image", "xmin", "ymin", "xmax", "ymax", "label")
SAME_BOX_PX = 1.0
"""Largest difference of two readings of one corner."""


def load_draaslan(root: Path) -> list[LabeledField]:
    """The fields with every white and red cell, split 70/10/20 by image; platelets have no box."""
    return [cleaned(field) for field in read_draaslan(root)]


def read_draaslan(root: Path) -> list[LabeledField]:
    """The fields with the boxes as they are published, less the white ones that hold no cell."""
    home = inner_root(root, "annotations.csv")
    rows: dict[str, list[dict[str, str]]] = {}
    for row in read_table(home / "annotations.csv", COLUMNS):
        rows.setdefault(Path(row["image"]).stem, []).append(row)
    images = {p.stem: p for p in home.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES}
    known = _types()
    return [
        _read_field(images.get(name, home / "images" / f"{name}.jpg"), of_image, known)
        for name, of_image in rows.items()
    ]


def _types() -> dict[str, list[tuple[Boxes, str]]]:
    found: dict[str, list[tuple[Boxes, str]]] = {}
    for row in read_table(TYPES_CSV, ("image", "x_min", "y_min", "x_max", "y_max", "cell_type")):
        box = to_boxes([[float(row[edge]) for edge in ("x_min", "y_min", "x_max", "y_max")]])
        found.setdefault(row["image"], []).append((box, row["cell_type"] or WHITE_CELL))
    return found


def _read_field(
    path: Path, rows: list[dict[str, str]], known: dict[str, list[tuple[Boxes, str]]]
) -> LabeledField:
    size = np.array([*image_size(path), *image_size(path)], np.float32)
    boxes, types = [], []
    for row in rows:
        box = to_boxes([[float(row[edge]) for edge in COLUMNS[1:5]]]) * size
        name = "red_cell" if row["label"] == "rbc" else _type_of(box, known.get(path.stem, []))
        if name:
            boxes.append(box)
            types.append(name)
    xyxy = np.concatenate(boxes) if boxes else to_boxes([])
    split = split_of(f"draaslan/{path.stem}")
    facts = (split, "draaslan", path.stem, UM_PER_PX)
    return LabeledField(path, xyxy, tuple(types), *facts, boxed=BOXED)


def _type_of(box: Boxes, known: list[tuple[Boxes, str]]) -> str | None:
    same = [name for other, name in known if np.abs(other - box).max() < SAME_BOX_PX]
    return same[0] if same else None
