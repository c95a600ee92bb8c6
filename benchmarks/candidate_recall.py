"""Cells that candidates lose and keep, on every dataset at hand: docs/results/first_look.csv.

    LEUKODIFF_DATA=... python benchmarks/candidate_recall.py --lost lost/

Each field is brought to 1 um/px and searched. A white cell is lost when no candidate lies on it,
or when none with its margin holds all of it: then no window would. `labeled` are the dataset's own
white cells (PBC: its images, one nucleated cell near the middle of each), `full_pass` those that
the shipped detector finds on the whole field, in one of `STEP` fields. `area_kept` is the part of
the field within a candidate's margin; fields of BCCD and PBC are hardly wider than a cell with its
margin, so it is high there. `extra_per_mm2` counts candidates on no white cell. `--lost` saves a
picture of each lost box.
"""

import argparse
import csv
import time
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.phantom import ADULT_DIFFERENTIAL, STAINS, PhantomSettings, render
from leukodiff.datasets.registry import data_root, load_dataset
from leukodiff.datasets.vocabulary import is_white
from leukodiff.detector.candidates import MARGIN_UM, propose_candidates
from leukodiff.detector.infer import Detector
from leukodiff.detector.letterbox import Image, resized

Boxes = NDArray[np.float32]
NONE = np.zeros((0, 4), np.float32)
STEP = {"pbc": 4, "kaggle_blood_cells": 4}
PHANTOM_UM_PER_PX = (0.06, 0.1, 0.25, 0.5)
REGION_UM_PER_PX = 0.2
EDGE_UM = 1.5
"""Part of a cell's box (um), drawn by hand, that may lie beyond the margin."""


@dataclass
class Row:
    """A line of the table."""

    dataset: str
    fields: int = 0
    labeled: int = 0
    labeled_lost: int = 0
    full_pass: int = 0
    full_pass_lost: int = 0
    area_kept: float = 0.0
    extra_per_mm2: float = 0.0
    megapixels_per_second: float = 0.0


@dataclass(frozen=True)
class JudgedField:
    """A field with its white cells, boxes in um."""

    name: str
    image: Image
    um_per_px: float
    labeled: Boxes
    found: Boxes
    is_boxed: bool = True


def judged_field(field: LabeledField, detector: Detector | None) -> JudgedField:
    """A field of a dataset with its labels, and what the detector finds on all of it."""
    image, scale = read_rgb(field.path), field.um_per_px or 0.1
    white = [i for i, name in enumerate(field.cell_types) if is_white(name)]
    labeled = field.xyxy[white]
    if field.source == "kaggle_blood_cells":
        labeled = NONE
    if field.source == "pbc":
        nucleated = field.cell_types[0] != "platelet"
        middle = np.array([0.15, 0.15, 0.85, 0.85]) * field.xyxy[0, [2, 3, 2, 3]]
        labeled = middle[None].astype(np.float32) if nucleated else NONE
    found = detector.detect(image, scale).of("white_cell").xyxy if detector else NONE
    is_boxed = field.source != "pbc"
    return JudgedField(field.field_id, image, scale, labeled * scale, found * scale, is_boxed)


def phantoms(stain: str, um_per_px: float) -> Iterator[JudgedField]:
    """Three phantoms of 0.3 mm2 with 12 nucleated cells and everything that looks like one."""
    rare = {"basophil": 10.0, "eosinophil": 10.0, "erythroblast": 5.0, "immature_granulocyte": 5.0}
    width, height = round(640 / um_per_px), round(480 / um_per_px)
    for seed in range(3):
        settings = PhantomSettings(
            width, height, um_per_px, seed, 12, {**ADULT_DIFFERENTIAL, **rare}, stain=stain
        )
        phantom = render(settings)
        nucleated = [name not in ("red_cell", "platelet") for name in phantom.cell_types]
        boxes = phantom.xyxy[np.array(nucleated)] * um_per_px
        yield JudgedField(f"{stain}_{um_per_px}_{seed}", phantom.image, um_per_px, boxes, NONE)


def region_a() -> JudgedField:
    """The scan of which five cells are known by their centers: a box of 8 um round each."""
    import tifffile

    folder = data_root() / "whole_smear"
    image = np.asarray(tifffile.imread(folder / "region_a.tif", level=0)[..., :3], np.uint8)
    with (folder / "region_a_cells.csv").open(encoding="utf-8") as file:
        centers = [
            (float(row["x_center_px"]), float(row["y_center_px"]))
            for row in csv.DictReader(file)
            if row["kind"] == "wbc"
        ]
    middle = np.array(centers, np.float32) * REGION_UM_PER_PX
    boxes = np.concatenate([middle - 4, middle + 4], axis=1).astype(np.float32)
    return JudgedField("region_a.tif", image, REGION_UM_PER_PX, boxes, NONE)


def is_held(box: Boxes, candidates: Boxes, is_boxed: bool = True) -> bool:
    """True if a candidate lies on a cell, and with its margin holds all of its box; all in um."""
    on = np.all((candidates[:, :2] < box[2:]) & (candidates[:, 2:] > box[:2]), axis=1)
    if not is_boxed:
        return bool(on.any())
    near = candidates[on] + np.float32(MARGIN_UM + EDGE_UM) * np.array([-1, -1, 1, 1], np.float32)
    return bool(np.any(np.all((near[:, :2] <= box[:2]) & (near[:, 2:] >= box[2:]), axis=1)))


def extra_candidates(candidates: Boxes, cells: Boxes) -> int:
    """Number of candidates on no cell (nor within 4 um of one)."""
    apart = (candidates[:, None, :2] > cells[None, :, 2:] + 4) | (
        candidates[:, None, 2:] < cells[None, :, :2] - 4
    )
    return int(np.sum(np.all(apart.any(axis=2), axis=1)))


def kept(candidates: Boxes, shape: tuple[int, ...]) -> int:
    """Pixels (of 1 um) within a candidate's margin."""
    mask = np.zeros(shape, np.uint8)
    for x_min, y_min, x_max, y_max in candidates.round().astype(int).tolist():
        margin = round(MARGIN_UM)
        mask[max(0, y_min - margin) : y_max + margin, max(0, x_min - margin) : x_max + margin] = 1
    return int(mask.sum())


def measure(name: str, sample: Iterable[JudgedField], lost_in: Path | None) -> Row:
    """A line of the table, from all its fields."""
    row, seconds, pixels, area, judged, extra = Row(name), 0.0, 0, 0, 0, 0
    for one in sample:
        height, width = (max(1, round(side * one.um_per_px)) for side in one.image.shape[:2])
        small = resized(one.image, width, height)
        start = time.perf_counter()
        candidates = propose_candidates(small, 1.0)
        seconds += time.perf_counter() - start
        row.fields += 1
        row.labeled += len(one.labeled)
        row.full_pass += len(one.found)
        lost = {
            "labeled": [b for b in one.labeled if not is_held(b, candidates, one.is_boxed)],
            "full_pass": [b for b in one.found if not is_held(b, candidates)],
        }
        row.labeled_lost += len(lost["labeled"])
        row.full_pass_lost += len(lost["full_pass"])
        pixels += small.shape[0] * small.shape[1]
        area += kept(candidates, small.shape[:2])
        if name not in STEP or len(one.found):
            judged += small.shape[0] * small.shape[1]
            extra += extra_candidates(candidates, np.concatenate([one.labeled, one.found]))
        if lost_in:
            save(lost_in / name, one, lost)
    row.area_kept = round(area / pixels, 3)
    row.extra_per_mm2 = round(extra / judged * 1e6, 1)
    row.megapixels_per_second = round(pixels / seconds / 1e6, 1)
    return row


def save(folder: Path, one: JudgedField, lost: dict[str, list[Boxes]]) -> None:
    """A picture of each lost box with 8 um round it."""
    for kind, boxes in lost.items():
        for number, box in enumerate(boxes):
            folder.mkdir(parents=True, exist_ok=True)
            around = np.maximum(box + np.array([-8, -8, 8, 8]), 0) / one.um_per_px
            x_min, y_min, x_max, y_max = around.astype(int).tolist()
            part = one.image[y_min:y_max, x_min:x_max, ::-1]
            cv2.imwrite(str(folder / f"{kind}_{Path(one.name).stem}_{number}.png"), part)


def samples(detector: Detector) -> Iterator[tuple[str, Iterable[JudgedField]]]:
    """Every dataset at hand by its name in the table, its fields read one by one."""
    for name in ("bccd", "txl_pbc", "chula", "pbc", "kaggle_blood_cells"):
        groups: dict[str, list[LabeledField]] = {}
        for field in load_dataset(name):
            label = f"bccd {field.split}" if name == "bccd" else name
            groups.setdefault(label, []).append(field)
        step = STEP.get(name, 1)
        for label, members in groups.items():
            yield (
                label,
                (
                    judged_field(field, detector if i % step == 0 else None)
                    for i, field in enumerate(members)
                ),
            )
    for stain in STAINS:
        for um_per_px in PHANTOM_UM_PER_PX:
            yield f"phantom {stain} {um_per_px} um/px", phantoms(stain, um_per_px)
    if (data_root() / "whole_smear").is_dir():
        yield "region_a.tif", [region_a()]


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--lost", type=Path, help="a folder for pictures of the lost boxes")
    parser.add_argument("--only", default="", help="datasets whose name begins so")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    rows = []
    for name, sample in samples(Detector.load()):
        if name.startswith(chosen.only):
            rows.append(measure(name, sample, chosen.lost))
            print(*astuple(rows[-1]), flush=True)
    if chosen.only:
        return
    with (chosen.out / "first_look.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(Row)])
        writer.writerows(astuple(row) for row in rows)


if __name__ == "__main__":
    main()
