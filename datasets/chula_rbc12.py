"""Chula RBC-12: 738 fields of 640x480 px of red-cell disorders, from Bangkok, in many lights.

Another laboratory than `chula`'s. Of use as fields that show no white cell: its labels are the
centers of red cells of twelve forms, which leukodiff has no use for, and its platelets have none.
"""

from pathlib import Path

from leukodiff.core.errors import DataError

from .fields import LabeledField
from .layout import IMAGE_SUFFIXES, inner_root, read_table
from .splits import split_of
from .vocabulary import WHITE_CELL

UM_PER_PX = 0.2
"""From its red cells, which have 0.16 to 0.24 um/px where one is taken to be about 7.5 um."""

NO_WHITE_CELL_CSV = Path(__file__).with_name("chula_rbc12_no_white_cell.csv")
"""The fields in which nobody who looked saw a white cell."""

BOXED = frozenset({WHITE_CELL})
"""The detector classes of which every cell is boxed: there is no white cell, so none lacks a box.
Red cells and platelets are there and have none."""


def load_chula_rbc12(root: Path) -> list[LabeledField]:
    """The fields without a white cell, 45/5/50 by image: no box, and none but `BOXED` is known.

    Raises:
        DataError: there are none.
    """
    folder = inner_root(root, "Dataset") / "Dataset"
    empty = {Path(row["image"]).stem for row in read_table(NO_WHITE_CELL_CSV, ("image",))}
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    fields = [_read_field(path) for path in paths if path.stem in empty]
    if not fields:
        raise DataError(f"{folder}: expected the images of Chula RBC-12, found none")
    return fields


def _read_field(path: Path) -> LabeledField:
    split = split_of(f"chula_rbc12/{path.stem}", val=0.05, test=0.5)
    return LabeledField(
        path,
        split=split,
        source="chula_rbc12",
        group=f"chula_rbc12/{path.stem}",
        um_per_px=UM_PER_PX,
        boxed=BOXED,
    )
