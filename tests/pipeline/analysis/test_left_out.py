"""Fields that are not read: left out, because they can't be, or after enough cells."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from leukodiff.datasets.images import read_rgb
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, RunSummary, analyze

from ..conftest import write_png

Rgb = NDArray[np.uint8]
Draw = Callable[..., Rgb]
Smear = Callable[..., Path]
ONE = AnalyzeSettings(threads=1)

REASONS = {
    "empty": "no cells, or outside the smear",
    "thick": "cells lie upon each other",
    "out of focus": "out of focus",
}


def table(path: Path) -> dict[str, Mapping[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["field_id"]: row for row in csv.DictReader(file)}


def column(path: Path, name: str) -> list[str]:
    return [row[name] for row in table(path).values()]


def run(folder: Path, out: Path, models: Models, **changes: Any) -> RunSummary:
    return analyze([folder], out, replace(ONE, **changes), models=models)


def empty(draw: Draw) -> Rgb:
    return draw(smear=False)


def thick(draw: Draw) -> Rgb:
    """Red cells many deep, a neutrophil among them and little glass."""
    image = draw("neutrophil", smear=False)
    image[4:36], image[60:] = (150, 50, 60), (150, 50, 60)
    return image


def blurred(draw: Draw) -> Rgb:
    """A smear out of focus, in which the models still see a neutrophil."""
    sharp = draw("neutrophil")
    image = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 5), np.uint8)
    image[47:49, 15:17] = sharp[48, 16]
    return image


UNFIT = {"empty": empty, "thick": thick, "out of focus": blurred}


@pytest.fixture
def mixed(smear: Smear, field_image: Draw) -> Path:
    """Six fields with two neutrophils each; three between them can't be read."""
    folder = smear(**{f"f{i}": ("neutrophil", "neutrophil", "red_cell") for i in range(6)})
    for i, make in enumerate(UNFIT.values(), start=1):
        write_png(folder / f"f{i}x.png", make(field_image))
    return folder


def test_unfit_fields_are_left_out_and_listed(tmp_path: Path, mixed: Path, models: Models) -> None:
    out = tmp_path / "out"
    summary = run(mixed, out, models)
    assert summary.exit_status == 0
    fields = table(out / "smear/fields.csv")
    left_out = {name: row for name, row in fields.items() if row["status"] == "left_out"}
    assert list(left_out) == ["f1x.png", "f2x.png", "f3x.png"]
    assert {row["kind"]: row["reason"] for row in left_out.values()} == REASONS
    for row in left_out.values():
        assert (row["width"], row["height"], row["error"]) == ("160", "90", "")
        assert (row["n_wbc"], row["n_rbc"], row["n_platelet"]) == ("", "", "")
    read = [row for row in fields.values() if row["status"] == "done"]
    assert {(row["kind"], row["reason"], row["n_wbc"]) for row in read} == {("usable", "", "2")}

    assert set(column(out / "smear/cells.csv", "field_id")) == {f"f{i}.png" for i in range(6)}
    (slide,) = summary.rows
    assert (slide["status"], slide["n_fields"], slide["n_cells"]) == ("done", 9, 12)
    remark = "3 of 9 fields left out: 1 empty, 1 thick, 1 out of focus"
    assert remark in str(slide["flags"])
    text = (out / "smear/report.html").read_text(encoding="utf-8")
    assert remark in text
    assert "6 of 9 fields were read" in text
    assert all(f'<a href="overlays/{name[:3]}.jpg">{name}</a>' in text for name in left_out)
    assert all(reason in text for reason in REASONS.values())


def test_their_overlays_are_shaded_and_give_the_reason(
    tmp_path: Path, mixed: Path, models: Models, field_image: Draw
) -> None:
    run(mixed, tmp_path / "out", models)
    for i, (kind, make) in enumerate(UNFIT.items(), start=1):
        drawn = read_rgb(tmp_path / f"out/smear/overlays/f{i}x.jpg").astype(float)
        image = make(field_image).astype(float)
        moved = drawn[:90].mean(axis=(0, 1)) - image.mean(axis=(0, 1))
        assert moved.min() < -15, kind
        legend = drawn[90:]
        assert len(legend) > 10
        assert (legend.min(axis=2) < 80).any(), "words"


def test_all_areas_reads_them_and_reports_what_is_against_it(
    tmp_path: Path, mixed: Path, models: Models
) -> None:
    out = tmp_path / "out"
    summary = run(mixed, out, models, all_areas=True)
    fields = table(out / "smear/fields.csv")
    assert {row["status"] for row in fields.values()} == {"done"}
    unfit = {row["kind"]: row["reason"] for row in fields.values() if row["reason"]}
    assert unfit == REASONS
    assert [fields[f"f{i}x.png"]["n_wbc"] for i in (1, 2, 3)] == ["0", "1", "1"]
    assert "left out" not in str(summary.rows[0]["flags"])


@pytest.mark.parametrize("threads", [1, 5])
def test_a_slide_of_which_nothing_can_be_read(
    tmp_path: Path, smear: Smear, models: Models, field_image: Draw, threads: int
) -> None:
    folder, out = smear(), tmp_path / "out"
    for i in range(3):
        write_png(folder / f"{i}.png", blurred(field_image))
    write_png(folder / "3.png", empty(field_image))
    summary = run(folder, out, models, threads=threads)
    assert summary.exit_status == 0
    (slide,) = summary.rows
    assert (slide["status"], slide["n_cells"]) == ("done", 0)
    remark = "nothing was read; 4 of 4 fields left out: 3 out of focus, 1 empty (--all-areas"
    assert remark in str(slide["flags"])
    text = (out / "smear/report.html").read_text(encoding="utf-8")
    assert "0 of 4 fields were read" in text
    assert "analyze them with --all-areas" in text
    assert "No white cell was found" in text
    assert column(out / "smear/fields.csv", "status") == ["left_out"] * 4
    assert run(folder, out, models).slides[0].skipped
    assert run(folder, out, models, all_areas=True, overwrite=True).rows[0]["n_cells"] == 3


def test_the_baseline_does_not_depend_on_who_gives_the_scale(
    tmp_path: Path, mixed: Path, models: Models
) -> None:
    run(mixed, tmp_path / "measured", models)
    run(mixed, tmp_path / "given", models, um_per_px=0.5)
    measured, given = (tmp_path / name / "smear/fields.csv" for name in ("measured", "given"))
    assert measured.read_bytes() == given.read_bytes()


# --target-cells


@pytest.mark.parametrize(
    ("target", "n_cells", "last"),
    [
        pytest.param(1, 2, "f0.png", id="in the first field"),
        pytest.param(3, 4, "f1.png", id="some more in the last field"),
        pytest.param(5, 6, "f2.png", id="left-out fields hold none"),
        pytest.param(12, 12, "f5.png", id="in the last field"),
        pytest.param(13, 12, "f5.png", id="more than there are"),
    ],
)
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_reading_stops_at_the_same_field_on_any_number_of_threads(
    tmp_path: Path,
    mixed: Path,
    models: Models,
    target: int,
    n_cells: int,
    last: str,
    threads: int,
) -> None:
    out = tmp_path / "out"
    summary = run(mixed, out, models, target_cells=target, threads=threads)
    assert summary.exit_status == 0
    assert summary.rows[0]["n_cells"] == n_cells
    fields = table(out / "smear/fields.csv")
    after = [row for name, row in fields.items() if name > last]
    assert {row["status"] for row in after} <= {"not_read"}
    assert {row["reason"] for row in after} <= {"enough cells were found before"}
    before = {name: row["status"] for name, row in fields.items() if name <= last}
    assert "not_read" not in before.values()
    overlays = {path.stem for path in (out / "smear/overlays").iterdir()}
    assert overlays == {Path(name).stem for name in before}
    remark = f"{len(after)} of 9 fields not read: enough cells were found before"
    assert (remark in str(summary.rows[0]["flags"])) == bool(after)
    text = (out / "smear/report.html").read_text(encoding="utf-8")
    assert text.count("<figure") == n_cells
    assert (f"Reading stopped when {target} white cells were found, in {last}" in text) == bool(
        after
    )
    assert (f"fewer than the {target} white cells wanted" in text) == (target > n_cells)


@pytest.mark.parametrize("threads", [2, 7])
def test_a_target_gives_the_same_files_on_any_number_of_threads(
    tmp_path: Path, mixed: Path, models: Models, threads: int
) -> None:
    (mixed / "f0a.png").write_text("not an image")
    (mixed / "f4a.png").write_text("not an image either, and not to be told of")
    changes = {"target_cells": 5, "crops_per_class": 3}
    run(mixed, tmp_path / "one", models, **changes)
    run(mixed, tmp_path / "many", models, **changes, threads=threads)
    one, many = (tmp_path / name / "smear" for name in ("one", "many"))
    for name in ("cells.csv", "fields.csv", "counts.csv", "cells.geojson"):
        assert (one / name).read_bytes() == (many / name).read_bytes(), name
    pictures = [
        [line for line in (path / "report.html").read_text().splitlines() if "<img" in line]
        for path in (one, many)
    ]
    assert pictures[0] == pictures[1]
    statuses = column(one / "fields.csv", "status")
    assert statuses == ["done", "failed", "done", "left_out", "done", *["not_read"] * 6]


def test_a_target_is_for_each_slide(tmp_path: Path, smear: Smear, models: Models) -> None:
    for name in ("s1", "s2"):
        smear(f"all/{name}", a=("neutrophil",), b=("neutrophil",), c=("neutrophil",))
    summary = run(tmp_path / "all", tmp_path / "out", models, target_cells=2, threads=4)
    assert [row["n_cells"] for row in summary.rows] == [2, 2]
    one_each = run(tmp_path / "all/s1", tmp_path / "each", models, target_cells=2, per_image=True)
    assert [row["n_cells"] for row in one_each.rows] == [1, 1, 1]


def test_unidentified_cells_count_towards_the_target_and_erythroblasts_do_not(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    folder = smear(a=("erythroblast",), b=("unidentified",), c=("neutrophil",), d=("neutrophil",))
    run(folder, tmp_path / "out", models, target_cells=2)
    fields = table(tmp_path / "out/smear/fields.csv")
    assert [row["status"] for row in fields.values()] == ["done", "done", "done", "not_read"]
