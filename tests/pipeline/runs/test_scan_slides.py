"""A scan through `analyze`: a smear of colored squares, its place and its names known."""

import csv
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leukodiff.core.errors import InputError, ModelFileError
from leukodiff.datasets.vocabulary import DETECTOR_CLASSES
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, RunSummary, analyze
from leukodiff.pipeline.slides import open_scan

from ..conftest import COLORS, SIDE, ColorClassifier, ColorDetector, Facts

Draw = Callable[..., Any]
Write = Callable[..., Path]
Row = Mapping[str, str]
TWO = AnalyzeSettings(threads=2)

CELLS = {
    (100, 90): "neutrophil",
    (400, 110): "lymphocyte",
    (418, 112): "neutrophil",
    (1490, 600): "neutrophil",
    (750, 1190): "erythroblast",
    (8, 700): "lymphocyte",
    (768, 512): "neutrophil",
    (1100, 900): "erythroblast",
}
"""Alone, two that touch nearly, at three edges, on the corner of four tiles of the file."""


def table(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".failed.jsonl"}


def places(folder: Path) -> dict[tuple[int, int], str]:
    """The middle of each cell and its type."""
    rows = table(folder / "cells.csv")
    return {
        (
            round((float(row["x_min"]) + float(row["x_max"])) / 2),
            round((float(row["y_min"]) + float(row["y_max"])) / 2),
        ): row["cell_type"]
        for row in rows
    }


def run(path: Path, out: Path, models: Models, **changes: Any) -> RunSummary:
    return analyze([path], out, replace(TWO, **changes), models=models)


def test_the_whole_contract(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models
) -> None:
    path, out = write_scan(draw_scan(CELLS)), tmp_path / "out"
    summary = run(path, out, models)
    assert summary.exit_status == 0
    slide = out / "scan"
    files = {"cells.csv", "fields.csv", "counts.csv", "areas.csv", "cells.geojson", "report.html"}
    files |= {"measurements.csv", "smear.json", "slide.json"}
    assert names(slide) == files | {"overlays", "gallery"}
    assert names(slide / "overlays") == {"scan.jpg"}
    kinds = {"neutrophil", "lymphocyte", "erythroblast"}
    assert names(slide / "gallery") == {f"{kind}.jpg" for kind in kinds}
    assert places(slide) == CELLS

    (row,) = table(slide / "fields.csv")
    assert (row["field_id"], row["width"], row["height"]) == ("scan.svs", "1500", "1200")
    assert (row["n_wbc"], row["n_rbc"], row["n_platelet"]) == ("6", "", "")
    counts = {row["cell_type"]: row["count"] for row in table(slide / "counts.csv")}
    assert (counts["neutrophil"], counts["platelet"], counts["red_cell"]) == ("4", "", "")
    (row,) = table(out / "slides.csv")
    assert (row["status"], row["um_per_px"], row["n_cells"]) == ("done", "0.50000", "8")
    assert (row["um_per_px_source"], row["um_per_px_cells"]) == ("metadata", "30")

    areas = table(slide / "areas.csv")
    assert {(row["kind"], row["read"]) for row in areas} == {("usable", "yes")}
    assert sum(int(row["n_cells"]) for row in areas) == 8
    text = (slide / "report.html").read_text(encoding="utf-8")
    assert f"{len(areas)} of {len(areas)} areas were read" in text
    assert "Red cells and platelets were not counted" in text


def test_coordinates_go_back_to_the_right_place(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models
) -> None:
    path, out = write_scan(draw_scan(CELLS)), tmp_path / "out"
    run(path, out, models)
    features = json.loads((out / "scan/cells.geojson").read_text())["features"]
    rows = table(out / "scan/cells.csv")
    assert len(features) == len(rows) == len(CELLS)
    with open_scan(path) as scan:
        for row, feature in zip(rows, features, strict=True):
            box = [int(float(row[side])) for side in ("x_min", "y_min", "x_max", "y_max")]
            pixels = scan.read(box[0], box[1], box[2] - box[0], box[3] - box[1])
            assert (pixels == COLORS[row["cell_type"]]).all()
            ring = feature["geometry"]["coordinates"][0]
            assert [*ring[0], *ring[2]] == box
            assert feature["properties"]["objectType"] == "detection"


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"threads": 1}, id="one thread"),
        pytest.param({"threads": 5}, id="five threads"),
        pytest.param({"full_pass": True}, id="without a first look"),
        pytest.param({"all_areas": True}, id="all areas"),
        pytest.param({"all_areas": True, "full_pass": True}, id="all areas, without a first look"),
        pytest.param({"target_cells": 1000}, id="in laps"),
        pytest.param({"target_cells": 1000, "full_pass": True}, id="in laps of tiles"),
    ],
)
def test_however_it_is_read_the_cells_are_the_same(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models, changes: Any
) -> None:
    path = write_scan(draw_scan(CELLS, width=2600, height=2300))
    run(path, tmp_path / "out", models, **changes)
    run(path, tmp_path / "one", models)
    one, other = ((tmp_path / name / "scan/cells.csv").read_bytes() for name in ("one", "out"))
    assert one == other
    assert places(tmp_path / "out/scan") == CELLS


@pytest.mark.slow
def test_a_full_pass_counts_every_red_cell_once(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models
) -> None:
    image = draw_scan({(100, 90): "platelet"}, width=2600, height=2300)
    expected = len(models.detector.detect(image, 0.5).of("red_cell"))
    run(write_scan(image), tmp_path / "out", models, full_pass=True)
    (row,) = table(tmp_path / "out/scan/fields.csv")
    assert (row["n_rbc"], row["n_platelet"]) == (str(expected), "1")


def test_reading_stops_at_enough_cells(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models
) -> None:
    cells = {(x, y): "neutrophil" for x in range(60, 2500, 100) for y in range(60, 2000, 100)}
    path, out = write_scan(draw_scan(cells, width=2600, height=2100)), tmp_path / "out"
    run(path, out, models, target_cells=40)
    areas = table(out / "scan/areas.csv")
    read = [row for row in areas if row["read"] == "yes"]
    found = len(places(out / "scan"))
    assert 40 <= found <= 130
    assert 0 < len(read) < len(areas) / 2
    assert sum(int(row["n_cells"]) for row in read) == found
    assert {row["reason"] for row in areas if row["read"] == "no"} == {
        "enough cells were found before"
    }
    text = (out / "scan/report.html").read_text(encoding="utf-8")
    assert "Reading stopped when 40 white cells were found" in text


EMPTY = (0, 0, 700, 1200)

THICK = (1200, 0, 300, 1200)


@pytest.mark.parametrize(
    ("all_areas", "expected"),
    [(False, {(900, 600): "neutrophil"}), (True, None)],
    ids=["left out", "read all the same"],
)
def test_areas_that_are_empty_or_thick(
    tmp_path: Path,
    draw_scan: Draw,
    write_scan: Write,
    models: Models,
    all_areas: bool,
    expected: Any,
) -> None:
    cells = {(300, 300): "lymphocyte", (900, 600): "neutrophil", (1350, 600): "neutrophil"}
    path = write_scan(draw_scan(cells, empty=[EMPTY], thick=[THICK]))
    run(path, tmp_path / "out", models, all_areas=all_areas)
    assert places(tmp_path / "out/scan") == (expected or cells)
    areas = table(tmp_path / "out/scan/areas.csv")
    assert {row["kind"] for row in areas} == {"empty", "usable", "thick"}
    for row in areas:
        assert row["read"] == ("yes" if all_areas or row["kind"] == "usable" else "no")
        assert bool(row["reason"]) == (row["kind"] != "usable")


@pytest.mark.parametrize("um_per_px", [0.5, None], ids=["known scale", "told scale"])
def test_a_scan_without_a_cell_is_done(
    tmp_path: Path, write_scan: Write, models: Models, um_per_px: float | None
) -> None:
    path = write_scan(np.full((900, 1000, 3), 240, np.uint8), um_per_px=um_per_px)
    blind = replace(models, estimate_um_per_px=lambda *_, **__: None)
    summary = run(path, tmp_path / "out", blind, um_per_px=None if um_per_px else 0.5)
    assert summary.exit_status == 0
    assert places(tmp_path / "out/scan") == {}
    assert {row["kind"] for row in table(tmp_path / "out/scan/areas.csv")} == {"empty"}
    text = (tmp_path / "out/scan/report.html").read_text(encoding="utf-8")
    assert "0 of " in text
    assert "No white cell was found" in text


# What goes wrong


def spoil(path: Path, how: str) -> None:
    data = path.read_bytes()
    path.write_bytes({"cut off": data[: len(data) // 2], "text": b"a text", "empty": b""}[how])


@pytest.mark.parametrize("how", ["cut off", "text", "empty"])
def test_a_scan_that_cannot_be_read(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models, how: str
) -> None:
    path = write_scan(draw_scan(CELLS))
    spoil(path, how)
    summary = run(path, tmp_path / "out", models)
    assert summary.exit_status == 2
    assert names(tmp_path / "out") == {"run.json", "slides.csv", "counts.csv"}
    (failure,) = [f["error"] for f in summary.failures if f["field_id"]]
    assert failure
    assert "\n" not in failure
    assert str(tmp_path) not in failure


def test_a_scan_whose_scale_nobody_knows(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models
) -> None:
    blind = replace(models, estimate_um_per_px=lambda *_, **__: None)
    path = write_scan(draw_scan(CELLS), um_per_px=None)
    summary = run(path, tmp_path / "out", blind)
    assert summary.exit_status == 1
    assert "--um-per-px" in str(summary.rows[0]["error"])
    assert run(path, tmp_path / "out", blind, um_per_px=0.5).exit_status == 0


def test_an_engine_that_does_not_start_ends_the_run(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models
) -> None:
    """It is no failure of the scan: nothing is listed as read, and the next run starts anew."""

    def fail() -> None:
        raise ModelFileError("x.onnx: openvino can't load this model (why)")

    spoilt = replace(models, detector=Spiteful(models, fail))
    path, out = write_scan(draw_scan(CELLS)), tmp_path / "out"
    with pytest.raises(ModelFileError, match=r"x\.onnx"):
        run(path, out, spoilt)
    assert json.loads((out / "run.json").read_text())["status"] == "failed"
    assert not (out / "scan").exists()
    assert run(path, out, models).exit_status == 0


def test_a_wrong_pixel_size_is_not_believed(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models
) -> None:
    path = write_scan(draw_scan(CELLS), um_per_px=1.0)
    run(path, tmp_path / "out", models)
    (row,) = table(tmp_path / "out/slides.csv")
    assert (row["um_per_px"], row["um_per_px_source"]) == ("0.50000", "red cells")
    assert "the file says 1 um/px, not used" in row["flags"]


class Spiteful:
    """A detector that does something to the scan when it first sees a window of it."""

    def __init__(self, models: Models, deed: Callable[[], None]) -> None:
        self._detector, self._deed = models.detector, deed
        self.metadata, self.um_per_px = self._detector.metadata, 0.5
        self.batch = 4

    def detect(self, *args: Any) -> Any:
        return self._detector.detect(*args)

    def detect_many(self, *args: Any, **options: Any) -> Any:
        self._deed()
        return self._detector.detect_many(*args, **options)


class Unsure(ColorDetector):
    """A detector that is not sure of lymphocytes, and tells so where it is asked."""

    def __init__(self) -> None:
        thresholds, calibration = {"white_cell": 0.5}, {"confirm_from": 0.25}
        facts = Facts("detector", DETECTOR_CLASSES, thresholds=thresholds, calibration=calibration)
        super().__init__(facts)

    def detect(self, image: Any, um_per_px: float, thresholds: Any = None) -> Any:
        found = super().detect(image, um_per_px)
        middles = ((found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2).astype(int)
        kinds = image[middles[:, 1], middles[:, 0]]
        weak = (kinds == COLORS["lymphocyte"]).all(axis=1)
        white = found.class_id == DETECTOR_CLASSES.index("white_cell")
        sure = np.where(weak & white, 0.25, found.confidence).astype(np.float32)
        least = (thresholds or self.metadata.thresholds)["white_cell"]
        return replace(found, confidence=sure).select(~white | (sure >= least))


class Blind(ColorClassifier):
    """A classifier that does not know lymphocytes."""

    def classify(self, image: Any, xyxy: Any, um_per_px: float) -> Any:
        printed = super().classify(image, xyxy, um_per_px)
        is_one = np.array([name == "lymphocyte" for name in printed.cell_types], bool)
        unsure = np.where(is_one[:, None], np.float32(0.125), printed.probabilities)
        return replace(printed, probabilities=unsure)


@pytest.mark.slow
@pytest.mark.parametrize("full_pass", [False, True])
def test_cells_that_the_detector_is_not_sure_of_count_where_they_are_named(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models, full_pass: bool
) -> None:
    path, unsure = write_scan(draw_scan(CELLS)), replace(models, detector=Unsure())
    run(path, tmp_path / "sure", models, full_pass=full_pass)
    run(path, tmp_path / "named", unsure, full_pass=full_pass)
    blind = replace(unsure, classifier=Blind())
    run(path, tmp_path / "unnamed", blind, full_pass=full_pass)
    expected = places(tmp_path / "sure/scan")
    assert expected == CELLS
    assert places(tmp_path / "named/scan") == expected
    without = {at: name for at, name in expected.items() if name != "lymphocyte"}
    assert places(tmp_path / "unnamed/scan") == without
    rows = table(tmp_path / "named/scan/cells.csv")
    sure = {row["cell_type"]: float(row["detection_confidence"]) for row in rows}
    assert sure["lymphocyte"] == 0.25
    assert sure["neutrophil"] == 0.875


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles are read from the file each time."""
    monkeypatch.setattr("leukodiff.core.cache.Cache.get", lambda self, key: None)


@pytest.mark.usefixtures("no_cache")
def test_a_scan_that_is_cut_off_while_it_is_read(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models
) -> None:
    path = write_scan(draw_scan(CELLS))
    mean = replace(models, detector=Spiteful(models, lambda: os.truncate(path, 5000)))
    summary = run(path, tmp_path / "out", mean)
    assert summary.exit_status == 1
    assert "cut off while it was read" in str(summary.rows[0]["error"])
    assert names(tmp_path / "out") == {"run.json", "slides.csv", "counts.csv"}


def test_ctrl_c_within_a_scan_leaves_nothing_half_made(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models
) -> None:
    def stop(done: int, total: int, what: str) -> None:
        if "windows" in what:
            raise KeyboardInterrupt

    path, out = write_scan(draw_scan(CELLS)), tmp_path / "out"
    summary = analyze([path], out, TWO, stop, models)
    assert (summary.interrupted, summary.slides) == (True, ())
    assert names(out) == {"run.json", "slides.csv", "counts.csv"}
    assert run(path, out, models).exit_status == 0


# Beside other slides


def test_a_scan_that_is_whole_is_skipped(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models
) -> None:
    path, out = write_scan(draw_scan(CELLS)), tmp_path / "out"
    run(path, out, models)
    assert [slide.skipped for slide in run(path, out, models).slides] == [True]
    for changes in ({"target_cells": 3}, {"full_pass": True}, {"all_areas": True}):
        with pytest.raises(InputError, match="with other settings"):
            run(path, out, models, **changes)
    write_scan(draw_scan({}))
    with pytest.raises(InputError, match="from other files"):
        run(path, out, models)


def test_scans_and_fields_side_by_side(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, smear: Callable[..., Path], models: Models
) -> None:
    folder = smear("all", **{f"f{i}": ("neutrophil",) for i in range(6)})
    write_scan(draw_scan(CELLS), "all/b.svs")
    write_scan(draw_scan({}), "all/a.svs")
    reported: list[tuple[int, int, str]] = []
    summary = analyze(
        [folder], tmp_path / "out", TWO, lambda *state: reported.append(state), models
    )
    assert [row["slide_id"] for row in summary.rows] == ["a", "b", "all"]
    assert summary.exit_status == 0
    assert places(tmp_path / "out/b") == CELLS
    done = [state[0] for state in reported]
    assert done == sorted(done)
    assert reported[-1][:2] == (206, 206)
    assert any(what.startswith("b: 1 of ") or "windows" in what for _, _, what in reported)


@pytest.mark.parametrize("size", [(40, 30), (300, 2000), (97, 96)])
def test_small_and_narrow_scans(
    tmp_path: Path, draw_scan: Draw, write_scan: Write, models: Models, size: tuple[int, int]
) -> None:
    width, height = size
    cells = {(width // 2, height // 2): "neutrophil"}
    path = write_scan(draw_scan(cells, width=width, height=height))
    assert run(path, tmp_path / "out", models, all_areas=True).exit_status == 0
    assert places(tmp_path / "out/scan") == cells
    assert min(size) > SIDE
