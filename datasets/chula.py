"""Chula WBC: 207 fields of 1440x900 px from 11 smears, a low-cost microscope in Bangkok."""

from pathlib import Path

from leukodiff.runtime.errors import DataError

from .fields import LabelledField
from .layout import cleaned, image_files, image_size, inner_root, yolo_to_xyxy
from .splits import TEST
from .vocabulary import BY_NAME, FIVE_PART

UM_PER_PX = 0.085


def load_chula(root: Path) -> list[LabelledField]:
    """The fields, all of them `test`: a laboratory of its own, to measure on.

    Only the wanted cell is boxed; about one field in nine shows another white cell. The group is
    the smear (`L-8` of `L-8_0323.jpg`), and most smears hold one class alone.
    """
    return [cleaned(field) for field in read_chula(root)]


def read_chula(root: Path) -> list[LabelledField]:
    """The fields with the boxes as they are published."""
    home = inner_root(root, "classes.txt", "WBC_Dataset-master", "WBC_Dataset")
    names = _class_names(home / "classes.txt")
    return [_read_field(home, path, names) for path in image_files(home / "images")]


def _class_names(path: Path) -> tuple[str, ...]:
    names = tuple(path.read_text().split())
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise DataError(f"{path}: expected {', '.join(FIVE_PART)}, found {', '.join(unknown)}")
    return names


def _read_field(home: Path, path: Path, names: tuple[str, ...]) -> LabelledField:
    label_file = home / "labels" / f"{path.stem}.txt"
    xyxy, cell_types = yolo_to_xyxy(label_file, image_size(path), names)
    smear = path.stem.rpartition("_")[0]
    return LabelledField(path, xyxy, cell_types, TEST, "chula", smear, UM_PER_PX)
