"""Kaggle blood-cells: 12,444 rotated, sheared and mirrored copies of fields of BCCD, 320x240 px."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .bccd import UM_PER_PX as BCCD_UM_PER_PX
from .bccd import WHITE_CELL_LABELS, bccd_scene
from .fields import LabeledField
from .layout import image_files, inner_root, read_table, whole_image
from .splits import TEST, TRAIN, UNKNOWN

LABELS: Mapping[str, str] = {
    name: WHITE_CELL_LABELS[name] for name in ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")
}
SPLIT_OF_FOLDER = {"TRAIN": TRAIN, "TEST": TEST, "TEST_SIMPLE": TEST}

UM_PER_PX = 2 * BCCD_UM_PER_PX
"""The copies have half the width of BCCD's fields."""

SOURCES_CSV = Path(__file__).with_name("kaggle_sources.csv")
"""Names of copies by the field of BCCD they were made of: folder, class, field, numbers
in its copies' names.

Worked out once with SIFT features and an affine fit: 23 points in agreement at the least, 88 in the
median; a copy of a field that BCCD does not have finds none. As a check, BCCD's own table of types
gives the class of the folder for each of the 3,351 copies. Holds all of TEST and TEST_SIMPLE, and
200 a class of TRAIN.
"""


def load_kaggle_blood_cells(root: Path) -> list[LabeledField]:
    """Each copy as a field with one box that covers it; TRAIN and TEST as given.

    The group is the scene of BCCD that the copy shows, or `unknown:NAME` if the table lacks it.
    TEST_SIMPLE holds the originals of TEST, and counts as `test`.
    """
    home = inner_root(root, "images/TRAIN") / "images"
    return [
        _read_copy(path, split, cell_type)
        for folder, split in SPLIT_OF_FOLDER.items()
        for label, cell_type in LABELS.items()
        if (home / folder / label).is_dir()
        for path in image_files(home / folder / label)
    ]


def _read_copy(path: Path, split: str, cell_type: str) -> LabeledField:
    key = "/".join(path.parts[-3:-1]) + "/" + path.stem.lstrip("_")
    original = kaggle_originals().get(key)
    group = bccd_scene(original) if original else f"{UNKNOWN}:{key}"
    return LabeledField(
        path, whole_image(path), (cell_type,), split, "kaggle_blood_cells", group, UM_PER_PX
    )


@cache
def kaggle_originals() -> Mapping[str, str]:
    """`TEST/EOSINOPHIL/0_1616` -> `BloodImage_00139`, for each copy whose original is known."""
    rows = read_table(SOURCES_CSV, ("split", "class", "source", "files"))
    return {
        f"{row['split']}/{row['class']}/{numbers}": row["source"]
        for row in rows
        for numbers in row["files"].split()
    }
