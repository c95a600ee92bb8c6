"""C-NMC 2019: leukemic B-lymphoblasts and healthy B-cell precursors, cut out on black."""

from collections.abc import Mapping
from pathlib import Path

from leukodiff.core.errors import DataError

from .fields import LabeledField
from .layout import IMAGE_SUFFIXES, whole_image
from .splits import TEST
from .vocabulary import WHITE_CELL

LABELS: Mapping[str, str] = {"all": WHITE_CELL, "hem": WHITE_CELL}
"""`all` are blasts, `hem` precursors of healthy marrow: neither is a type of the classifier's."""


def load_c_nmc(root: Path) -> list[LabeledField]:
    """Each image as a field with one box that covers it, all `test`.

    The group is the subject, with the label before it: `all/23` of `UID_23_21_2_all.bmp`,
    `hem/H22` of `UID_H22_11_10_hem.bmp`. No scale is published.

    Raises:
        DataError: there is no folder `all` or `hem` with images in it.
    """
    paths = sorted(
        path
        for label in LABELS
        for path in root.rglob(f"{label}/*")
        if path.suffix.lower() in IMAGE_SUFFIXES
    )
    if not paths:
        raise DataError(f"{root}: expected folders 'all' and 'hem' with the images of C-NMC")
    return [_read_image(path) for path in paths]


def _read_image(path: Path) -> LabeledField:
    label = path.parent.name
    _, _, after = path.stem.partition("_")
    subject = after.partition("_")[0] or path.stem
    return LabeledField(
        path, whole_image(path), (LABELS[label],), TEST, "c_nmc", f"{label}/{subject}"
    )
