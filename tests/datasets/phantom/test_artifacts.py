"""Artifacts lie where the truth says, look the same at any scale, and are never called cells."""

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leukodiff.datasets.phantom import (
    STAINS,
    PhantomSettings,
    Placement,
    place,
    render,
    render_region,
    render_smear,
)
from leukodiff.datasets.phantom.artifacts import DIRT, FORMS, Artifact
from leukodiff.datasets.phantom.debris import PAINTERS, ROOM_UM

pytestmark = pytest.mark.slow

FIELD = PhantomSettings(width=480, height=360, um_per_px=0.2, seed=7, n_white=2)
DIRTY = replace(FIELD, smudge_cells=2, platelet_clumps=3, precipitate=2, dirt=5)
PLAIN = ("red_cell", "platelet")
NO_CELLS = np.zeros(0)
BACKGROUND = replace(
    FIELD, n_white=0, red_cells_per_mm2=0, platelets_per_mm2=0, noise=0, vignette=0, cast=0
)


def alone(kind: str, seed: int) -> Placement:
    """One artifact in the middle of empty glass."""
    discs = FORMS[kind].make(np.random.default_rng(seed))
    artifact = Artifact(kind, 48.0, 36.0, discs, seed)
    return Placement((), NO_CELLS, NO_CELLS, NO_CELLS, np.zeros((0, 2, 7)), seed, (artifact,))


def drawn(settings: PhantomSettings, placement: Placement) -> np.ndarray:
    """Which pixels are not bare glass, (H, W) bool."""
    image = render(settings, placement).image.astype(int)
    return np.asarray((np.abs(image - settings.stain_colors.background) > 6).any(axis=2))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, {}, id="none by default"),
        pytest.param({"smudge_cells": 1}, {"smudge_cell": 1}, id="one"),
        pytest.param({"platelet_clumps": 2}, {"platelet_clump": 2}, id="clumps"),
        pytest.param({"precipitate": 3}, {"precipitate": 3}, id="precipitate"),
        pytest.param({"dirt": 4}, {"dirt": 4}, id="dirt of any kind"),
        pytest.param({"dirt": 2, "smudge_cells": 2}, {"dirt": 2, "smudge_cell": 2}, id="two sorts"),
    ],
)
@pytest.mark.parametrize("n_white", [0, 1])
def test_as_many_as_asked_for(
    n_white: int, changes: dict[str, int], expected: dict[str, int]
) -> None:
    placement = place(replace(FIELD, width=960, height=720, n_white=n_white, **changes))  # type: ignore[arg-type]
    kinds = Counter("dirt" if a.kind in DIRT else a.kind for a in placement.artifacts)
    assert kinds == expected


def test_every_kind_has_a_form_and_a_painter() -> None:
    assert set(FORMS) == set(PAINTERS)


def test_artifacts_are_no_cells() -> None:
    clean, dirty = render(FIELD), render(replace(FIELD, precipitate=2, dirt=3))
    np.testing.assert_array_equal(dirty.xyxy, clean.xyxy)
    assert dirty.cell_types == clean.cell_types
    assert clean.artifact_xyxy.shape == (0, 4)
    assert dirty.artifact_xyxy.shape == (len(dirty.artifact_types), 4)
    assert (dirty.image != clean.image).any()


def test_a_field_may_hold_artifacts_and_no_white_cell() -> None:
    phantom = render(replace(DIRTY, n_white=0))
    assert set(phantom.cell_types) == {"red_cell", "platelet"}
    assert set(phantom.artifact_types) <= set(FORMS)
    assert len(phantom.artifact_types) > 5


@pytest.mark.parametrize("seed", range(4))
def test_smudge_cells_and_clumps_lie_off_the_white_cells(seed: int) -> None:
    settings = replace(DIRTY, width=900, height=700, seed=seed, n_white=8, smudge_cells=6)
    placement = place(settings)
    white = [i for i, name in enumerate(placement.cell_types) if name not in PLAIN]
    solid = [a for a in placement.artifacts if FORMS[a.kind].push]
    assert solid
    for a in solid:
        apart = np.hypot(placement.x_um[white] - a.x_um, placement.y_um[white] - a.y_um)
        assert (apart > placement.radius_um[white] + a.reach_um).all()


def test_what_finds_no_room_is_left_out() -> None:
    crowded = replace(FIELD, width=110, height=110, n_white=1, smudge_cells=5)
    assert len(place(crowded).artifacts) < 5


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("seed", range(3))
def test_a_box_holds_the_artifact(kind: str, seed: int) -> None:
    placement = alone(kind, seed)
    shown = drawn(BACKGROUND, placement)
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    extent = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    box = render(BACKGROUND, placement).artifact_xyxy[0]
    # Frayed edges and the blur of what lies out of focus run past the discs.
    room = ROOM_UM / BACKGROUND.um_per_px
    assert (extent[:2] >= box[:2] - room).all()
    assert (extent[2:] <= box[2:] + room).all()
    assert ((extent[2:] - extent[:2]) > 0.4 * (box[2:] - box[:2])).all()


@pytest.mark.parametrize(
    ("kind", "low_um", "high_um"),
    [
        pytest.param("smudge_cell", 8, 26, id="smudge cell"),
        pytest.param("platelet_clump", 4, 25, id="platelet clump"),
        pytest.param("precipitate", 3, 35, id="precipitate"),
        pytest.param("dirt_particle", 1, 30, id="dirt particle"),
        pytest.param("fibre", 8, 95, id="fibre"),
        pytest.param("dust_shadow", 6, 28, id="dust"),
    ],
)
def test_sizes(kind: str, low_um: float, high_um: float) -> None:
    boxes = np.array([alone(kind, seed).artifacts[0].box_um for seed in range(60)])
    longest = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    assert longest.min() >= low_um
    assert longest.max() <= high_um


def test_a_clump_has_5_to_40_platelets() -> None:
    numbers = [len(alone("platelet_clump", seed).artifacts[0].discs) for seed in range(80)]
    assert min(numbers) >= 5
    assert max(numbers) in range(30, 41)


def test_grains_of_precipitate_are_a_third_to_one_um() -> None:
    diameters = np.concatenate(
        [2 * alone("precipitate", seed).artifacts[0].discs[:, 2] for seed in range(20)]
    )
    assert diameters.max() <= 1.0
    assert 0.35 < np.median(diameters) < 0.6


@pytest.mark.parametrize("stain", STAINS)
def test_precipitate_is_darker_than_any_nucleus(stain: str) -> None:
    materials = STAINS[stain].materials
    nuclei = [sum(density) for name, density in materials.items() if "nucleus" in name]
    assert sum(materials["precipitate"]) > max(nuclei)


@pytest.mark.parametrize("stain", STAINS)
def test_every_stain_has_every_material_and_blue_nuclei(stain: str) -> None:
    stain_colors = STAINS[stain]
    assert set(stain_colors.materials) == set(STAINS["analyser"].materials)
    # Azure takes red light, eosin hardly any: that is what tells a nucleus from a red cell.
    assert stain_colors.materials["nucleus"][0] > 2.5 * stain_colors.red_cell[0]


@pytest.mark.parametrize("kind", FORMS)
def test_the_same_at_any_scale(kind: str) -> None:
    placement = alone(kind, 5)
    fine = replace(BACKGROUND, width=960, height=720, um_per_px=0.1, blur_um=0.4, sharpen=0)
    coarse = replace(BACKGROUND, blur_um=0.4, sharpen=0)
    halved = render(fine, placement).image.reshape(360, 2, 480, 2, 3).mean(axis=(1, 3))
    apart = np.abs(halved - render(coarse, placement).image).max(axis=2)
    assert apart.mean() < 1.0
    assert np.percentile(apart, 99) < 12


@pytest.mark.parametrize(
    "tile",
    [
        pytest.param((0, 0, 100, 80), id="corner"),
        pytest.param((197, 61, 164, 164), id="middle"),
        pytest.param((33, 17, 1, 1), id="one pixel"),
    ],
)
def test_a_tile_is_that_part_of_the_field(tile: tuple[int, int, int, int]) -> None:
    x, y, width, height = tile
    settings = replace(DIRTY, defocus_um=0.6)
    placement = place(settings)
    expected = render(settings, placement).image[y : y + height, x : x + width]
    part = render_region(settings, placement, x, y, width, height)
    assert np.abs(part.astype(int) - expected).max() <= 1


def test_focus_is_lost_in_parts_of_the_field() -> None:
    settings = replace(FIELD, width=1000, height=1000, um_per_px=0.3, n_white=0, noise=0)
    placement = place(settings)
    sharp = render(settings, placement).image
    soft = render(replace(settings, defocus_um=0.8), placement).image
    change = np.abs(sharp.astype(int) - soft).max(axis=2) > 3
    blocks = change.reshape(10, 100, 10, 100).mean(axis=(1, 3))
    assert (blocks > 0.3).sum() >= 10  # clearly blurred
    assert (blocks < 0.01).sum() >= 10  # left as it was


def test_a_smear_lists_its_artifacts_with_its_cells(tmp_path: Path) -> None:
    render_smear(tmp_path / "clean", FIELD, 1)
    render_smear(tmp_path / "dirty", DIRTY, 2)
    assert not (tmp_path / "clean" / "artefacts.csv").exists()
    with (tmp_path / "dirty" / "artefacts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["field_id"] for row in rows} == {"field_001.png", "field_002.png"}
    assert {row["artefact"] for row in rows} <= set(FORMS)
    assert all(float(row["x_min"]) < float(row["x_max"]) for row in rows)
