import gc
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from leukodiff.core.errors import ModelFileError
from leukodiff.pipeline.cli import main


def leukodiff(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((64, 64, 3), 230, np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["analyze", "{root}/missing", "--out", "{root}/out"], "no such", id="missing"),
        pytest.param(["analyze", "{root}/empty", "--out", "{root}/out"], "no image", id="empty"),
        pytest.param(["analyze", "{root}/a.png"], "Missing option '--out'", id="no --out"),
        pytest.param(
            ["analyze", "{root}/a.png", "--out", "{root}/out", "--um-per-px", "0"],
            "um/px",
            id="scale",
        ),
        pytest.param(
            ["analyze", "{root}/a.png", "--out", "{root}/a.png"], "is a file", id="out is a file"
        ),
        pytest.param(
            ["analyze", "{root}/a.png", "--out", "{root}/a.png/out"],
            "can't be written",
            id="no out",
        ),
        pytest.param(
            ["analyze", "{root}/a.png", "--out", "{root}/out", "--detector", "{root}/no.onnx"],
            "no such model file",
            id="no such model",
        ),
        pytest.param(["data", "check", "nobodys"], "no dataset 'nobodys'", id="no such data set"),
        pytest.param(
            ["data", "check", "chula", "--root", "{root}/empty"], "no image of chula", id="no data"
        ),
        pytest.param(["data", "fetch", "nobodys"], "no dataset 'nobodys'", id="nothing to fetch"),
        pytest.param(
            ["evaluate", "pipeline", "--data", "table={root}/empty"], "truth.csv", id="no table"
        ),
        pytest.param(["nonsense"], "No such command", id="no such command"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    result = leukodiff(*(argument.format(root=tmp_path) for argument in arguments))
    assert result.exit_code == 2, result.output
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert words in last
    assert "Traceback" not in result.output
    assert not (tmp_path / "out" / "slides.csv").exists()


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        pytest.param(ModelFileError("x.onnx: damaged"), 2, "Error: x.onnx: damaged", id="ours"),
        pytest.param(ModelFileError("two\nlines"), 2, "Error: two lines", id="always one line"),
        pytest.param(KeyboardInterrupt(), 1, "Error: stopped", id="Ctrl-C"),
        pytest.param(
            ModuleNotFoundError("No module named 'torch'", name="torch.nn"),
            2,
            "Error: torch.nn is not installed; install leukodiff with its `train` extra",
            id="without the train extra",
        ),
    ],
)
def test_an_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, words: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("leukodiff.datasets.registry.describe_datasets", fail)
    result = leukodiff("data", "list")
    assert result.exit_code == status
    assert result.stderr.startswith(words)
    assert result.stderr.count("\n") == 1


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("leukodiff.datasets.registry.describe_datasets", fail)
    assert isinstance(leukodiff("data", "list").exception, ZeroDivisionError)


def test_a_failed_slide_is_listed_and_the_others_are_whole(tmp_path: Path) -> None:
    good = picture(tmp_path / "in" / "good" / "a.png")
    bad = tmp_path / "in" / "bad" / "b.jpg"
    bad.parent.mkdir()
    bad.write_text("no picture")
    out = tmp_path / "out"
    result = leukodiff("analyze", good.parents[1], "--out", out, "--um-per-px", "0.1")
    assert result.exit_code == 1, result.output
    assert "failed: bad/b.jpg: " in result.stderr
    assert (out / "good" / "cells.csv").is_file()
    again = leukodiff("analyze", good.parents[1], "--out", out, "--um-per-px", "0.1")
    assert "1 of 2 slides were whole already" in again.output


@pytest.mark.parametrize(
    ("names", "line"),
    [
        pytest.param(["bad/b.jpg"], "b: failed, not an image", id="an image"),
        pytest.param(["bad/b.jpg", "bad/c.jpg"], "bad: failed, not an image", id="a folder"),
    ],
)
def test_the_reason_of_a_lone_failure_is_printed_once(
    tmp_path: Path, names: list[str], line: str
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no picture")
    given = tmp_path / (names[0] if len(names) == 1 else "bad")
    result = leukodiff("analyze", given, "--out", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert result.stderr.count("not an image") == 1
    assert result.stderr.startswith(line)
    again = leukodiff("analyze", given, "--out", tmp_path / "out")
    assert "failed: b" in again.stderr, "it has no line of its own when it is not tried"


@pytest.mark.slow
def test_sub_folders_next_to_an_image_are_reported(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "s1" / "a.png")
    result = leukodiff("analyze", tmp_path / "in", "--out", tmp_path / "out", "--um-per-px", "0.1")
    assert result.exit_code == 0, result.output
    assert "its sub-folders are passed over, which hold some too: s1" in result.stderr


def test_the_shipped_models_are_listed_and_right() -> None:
    result = leukodiff("models")
    assert result.exit_code == 0, result.output
    assert "leukodiff-detector" in result.output
    assert "leukodiff-classifier" in result.output


def test_every_data_set_is_listed() -> None:
    result = leukodiff("data", "list")
    assert result.exit_code == 0, result.output
    for name in ("bccd", "pbc", "txl_pbc", "chula", "kaggle_blood_cells", "lisc", "raabin"):
        assert f"\n{name}: " in result.output


@pytest.mark.slow
def test_the_demo_shows_the_differential_next_to_the_truth(tmp_path: Path) -> None:
    for _ in ("first", "again, over the first"):
        result = leukodiff("demo", "--out", tmp_path / "demo out", "--fields", "2")
        assert result.exit_code == 0, result.output
    assert "differential, found beside the truth" in result.output
    named = [line.removeprefix("open ") for line in result.output.splitlines() if "open " in line]
    assert len(named) == 4
    assert all(Path(path).is_file() for path in named)


def test_the_demo_removes_nothing_that_is_not_its_own(tmp_path: Path) -> None:
    mine = tmp_path / "results" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("keep")
    assert leukodiff("demo", "--out", tmp_path, "--fields", "1").exit_code == 2
    assert mine.read_text() == "keep"


def test_as_a_program_it_leaves_without_clearing_up_memory() -> None:
    before = gc.get_freeze_count()
    try:
        with pytest.raises(SystemExit) as left:
            main(["--version"])
        assert left.value.code == 0
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_called_by_another_program_it_leaves_memory_alone() -> None:
    before = gc.get_freeze_count()
    assert leukodiff("--version").exit_code == 0
    assert gc.get_freeze_count() == before
