"""A slide's folder, or a table of counts -> readings. The only part that opens files."""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from leukodiff.core.errors import InputError
from leukodiff.pipeline.exports.tables import without_formula

from .readings import SUMS, Box, ReadCell, Reading, in_differential, n_of, type_of

EDGES = ("x_min", "y_min", "x_max", "y_max")
NOT_TYPES = frozenset({"slide_id", "reader", "n"})
"""Columns of a table with a column a type that are no type."""
ROUNDING = 1.5
"""Greatest distance of percentages' sum from 100: each is rounded."""
SEPARATORS = (",", ";", "\t")
HELP = "docs/compare.md shows how a count table looks"


@dataclass(frozen=True)
class Table:
    """A CSV file: its columns in small letters, and its rows with their line numbers."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]
    comma: bool
    """True when numbers may have a decimal comma: columns are parted by something else."""

    def error(self, line: int, what: str) -> InputError:
        """The error of a line."""
        return InputError(f"{self.path}: line {line}: {what}")

    def number(self, line: int, column: str, text: str) -> float | None:
        """A number of 0 or more; `None` where nothing is written."""
        if not text:
            return None
        try:
            value = float(text.replace(",", ".") if self.comma else text)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise self.error(line, f"{column} {text!r}: expected a number of 0 or more")
        return value


def read_readings(path: Path, as_classified: bool = False) -> list[Reading]:
    """The readings of a slide's folder (its `cells.csv`) or of a table of counts.

    Args:
        path: a folder with `cells.csv` or `counts.csv` in it, or a CSV file of either kind.
        as_classified: take `cell_type` also where a person's `reviewed_as` stands beside it.

    Raises:
        InputError: there is no such file, or it is no table of cells or counts.
    """
    file = _file(path)
    table = read_table(file)
    if {"cell_id", "cell_type"} <= set(table.columns):
        return [_of_cells(table, as_classified)]
    if as_classified:
        raise InputError(
            f"{file}: a count, with nothing in it of who named the cells; "
            "--as-classified needs a slide's folder with cells.csv"
        )
    return read_counts(table)


def read_counts(table: Table) -> list[Reading]:
    """The readings of a table of counts, one for each slide and reader, in the table's order.

    A row a slide and type: `cell_type` and `count`, or `percent` and `n`; or a row a slide:
    `slide_id` and a column for each type, percentages where a column `n` says of how many cells.

    Raises:
        InputError: a column is missing, or a value is wrong.
    """
    if "cell_type" in table.columns:
        return _of_long(table)
    if "slide_id" in table.columns and set(table.columns) - NOT_TYPES:
        return _of_wide(table)
    raise InputError(f"{table.path}: expected the columns cell_type and count; {HELP}")


def read_table(path: Path) -> Table:
    """A CSV file with a header; columns are parted by commas, semicolons or tabs.

    Raises:
        InputError: it can't be read, or has no header.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a CSV file in UTF-8; save it as one") from error
    header = lines[0] if lines else ""
    separator = max(SEPARATORS, key=header.count)
    reader = csv.reader(lines, delimiter=separator)
    columns = tuple(name.strip().lower() for name in next(reader, []))
    if not any(columns):
        raise InputError(f"{path}: empty; {HELP}")
    if twice := [name for name, n in Counter(columns).items() if name and n > 1]:
        raise InputError(f"{path}: two columns are called {twice[0]}")
    rows = tuple(
        (reader.line_num, {name: _plain(one) for name, one in zip(columns, row, strict=False)})
        for row in reader
        if any(one.strip() for one in row)
    )
    return Table(path, columns, rows, separator != ",")


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = [path / name for name in ("cells.csv", "counts.csv") if (path / name).is_file()]
    if not found:
        raise InputError(f"{path}: no cells.csv or counts.csv in it; give a folder analyze wrote")
    return found[0]


def _plain(text: str) -> str:
    """A cell of a table without the apostrophe that keeps a spreadsheet from running it."""
    text = text.strip()
    return text[1:] if text[:1] == "'" and without_formula(text[1:]) == text else text


def _of_cells(table: Table, as_classified: bool) -> Reading:
    cells = []
    for line, row in table.rows:
        person = "" if as_classified else row.get("reviewed_as", "")
        name = person or row.get("cell_type", "")
        if not name:
            raise table.error(line, "cell_type is empty")
        box = _box(table, line, row)
        field_id, cell_id = row.get("field_id", ""), row.get("cell_id", "")
        cells.append(ReadCell(field_id, cell_id, type_of(name), box, bool(person)))
    slides = {row.get("slide_id", "") for _, row in table.rows} - {""}
    if len(slides) > 1:
        raise InputError(f"{table.path}: cells of several slides; give one slide's folder")
    slide_id = slides.pop() if slides else table.path.resolve().parent.name
    return Reading.of_cells(table.path, slide_id, cells)


def _box(table: Table, line: int, row: Mapping[str, str]) -> Box | None:
    x_min, y_min, x_max, y_max = (table.number(line, edge, row.get(edge, "")) for edge in EDGES)
    if x_min is None or y_min is None or x_max is None or y_max is None:
        return None
    return x_min, y_min, x_max, y_max


Shares = dict[str, tuple[float, float | None]]
"""A type -> what is written, and the `n` where there is one."""


def _of_long(table: Table) -> list[Reading]:
    value = next((name for name in ("count", "percent") if name in table.columns), None)
    if value is None or (value == "percent" and "n" not in table.columns):
        raise InputError(f"{table.path}: expected a column count, or percent and n; {HELP}")
    found: dict[tuple[str, str], Shares] = defaultdict(dict)
    seen: set[tuple[str, ...]] = set()
    for line, row in table.rows:
        name = row.get("cell_type", "")
        if not name:
            raise table.error(line, "cell_type is empty")
        key = (row.get("slide_id", ""), row.get("reader", ""))
        if (*key, name.lower()) in seen:
            raise table.error(line, f"{name} stands there twice for the same slide and reader")
        seen.add((*key, name.lower()))
        number = table.number(line, value, row.get(value, ""))
        n = table.number(line, "n", row.get("n", "")) if value == "percent" else None
        _add(table, line, found[key], name, number, n)
    _require_rows(table, found)
    return [
        _counted(table, *key, {name: one for name, (one, _) in shares.items()})
        if value == "count"
        else _shared(table, *key, shares)
        for key, shares in found.items()
    ]


def _of_wide(table: Table) -> list[Reading]:
    names = [name for name in table.columns if name and name not in NOT_TYPES]
    readings: dict[tuple[str, str], Reading] = {}
    for line, row in table.rows:
        key = (row.get("slide_id", ""), row.get("reader", ""))
        if key in readings:
            raise table.error(line, f"slide {key[0]} stands there twice; add a column reader")
        n = table.number(line, "n", row.get("n", ""))
        shares: Shares = {}
        for name in names:
            _add(table, line, shares, name, table.number(line, name, row.get(name, "")), n)
        counts = {name: one for name, (one, _) in shares.items()}
        total = sum(one for name, one in counts.items() if in_differential(name))
        whole = all(one.is_integer() for one in counts.values())
        if n is None or (whole and total == n):
            readings[key] = _counted(table, *key, counts)
        elif abs(total - 100) <= ROUNDING:
            readings[key] = _shared(table, *key, shares)
        else:
            raise table.error(line, f"the types sum to {total:g}: neither n ({n:g}) nor 100 %")
    _require_rows(table, readings)
    return list(readings.values())


def _add(
    table: Table, line: int, shares: Shares, name: str, number: float | None, n: float | None
) -> None:
    if name.replace("_", " ").strip().lower() in SUMS:
        raise table.error(line, f"{name} is a sum and no cell type; leave it out")
    before = shares.get(type_of(name), (0.0, None))[0]
    if number is not None or in_differential(type_of(name)):
        shares[type_of(name)] = (before + (number or 0.0), n)


def _counted(table: Table, slide_id: str, reader: str, counts: Mapping[str, float]) -> Reading:
    for name, count in counts.items():
        if not count.is_integer():
            what = f"{name} {count:g} is no whole number of cells; percentages need a column n"
            raise InputError(f"{table.path}: slide {slide_id}: {what}")
    whole = {name: int(count) for name, count in counts.items()}
    return Reading(table.path, slide_id, whole, n_of(whole), reader)


def _shared(table: Table, slide_id: str, reader: str, shares: Shares) -> Reading:
    percents = {name: one for name, (one, _) in shares.items() if in_differential(name)}
    sizes = {n for name, (_, n) in shares.items() if in_differential(name)}
    total = sum(percents.values())
    what = f"{table.path}: slide {slide_id}: "
    n = sizes.pop() if len(sizes) == 1 else None
    if n is None or not n.is_integer() or n < 1:
        raise InputError(f"{what}expected one whole number n of cells for all its percentages")
    if abs(total - 100) > ROUNDING:
        raise InputError(f"{what}the percentages sum to {total:g}, not to 100")
    scaled = {name: 100 * one / total for name, one in percents.items()}
    counts = {name: round(one * n / 100) for name, one in scaled.items()}
    return Reading(table.path, slide_id, counts, int(n), reader, scaled)


def _require_rows(table: Table, found: Mapping[tuple[str, str], object]) -> None:
    if not found:
        raise InputError(f"{table.path}: no counts in it; {HELP}")
    if len({slide_id for slide_id, _ in found}) > 1 and any(not slide for slide, _ in found):
        raise InputError(f"{table.path}: slide_id is empty in some rows and not in others")
