"""PBC: 17,092 images of single cells of eight classes, 360x363 px, from Barcelona."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from leukodiff.core.errors import DataError

from .fields import LabeledField
from .layout import image_files, inner_root, read_table, whole_image
from .splits import split_of

LABELS: Mapping[str, str] = {
    "basophil": "basophil",
    "eosinophil": "eosinophil",
    "erythroblast": "erythroblast",
    "ig": "immature_granulocyte",
    "lymphocyte": "lymphocyte",
    "monocyte": "monocyte",
    "neutrophil": "neutrophil",
    "platelet": "platelet",
}

FULL_WIDTH_PX = 360
UM_PER_PX = 0.104
"""At full width, from the red cells: 72 px across in the median of 467 that stand alone, segmented
at half the depth of their edge. (TXL-PBC's boxes of them are wider: 78.9 px.)"""

GROUPS_CSV = Path(__file__).with_name("pbc_groups.csv")


def load_pbc(root: Path) -> list[LabeledField]:
    """Each image as a field with one box that covers it, split 70/10/20 by the file's name.

    Images that show the same cell share a group (`pbc_groups.csv`), and so the split.
    """
    home = inner_root(root, "basophil")
    missing = [folder for folder in LABELS if not (home / folder).is_dir()]
    if missing:
        raise DataError(f"{home}: expected a folder {', '.join(missing)}")
    return [
        _read_image(path, cell_type)
        for folder, cell_type in LABELS.items()
        for path in image_files(home / folder)
    ]


def _read_image(path: Path, cell_type: str) -> LabeledField:
    xyxy = whole_image(path)
    um_per_px = UM_PER_PX * FULL_WIDTH_PX / float(xyxy[0, 2])
    group = pbc_group(path.stem)
    return LabeledField(path, xyxy, (cell_type,), pbc_split(group), "pbc", group, um_per_px)


def pbc_group(stem: str) -> str:
    """The group of an image of PBC, by the file's name without its suffix (`BNE_2234`)."""
    return _groups().get(stem, stem)


def pbc_split(group: str) -> str:
    """The split of a group of PBC: 70 % train, 10 % val, 20 % test, in every class alike."""
    return split_of(f"pbc/{group}", val=0.1, test=0.2)


@cache
def _groups() -> dict[str, str]:
    return {row["image"]: row["group"] for row in read_table(GROUPS_CSV, ("image", "group"))}
