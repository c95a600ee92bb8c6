"""Readings worked out by hand, and the files that hold them."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from leukodiff.pipeline.comparison.readings import ReadCell, Reading, n_of

FIVE = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")
CELL_COLUMNS = ("slide_id", "field_id", "cell_id", "x_min", "y_min", "x_max", "y_max", "cell_type")


@pytest.fixture
def reading() -> Callable[..., Reading]:
    """A count of the five types, in their order, or of named types."""

    def make(*counts: int, slide_id: str = "s1", reader: str = "", **named: int) -> Reading:
        whole = dict(zip(FIVE, counts, strict=False)) | named
        return Reading(Path("counts.csv"), slide_id, whole, n_of(whole), reader)

    return make


@pytest.fixture
def cell() -> Callable[..., ReadCell]:
    """A cell of 10 x 10 px at x."""

    def make(cell_type: str, x: float | None = 0, cell_id: str = "", field: str = "f") -> ReadCell:
        box = None if x is None else (float(x), 0.0, x + 10.0, 10.0)
        return ReadCell(field, cell_id, cell_type, box)

    return make


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Writes a CSV file of rows."""

    def write(name: str, header: Sequence[str], *rows: Sequence[object]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    return write


@pytest.fixture
def slide_folder(table: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a slide's folder: cell types, and what a person calls some of them by number."""

    def write(name: str, types: Sequence[str], reviewed: Mapping[int, str] | None = None) -> Path:
        rows = [
            (name, "a.png", f"a-{i}", 20 * i, 0, 20 * i + 10, 10, one, (reviewed or {}).get(i, ""))
            for i, one in enumerate(types)
        ]
        return table(f"{name}/cells.csv", (*CELL_COLUMNS, "reviewed_as"), *rows).parent

    return write
