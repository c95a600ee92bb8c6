"""A phantom scan holds what its truth says, has no seams, and is a pyramid that others read."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from leukodiff.core.errors import InputError
from leukodiff.datasets.phantom import PhantomSettings, ScanSettings, render, render_scan
from leukodiff.datasets.phantom.film import lay_film
from leukodiff.datasets.phantom.scan import level_sizes
from leukodiff.datasets.table import load_table

pytestmark = pytest.mark.slow

BLOCK = PhantomSettings(width=256, height=256, um_per_px=0.4, seed=5, n_white=3)
RED = replace(BLOCK, n_white=0, platelets_per_mm2=0, noise=0, sharpen=0, blur_um=0)
LOSSLESS = ScanSettings(tile_px=128, level_step=2, jpeg_quality=None)
PLAN = ("emm", "tmo")


def pixels(path: Path, level: int = 0) -> np.ndarray:
    with tifffile.TiffFile(path) as tiff:
        return np.asarray(tiff.series[0].levels[level].asarray())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"plan": ()}, "rows of one length", id="no plan"),
        pytest.param({"plan": ("",)}, "rows of one length", id="empty row"),
        pytest.param({"plan": ("mm", "m")}, "rows of one length", id="ragged"),
        pytest.param({"plan": ("mx",)}, "unknown zone 'x'", id="unknown letter"),
        pytest.param({"plan": ("mm",), "tile_px": 96}, "no whole number of tiles", id="odd tiles"),
        pytest.param({"tile_px": 100}, "multiple of 16", id="tile side"),
        pytest.param({"tile_px": 16, "level_step": 3}, "can't be shrunk", id="level step"),
        pytest.param({"level_step": 1}, "level_step above 1", id="levels that don't shrink"),
    ],
)
def test_unusable_scans_are_refused(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        render_scan(tmp_path / "scan.tif", BLOCK, replace(LOSSLESS, **changes))  # type: ignore[arg-type]
    assert not (tmp_path / "scan.tif").exists()


def test_one_block_is_the_field(tmp_path: Path) -> None:
    settings = replace(
        BLOCK, width=301, height=205, red_cells_per_mm2=0, platelets_per_mm2=0, vignette=0, cast=0
    )
    labeled = render_scan(tmp_path / "scan.tif", settings, LOSSLESS)
    field = render(settings)
    # Blurring sums in another order near a tile's border, so a level may round the other way.
    assert np.abs(pixels(labeled.path).astype(int) - field.image).max() <= 1
    np.testing.assert_array_equal(labeled.xyxy, field.xyxy)
    assert labeled.cell_types == field.cell_types
    assert (labeled.um_per_px, labeled.group) == (0.4, "scan")


def test_the_truth_of_a_scan(tmp_path: Path) -> None:
    settings = replace(BLOCK, precipitate=1)
    labeled = render_scan(tmp_path / "scan.tif", settings, replace(LOSSLESS, plan=PLAN))
    with (tmp_path / "truth.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    truth = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    with (tmp_path / "artefacts.csv").open(newline="", encoding="utf-8") as file:
        artifacts = list(csv.DictReader(file))
    assert tuple(row["cell_type"] for row in rows) == labeled.cell_types
    written = [[float(row[k]) for k in ("x_min", "y_min", "x_max", "y_max")] for row in rows]
    np.testing.assert_allclose(written, labeled.xyxy, atol=0.0051)
    white = [row for row in rows if row["cell_type"] not in ("red_cell", "platelet")]
    zones = [row["zone"] for row in white]
    # Three white cells a block, none on empty glass.
    assert {zone: zones.count(zone) for zone in zones} == {
        "monolayer": 9,
        "thick": 3,
        "out_of_focus": 3,
    }
    counted = {zone: sum(counts.values()) for zone, counts in truth["counts"].items()}
    assert sum(counted.values()) == len(rows)
    assert "empty" not in counted
    assert counted["thick"] > 1.5 * counted["out_of_focus"]
    assert truth["plan"] == list(PLAN)
    assert {row["artefact"] for row in artifacts} == {"precipitate"}
    assert [len(field.xyxy) for field in load_table(tmp_path)] == [len(rows)]


def test_boxes_lie_on_their_cells(tmp_path: Path) -> None:
    labeled = render_scan(tmp_path / "scan.tif", RED, replace(LOSSLESS, plan=("mm", "mm")))
    image = pixels(labeled.path).astype(int)
    stained = np.asarray((np.abs(image - RED.stain_colors.background) > 4).any(axis=2))
    shown = np.zeros_like(stained)
    for x0, y0, x1, y1 in labeled.xyxy.round().astype(int).tolist():
        shown[max(y0 - 1, 0) : y1 + 1, max(x0 - 1, 0) : x1 + 1] = True
        assert stained[y0:y1, x0:x1].mean() > 0.5
    assert not (stained & ~shown).any()


def test_cells_run_over_the_edges_of_blocks(tmp_path: Path) -> None:
    labeled = render_scan(tmp_path / "scan.tif", RED, replace(LOSSLESS, plan=("mmm",)))
    image = pixels(labeled.path)
    across = (labeled.xyxy[:, 0] < 254) & (labeled.xyxy[:, 2] > 258)
    assert across.sum() >= 2
    # Both seams lie between the same blocks, so they look alike; so do the blocks.
    assert np.abs(image[:, 226:286].astype(int) - image[:, 482:542]).max() <= 1


@pytest.mark.parametrize(
    ("letter", "mean_stained"),
    [
        pytest.param("e", (0.0, 0.001), id="empty glass"),
        pytest.param("m", (0.15, 0.4), id="monolayer"),
        pytest.param("t", (0.45, 0.9), id="thick"),
    ],
)
def test_zones(tmp_path: Path, letter: str, mean_stained: tuple[float, float]) -> None:
    path = render_scan(tmp_path / "scan.tif", RED, replace(LOSSLESS, plan=(letter,))).path
    stained = (np.abs(pixels(path).astype(int) - RED.stain_colors.background) > 8).any(axis=2)
    assert mean_stained[0] <= stained.mean() <= mean_stained[1]


def test_a_part_out_of_focus_is_blurred(tmp_path: Path) -> None:
    image = pixels(
        render_scan(tmp_path / "scan.tif", BLOCK, replace(LOSSLESS, plan=("mo",))).path
    ).astype(int)
    step = np.abs(np.diff(image[..., 1], axis=0)).mean(axis=0)
    assert step[:240].mean() > 1.5 * step[272:].mean()


def test_the_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    one = replace(BLOCK, n_white=1, dirt=1)
    scan = ScanSettings(plan=("om",), tile_px=256)
    first, again = (render_scan(tmp_path / name / "s.tif", one, scan).path for name in "ab")
    other = render_scan(tmp_path / "c" / "s.tif", replace(one, seed=6), scan).path
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()


@pytest.mark.parametrize(
    ("width", "height", "step", "expected"),
    [
        pytest.param(1, 1, 4, [(1, 1)], id="one pixel"),
        pytest.param(256, 256, 4, [(256, 256)], id="two tiles wide"),
        pytest.param(257, 100, 4, [(257, 100), (64, 25)], id="just over"),
        pytest.param(1030, 3, 4, [(1030, 3), (257, 1), (64, 1)], id="a strip"),
        pytest.param(1024, 512, 2, [(1024, 512), (512, 256), (256, 128)], id="halves"),
    ],
)
def test_level_sizes(width: int, height: int, step: int, expected: list[tuple[int, int]]) -> None:
    assert level_sizes(width, height, replace(LOSSLESS, level_step=step)) == expected


@pytest.mark.parametrize("sub_ifds", [False, True])
@pytest.mark.parametrize("step", [2, 4])
def test_levels_are_the_scan_made_smaller(tmp_path: Path, step: int, sub_ifds: bool) -> None:
    scan = replace(LOSSLESS, plan=("mmm", "mmm"), level_step=step, sub_ifds=sub_ifds)
    path = render_scan(tmp_path / "scan.tif", RED, scan).path
    whole = pixels(path).astype(float)
    sizes = level_sizes(768, 512, scan)
    assert len(sizes) > 1
    for level, (width, height) in enumerate(sizes):
        times = 768 // width
        means = whole.reshape(height, times, width, times, 3).mean(axis=(1, 3))
        assert np.abs(pixels(path, level) - means).max() <= 1.01  # rounded at each level


@pytest.mark.parametrize("write_scale", [True, False])
def test_the_scale_is_in_the_file_unless_left_out(tmp_path: Path, write_scale: bool) -> None:
    openslide = pytest.importorskip("openslide")
    scan = ScanSettings(("mm", "mm"), tile_px=64, write_scale=write_scale)
    path = render_scan(tmp_path / "scan.tif", RED, scan).path
    with openslide.OpenSlide(path) as slide:
        assert slide.level_dimensions == ((512, 512), (128, 128))
        found = slide.properties.get("openslide.mpp-x")
    assert (found and float(found)) == (pytest.approx(0.4) if write_scale else None)


def test_jpeg_is_near_the_pixels(tmp_path: Path) -> None:
    exact, lossy = (
        pixels(render_scan(tmp_path / f"{q}.tif", BLOCK, replace(LOSSLESS, jpeg_quality=q)).path)
        for q in (None, 90)
    )
    assert np.abs(exact.astype(int) - lossy).mean() < 3
    assert (exact != lossy).any()


def test_tiles_that_are_alike_are_drawn_once() -> None:
    film = lay_film(BLOCK, ("m" * 20,) * 20)
    keys = [
        film.key(x, y, 128) for y in range(0, film.height, 128) for x in range(0, film.width, 128)
    ]
    # Four tiles a block; those at the edges of the scan have fewer neighbors.
    assert len(keys) == 1600
    assert len(set(keys)) <= 36
