"""TXL-PBC's part of Raabin-WBC: 500 images of 575x575 px from Tehran, with boxes of every cell."""

from dataclasses import replace
from pathlib import Path

from leukodiff.core.boxes import area

from .fields import LabeledField
from .layout import BOX_LABELS, cleaned, image_size, labeled_images, read_table, yolo_to_xyxy
from .splits import split_of
from .vocabulary import WHITE_CELL

UM_PER_PX = 0.064
"""From the boxes of its red cells, with one taken to be about 7.5 um. Its two microscopes and two
phones differ by a few percent; free outlines of red cells would say 0.055 to 0.060."""

SOURCES_CSV = Path(__file__).with_name("txl_raabin_sources.csv")
"""The type and Raabin's own name of each image, matched by content to Raabin's folders of single
cells. Neutrophils were not matched: they are what is left of five classes of a hundred. And what is
wrong with its boxes, by our eye: `one_white`, a second white box is no white cell; `white_as_red`,
the white cell is boxed as a red one, the largest."""


def load_txl_raabin(root: Path) -> list[LabeledField]:
    """The fields with the type of their one white cell, split by smear, 90/10/0.

    The group is the smear (`95-9-1-2` of `95-9-1-2_182_3`), the day of a photograph by phone
    (`20190604` of `20190604_110533_1`), or the image itself where Raabin's name is not known.
    """
    return [cleaned(_named(field, row)) for field, row in _rows(root)]


def read_txl_raabin(root: Path) -> list[LabeledField]:
    """The fields with the boxes as they are published; other images of TXL-PBC are left out."""
    return [field for field, _ in _rows(root)]


def _rows(root: Path) -> list[tuple[LabeledField, dict[str, str]]]:
    columns = ("image", "raabin_file", "cell_type", "erratum")
    rows = {row["image"]: row for row in read_table(SOURCES_CSV, columns)}
    return [
        (_read_field(path, labels, rows[path.name]["raabin_file"]), rows[path.name])
        for path, labels in labeled_images(root)
        if path.name in rows
    ]


def _read_field(path: Path, labels: Path, raabin_file: str) -> LabeledField:
    xyxy, types = yolo_to_xyxy(labels, image_size(path), tuple(BOX_LABELS.values()))
    group = raabin_file.split("_")[0] or path.stem
    split = split_of(f"raabin/{group}", val=0.1, test=0.0)
    return LabeledField(path, xyxy, types, split, "txl_raabin", group, UM_PER_PX)


def _named(field: LabeledField, row: dict[str, str]) -> LabeledField:
    """The field with its erratum applied, and the type of its white cell where it is the only."""
    types = list(field.cell_types)
    if row["erratum"]:
        wrong = WHITE_CELL if row["erratum"] == "one_white" else "red_cell"
        largest = max(_of(types, wrong), key=lambda i: float(area(field.xyxy)[i]))
        types[largest] = WHITE_CELL
        kept = [i for i, name in enumerate(types) if name != WHITE_CELL or i == largest]
        field, types = replace(field, cell_types=tuple(types)).keep(kept), [types[i] for i in kept]
    white = _of(types, WHITE_CELL)
    if len(white) == 1:
        types[white[0]] = row["cell_type"]
    return replace(field, cell_types=tuple(types))


def _of(types: list[str], name: str) -> list[int]:
    return [i for i, one in enumerate(types) if one == name]
