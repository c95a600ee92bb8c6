"""Outlines of cells against the phantom's truth, whose every pixel is known."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from leukodiff.classifier.crops import CropSettings, cut_crops
from leukodiff.classifier.segmentation import Outline, count_lobes, outline
from leukodiff.datasets.phantom import STAINS, Anatomy, PhantomSettings, anatomy, place, render

pytestmark = pytest.mark.slow

CROP = CropSettings()
KINDS = (
    "neutrophil",
    "lymphocyte",
    "monocyte",
    "eosinophil",
    "immature_granulocyte",
    "erythroblast",
)


@dataclass(frozen=True)
class Known:
    """A phantom cell: its crop, its box in px of the crop, and the truth."""

    kind: str
    crop: NDArray[np.uint8]
    side_px: tuple[float, float]
    truth: Anatomy

    @property
    def outline(self) -> Outline:
        return outline(self.crop, self.side_px, CROP.um_per_px)


def known_cells(stain: str, um_per_px: float, **more: float) -> list[Known]:
    settings = PhantomSettings(
        width=round(160 / um_per_px),
        height=round(120 / um_per_px),
        um_per_px=um_per_px,
        n_white=24,
        differential=dict.fromkeys(KINDS, 1.0),
        stain=stain,
        seed=3,
        **more,  # type: ignore[arg-type]
    )
    placed = place(settings)
    image = render(settings, placed).image
    boxes = (placed.boxes_um()[:24] / um_per_px).astype(np.float32)
    crops = cut_crops(image, boxes, um_per_px, CROP)
    sides = (boxes[:, 2:] - boxes[:, :2]) * um_per_px / CROP.um_per_px
    return [
        Known(placed.cell_types[i], crops[i], (float(w), float(h)), anatomy(placed, i))
        for i, (w, h) in enumerate(sides)
    ]


def median_error(found: list[float], true: list[float]) -> float:
    return float(np.median(np.abs(np.array(found) / np.array(true) - 1)))


@pytest.fixture(scope="module", params=[(s, um) for s in STAINS for um in (0.1, 0.25)], ids=str)
def cells(request) -> list[Known]:
    return known_cells(*request.param)


def test_areas_are_right_to_a_few_percent_in_every_stain(cells: list[Known]) -> None:
    found = [cell.outline for cell in cells]
    truth = [cell.truth for cell in cells]
    assert median_error([o.cell_um2 for o in found], [t.cell_um2 for t in truth]) < 0.04
    assert median_error([o.nucleus_um2 for o in found], [t.nucleus_um2 for t in truth]) < 0.06
    worst = [abs(o.cell_um2 / t.cell_um2 - 1) for o, t in zip(found, truth, strict=True)]
    assert np.quantile(worst, 0.9) < 0.12


def test_lobes_are_counted_right_or_one_off(cells: list[Known]) -> None:
    off = [abs(cell.outline.lobes - cell.truth.lobes) for cell in cells]
    assert np.mean(np.array(off) == 0) > 0.65  # lobes that lie on each other look like one
    assert np.mean(np.array(off) <= 1) > 0.9
    round_ones = [c for c in cells if c.kind in ("lymphocyte", "erythroblast")]
    assert {cell.outline.lobes for cell in round_ones} == {1}


def test_a_nucleus_lies_in_its_cell_and_red_cells_outside(cells: list[Known]) -> None:
    for cell in cells:
        found = cell.outline
        assert not (found.nucleus & ~found.cell).any()
        reach = np.hypot(*cell.side_px) / 2 * CROP.um_per_px / found.um_per_px
        away = np.argwhere(found.cell) - (found.cell.shape[0] - 1) / 2
        assert np.hypot(*away.T).max() < 1.1 * reach


def test_a_box_that_is_not_tight_costs_little() -> None:
    cells = known_cells("camera", 0.1)
    for factor, most in ((0.92, 0.12), (1.1, 0.1)):
        sides = [(w * factor, h * factor) for w, h in (cell.side_px for cell in cells)]
        found = [outline(c.crop, s, CROP.um_per_px) for c, s in zip(cells, sides, strict=True)]
        truth = [cell.truth for cell in cells]
        assert median_error([o.cell_um2 for o in found], [t.cell_um2 for t in truth]) < most
        assert median_error([o.nucleus_um2 for o in found], [t.nucleus_um2 for t in truth]) < 0.06


@pytest.mark.slow
def test_sharpness_shows_defocus_whatever_the_stain() -> None:
    for stain in STAINS:
        for cell in known_cells(stain, 0.15)[:6]:
            soft = [
                np.asarray(cv2.GaussianBlur(cell.crop, (0, 0), s), np.uint8) for s in (3.0, 9.0)
            ]
            crops = [cell.crop, *soft]
            sharp = [outline(c, cell.side_px, CROP.um_per_px).sharpness for c in crops]
            assert sharp[0] > sharp[1] > sharp[2]
            assert sharp[0] > 1
            assert sharp[2] < 0.6


def background(*discs: tuple[int, tuple[int, int, int]]) -> NDArray[np.uint8]:
    image = np.full((128, 128, 3), 245, np.uint8)
    for radius, color in discs:
        cv2.circle(image, (64, 64), radius, color, -1, cv2.LINE_AA)
    return image


RED_CELL, PLATELET, NUCLEUS = (222, 190, 196), (120, 80, 170), (110, 70, 160)


@pytest.mark.parametrize(
    ("crop", "side"),
    [
        pytest.param(background(), 60.0, id="empty glass"),
        pytest.param(np.zeros((128, 128, 3), np.uint8), 60.0, id="black"),
        pytest.param(background((7, PLATELET)), 14.0, id="a platelet"),
        pytest.param(background((30, NUCLEUS)), 0.0, id="a box without extent"),
    ],
)
def test_where_no_nucleus_stands_out_there_is_none(crop: NDArray[np.uint8], side: float) -> None:
    found = outline(crop, (side, side), CROP.um_per_px)
    assert not found.nucleus.any()
    assert (found.nucleus_um2, found.lobes, found.sharpness) == (0, 0, 0)


def test_a_red_cell_among_others_has_no_nucleus() -> None:
    crop = background((20, RED_CELL))
    for x, y in ((20, 30), (100, 24), (110, 100), (24, 110)):
        cv2.circle(crop, (x, y), 20, RED_CELL, -1, cv2.LINE_AA)
    assert not outline(crop, (40.0, 40.0), CROP.um_per_px).nucleus.any()


@pytest.mark.parametrize("size", [64, 128, 192])
def test_a_disc_is_measured_at_any_size_of_the_crop(size: int) -> None:
    um_per_px = 24 / size
    crop = np.full((size, size, 3), 245, np.uint8)
    middle = (size / 2 - 0.5) * 16
    for um, color in ((6.0, (190, 180, 225)), (4.0, NUCLEUS)):
        radius = round(um / um_per_px * 16)
        cv2.circle(crop, (round(middle),) * 2, radius, color, -1, cv2.LINE_AA, 4)
    found = outline(crop, (12 / um_per_px,) * 2, um_per_px)
    assert found.cell_um2 == pytest.approx(np.pi * 36, rel=0.09)
    assert found.nucleus_um2 == pytest.approx(np.pi * 16, rel=0.11)


def drawn(*discs: tuple[int, int, int], thread: int = 0) -> NDArray[np.uint8]:
    mask = np.zeros((64, 64), np.uint8)
    for x, y, radius in discs:
        cv2.circle(mask, (x, y), radius, 1, -1)
    for (x0, y0, _), (x1, y1, _) in pairwise(discs):
        if thread:
            cv2.line(mask, (x0, y0), (x1, y1), 1, thread)
    return mask


def ring() -> NDArray[np.uint8]:
    return np.asarray(cv2.circle(np.zeros((64, 64), np.uint8), (32, 32), 16, 1, 7), np.uint8)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        pytest.param(np.zeros((64, 64), np.uint8), 0, id="nothing"),
        pytest.param(drawn((32, 32, 14)), 1, id="round"),
        pytest.param(drawn((0, 0, 14)), 1, id="in the corner"),
        pytest.param(drawn((20, 32, 8), (44, 32, 8), thread=15), 1, id="band"),
        pytest.param(ring(), 1, id="ring"),
        pytest.param(drawn((16, 32, 8), (48, 32, 8)), 2, id="two apart"),
        pytest.param(drawn((20, 32, 8), (44, 32, 8), thread=3), 2, id="two on a thread"),
        pytest.param(drawn((14, 32, 7), (32, 20, 7), (50, 32, 7), thread=3), 3, id="three"),
        pytest.param(drawn((24, 32, 12), (50, 32, 3)), 1, id="a drumstick is no lobe"),
    ],
)
def test_lobes_of_drawn_nuclei(mask: NDArray[np.uint8], expected: int) -> None:
    assert count_lobes(mask) == expected
