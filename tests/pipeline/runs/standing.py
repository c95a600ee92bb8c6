"""What stands in an output, but for times."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path


def rows(out: Path, table: str = "slides.csv") -> dict[str, dict[str, str]]:
    """A table of a run, by the first column."""
    with (out / table).open(newline="", encoding="utf-8") as file:
        return {next(iter(row.values())): row for row in csv.DictReader(file)}


TIMES = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d[+-]\d\d:\d\d)?"
    rb"|took [0-9.]+ s|\"seconds\": ?\"?[0-9.]+\"?"
)


def without_times(path: Path) -> bytes:
    if path.name == "slides.csv":
        with path.open(newline="", encoding="utf-8") as file:
            return repr([{**row, "seconds": ""} for row in csv.DictReader(file)]).encode()
    return TIMES.sub(b"", path.read_bytes())


def contents(folder: Path) -> Mapping[str, bytes]:
    """Every file below a folder, but for times."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): without_times(path) for path in files}


def slides_standing(out: Path) -> list[Path]:
    return [path for path in out.iterdir() if path.is_dir() and not path.name.startswith(".")]


def check_standing(out: Path, expected: Mapping[str, bytes]) -> None:
    """Every slide that is seen under its name is whole."""
    for folder in slides_standing(out) if out.is_dir() else []:
        found = {f"{folder.name}/{name}": text for name, text in contents(folder).items()}
        assert found == {k: v for k, v in expected.items() if k.startswith(f"{folder.name}/")}


def check_second_alone(out: Path, status: str, error: str) -> None:
    """Of four slides the second one has this status and reason, and the others are done."""
    found = rows(out)
    assert {name: row["status"] for name, row in found.items()} == {
        "s1": "done",
        "s2": status,
        "s3": "done",
        "s4": "done",
    }
    assert error in found["s2"]["error"]
