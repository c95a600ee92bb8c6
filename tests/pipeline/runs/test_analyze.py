import csv
import errno
import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leukodiff.core.errors import InputError, LeukodiffError
from leukodiff.datasets.images import read_rgb
from leukodiff.detector.scale import ScaleEstimate
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze
from leukodiff.pipeline.runs.output import OutputError

Smear = Callable[..., Path]
ONE = AnalyzeSettings(threads=1)

SLIDE_FILES = {
    "measurements.csv",
    "smear.json",
    "cells.csv",
    "fields.csv",
    "counts.csv",
    "cells.geojson",
    "report.html",
    "slide.json",
    "overlays",
}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".failed.jsonl"}


def test_the_whole_contract(tmp_path: Path, smear: Smear, models: Models) -> None:
    folder = smear(
        "smear 1",
        a=("neutrophil", "lymphocyte", "red_cell"),
        b=("erythroblast", "unidentified", "platelet"),
        c=(),
    )
    out = tmp_path / "out"
    summary = analyze([folder], out, models=models)

    assert summary.exit_status == 0
    assert names(out) == {"run.json", "slides.csv", "counts.csv", "smear 1"}
    assert names(out / "smear 1") == SLIDE_FILES
    assert names(out / "smear 1/overlays") == {"a.jpg", "b.jpg", "c.jpg"}

    cells = table(out / "smear 1/cells.csv")
    assert [(row["field_id"], row["cell_id"], row["cell_type"]) for row in cells] == [
        ("a.png", "a-1", "neutrophil"),
        ("a.png", "a-2", "lymphocyte"),
        ("b.png", "b-1", "erythroblast"),
        ("b.png", "b-2", "unidentified"),
    ]
    assert [cells[0][side] for side in ("x_min", "y_min", "x_max", "y_max")] == [
        "8.0",
        "40.0",
        "24.0",
        "56.0",
    ]
    assert (cells[0]["detection_confidence"], cells[0]["p_neutrophil"]) == ("0.8750", "1.0000")

    fields = table(out / "smear 1/fields.csv")
    counted = [(f["field_id"], f["n_wbc"], f["n_rbc"], f["n_platelet"]) for f in fields]
    assert counted == [("a.png", "2", "1", "0"), ("b.png", "1", "0", "1"), ("c.png", "0", "0", "0")]

    (slide,) = table(out / "slides.csv")
    assert (slide["status"], slide["n_fields"], slide["n_cells"]) == ("done", "3", "4")
    assert (slide["um_per_px"], slide["um_per_px_source"]) == ("0.50000", "red cells")
    assert (out / "counts.csv").read_text() == (out / "smear 1/counts.csv").read_text()

    run = json.loads((out / "run.json").read_text())
    assert run["status"] == "finished"
    assert [model["kind"] for model in run["models"]] == ["detector", "classifier"]
    assert run["failures"] == []
    assert run["end"] >= run["start"]


@pytest.mark.parametrize("threads", [2, 8])
def test_how_many_threads_does_not_matter(
    tmp_path: Path, smear: Smear, models: Models, threads: int
) -> None:
    kinds = ("neutrophil", "lymphocyte", "erythroblast", "red_cell", "unidentified")
    folder = smear(**{f"f{i}": kinds[: i % 6] for i in range(20)})
    analyze([folder], tmp_path / "one", ONE, models=models)
    analyze([folder], tmp_path / "many", AnalyzeSettings(threads=threads), models=models)
    for name in ("cells.csv", "fields.csv", "counts.csv", "cells.geojson", "overlays/f5.jpg"):
        one, many = (tmp_path / run / "smear" / name for run in ("one", "many"))
        assert one.read_bytes() == many.read_bytes(), name


def test_sub_folders_and_single_images(tmp_path: Path, smear: Smear, models: Models) -> None:
    smear("all/s1", a=("neutrophil",))
    smear("all/s2", a=("lymphocyte",))
    out = tmp_path / "out"
    summary = analyze([tmp_path / "all", tmp_path / "all/s1/a.png"], out, models=models)
    assert [row["slide_id"] for row in summary.rows] == ["s1", "s2", "a"]
    assert {row["slide_id"] for row in table(out / "counts.csv")} == {"s1", "s2", "a"}


def test_per_image(tmp_path: Path, smear: Smear, models: Models) -> None:
    folder = smear(a=("neutrophil",), b=(), c=("platelet",))
    settings = AnalyzeSettings(per_image=True, um_per_px=0.5)
    summary = analyze([folder], tmp_path / "out", settings, models=models)
    assert [row["slide_id"] for row in summary.rows] == ["a", "b", "c"]
    assert {row["um_per_px_source"] for row in summary.rows} == {"user"}


def test_progress_counts_every_field(tmp_path: Path, smear: Smear, models: Models) -> None:
    folder = smear(a=(), b=(), c=())
    reported: list[tuple[int, int, str]] = []
    analyze([folder], tmp_path / "out", None, lambda *state: reported.append(state), models)
    assert reported == [(1, 3, "smear"), (2, 3, "smear"), (3, 3, "smear")]


def test_strange_names(tmp_path: Path, smear: Smear, models: Models) -> None:
    strange = ["=cmd|' ' é, à", "a b", "<script>", "-1"]
    folder = smear("été, n° 1", **dict.fromkeys(strange, ("neutrophil",)))
    out = tmp_path / "out, 1"
    assert analyze([folder], out, models=models).exit_status == 0
    text = (out / "été, n° 1/cells.csv").read_text(encoding="utf-8")
    assert "\"'=cmd|' ' é, à.png\"" in text
    assert "'-1.png" in text
    assert "<script>" not in (out / "été, n° 1/report.html").read_text(encoding="utf-8")
    assert names(out / "été, n° 1/overlays") == {f"{name}.jpg" for name in strange}


# What fails, and how it is told


def spoil(path: Path) -> None:
    path.write_text("not an image")


def test_a_field_that_fails_is_listed_and_the_rest_is_counted(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    folder = smear(a=("neutrophil",), b=("lymphocyte",))
    spoil(folder / "bad.jpg")
    out = tmp_path / "out"
    summary = analyze([folder], out, models=models)
    assert summary.exit_status == 1
    assert [(f["slide_id"], f["field_id"]) for f in summary.failures] == [("smear", "bad.jpg")]
    fields = {row["field_id"]: row for row in table(out / "smear/fields.csv")}
    assert fields["bad.jpg"]["status"] == "failed"
    assert "not an image" in fields["bad.jpg"]["error"]
    assert str(tmp_path) not in fields["bad.jpg"]["error"]
    assert fields["a.png"]["status"] == "done"
    (slide,) = table(out / "slides.csv")
    assert slide["status"] == "incomplete"
    assert "bad.jpg" in slide["error"]
    assert json.loads((out / "run.json").read_text())["failures"] == list(summary.failures)


@pytest.mark.parametrize(
    ("n_bad", "n_good", "status"),
    [
        pytest.param(1, 0, 2, id="the one image can't be read"),
        pytest.param(3, 0, 2, id="none can be read"),
        pytest.param(1, 1, 1, id="one slide of two can't be read"),
        pytest.param(0, 2, 0, id="all can be read"),
    ],
)
def test_exit_status_by_slides(
    tmp_path: Path, smear: Smear, models: Models, n_bad: int, n_good: int, status: int
) -> None:
    folder = smear(**{f"good{i}": () for i in range(n_good)})
    for i in range(n_bad):
        spoil(folder / f"bad{i}.jpg")
    summary = analyze([folder], tmp_path / "out", AnalyzeSettings(per_image=True), models=models)
    assert summary.exit_status == status
    expected = {f"good{i}" for i in range(n_good)} | {"run.json", "slides.csv", "counts.csv"}
    assert names(tmp_path / "out") == expected


def test_a_slide_without_a_scale_fails_with_the_way_out(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    blind = replace(models, estimate_um_per_px=lambda *_, **__: None)
    summary = analyze([smear(a=(), b=())], tmp_path / "out", models=blind)
    assert summary.exit_status == 1
    assert "--um-per-px" in str(summary.rows[0]["error"])
    assert "smear" not in names(tmp_path / "out")


def test_the_scale_is_read_once_from_a_few_fields(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    calls: list[int] = []

    def estimate(images: Sequence[Any], guess: float | None, **_: Any) -> ScaleEstimate:
        calls.append(len(images))
        return ScaleEstimate(0.25, 0.1, 40)

    folder = smear(**{f"f{i}": () for i in range(20)})
    spoil(folder / "f0.png")
    watched = replace(models, estimate_um_per_px=estimate)
    summary = analyze([folder], tmp_path / "out", AnalyzeSettings(threads=4), models=watched)
    assert calls == [7]
    assert summary.rows[0]["um_per_px"] == "0.25000"


class Moody:
    """A detector that fails on fields with a red cell at the left."""

    um_per_px = 0.5

    def __init__(self, models: Models, error: BaseException) -> None:
        self.metadata, self.batch = models.detector.metadata, models.detector.batch
        self._detect, self._error = models.detector.detect, error

    def detect(self, image: Any, *how: Any) -> Any:
        if image[45, 10].tolist() == [200, 120, 120]:
            raise self._error
        return self._detect(image, *how)

    def detect_many(self, images: Any, *how: Any, framed: bool = True) -> Any:
        return [self.detect(image, *how) for image in images]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param(InputError("too large for one field"), "too large", id="ours"),
        pytest.param(LeukodiffError("two\nlines"), "two lines", id="on one line"),
        pytest.param(RuntimeError("engine"), "RuntimeError: engine", id="not ours"),
        pytest.param(MemoryError(), "MemoryError", id="without a text"),
    ],
)
def test_a_field_the_models_fail_on_is_listed(
    tmp_path: Path,
    smear: Smear,
    models: Models,
    error: Exception,
    message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = smear(a=("neutrophil",), b=("red_cell",))
    moody = replace(models, detector=Moody(models, error))
    summary = analyze([folder], tmp_path / "out", models=moody)
    assert summary.exit_status == 1
    (failure,) = summary.failures
    assert failure["field_id"] == "b.png"
    assert message in failure["error"]
    assert "\n" not in failure["error"]
    assert capfd.readouterr().err == ""
    log = tmp_path / "out" / "errors.log"
    assert log.is_file() == (not isinstance(error, LeukodiffError))
    if log.is_file():
        text = log.read_text(encoding="utf-8")
        assert "smear/b.png\nTraceback" in text
        assert type(error).__name__ in text


def test_a_reader_that_breaks_costs_its_field_alone(
    tmp_path: Path, smear: Smear, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> Any:
        if path.name == "b.png":
            raise ZeroDivisionError
        return read_rgb(path)

    monkeypatch.setattr("leukodiff.pipeline.slides.discover.read_rgb", broken)
    settings = AnalyzeSettings(um_per_px=0.5)
    summary = analyze([smear(a=(), b=())], tmp_path / "out", settings, models=models)
    assert [f["field_id"] for f in summary.failures] == ["b.png"]
    assert "ZeroDivisionError" in (tmp_path / "out" / "errors.log").read_text(encoding="utf-8")


def test_an_empty_sub_folder_is_a_failed_slide(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    smear("all/s1", a=())
    smear("all/s2")
    summary = analyze([tmp_path / "all"], tmp_path / "out", models=models)
    assert summary.exit_status == 1
    assert [row["status"] for row in summary.rows] == ["done", "failed"]
    assert summary.rows[1]["error"] == "the folder is empty"


def test_a_missing_path_writes_nothing(tmp_path: Path, models: Models) -> None:
    with pytest.raises(InputError, match="no such file"):
        analyze([tmp_path / "nowhere"], tmp_path / "out", models=models)
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file_is_refused_before_any_work(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="can't be written"):
        analyze([smear(a=())], tmp_path / "out", models=models)


def no_room(monkeypatch: pytest.MonkeyPatch, *parts: str) -> None:
    """From now on there is no room for files with one of these in their path."""
    write_bytes = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if any(part in str(path) for part in parts):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)


def test_a_slide_too_large_for_the_disk_fails_and_the_rest_are_done(
    tmp_path: Path, smear: Smear, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("s1", "s2", "s3"):
        smear(f"all/{name}", a=("neutrophil",), b=())
    no_room(monkeypatch, ".s2.")
    out = tmp_path / "out"
    summary = analyze([tmp_path / "all"], out, ONE, models=models)
    assert summary.exit_status == 1
    assert [slide.status for slide in summary.slides] == ["done", "failed", "done"]
    assert names(out) == {"run.json", "slides.csv", "counts.csv", "s1", "s3"}
    assert "No space left on device" in table(out / "slides.csv")[1]["error"]


def test_a_full_disk_ends_the_run_in_one_line_and_keeps_what_was_whole(
    tmp_path: Path, smear: Smear, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    smear("all/s1", a=("neutrophil",))
    out = tmp_path / "out"
    analyze([tmp_path / "all"], out, ONE, models=models)
    for name in ("s2", "s3"):
        smear(f"all/{name}", a=("neutrophil",))

    def no_megabyte(out: Path, n_bytes: int) -> None:
        raise OutputError(f"{out}: No space left on device")

    monkeypatch.setattr("leukodiff.pipeline.runs.run.prepare", no_megabyte)
    no_room(monkeypatch, ".s2.", ".s3.")
    with pytest.raises(OutputError, match="No space left on device") as stopped:
        analyze([tmp_path / "all"], out, ONE, models=models)
    assert str(out / "s2") in str(stopped.value)
    assert names(out) == {"run.json", "slides.csv", "counts.csv", "s1"}
    slides = table(out / "slides.csv")
    assert [(row["slide_id"], row["status"]) for row in slides] == [
        ("s1", "done"),
        ("s2", "failed"),
    ]
    assert "No space left on device" in slides[1]["error"]
    run = json.loads((out / "run.json").read_text())
    assert run["status"] == "failed"
    assert [(f["slide_id"], f["field_id"]) for f in run["failures"]] == [("s2", "")]
    assert "No space left on device" in run["failures"][0]["error"]


def test_run_json_reports_a_full_disk_even_where_slides_csv_can_not(
    tmp_path: Path, smear: Smear, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name in ("fields.csv", ".slides.csv.partial"):
            write_bytes(path, data[:1])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    out = tmp_path / "out"
    with pytest.raises(OutputError, match=r"slides\.csv: can't be written"):
        analyze([smear(a=(), b=(), c=())], out, AnalyzeSettings(threads=3), models=models)
    assert names(out) == {"run.json", "counts.csv"}
    (failure,) = json.loads((out / "run.json").read_text())["failures"]
    assert failure["slide_id"] == "smear"


@pytest.mark.parametrize(
    "changes", [{"um_per_px": 0.0}, {"um_per_px": -1}, {"um_per_px": 1e-9}, {"threads": 0}]
)
def test_impossible_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        AnalyzeSettings(**changes)


def test_few_fields_are_in_memory_at_any_time(tmp_path: Path, smear: Smear, models: Models) -> None:
    """However many fields there are, no more than one a thread has its pixels loaded."""
    at_once, most = 0, 0
    lock = threading.Lock()

    class Watched(Moody):
        def detect(self, image: Any, *how: Any) -> Any:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            found = super().detect(np.array(image), *how)
            with lock:
                at_once -= 1
            return found

    folder = smear(**{f"f{i}": ("neutrophil",) for i in range(40)})
    watched = replace(models, detector=Watched(models, RuntimeError()))
    settings = AnalyzeSettings(threads=3, crops_per_class=5)
    analyze([folder], tmp_path / "out", settings, models=watched)
    assert 1 <= most <= 3
    assert (tmp_path / "out/smear/report.html").read_text().count("<figure") == 5
