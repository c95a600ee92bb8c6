"""Raabin-WBC, double-labeled crops: 14,514 single white cells of five classes, from Iran."""

import re
from collections.abc import Mapping
from pathlib import Path

from .fields import LabeledField
from .layout import image_files, inner_root, whole_image
from .splits import TEST, TRAIN

LABELS: Mapping[str, str] = {
    "Basophil": "basophil",
    "Eosinophil": "eosinophil",
    "Lymphocyte": "lymphocyte",
    "Monocyte": "monocyte",
    "Neutrophil": "neutrophil",
}
SPLIT_OF_FOLDER = {"Train": TRAIN, "TestA": TEST, "TestB": TEST}
"""TestB comes from another microscope and camera, and has neutrophils and lymphocytes alone."""

_CELL_NUMBER = re.compile(r"_\d+$")


def load_raabin(root: Path) -> list[LabeledField]:
    """Each crop as a field with one box that covers it, in the published split.

    The group is the photograph it was cut from: the name without the number of the cell. The crops
    are cut by the cell's box, and no scale is published.
    """
    home = inner_root(root, "Train")
    return [
        _read_crop(path, split, cell_type)
        for folder, split in SPLIT_OF_FOLDER.items()
        for label, cell_type in LABELS.items()
        for path in _images(home, folder, label)
    ]


def _images(home: Path, folder: str, label: str) -> list[Path]:
    # Each archive may unpack into a folder of its own name: TestA/TestA/Basophil.
    places = [p for p in (home / folder / label, home / folder / folder / label) if p.is_dir()]
    return image_files(places[0]) if places else []


def _read_crop(path: Path, split: str, cell_type: str) -> LabeledField:
    photograph = _CELL_NUMBER.sub("", path.stem)
    return LabeledField(path, whole_image(path), (cell_type,), split, "raabin", photograph)
