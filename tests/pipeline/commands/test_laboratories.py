"""`evaluate laboratories` from end to end, on two made-up laboratories of phantom cells."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from leukodiff.datasets.phantom import PhantomSettings, render_smear
from leukodiff.datasets.vocabulary import FIVE_PART
from leukodiff.pipeline.cli import main
from leukodiff.runtime.metadata import metadata_path, read_metadata

pytest.importorskip("torch", reason="training needs the `train` extra")

pytestmark = pytest.mark.slow

TINY = ("--architecture", "test_efficientnet", "--weights", "none", "--epochs", "1")


def evaluate(*arguments: str | Path) -> Result:
    words = ["evaluate", "laboratories", *arguments, "--threads", 1]
    return CliRunner().invoke(main, [str(one) for one in words])


def laboratory(folder: Path, stain: str, seed: int) -> Path:
    """Nine fields from three slides, one slide a split, as anyone's own table."""
    settings = PhantomSettings(
        width=420,
        height=320,
        um_per_px=0.2,
        seed=seed,
        n_white=5,
        differential=dict.fromkeys(FIVE_PART, 1.0),
        stain=stain,
    )
    fields = render_smear(folder, settings, 9)
    slide = {one.field_id: i // 3 for i, one in enumerate(fields)}
    with (folder / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "truth.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "group", "split"])
        writer.writeheader()
        for row in rows:
            at = slide[row["field_id"]]
            split = ("train", "val", "test")[at]
            writer.writerow(row | {"group": f"slide {at}", "split": split})
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> list[str]:
    root = tmp_path_factory.mktemp("laboratories")
    north = laboratory(root / "north", "analyser", 1)
    south = laboratory(root / "south", "giemsa", 2)
    return ["--data", f"table={north}", "--data", f"table={south}"]


@pytest.fixture(scope="module")
def first(data, tmp_path_factory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("out")
    return out, evaluate("classifier", *data, *TINY, "--runs", out / "runs", "--out", out / "all")


def test_each_laboratory_by_a_model_of_the_other(first):
    out, result = first
    assert result.exit_code == 0, result.output
    rows = json.loads((out / "all" / "laboratories.json").read_text())["rows"]
    assert [(row["laboratory"], row["slide"]) for row in rows] == [
        (name, slide)
        for name in ("north", "south")
        for slide in ("", *(f"{name}/slide {i}" for i in range(3)))
    ]
    for row in rows:
        assert row["trained_on"] == [{"north": "south", "south": "north"}[row["laboratory"]]]
    whole = rows[0]["all_classes"]
    assert whole["n"] == 45
    assert {one["recall"]["n"] for one in whole["classes"].values()} == {9}
    assert sum(row["all_classes"]["n"] for row in rows[1:4]) == 45
    assert "without north  epoch 1  loss" in result.stderr


def test_it_saves_table_and_curves(first):
    out, _ = first
    names = {path.name for path in (out / "all").iterdir()}
    for lab in ("north_left_out", "south_left_out"):
        for kind in ("confusion", "reliability", "risk_coverage"):
            assert {f"{kind}_{lab}.csv", f"{kind}_{lab}.png"} <= names
    with (out / "all" / "table.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["n"] for row in table] == ["45", "15", "15", "15"] * 2
    assert (out / "all" / "table.md").read_text().count("\n") == 10


def test_folds_that_stand_are_taken_again(first, data, tmp_path):
    out, _ = first
    before = (out / "runs" / "without_north" / "model.onnx").stat().st_mtime_ns
    again = evaluate("classifier", *data, "--runs", out / "runs", "--json", tmp_path / "f.json")
    assert again.exit_code == 0, again.output
    assert "epoch" not in again.stderr
    assert (out / "runs" / "without_north" / "model.onnx").stat().st_mtime_ns == before
    whole = json.loads((out / "all" / "laboratories.json").read_text())
    calibration = json.loads((out / "all" / "calibration.json").read_text())
    assert calibration["laboratories"] == ["north", "south"]
    assert json.loads((tmp_path / "f.json").read_text()) == {**whole, "calibration": calibration}


def test_a_fold_whose_export_was_lost_is_exported_not_trained_anew(first, data, tmp_path):
    out, _ = first
    runs = tmp_path / "runs" / "without_south"
    runs.mkdir(parents=True)
    for name in ("best.pt", "last.pt", "epochs.csv"):
        (runs / name).write_bytes((out / "runs" / "without_south" / name).read_bytes())
    given = ("--only", "south", "--runs", tmp_path / "runs")
    result = evaluate("classifier", *data, *TINY, *given)
    assert result.exit_code == 0, result.output
    assert "epoch" not in result.stderr
    assert read_metadata(metadata_path(runs / "model.onnx")).training_data[0]["name"] == "north"


def test_a_model_that_knows_the_laboratory_is_refused(first, data):
    out, _ = first
    knows_north = out / "runs" / "without_south" / "model.onnx"
    result = evaluate("classifier", *data, "--only", "north", "--model", f"north={knows_north}")
    assert result.exit_code == 2
    assert "it was trained on north" in result.stderr
    fits = evaluate("classifier", *data, "--only", "south", "--model", f"south={knows_north}")
    assert fits.exit_code == 0, fits.output


def test_a_fold_that_lacks_a_laboratory_given_now_is_refused(first, data, tmp_path):
    out, _ = first
    third = laboratory(tmp_path / "west", "analyser", 3)
    more = (*data, "--data", f"table={third}", "--runs", out / "runs", "--only", "north")
    result = evaluate("classifier", *more)
    assert result.exit_code == 2
    assert "made without west" in result.stderr


def test_the_shipped_models_meet_a_laboratory_of_one_s_own(data, tmp_path):
    for kind in ("classifier", "detector"):
        result = evaluate(kind, *data[:2], "--json", tmp_path / f"{kind}.json")
        assert result.exit_code == 0, result.output
        rows = json.loads((tmp_path / f"{kind}.json").read_text())["rows"]
        assert [row["part"] for row in rows] == ["left out"] * 4
        assert "north" not in rows[0]["trained_on"]


def test_the_detector_s_rows_are_saved(data, tmp_path):
    result = evaluate("detector", *data, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "laboratories.json").read_text())["rows"]
    assert (len(rows), rows[0]["recall"]["n"], rows[0]["fields"]) == (8, 45, 9)
    assert rows[0]["precision"]["n"] > 0, "a phantom labels every cell"
    with (tmp_path / "table.csv").open(newline="") as file:
        assert [row["fields"] for row in csv.DictReader(file)] == ["9", "3", "3", "3"] * 2
    assert "| north | left out | 9 | 45 |" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("--model", "north"), "expected LAB=FILE", id="no file"),
        pytest.param(("--model", "east=x.onnx"), "no laboratory 'east'", id="unknown model"),
        pytest.param(("--only", "east"), "no laboratory 'east'", id="unknown laboratory"),
        pytest.param(("--only", "north", "--model", "north=x.onnx"), "no such", id="no such file"),
    ],
)
def test_wrong_usage_is_one_line(data, arguments, words):
    result = evaluate("classifier", *data, *arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr.strip().splitlines()[-1]


def test_one_laboratory_twice_is_refused(data):
    result = evaluate("detector", *data[:2], *data[:2])
    assert result.exit_code == 2
    assert "a laboratory of that name is given already" in result.stderr
