"""LISC: 250 fields of 720x576 px with one or a few white cells, each drawn by an expert."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from leukodiff.core.errors import DataError

from .fields import Boxes, LabeledField
from .images import read_rgb
from .layout import image_files, inner_root, to_boxes
from .splits import TEST
from .vocabulary import WHITE_CELL

LABELS: Mapping[str, str] = {
    "baso": "basophil",
    "eosi": "eosinophil",
    "lymp": "lymphocyte",
    "mono": "monocyte",
    "neut": "neutrophil",
    "mixt": WHITE_CELL,
}

IMAGES = "Main Dataset"
MASKS = "Ground Truth Segmentation"

SMALLEST_CELL_PX = 400
"""Smaller specks of a mask are slips of the pen; a white cell covers several thousand pixels."""


def load_lisc(root: Path) -> list[LabeledField]:
    """The fields, all of them `test`, with the box of each cell in the expert's mask.

    `mixt` shows cells of several types, and the mask does not say which is which: they are
    `white_cell`. Which subject a field comes from is not published; the group is the field.
    """
    home = inner_root(root, IMAGES)
    masks = {_mask_key(path): path for path in (home / MASKS).rglob("*_expert.bmp")}
    return [
        _read_field(path, masks, cell_type)
        for folder, cell_type in LABELS.items()
        if (home / IMAGES / folder).is_dir()
        for path in image_files(home / IMAGES / folder)
    ]


def _mask_key(path: Path) -> tuple[str, str]:
    folders = [part for part in path.parts if part in LABELS]
    return folders[-1] if folders else "", path.stem.removesuffix("_expert")


def _read_field(path: Path, masks: Mapping[tuple[str, str], Path], cell_type: str) -> LabeledField:
    mask = masks.get((path.parent.name, path.stem))
    if mask is None:
        raise DataError(f"{path}: expected its mask {path.stem}_expert.bmp under {MASKS}")
    xyxy = mask_to_xyxy(read_rgb(mask).max(axis=2) > 0)
    group = f"{path.parent.name}/{path.stem}"
    return LabeledField(path, xyxy, (cell_type,) * len(xyxy), TEST, "lisc", group)


def mask_to_xyxy(mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> Boxes:
    """The boxes (N, 4) of the connected areas of a mask (H, W), from left to right.

    Nucleus and cytoplasm have gray values of their own and touch: together they are one area.
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = [row for row in stats[1:].tolist() if row[cv2.CC_STAT_AREA] >= SMALLEST_CELL_PX]
    return to_boxes(sorted([x, y, x + width, y + height] for x, y, width, height, _ in areas))
