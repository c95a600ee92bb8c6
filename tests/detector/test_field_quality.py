"""Empty, thick and blurred fields are told from those that people read."""

from functools import cache

import cv2
import numpy as np
import pytest

from leukodiff.datasets.fields import LabeledField, no_boxes
from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.phantom import STAINS, Phantom, PhantomSettings, render
from leukodiff.datasets.registry import load_dataset
from leukodiff.datasets.vocabulary import is_white
from leukodiff.detector.areas import AreaKind
from leukodiff.detector.field_quality import (
    FieldStats,
    SlideBaseline,
    field_quality,
    field_stats,
    slide_baseline,
)
from leukodiff.detector.letterbox import resized

NORMAL, CROWDED = 6500.0, 80000.0
"""Red cells a mm2: one layer with gaps, and several deep."""


@cache
def phantom(
    red_cells_per_mm2: float = NORMAL,
    stain: str = "analyser",
    n_white: int = 1,
    um_per_px: float = 0.1,
) -> Phantom:
    width, height = round(96 / um_per_px), round(72 / um_per_px)
    settings = PhantomSettings(
        width,
        height,
        um_per_px,
        seed=3,
        n_white=n_white,
        red_cells_per_mm2=red_cells_per_mm2,
        red_cell_scatter=1.0,
        platelets_per_mm2=350 if red_cells_per_mm2 else 0,
        stain=stain,
    )
    return render(settings)


def white_of(one: Phantom) -> np.ndarray:
    return one.xyxy[[is_white(name) for name in one.cell_types]]


@cache
def baseline(stain: str = "analyser", um_per_px: float = 0.1) -> SlideBaseline:
    return slide_baseline([field_stats(phantom(NORMAL, stain, 1, um_per_px).image, um_per_px)])


def blurred(image: np.ndarray, um: float, um_per_px: float = 0.1) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), um / um_per_px), np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("stain", STAINS)
@pytest.mark.parametrize("um_per_px", [0.07, 0.1, 0.25, 0.5])
def test_kinds_whatever_the_stain_and_the_scale(stain: str, um_per_px: float) -> None:
    def kind(one: Phantom, blur_um: float = 0.0) -> str:
        image = blurred(one.image, blur_um, um_per_px) if blur_um else one.image
        return field_quality(
            field_stats(image, um_per_px), baseline(stain, um_per_px), white_of(one)
        )

    normal = phantom(NORMAL, stain, 1, um_per_px)
    assert kind(normal) == AreaKind.USABLE
    assert kind(normal, 1.2) == AreaKind.OUT_OF_FOCUS
    assert kind(phantom(0.0, stain, 0, um_per_px)) == AreaKind.EMPTY
    assert kind(phantom(CROWDED, stain, 1, um_per_px)) == AreaKind.THICK


def test_a_field_with_a_white_cell_is_never_empty() -> None:
    lone = phantom(0.0, "analyser", 1)
    stats = field_stats(lone.image, 0.1)
    assert stats.coverage(baseline().red_cell) < 0.07
    assert field_quality(stats, baseline(), white_of(lone)) == AreaKind.USABLE
    assert field_quality(stats, baseline(), no_boxes()) == AreaKind.EMPTY


def test_white_cells_do_not_make_a_field_thick() -> None:
    one = phantom()
    image = one.image.copy()
    image[:, :480] = (60, 20, 90)  # as dark as nuclei
    boxes = np.array([[0, 0, 480, 720]], np.float32)
    assert field_quality(field_stats(image, 0.1), baseline(), no_boxes()) == AreaKind.THICK
    assert field_quality(field_stats(image, 0.1), baseline(), boxes) == AreaKind.USABLE
    everywhere = np.array([[0, 0, 960, 720]], np.float32)
    assert field_quality(field_stats(image, 0.1), baseline(), everywhere) == AreaKind.USABLE


def test_a_field_alone_is_measured_by_itself() -> None:
    stats = field_stats(phantom(CROWDED).image, 0.1)
    assert field_quality(stats, baseline(), no_boxes()) == AreaKind.THICK
    assert field_quality(stats, slide_baseline([stats]), no_boxes()) == AreaKind.USABLE


@pytest.mark.parametrize(
    ("score", "others", "expected"),
    [
        pytest.param(0.05, (), AreaKind.OUT_OF_FOCUS, id="alone, blurred"),
        pytest.param(0.07, (), AreaKind.USABLE, id="alone, soft"),
        pytest.param(0.07, (0.5,) * 7, AreaKind.OUT_OF_FOCUS, id="soft beside sharp ones"),
        pytest.param(0.07, (0.15,) * 7, AreaKind.USABLE, id="soft beside soft ones"),
        pytest.param(0.1, (5.0,) * 7, AreaKind.USABLE, id="sharp enough, whatever the others"),
        pytest.param(None, (0.5,) * 7, AreaKind.USABLE, id="nobody can tell"),
    ],
)
def test_what_is_out_of_focus(score, others, expected: str) -> None:
    stats = FieldStats(np.full((30, 40), 0.06, np.float32), score, 800, 600)
    assert field_quality(stats, SlideBaseline(0.12, others), no_boxes()) == expected


@pytest.mark.parametrize(
    ("width", "height", "um_per_px", "can_judge_focus"),
    [
        pytest.param(640, 480, 0.073, True, id="a field"),
        pytest.param(200, 200, 0.1, True, id="just wide enough"),
        pytest.param(400, 190, 0.1, False, id="too low"),
        pytest.param(300, 300, 0.6, False, id="too coarse"),
        pytest.param(1, 1, 0.1, False, id="one px"),
    ],
)
def test_where_focus_can_be_judged(
    width: int, height: int, um_per_px: float, can_judge_focus: bool
) -> None:
    stats = field_stats(resized(phantom().image, width, height), um_per_px)
    assert (stats.focus is not None) == can_judge_focus
    assert (stats.width, stats.height) == (width, height)


def test_a_field_without_pixels_is_empty() -> None:
    stats = field_stats(np.zeros((0, 0, 3), np.uint8), 0.1)
    assert field_quality(stats, slide_baseline([]), no_boxes()) == AreaKind.EMPTY


def test_the_baseline_comes_from_fields_with_cells_in_them() -> None:
    stats, background = (field_stats(phantom(n, n_white=0).image, 0.1) for n in (NORMAL, 0.0))
    assert slide_baseline([stats, background, background]) == slide_baseline([stats])
    assert slide_baseline([background]).focus == ()
    crowded = field_stats(phantom(CROWDED).image, 0.1)
    assert slide_baseline([stats, stats, crowded]).red_cell == stats.red_cell


@pytest.mark.parametrize(
    ("name", "step"),
    [("bccd", 12), ("txl_pbc", 25), ("chula", 9), ("pbc", 300), ("kaggle_blood_cells", 120)],
)
def test_fields_that_people_read_are_left_in(data_root, monkeypatch, name: str, step: int) -> None:
    monkeypatch.setenv("LEUKODIFF_DATA", str(data_root))
    smears: dict[str, list[tuple[LabeledField, FieldStats]]] = {}
    for one in load_dataset(name)[::step]:
        stats = field_stats(read_rgb(one.path), one.um_per_px or 0.1)
        smears.setdefault(one.group if name == "chula" else "", []).append((one, stats))
    for one, stats, together in (
        (one, stats, slide_baseline([other for _, other in smear]))
        for smear in smears.values()
        for one, stats in smear
    ):
        # Where a label covers its image, the cell's own place is not known: it is not masked.
        cells = one.xyxy[[is_white(kind) for kind in one.cell_types]]
        white = cells if name not in ("pbc", "kaggle_blood_cells") else no_boxes()
        for background in (together, slide_baseline([stats])):
            assert field_quality(stats, background, white) == AreaKind.USABLE, one.field_id
