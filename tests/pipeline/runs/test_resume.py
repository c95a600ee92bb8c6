import csv
import shutil
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leukodiff.core.errors import InputError
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, RunSummary, analyze
from leukodiff.pipeline.runs.output import OutputError, SlideFolder

Smear = Callable[..., Path]
ONE = AnalyzeSettings(threads=1)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def spoil(path: Path) -> None:
    path.write_text("not an image")


def listed(out: Path, table: str = "slides.csv") -> list[str]:
    """The slides of a table, each once, in its order."""
    with (out / table).open(newline="", encoding="utf-8") as file:
        return list(dict.fromkeys(row["slide_id"] for row in csv.DictReader(file)))


def rerun(folder: Path, out: Path, models: Models, **changes: Any) -> RunSummary:
    return analyze([folder], out, replace(ONE, **changes), models=models)


def test_whole_slides_are_skipped_and_still_listed(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    folder, out = smear(a=("neutrophil",)), tmp_path / "out"
    rerun(folder, out, models)
    before = (out / "smear/cells.csv").stat().st_mtime_ns
    tables = [(out / name).read_text() for name in ("slides.csv", "counts.csv")]
    reported: list[Any] = []
    summary = analyze([folder], out, ONE, lambda *state: reported.append(state), models)
    assert [slide.skipped for slide in summary.slides] == [True]
    assert reported == []
    assert (out / "smear/cells.csv").stat().st_mtime_ns == before
    assert [(out / name).read_text() for name in ("slides.csv", "counts.csv")] == tables


def other_models(models: Models) -> Models:
    detector: Any = copy(models.detector)
    detector.metadata = replace(detector.metadata, sha256="f" * 64)
    return replace(models, detector=detector)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder, models: (models, {"um_per_px": 0.3}), id="other settings"),
        pytest.param(lambda folder, models: (other_models(models), {}), id="other models"),
        pytest.param(
            lambda folder, models: ((folder / "a.png").rename(folder / "b.png"), (models, {}))[1],
            id="other files",
        ),
    ],
)
def test_slides_made_otherwise_are_not_mixed_in(
    tmp_path: Path, smear: Smear, models: Models, change: Callable[..., Any]
) -> None:
    folder, out = smear(a=("neutrophil",)), tmp_path / "out"
    rerun(folder, out, models)
    before = (out / "smear/slide.json").read_text()
    changed, settings = change(folder, models)
    with pytest.raises(InputError, match="smear was made from other files, by other models or"):
        rerun(folder, out, changed, **settings)
    assert (out / "smear/slide.json").read_text() == before
    assert rerun(folder, out, changed, overwrite=True, **settings).exit_status == 0
    assert (out / "smear/slide.json").read_text() != before


def test_a_slide_with_failed_fields_is_done_again(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    folder, out = smear(a=("neutrophil",), b=("lymphocyte",)), tmp_path / "out"
    whole = (folder / "b.png").read_bytes()
    spoil(folder / "b.png")
    assert rerun(folder, out, models).exit_status == 1
    (folder / "b.png").write_bytes(whole)
    summary = rerun(folder, out, models)
    assert (summary.exit_status, summary.slides[0].skipped) == (0, False)
    assert names(out) == {"run.json", "slides.csv", "counts.csv", "smear"}


def test_what_a_killed_run_left_is_cleared(tmp_path: Path, smear: Smear, models: Models) -> None:
    folder, out = smear(a=()), tmp_path / "out"
    left = SlideFolder(out, "smear").partial / "overlays"
    left.mkdir(parents=True)
    (left / "half.jpg").write_bytes(b"x")
    rerun(folder, out, models)
    assert names(out) == {"run.json", "slides.csv", "counts.csv", "smear"}
    assert names(out / "smear/overlays") == {"a.jpg"}


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_a_folder_that_is_not_ours_is_left_alone(
    tmp_path: Path, smear: Smear, models: Models, content: str | None
) -> None:
    folder, out = smear(a=()), tmp_path / "out"
    (out / "smear").mkdir(parents=True)
    if content is not None:
        (out / "smear/slide.json").write_text(content)
    with pytest.raises(OutputError, match="smear"):
        rerun(folder, out, models, overwrite=True)


def test_output_inside_the_input_is_no_input(tmp_path: Path, smear: Smear, models: Models) -> None:
    smear("all/s1", a=())
    out = tmp_path / "all/out"
    for _ in range(2):
        summary = rerun(tmp_path / "all", out, models)
        assert [row["slide_id"] for row in summary.rows] == ["s1"]


# The run's tables list what stands in the output


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        pytest.param([["s10"], ["s2"]], ["s2", "s10"], id="other inputs, in natural order"),
        pytest.param([["s1", "s2", "s3"], ["s2"]], ["s1", "s2", "s3"], id="one of them again"),
        pytest.param([["s2", "s1"], ["s3", "s1"]], ["s1", "s2", "s3"], id="some of them"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_tables_list_every_slide_that_stands(
    tmp_path: Path,
    smear: Smear,
    models: Models,
    runs: list[list[str]],
    expected: list[str],
    overwrite: bool,
) -> None:
    out = tmp_path / "out"
    for slide_ids in runs:
        inputs = [smear(f"all/{slide_id}", a=("neutrophil",)) for slide_id in slide_ids]
        summary = analyze(inputs, out, replace(ONE, overwrite=overwrite), models=models)
        assert [row["slide_id"] for row in summary.rows] == slide_ids
    assert listed(out) == listed(out, "counts.csv") == expected


def test_a_slide_that_fails_now_keeps_what_stands(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    folder, out = smear("s1", a=("neutrophil",)), tmp_path / "out"
    rerun(folder, out, models)
    spoil(folder / "a.png")
    rerun(folder, out, models, overwrite=True)
    text = (out / "slides.csv").read_text()
    assert listed(out) == listed(out, "counts.csv") == ["s1"]
    assert "s1,failed" in text
    assert "(the result of an earlier run stands)" in text
    rerun(smear("s2", a=()), out, models)
    assert listed(out) == ["s1", "s2"]
    assert "failed" not in (out / "slides.csv").read_text()


def test_copies_and_foreign_folders_are_no_slides(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    out = tmp_path / "out"
    rerun(smear("s2", a=()), out, models)
    shutil.copytree(out / "s2", out / "a copy")
    shutil.copytree(out / "s2", out / ".s2.partial-0")
    (out / "notes").mkdir()
    (out / "notes/slide.json").write_text("{}")
    rerun(smear("s3", a=()), out, models)
    assert listed(out) == ["s2", "s3"]
