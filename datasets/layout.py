"""Folder layouts and label formats of datasets, read into our boxes."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image, UnidentifiedImageError

from leukodiff.core.errors import DataError

from .fields import Boxes, LabeledField, no_boxes
from .vocabulary import WHITE_CELL

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp"}
)
"""Suffixes of images in a folder; a file that is named itself is always tried."""

BOX_LABELS: Mapping[str, str] = {"WBC": WHITE_CELL, "RBC": "red_cell", "Platelets": "platelet"}
"""The classes of BCCD's boxes, which data sets after it took over."""


def inner_root(root: Path, marker: str) -> Path:
    """The folder at or under `root` that holds `marker`, the file or folder a layout is known by.

    A download unpacks into folders of its own, whose names change with the branch and the tool:
    `root` itself is tried first, then the folders in it, then theirs.

    Raises:
        DataError: none of them holds `marker`.
    """
    for pattern in (marker, f"*/{marker}", f"*/*/{marker}"):
        for found in sorted(root.glob(pattern)):
            return found.parents[len(Path(marker).parts) - 1]
    raise DataError(f"{root}: expected {marker} in it, or in a folder of it")


def image_files(folder: Path) -> list[Path]:
    """The images of a folder in the order of their names; its sub-folders are left out."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)


def labeled_images(root: Path) -> list[tuple[Path, Path]]:
    """Each image in a folder `images` under `root` with its `.txt` of the same name in a `labels`.

    Raises:
        DataError: there is no image, or one has no labels.
    """
    labels = {path.stem: path for path in root.rglob("labels/**/*.txt")}
    images = sorted(p for p in root.rglob("images/**/*") if p.suffix.lower() in IMAGE_SUFFIXES)
    lacking = [path.name for path in images if path.stem not in labels]
    if lacking or not images:
        raise DataError(f"{root}: expected images with labels; none for {lacking[:3] or 'any'}")
    return [(path, labels[path.stem]) for path in images]


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in px, from the image's header alone.

    Raises:
        DataError: the file is missing or no image.
    """
    try:
        with path.open("rb") as file, Image.open(file) as image:
            return image.size
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{path}: not a readable image ({error})") from error


def whole_image(path: Path) -> Boxes:
    """One box that covers the image, shape (1, 4): for labels that name the image, not a place."""
    width, height = image_size(path)
    return np.array([[0, 0, width, height]], np.float32)


def to_boxes(rows: Sequence[Sequence[float]]) -> Boxes:
    """Rows of x_min, y_min, x_max, y_max as an array of shape (N, 4), N = 0 included."""
    return np.asarray(rows, np.float32).reshape(-1, 4) if rows else no_boxes()


def name_of(label: str, label_map: Mapping[str, str], path: Path) -> str:
    """Our name of a dataset's own label.

    Raises:
        DataError: the label is not one the dataset is published with.
    """
    try:
        return label_map[label]
    except KeyError:
        expected = ", ".join(label_map)
        raise DataError(f"{path}: expected a label among {expected}, found {label!r}") from None


def voc_to_xyxy(path: Path, label_map: Mapping[str, str]) -> tuple[Boxes, tuple[str, ...]]:
    """Boxes and cell types of a Pascal VOC annotation, as published: nothing clipped or dropped.

    Raises:
        DataError: the file is missing, no XML, or lacks a coordinate.
    """
    try:
        # The annotations come with the images that the user chose to read.
        objects = ElementTree.parse(path).getroot().iter("object")  # noqa: S314
        rows = [_voc_object(item) for item in objects]
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{path}: not a Pascal VOC annotation ({error})") from error
    return to_boxes([box for _, box in rows]), tuple(
        name_of(label, label_map, path) for label, _ in rows
    )


def _voc_object(item: ElementTree.Element) -> tuple[str, list[float]]:
    corners = [item.findtext(f"bndbox/{edge}", "") for edge in ("xmin", "ymin", "xmax", "ymax")]
    return item.findtext("name", ""), [float(corner) for corner in corners]


def yolo_to_xyxy(
    path: Path, size: tuple[int, int], names: Sequence[str]
) -> tuple[Boxes, tuple[str, ...]]:
    """Boxes and cell types of a YOLO label file, as published: nothing clipped or dropped.

    A line is `class x y w h`: the center and the size as fractions of the image's `size` (px).
    An empty file is a field without cells.

    Raises:
        DataError: the file is missing, or a line is not five numbers with a known class, or
            they are no fractions of an image.
    """
    try:
        rows = np.loadtxt(path, dtype=np.float64, ndmin=2) if path.stat().st_size else np.empty(0)
        rows = rows.reshape(-1, 5)
        types = tuple(names[int(index)] for index in rows[:, 0])
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"{path}: not a YOLO label file ({error})") from error
    if not (np.abs(rows[:, 1:]) < 1e6).all():
        raise DataError(f"{path}: expected boxes as fractions of the image, found others")
    center, half = rows[:, 1:3], rows[:, 3:5] / 2
    scale = np.array([*size, *size], np.float64)
    return (np.hstack([center - half, center + half]) * scale).astype(np.float32), types


def cleaned(field: LabeledField) -> LabeledField:
    """The field with its boxes clipped to the image, each once, and none without area.

    A TXL-PBC image has the same white cell boxed six times.
    """
    width, height = image_size(field.path)
    limits = np.array([width, height, width, height], np.float32)
    xyxy = np.clip(field.xyxy, 0, limits)
    once = {(name, *box): i for i, (name, box) in enumerate(_pairs(field.cell_types, xyxy))}
    kept = np.flatnonzero(has_area(xyxy)).tolist()
    return replace(field, xyxy=xyxy).keep(sorted(set(kept) & set(once.values())))


def _pairs(names: Iterable[str], xyxy: Boxes) -> Iterator[tuple[str, list[float]]]:
    return zip(names, xyxy.tolist(), strict=True)


def has_area(xyxy: Boxes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mask (N,) of the boxes (N, 4) that have an area."""
    return (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])


def read_table(path: Path, columns: Iterable[str]) -> Iterator[dict[str, str]]:
    """The rows of a CSV table that must hold `columns`; a missing or empty file has no rows.

    Raises:
        DataError: a column is missing, a row has more or fewer values, or it is no table in UTF-8.
    """
    if not path.is_file():
        return
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = sorted(set(columns) - set(reader.fieldnames or columns))
            if missing:
                raise DataError(f"{path}: expected the columns {', '.join(missing)}")
            for row in reader:
                if None in row or None in row.values():
                    what = f"expected {len(reader.fieldnames or ())} values"
                    raise DataError(f"{path}, line {reader.line_num}: {what}")
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV table in UTF-8 ({error})") from error
