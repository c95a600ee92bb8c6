"""Labeled fields, written as the folder of images and label files that a YOLO trainer reads."""

import json
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.core.boxes import area
from leukodiff.core.errors import DataError
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.vocabulary import DETECTOR_CLASSES, WHITE_CELL, is_white

from .letterbox import Image, padded, resized

KEPT_FRACTION = 0.3
"""A box cut by a window's edge is kept when at least this fraction of its area is left."""

KNOWN_CLASSES = "known_classes.json"
"""Beside `data.yaml`: the classes that are labeled, by image, for those where not all are."""

WINDOWS_A_CELL = 2
"""Of an incompletely labeled field only the neighborhoods of its labeled cells are taken, each
cell at so many places of its window. Unlabeled cells of the same class are then rare: of Chula's
fields one in nine shows a second white cell, in a window an eighth of the field."""


@dataclass(frozen=True)
class Window:
    """A part of a field: `image` (H, W, 3) RGB, boxes in its own pixels, class indices (N,)."""

    image: Image
    xyxy: NDArray[np.float64]
    class_id: NDArray[np.int64]


def detector_class(cell_type: str) -> int:
    """The index in `DETECTOR_CLASSES` of a labeled cell.

    Every nucleated cell is a `white_cell` here, erythroblasts too: naming them is the classifier's
    work.
    """
    if cell_type in DETECTOR_CLASSES:
        return DETECTOR_CLASSES.index(cell_type)
    if is_white(cell_type) or cell_type in ("erythroblast", "unidentified"):
        return DETECTOR_CLASSES.index(WHITE_CELL)
    raise DataError(f"{cell_type}: a detector has no class for this cell")


def labeled_classes(field: LabeledField) -> list[str]:
    """The detector classes that a field labels: its cells of any other may be there and unboxed.

    Of an incomplete field those of its boxes, since its windows lie round them.
    """
    if not field.complete:
        return sorted({DETECTOR_CLASSES[detector_class(name)] for name in field.cell_types})
    return [name for name in DETECTOR_CLASSES if field.boxes_every(name)]


def canvas_side(fields: Sequence[LabeledField], um_per_px: float, at_most: int = 640) -> int:
    """The side (px, a multiple of 32) of the smallest square that holds every field at a scale."""
    longest = max((max(_working_size(field, um_per_px)) for field in fields), default=32)
    return min(math.ceil(longest / 32) * 32, at_most)


def labeled_fields_to_yolo(
    fields: Sequence[LabeledField], root: Path, um_per_px: float, side: int
) -> Path:
    """Write fields at one scale in YOLO's layout under `root`; the path of its `data.yaml`.

    Each field is resized to `um_per_px`. One that is then longer than `side` (px) is cut into
    overlapping windows; one that is shorter is padded, since the trainer stretches every image's
    longer side to `side` and would lose the scale. Labels are `class cx cy w h`, as fractions of
    the window.
    """
    known = {}
    for number, field in enumerate(fields):
        labeled = labeled_classes(field)
        for part, window in enumerate(field_windows(field, um_per_px, side)):
            name = f"{number:05d}_{part:02d}_{field.path.stem}"
            _write_window(window, root, field.split, name)
            if len(labeled) < len(DETECTOR_CLASSES):
                known[name] = labeled
    (root / KNOWN_CLASSES).write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return _write_yaml(root)


def field_windows(field: LabeledField, um_per_px: float, side: int) -> Iterator[Window]:
    """The windows of one field at a scale, each with its longer side exactly `side` px."""
    image = read_rgb(field.path)
    width, height = _working_size(field, um_per_px, image)
    small = resized(image, width, height)
    factor = np.array([width / image.shape[1], height / image.shape[0]] * 2)
    xyxy = field.xyxy.astype(np.float64) * factor
    class_id = np.array([detector_class(name) for name in field.cell_types], np.int64)
    corners = (
        [(x, y) for y in window_starts(height, side) for x in window_starts(width, side)]
        if field.complete
        else _round_cells(xyxy, (width, height), side, seed=zlib.crc32(field.field_id.encode()))
    )
    for corner in corners:
        yield _cut(small, xyxy, class_id, corner, side)


def _round_cells(
    xyxy: NDArray[np.float64], size: tuple[int, int], side: int, seed: int
) -> list[tuple[int, int]]:
    """Corners (x, y) of windows that hold each cell whole, at places drawn from `seed`."""
    rng = np.random.default_rng(seed)
    most = np.maximum(np.array(size) - side, 0)
    corners = []
    for box in np.repeat(xyxy, WINDOWS_A_CELL, axis=0):
        low, high = np.clip(box[2:] - side, 0, most), np.clip(box[:2], 0, most)
        x, y = np.rint(low + rng.random(2) * np.maximum(high - low, 0)).astype(int)
        corners.append((int(x), int(y)))
    return corners


def window_starts(length: int, side: int, overlap: float = 0.25) -> list[int]:
    """Starts of windows of `side` px that cover `length` px, neighbors sharing `overlap` (0-1)."""
    if length <= side:
        return [0]
    n = math.ceil((length - side) / (side * (1 - overlap))) + 1
    return [round(i * (length - side) / (n - 1)) for i in range(n)]


def _working_size(
    field: LabeledField, um_per_px: float, image: Image | None = None
) -> tuple[int, int]:
    if field.um_per_px is None:
        raise DataError(f"{field.path}: its scale (um_per_px) is not known, so it can't be resized")
    height, width = (read_rgb(field.path) if image is None else image).shape[:2]
    factor = field.um_per_px / um_per_px
    return max(1, round(width * factor)), max(1, round(height * factor))


def _cut(
    image: Image,
    xyxy: NDArray[np.float64],
    class_id: NDArray[np.int64],
    corner: tuple[int, int],
    side: int,
) -> Window:
    x, y = corner
    part = _with_long_side(image[y : y + side, x : x + side], side)
    moved = xyxy - np.array([x, y, x, y])
    cut = np.clip(moved, 0, [part.shape[1], part.shape[0]] * 2)
    kept = area(cut) >= np.maximum(KEPT_FRACTION * area(moved), 1e-6)
    return Window(part, cut[kept], class_id[kept])


def _with_long_side(image: Image, side: int) -> Image:
    height, width = image.shape[:2]
    if max(height, width) >= side:
        return image
    return padded(image, side, height) if width >= height else padded(image, width, side)


def _write_window(window: Window, root: Path, split: str, name: str) -> None:
    images, labels = root / "images" / split, root / "labels" / split
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(images / f"{name}.png"), window.image[..., ::-1]):
        raise DataError(f"{images / name}.png: can't be written")
    (labels / f"{name}.txt").write_text("".join(_label_rows(window)))


def _label_rows(window: Window) -> Iterator[str]:
    height, width = window.image.shape[:2]
    for class_id, (x0, y0, x1, y1) in zip(window.class_id, window.xyxy, strict=True):
        center = f"{(x0 + x1) / 2 / width:.6f} {(y0 + y1) / 2 / height:.6f}"
        yield f"{class_id} {center} {(x1 - x0) / width:.6f} {(y1 - y0) / height:.6f}\n"


def _write_yaml(root: Path) -> Path:
    names = "".join(f"  {i}: {name}\n" for i, name in enumerate(DETECTOR_CLASSES))
    path = root / "data.yaml"
    folders = "train: images/train\nval: images/val\n"
    path.write_text(f'path: "{root.resolve().as_posix()}"\n{folders}names:\n{names}')
    return path
