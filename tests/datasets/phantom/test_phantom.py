"""The phantom: what was asked for is drawn, where the truth says it is."""

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leukodiff.core.errors import InputError
from leukodiff.datasets.phantom import (
    ADULT_DIFFERENTIAL,
    STAINS,
    PhantomSettings,
    Placement,
    allot,
    place,
    render,
    render_region,
    render_smear,
)
from leukodiff.datasets.phantom.cell_appearance import WHITE_CELL_APPEARANCE
from leukodiff.datasets.phantom.smear import deal
from leukodiff.datasets.vocabulary import BY_NAME

SMALL = PhantomSettings(width=320, height=240, um_per_px=0.2, seed=7, n_white=2)
BARE = replace(
    SMALL,
    red_cells_per_mm2=0,
    platelets_per_mm2=0,
    noise=0,
    blur_um=0,
    sharpen=0,
    vignette=0,
    cast=0,
)


@pytest.mark.parametrize(
    ("differential", "n", "expected"),
    [
        pytest.param({"neutrophil": 1}, 0, {"neutrophil": 0}, id="no cells"),
        pytest.param({"neutrophil": 1}, 1, {"neutrophil": 1}, id="one cell"),
        pytest.param(
            {"neutrophil": 60, "lymphocyte": 40}, 5, {"neutrophil": 3, "lymphocyte": 2}, id="even"
        ),
        # Shares 1.4, 1.4, 1.2: the cell left over goes to the first of the two largest remainders.
        pytest.param(
            {"neutrophil": 0.35, "lymphocyte": 0.35, "monocyte": 0.3},
            4,
            {"neutrophil": 2, "lymphocyte": 1, "monocyte": 1},
            id="tie goes to the first named",
        ),
        # Shares 58, 30, 7, 3.5, 1.5: the cell left over goes to the eosinophils, named first.
        pytest.param(
            ADULT_DIFFERENTIAL,
            100,
            {"neutrophil": 58, "lymphocyte": 30, "monocyte": 7, "eosinophil": 4, "basophil": 1},
            id="adult differential",
        ),
        pytest.param(
            {"neutrophil": 1, "basophil": 0}, 3, {"neutrophil": 3, "basophil": 0}, id="weight of 0"
        ),
    ],
)
def test_allot(differential: dict[str, float], n: int, expected: dict[str, int]) -> None:
    assert allot(differential, n) == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"width": 0}, "at least 1 x 1 px", id="no width"),
        pytest.param({"um_per_px": 0.0}, "um_per_px above 0", id="no scale"),
        pytest.param({"um_per_px": float("nan")}, "um_per_px above 0", id="scale not a number"),
        pytest.param({"n_white": -1}, "negative", id="fewer than no cells"),
        pytest.param({"dirt": -1}, "negative", id="less than no dirt"),
        pytest.param({"defocus_um": -0.1}, "at least 0", id="sharper than sharp"),
        pytest.param({"defocus_um": float("nan")}, "at least 0", id="defocus not a number"),
        pytest.param({"stain": "gram"}, "analyser, camera", id="unknown stain"),
        pytest.param({"differential": {"blast": 1.0}}, "can't draw blast", id="unknown type"),
        pytest.param({"differential": {}}, "sum above 0", id="empty differential"),
        pytest.param({"differential": {"monocyte": -1.0}}, "at least 0", id="negative weight"),
    ],
)
def test_unusable_settings_are_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        replace(SMALL, **changes)  # type: ignore[arg-type]


def test_too_many_white_cells_are_refused() -> None:
    with pytest.raises(InputError, match="room for 6 white cells, not 40"):
        place(replace(SMALL, n_white=40))


def test_every_recipe_is_in_the_vocabulary() -> None:
    assert set(WHITE_CELL_APPEARANCE) <= set(BY_NAME)


def test_same_seed_same_pixels_another_seed_another_field() -> None:
    first, again, other = render(SMALL), render(SMALL), render(replace(SMALL, seed=8))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.xyxy, again.xyxy)
    assert first.cell_types == again.cell_types
    assert (first.image != other.image).any()


@pytest.mark.parametrize("stain", STAINS)
@pytest.mark.parametrize("cell_type", [*WHITE_CELL_APPEARANCE, "red_cell", "platelet"])
def test_a_box_is_the_drawn_cell_to_a_fifth_of_a_um(cell_type: str, stain: str) -> None:
    settings = replace(BARE, width=300, height=300, um_per_px=0.1, stain=stain)
    waves = np.random.default_rng(3).normal(0, 0.02, (1, 2, 7))
    place_um, radius_um = np.array([15.03]), np.array([1.5 if cell_type == "platelet" else 6.0])
    placement = Placement((cell_type,), place_um, place_um - 1, radius_um, waves, seed=1)
    phantom = render(settings, placement)
    drawn = (np.abs(phantom.image - np.asarray(STAINS[stain].background)) > 4).any(axis=2)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    expected = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert phantom.cell_types == (cell_type,)
    np.testing.assert_allclose(phantom.xyxy[0], expected, atol=2)


def test_a_field_without_cells_is_background() -> None:
    phantom = render(replace(BARE, n_white=0))
    assert phantom.image.shape == (240, 320, 3)
    assert phantom.image.dtype == np.uint8
    assert phantom.xyxy.shape == (0, 4)
    assert phantom.xyxy.dtype == np.float32
    assert phantom.cell_types == ()
    assert (phantom.image == np.asarray(STAINS["analyser"].background)).all()


@pytest.mark.parametrize("cell_type", WHITE_CELL_APPEARANCE)
def test_cells_have_the_textbook_size(cell_type: str) -> None:
    n = 60
    settings = replace(BARE, width=1600, height=1600, n_white=n, differential={cell_type: 1.0})
    boxes = place(settings).boxes_um()
    diameter = ((boxes[:, 2] - boxes[:, 0]) + (boxes[:, 3] - boxes[:, 1])) / 2
    mean, _ = WHITE_CELL_APPEARANCE[cell_type].diameter_um
    assert np.median(diameter) == pytest.approx(mean, rel=0.06)


def test_red_cells_are_the_ruler_they_are_taken_for() -> None:
    placement = place(replace(SMALL, width=1000, height=1000, n_white=0, platelets_per_mm2=0))
    boxes = placement.boxes_um()
    diameter = ((boxes[:, 2] - boxes[:, 0]) + (boxes[:, 3] - boxes[:, 1])) / 2
    assert np.median(diameter) == pytest.approx(7.5, rel=0.03)
    inside = ((placement.x_um > 0) & (placement.x_um < 200)).sum()
    assert inside > 0.8 * 6500 * 0.04


def test_half_the_scale_doubles_every_box() -> None:
    coarse = render(SMALL)
    fine = render(replace(SMALL, width=640, height=480, um_per_px=0.1))
    assert fine.cell_types == coarse.cell_types
    np.testing.assert_allclose(fine.xyxy, 2 * coarse.xyxy, atol=1e-3)
    shrunk = np.asarray(Image.fromarray(fine.image).reduce(2), float)
    # The camera's noise differs, the smear does not.
    assert np.abs(shrunk - coarse.image).mean() < 4


@pytest.mark.parametrize("seed", range(8))
def test_white_cells_lie_inside_and_apart(seed: int) -> None:
    settings = replace(SMALL, seed=seed, n_white=6, differential={"monocyte": 1.0})
    boxes = place(settings).boxes_um()[:6]
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [settings.width_um, settings.height_um]).all()
    for i in range(6):
        for j in range(i):
            apart = (boxes[i, :2] >= boxes[j, 2:]) | (boxes[j, :2] >= boxes[i, 2:])
            assert apart.any()


def test_boxes_are_clipped_to_the_field() -> None:
    settings = replace(SMALL, cut_white_cells=True, min_visible=0.0)
    boxes = render(settings).xyxy
    assert (boxes >= 0).all()
    assert (boxes <= [settings.width, settings.height] * 2).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_min_visible_drops_cells_of_which_little_shows() -> None:
    all_cells = render(replace(SMALL, min_visible=0.0))
    whole_cells = render(replace(SMALL, min_visible=1.0))
    on_the_border = (
        (all_cells.xyxy[:, :2] <= 0).any(axis=1)
        | (all_cells.xyxy[:, 2] >= SMALL.width)
        | (all_cells.xyxy[:, 3] >= SMALL.height)
    )
    assert on_the_border.any()
    np.testing.assert_array_equal(whole_cells.xyxy, all_cells.xyxy[~on_the_border])
    np.testing.assert_array_equal(whole_cells.image, all_cells.image)


@pytest.mark.parametrize(
    "tile",
    [
        pytest.param((0, 0, 100, 80), id="corner"),
        pytest.param((97, 61, 64, 64), id="middle"),
        pytest.param((300, 200, 20, 40), id="far border"),
        pytest.param((33, 17, 1, 1), id="one pixel"),
    ],
)
def test_a_tile_is_that_part_of_the_field(tile: tuple[int, int, int, int]) -> None:
    x, y, width, height = tile
    placement = place(SMALL)
    whole = render(SMALL, placement).image
    part = render_region(SMALL, placement, x, y, width, height)
    expected = whole[y : y + height, x : x + width]
    # Blurring sums in another order near a border, so a gray level may round the other way.
    assert np.abs(part.astype(int) - expected).max() <= 1


def test_white_cells_are_drawn_the_same_whatever_lies_round_them() -> None:
    alone = place(BARE)
    crowded = place(replace(BARE, red_cells_per_mm2=6500, platelets_per_mm2=350))
    np.testing.assert_array_equal(alone.boxes_um(), crowded.boxes_um()[: len(alone)])


def test_a_smear_has_the_differential_to_the_cell(tmp_path: Path) -> None:
    settings = replace(SMALL, n_white=3)
    fields = render_smear(tmp_path / "smear", settings, 4)
    counts = Counter(name for field in fields for name in field.cell_types)
    expected = allot(settings.differential, 12)
    assert {name: counts[name] for name in expected} == expected
    assert [field.field_id for field in fields] == [f"field_00{i}.png" for i in (1, 2, 3, 4)]
    assert {field.group for field in fields} == {"smear"}
    assert {field.um_per_px for field in fields} == {0.2}


def test_dealing_gives_each_field_its_number() -> None:
    assert [len(types) for types in deal(replace(SMALL, n_white=3), 5)] == [3] * 5
    assert deal(SMALL, 0) == []


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_truth_files_list_what_the_fields_hold(tmp_path: Path, suffix: str) -> None:
    fields = render_smear(tmp_path, SMALL, 2, suffix)
    with (tmp_path / "truth.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    boxes = [box for field in fields for box in field.xyxy.tolist()]
    written = [[float(row[k]) for k in ("x_min", "y_min", "x_max", "y_max")] for row in rows]
    np.testing.assert_allclose(written, boxes, atol=0.0051)
    assert [row["field_id"] for row in rows] == [f.field_id for f in fields for _ in f.cell_types]
    truth = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert sum(truth["counts"].values()) == len(rows)
    assert truth["settings"]["seed"] == 7
    with Image.open(fields[0].path) as image:
        assert image.size == (320, 240)
