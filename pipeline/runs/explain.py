"""One cell of a finished slide, and why the classifier calls it so: a picture to look at."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.classifier.crops import cut_crops
from leukodiff.classifier.infer import Classifier
from leukodiff.classifier.occlusion import occlusion_map
from leukodiff.classifier.segmentation import Outline, outline
from leukodiff.core.errors import InputError
from leukodiff.datasets.vocabulary import BY_NAME
from leukodiff.pipeline.analysis.windows import SURROUNDINGS_UM, square_around
from leukodiff.pipeline.exports.drawing import dark_text, paste
from leukodiff.pipeline.exports.tables import without_formula
from leukodiff.pipeline.slides import open_scan

from .output import RECORD, SlideFolder, SlideRecord, writing

Rgb = NDArray[np.uint8]

PANEL_PX = 384

GAP_PX = 12

LETTERS_PX = 17

CELL_COLOR = (0, 158, 115)
"""Of the cell's outline: bluish green (Okabe and Ito 2008)."""

NUCLEUS_COLOR = (213, 94, 0)
"""Of the nucleus' outline: vermilion (Okabe and Ito 2008)."""

SMOOTH_PX = 5
"""Standard deviation of the blur of lines; the map's is twice as large."""
HEAT = 0.8
"""Opacity of the map where it is highest, 0-1."""


@dataclass(frozen=True)
class FoundCell:
    """A cell of a finished slide: where it lies, and the row of cells.csv.

    `box` is in px of the image at `path`, whose scale is `um_per_px`.
    """

    path: Path
    box: tuple[float, ...]
    um_per_px: float
    row: Mapping[str, str]


@dataclass(frozen=True)
class Explanation:
    """The picture (H, W, 3) uint8 RGB, and what it says in words, line by line."""

    picture: Rgb
    words: tuple[str, ...]


def explain(
    slide: Path, cell_id: str, classifier: Classifier, image: Path | None = None
) -> Explanation:
    """A cell's crop with its outlines, and what in it told the classifier its class.

    Args:
        slide: the folder of a slide that `analyze` made.
        cell_id: as cells.csv has it.
        classifier: the one that named it.
        image: where the cell's image lies now, when it was moved.

    Raises:
        InputError: the slide, the cell or its image is not there, the image is another one, or
            another classifier named it.
    """
    found = find_cell(slide, cell_id, classifier.metadata.sha256, image)
    crop, side_px = _crop(found, classifier)
    names = classifier.metadata.classes
    best = max(range(len(names)), key=lambda i: float(found.row[f"p_{names[i]}"]))
    lines = outline(crop, side_px, classifier.crop.um_per_px)
    lost = occlusion_map(classifier, crop, best)
    words = (f"{found.row['cell_id']} of {found.row['field_id']}", *_words(found.row, names))
    legend = f"yellow: what speaks most for {BY_NAME[names[best]].title}"
    return Explanation(_picture(crop, lines, lost, words, legend), words)


def save(picture: Rgb, path: Path) -> None:
    """Writes a picture as PNG or JPEG, by the file's suffix.

    Raises:
        InputError: another suffix.
        OutputError: the file can't be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"{path}: name a .png or .jpg file")
    _, data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    with writing(path):
        path.write_bytes(data.tobytes())


def find_cell(slide: Path, cell_id: str, sha256: str, image: Path | None = None) -> FoundCell:
    """A cell and its place, by its slide's own records; `sha256` is the classifier's.

    Raises:
        InputError: as `explain`.
    """
    record = SlideFolder(slide.resolve().parent, slide.resolve().name).record()
    if record is None:
        raise InputError(f"{slide}: no such folder; give a slide's folder in the output of analyze")
    made = {model["kind"]: model for model in (record.fingerprint or {})["models"]}["classifier"]
    if made["sha256"] != sha256:
        name = f"{made['name']} {made['version']}, sha256 {made['sha256'][:12]}"
        raise InputError(f"{slide}: another classifier named it ({name}): give --classifier FILE")
    row = _row(slide / "cells.csv", cell_id)
    box = tuple(float(row[side]) for side in ("x_min", "y_min", "x_max", "y_max"))
    path = image or _path(slide, record, row["field_id"])
    if not path.is_file():
        raise InputError(f"{path}: the cell's image is gone; give --image FILE where it lies now")
    return FoundCell(path, box, float(record.row["um_per_px"]), row)


def _row(table: Path, cell_id: str) -> dict[str, str]:
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["cell_id"] in _spelled(cell_id)]
    except OSError as error:
        raise InputError(f"{table}: can't be read: {error.strerror}") from error
    if not rows:
        raise InputError(f"{table}: no cell {cell_id}; its column cell_id has those there are")
    return rows[0]


def _spelled(text: str) -> tuple[str, str]:
    """A name as it is and as a table has it."""
    return text, without_formula(text)


def _path(slide: Path, record: SlideRecord, field_id: str) -> Path:
    for (name, _), path in zip(record.inputs or (), record.paths, strict=False):
        if field_id in _spelled(name):
            return Path(path)
    raise InputError(f"{slide / RECORD}: does not say where {field_id} lies; give --image FILE")


def _crop(found: FoundCell, classifier: Classifier) -> tuple[Rgb, tuple[float, float]]:
    """The crop that the classifier was shown, and the size of the box in px of it."""
    with open_scan(found.path) as scan:
        if found.box[0] >= scan.width or found.box[1] >= scan.height:
            raise InputError(f"{found.path}: another image than the one that the cell was found in")
        left, top, width, height = square_around(scan, found.box, SURROUNDINGS_UM / found.um_per_px)
        around = scan.read(left, top, width, height)
    moved = np.array([found.box], np.float32) - np.array([left, top] * 2, np.float32)
    crop = cut_crops(around, moved, found.um_per_px, classifier.crop)[0]
    scale = found.um_per_px / classifier.crop.um_per_px
    return crop, ((found.box[2] - found.box[0]) * scale, (found.box[3] - found.box[1]) * scale)


def _words(row: Mapping[str, str], names: Sequence[str]) -> tuple[str, ...]:
    """What the table says of the cell: its type and note, two classes, its measures."""
    chances = sorted(((float(row[f"p_{name}"]), name) for name in names), reverse=True)[:2]
    likeliest = ", ".join(f"{BY_NAME[name].title} {100 * p:.1f} %" for p, name in chances)
    called = BY_NAME[row["cell_type"]].title + (f": {row['note']}" if row.get("note") else "")
    measures = (
        ("cell", "cell_area_um2", " um2"),
        ("nucleus", "nucleus_area_um2", " um2"),
        ("nucleus to cell", "nucleus_to_cell_ratio", ""),
        ("lobes", "nucleus_lobes", ""),
    )
    known = [f"{what} {row[column]}{unit}" for what, column, unit in measures if row.get(column)]
    return called, likeliest, ", ".join(known) or "not measured"


def _picture(
    crop: Rgb, lines: Outline, lost: NDArray[np.float32], words: Sequence[str], legend: str
) -> Rgb:
    """The crop with its outlines, beside it the map over the crop; below it the words."""
    panels = [_outlined(crop, lines), _heated(crop, lost)]
    texts = [*words, "green: the cell; orange: its nucleus", legend]
    captions = [dark_text(text, LETTERS_PX) for text in texts]
    line = captions[0].shape[0]
    width = max(2 * PANEL_PX + 3 * GAP_PX, *(2 * GAP_PX + one.shape[1] for one in captions))
    height = PANEL_PX + 3 * GAP_PX + line * len(captions)
    picture = np.full((height, width, 3), 255, np.uint8)
    for i, panel in enumerate(panels):
        paste(picture, panel, GAP_PX + i * (PANEL_PX + GAP_PX), GAP_PX)
    for i, one in enumerate(captions):
        paste(picture, one, GAP_PX, PANEL_PX + 2 * GAP_PX + i * line)
    return picture


def _outlined(crop: Rgb, lines: Outline) -> Rgb:
    panel = _enlarged(crop)
    for mask, color in ((lines.cell, CELL_COLOR), (lines.nucleus, NUCLEUS_COLOR)):
        smooth = cv2.GaussianBlur(_enlarged(mask.astype(np.float32)), (0, 0), SMOOTH_PX) > 0.5
        found, _ = cv2.findContours(smooth.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(panel, found, -1, color, 2, cv2.LINE_AA)
    return panel


def _heated(crop: Rgb, lost: NDArray[np.float32]) -> Rgb:
    """The crop in gray, the map laid over it in color: the brighter, the more was lost."""
    heat = _enlarged(np.clip(lost / max(float(lost.max()), 1e-6), 0, 1))
    heat = np.asarray(cv2.GaussianBlur(heat, (0, 0), 2 * SMOOTH_PX), np.float32)
    colors = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_PLASMA)[:, :, ::-1]
    gray = cv2.cvtColor(_enlarged(crop), cv2.COLOR_RGB2GRAY)[:, :, None]
    share = HEAT * heat[:, :, None]
    return np.rint((1 - share) * gray + share * colors).astype(np.uint8)


def _enlarged(picture: NDArray[Any]) -> NDArray[Any]:
    size = (PANEL_PX, PANEL_PX)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR))
