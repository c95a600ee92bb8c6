"""Chula WBC: 207 fields of 1440x900 px from 11 smears, a low-cost microscope in Bangkok."""

from pathlib import Path

from leukodiff.core.errors import DataError

from .fields import LabeledField
from .layout import cleaned, image_size, labeled_images, yolo_to_xyxy
from .splits import TEST, TRAIN, VAL
from .vocabulary import BY_NAME

CLASSES = ("neutrophil", "eosinophil", "basophil", "lymphocyte", "monocyte")
"""The classes in the order of their numbers, for a copy that lacks `classes.txt`."""

UM_PER_PX = 0.097
"""From the red cells: 77 px in the median of 1,305 round ones, and one is about 7.5 um."""

SPLIT_OF_SMEAR = {"B-53": VAL, "B-30": TEST, "E-12": TEST, "N-3B": TEST}
"""Whole smears go to a split, since the fields of one look alike; the rest are `train`. Monocytes
and lymphocytes come from one smear each, so those stay where they can be learned from."""


def load_chula(root: Path) -> list[LabeledField]:
    """The fields, split by smear.

    Only the wanted cell is boxed; about one field in nine shows another white cell. The group is
    the smear (`L-8` of `L-8_0323.jpg`), and most smears hold one class alone.
    """
    return [cleaned(field) for field in read_chula(root)]


def read_chula(root: Path) -> list[LabeledField]:
    """The fields with the boxes as they are published."""
    tables = sorted(root.glob("**/classes.txt"))
    names = _class_names(tables[0]) if tables else CLASSES
    return [_read_field(*pair, names) for pair in labeled_images(root)]


def _class_names(path: Path) -> tuple[str, ...]:
    try:
        names = tuple(path.read_text().split())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a list of classes ({error})") from error
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise DataError(f"{path}: expected {', '.join(CLASSES)}, found {', '.join(unknown)}")
    return names


def _read_field(path: Path, label_file: Path, names: tuple[str, ...]) -> LabeledField:
    xyxy, cell_types = yolo_to_xyxy(label_file, image_size(path), names)
    smear = path.stem.rpartition("_")[0]
    split = SPLIT_OF_SMEAR.get(smear, TRAIN)
    return LabeledField(path, xyxy, cell_types, split, "chula", smear, UM_PER_PX, complete=False)
