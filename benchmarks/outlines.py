"""Exactness of the outlines of cells: against the phantom's truth, and on real cells.

A phantom cell's areas and lobes are known exactly; each row gives medians over the cells of one
type in four stains at 0.1 and 0.2 um/px. On real smears nobody has drawn outlines: there the box
round the outline is held against the labeled box (its overlap, IoU), of cells away from the edge.
PBC's file names tell band (BNE) from segmented (SNE) neutrophils.

    LEUKODIFF_DATA=... python benchmarks/outlines.py
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from leukodiff.classifier.crops import CropSettings, cut_crops
from leukodiff.classifier.morphometry import at_edge
from leukodiff.classifier.segmentation import Outline, outline
from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.phantom import STAINS, Anatomy, PhantomSettings, anatomy, place, render
from leukodiff.datasets.registry import load_dataset
from leukodiff.datasets.vocabulary import FIVE_PART

KINDS = (*FIVE_PART, "immature_granulocyte", "erythroblast")
CROP = CropSettings()
SEEDS = 4
CELLS = 21
NEUTROPHIL_UM = 13.5
"""PBC's single cells have no box."""
LOOSE = 0.08
"""A detector's boxes are not exact: the same with sides off by so much, standard deviation."""


@dataclass(frozen=True)
class Measured:
    """A phantom cell as it is, and as it was outlined."""

    kind: str
    truth: Anatomy
    found: Outline

    @property
    def errors(self) -> tuple[float, float]:
        """Of the cell's area and of the nucleus's, as parts of them."""
        cell = self.found.cell_um2 / self.truth.cell_um2 - 1
        return abs(cell), abs(self.found.nucleus_um2 / self.truth.nucleus_um2 - 1)


def main() -> None:
    """Prints both tables."""
    rng = np.random.default_rng(0)
    print("| phantom | cells | area | 90 % below | nucleus | 90 % below | lobes right | one off |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    exact, loose = list(phantom_cells(rng, 0)), list(phantom_cells(rng, LOOSE))
    for kind in KINDS:
        print(row(kind, [cell for cell in exact if cell.kind == kind]))
    others = [cell for cell in exact if cell.kind != "basophil"]
    print(row("all but basophils", others))
    print(row("the same, loose boxes", [cell for cell in loose if cell.kind != "basophil"]))
    print("\n| real smears | cells | no nucleus found | IoU with the box | 90 % above |")
    print("| --- | --- | --- | --- | --- |")
    for name in ("txl_pbc", "bccd", "chula"):
        print(real_row(name))
    print()
    for prefix, share in one_lobe().items():
        print(f"PBC, {prefix}: {100 * share:.0f} % have one lobe")


def phantom_cells(rng: np.random.Generator, loose: float) -> Iterator[Measured]:
    """Cells of every type, stain and scale; `loose` is the spread of the boxes' sides."""
    for stain in STAINS:
        for um_per_px in (0.1, 0.2):
            for seed in range(SEEDS):
                yield from _of_field(_settings(stain, um_per_px, seed), rng, loose)


def _settings(stain: str, um_per_px: float, seed: int) -> PhantomSettings:
    return PhantomSettings(
        width=round(160 / um_per_px),
        height=round(120 / um_per_px),
        um_per_px=um_per_px,
        seed=seed,
        n_white=CELLS,
        differential=dict.fromkeys(KINDS, 1.0),
        stain=stain,
    )


def _of_field(
    settings: PhantomSettings, rng: np.random.Generator, loose: float
) -> Iterator[Measured]:
    placed = place(settings)
    boxes = (placed.boxes_um()[:CELLS] / settings.um_per_px).astype(np.float32)
    crops = cut_crops(render(settings, placed).image, boxes, settings.um_per_px, CROP)
    sides = (boxes[:, 2:] - boxes[:, :2]) * settings.um_per_px / CROP.um_per_px
    sides = sides * (1 + loose * rng.standard_normal(sides.shape))
    for i, (crop, (width, height)) in enumerate(zip(crops, sides.tolist(), strict=True)):
        found = outline(crop, (width, height), CROP.um_per_px)
        yield Measured(placed.cell_types[i], anatomy(placed, i), found)


def row(name: str, cells: list[Measured]) -> str:
    """Median and 90 % quantile of the errors in percent, and how lobes were counted."""
    errors = 100 * np.array([cell.errors for cell in cells])
    off = np.array([abs(cell.found.lobes - cell.truth.lobes) for cell in cells])
    middle, most = np.median(errors, axis=0), np.quantile(errors, 0.9, axis=0)
    figures = (middle[0], most[0], middle[1], most[1], 100 * (off == 0).mean())
    shown = [f"{value:.1f} %" for value in (*figures, 100 * (off <= 1).mean())]
    return f"| {name} | {len(cells)} | " + " | ".join(shown) + " |"


def real_row(name: str) -> str:
    """Overlaps of outlines' boxes with the labeled ones of a data set's train and val fields."""
    overlaps, without = [], 0
    for field in load_dataset(name):
        kept = [i for i, kind in enumerate(field.cell_types) if kind in KINDS]
        if field.split == "test" or not kept or field.um_per_px is None:
            continue
        image, boxes = read_rgb(field.path), field.keep(kept).xyxy
        size = image.shape[1], image.shape[0]
        boxes = boxes[~at_edge(boxes, size, field.um_per_px).any(axis=1)]
        sides = (boxes[:, 2:] - boxes[:, :2]) * field.um_per_px / CROP.um_per_px
        crops = cut_crops(image, boxes, field.um_per_px, CROP)
        for crop, (width, height) in zip(crops, sides.tolist(), strict=True):
            found = outline(crop, (width, height), CROP.um_per_px)
            without += not found.nucleus.any()
            overlaps.append(_overlap(found, width, height))
    low, middle = np.quantile(overlaps, 0.1), np.median(overlaps)
    return f"| {name} | {len(overlaps)} | {without} | {middle:.2f} | {low:.2f} |"


def _overlap(found: Outline, width: float, height: float) -> float:
    """IoU of the box round an outline with one of a width and height (px of the crop)."""
    scale = CROP.size_px / found.cell.shape[0]
    x, y, w, h = (scale * side for side in cv2.boundingRect(found.cell))
    middle = CROP.size_px / 2
    across = min(x + w, middle + width / 2) - max(x, middle - width / 2)
    down = min(y + h, middle + height / 2) - max(y, middle - height / 2)
    shared = max(across, 0.0) * max(down, 0.0)
    return float(shared / (w * h + width * height - shared))


def one_lobe() -> dict[str, float]:
    """The share of PBC's band and of its segmented neutrophils that are found to have one lobe."""
    side = NEUTROPHIL_UM / CROP.um_per_px
    lobes: dict[str, list[int]] = {"BNE": [], "SNE": []}
    for field in load_dataset("pbc"):
        prefix = field.path.stem.partition("_")[0]
        if prefix in lobes and field.split == "val" and field.um_per_px is not None:
            crop = cut_crops(read_rgb(field.path), field.xyxy, field.um_per_px, CROP)[0]
            lobes[prefix].append(outline(crop, (side, side), CROP.um_per_px).lobes)
    return {prefix: float(np.mean(np.array(counts) == 1)) for prefix, counts in lobes.items()}


if __name__ == "__main__":
    main()
