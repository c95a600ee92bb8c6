import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from leukodiff.pipeline.cli import main
from leukodiff.pipeline.comparison import tables

Write = Callable[..., Path]
LONG = ("slide_id", "cell_type", "count")


def compare(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def two(table: Write) -> tuple[Path, Path]:
    """Counts of one slide whose neutrophils and lymphocytes differ."""
    return tuple(  # type: ignore[return-value]
        table(f"{name}.csv", ("cell_type", "count"), ("neutrophil", n), ("lymphocyte", 200 - n))
        for name, n in (("a", 120), ("b", 80))
    )


def test_two_counts(two: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out/deep"
    result = compare(*two, "--out", out, "--csv", tmp_path / "c.csv", "--json", tmp_path / "j.json")
    assert result.exit_code == 0, result.output
    assert "Beyond counting error: neutrophil 20.0 points lower in B" in result.output
    found = rows(out / "counts_compared.csv")
    assert list(found[0]) == list(tables.COMPARED_COLUMNS)
    assert [row["difference"] for row in found] == ["-20.0", "20.0"]
    assert found[0]["beyond_chance"] == "yes"
    assert (tmp_path / "c.csv").read_text() == (out / "counts_compared.csv").read_text()
    (overall,) = rows(out / "slides_compared.csv")
    assert (overall["slide_a"], overall["slide_b"], overall["kappa"]) == ("a.csv", "b.csv", "")
    assert not (out / "confusion.csv").exists()
    (slide,) = json.loads((tmp_path / "j.json").read_text())["slides"]
    assert slide["types"][0]["difference"] == -20
    assert slide["chi_square"] == pytest.approx(16)


def test_two_slides_with_cells(slide_folder: Write, tmp_path: Path) -> None:
    types = ["neutrophil"] * 6 + ["lymphocyte"] * 3 + ["unidentified"]
    a, b = slide_folder("a", types), slide_folder("b", types[1:-1] + ["monocyte"] * 2)
    result = compare(a, b, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "Cells both read: 10; only in A 0, only in B 0." in result.output
    assert "Of 9 that both named they agree on 7: 77.8 %" in result.output
    pairs = rows(tmp_path / "out/cells_compared.csv")
    assert [row["agree"] for row in pairs].count("no") == 2
    assert pairs[-1]["agree"] == ""
    assert (pairs[0]["cell_id_a"], pairs[0]["iou"]) == ("a-0", "1.0")
    confusion = {row["a_says"]: row for row in rows(tmp_path / "out/confusion.csv")}
    assert confusion["lymphocyte"]["monocyte"] == "1"
    assert confusion["unidentified"]["monocyte"] == "1"
    agreement = {row["cell_type"]: row for row in rows(tmp_path / "out/agreement.csv")}
    assert agreement["neutrophil"]["both"] == "5"
    assert agreement["lymphocyte"]["agreement"] == str(round(4 / 6, 4))


def test_the_machine_against_the_person(slide_folder: Write) -> None:
    folder = slide_folder("s", ["neutrophil"] * 4 + ["monocyte"] * 2, {4: "lymphocyte"})
    result = compare(folder, folder, "--as-classified", "a")
    assert result.exit_code == 0, result.output
    assert "they agree on 5" in result.stdout
    assert "B: a person named 1 of 6 cells." in result.stdout
    assert result.stderr == ""
    for more in ([], ["--as-classified", "both"]):
        same = compare(folder, folder, *more)
        assert same.exit_code == 0
        assert "they agree on 6" in same.stdout
        assert "A and B are the same" in same.stderr


@pytest.mark.slow
def test_many_slides_are_matched_by_slide_id(table: Write) -> None:
    a = table("a.csv", LONG, *((f"s{i}", "neutrophil", 50 + i) for i in range(12)))
    b = table("b.csv", LONG, *((f"s{i}", "neutrophil", 50) for i in range(1, 14)))
    result = compare(a, b)
    assert result.exit_code == 0, result.output
    assert "only in A, left out: s0" in result.stderr
    assert "only in B, left out: s12, s13" in result.stderr
    assert "0 of 11 slides differ beyond counting error" in result.stdout


def test_one_of_many(table: Write) -> None:
    a = table("a.csv", LONG, ("s2", "neutrophil", 5))
    b = table("b.csv", LONG, ("s1", "neutrophil", 5), ("s2", "neutrophil", 6))
    assert "B: s2, 6 cells" in compare(a, b).output


def test_a_slide_without_cells_is_no_error(slide_folder: Write, tmp_path: Path) -> None:
    a, b = slide_folder("a", []), slide_folder("b", ["neutrophil"])
    result = compare(a, b, "--out", tmp_path / "out", "--json", tmp_path / "j.json")
    assert result.exit_code == 0, result.output
    assert "Nothing to compare: no cell of the differential in A." in result.output
    for path in (*(tmp_path / "out").iterdir(), tmp_path / "j.json"):
        assert "nan" not in path.read_text().lower()
    (row,) = rows(tmp_path / "out/counts_compared.csv")
    assert (row["count_a"], row["percent_a"], row["difference"], row["p"]) == ("0", "", "", "")


def refuse(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert words in last
    assert "Traceback" not in result.output


def test_what_is_refused(two: tuple[Path, Path], table: Write, tmp_path: Path) -> None:
    a, b = two
    refuse(compare(a, tmp_path / "no"), "no: can't be read")
    refuse(compare(a, tmp_path), "no cells.csv or counts.csv in it")
    refuse(compare(a), "Missing argument 'B'")
    refuse(compare(a, b, "--as-classified", "a"), "--as-classified needs a slide's folder")
    refuse(compare(a, b, "--as-classified", "c"), "'c' is not one of")
    refuse(compare(a, b, "--out", a), "is a file")
    refuse(compare(a, b, "--json", a / "j.json"), "can't be written")
    readers = table("r.csv", ("slide_id", "reader", "neutrophil"), ("s", "A", 5), ("s", "B", 6))
    refuse(compare(a, readers), "several readers of one slide")
    many = table("m.csv", LONG, ("s", "neutrophil", 5), ("t", "neutrophil", 5))
    refuse(compare(a, many), "no slide_id of")
