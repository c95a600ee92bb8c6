import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from leukodiff.pipeline.cli import main
from leukodiff.pipeline.comparison import tables

pytestmark = pytest.mark.slow

Write = Callable[..., Path]
LONG = ("slide_id", "cell_type", "count")


def evaluate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["evaluate", "counts", *map(str, arguments)])


@pytest.fixture
def study(table: Write) -> tuple[Path, Path]:
    """A run and a table of two readers: 12 slides of two types, and one more on each side."""
    rng = np.random.default_rng(3)
    shares = rng.uniform(0.4, 0.8, 12)
    machine = [(f"s{i}", n, 300 - n) for i, n in enumerate(rng.binomial(300, shares).tolist())]
    manual = [
        (f"s{i}", reader, n, 200 - n)
        for reader in "AB"
        for i, n in enumerate(rng.binomial(200, shares).tolist())
    ]
    machine.append(("new", 5, 5))
    manual.append(("old", "A", 6, 4))
    names = ("neutrophil", "lymphocyte")
    rows = [
        (s, name, one) for s, *counts in machine for name, one in zip(names, counts, strict=True)
    ]
    results = table("run/counts.csv", LONG, *rows)
    return results.parent, table("manual.csv", ("slide_id", "reader", *names), *manual)


@pytest.mark.slow
def test_a_study(study: tuple[Path, Path], tmp_path: Path) -> None:
    results, manual = study
    out = tmp_path / "out"
    result = evaluate(results, "--manual", manual, "--out", out, "--json", tmp_path / "j.json")
    assert result.exit_code == 0, result.output
    assert "12 slides" in result.output
    assert "Slides only in the results, left out: 1 (new)." in result.output
    with (out / "method_comparison.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == list(tables.METHOD_COLUMNS)
    assert [row["n_slides"] for row in found] == ["12", "12"]
    assert float(found[0]["deming_slope_low"]) < 1 < float(found[0]["deming_slope_high"])
    assert found[0]["reader_sd"]
    with (out / "differences.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(tables.DIFFERENCE_COLUMNS)
    assert len(rows) == 2 * 14
    assert json.loads((tmp_path / "j.json").read_text())["only_manual"] == ["old"]


@pytest.mark.slow
def test_a_picture_of_each_type(study: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results, manual = study
    assert evaluate(results, "--manual", manual, "--out", tmp_path / "out").exit_code == 0
    for name in ("neutrophil", "lymphocyte"):
        assert (tmp_path / f"out/{name}.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_there_are_tables_and_one_line(
    study: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    results, manual = study
    result = evaluate(results, "--manual", manual, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "no pictures: " in result.stderr
    assert "`train` extra" in result.stderr
    assert result.stderr.count("\n") == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "differences.csv",
        "method_comparison.csv",
    ]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_and_constant_slides_have_empty_values(table: Write, tmp_path: Path, n: int) -> None:
    """A type of its own with a name that is no file name is drawn too."""
    rows = [(f"{i}", name, 5) for i in range(n) for name in ("neutrophil", "odd/type")]
    results = table("run/counts.csv", LONG, *rows).parent
    manual = table("manual.csv", LONG, *rows)
    out = tmp_path / "out"
    result = evaluate(results, "--manual", manual, "--out", out)
    assert result.exit_code == 0, result.output
    assert "Traceback" not in result.output
    for path in out.glob("*.csv"):
        assert "nan" not in path.read_text()
        assert "inf" not in path.read_text()
    assert ("the same percentage on every slide" in result.output) == (n == 3)


def test_what_is_refused(study: tuple[Path, Path], table: Write, tmp_path: Path) -> None:
    results, manual = study
    other = table("other.csv", LONG, ("x", "neutrophil", 5))
    broken = table("broken.csv", LONG, ("s0", "neutrophil", "many"))
    cells = table("cells/cells.csv", ("slide_id", "cell_id", "cell_type"))
    for arguments, words in (
        ((tmp_path / "no", "--manual", manual), "can't be read"),
        ((tmp_path, "--manual", manual), "no cells.csv or counts.csv"),
        ((results, "--manual", tmp_path / "no.csv"), "no.csv: can't be read"),
        ((results, "--manual", other), "no slide with cells that"),
        ((results, "--manual", broken), "broken.csv: line 2: count 'many'"),
        ((cells.parent, "--manual", manual), "no slide with cells that"),
        ((results,), "Missing option '--manual'"),
    ):
        result = evaluate(*arguments, "--out", tmp_path / "out")
        assert result.exit_code == 2, result.output
        last = result.stderr.strip().splitlines()[-1]
        assert last.startswith("Error: ")
        assert words in last
        assert not (tmp_path / "out").exists()
