"""The blood on a slide as others know it: whose it is, and the analyzer's count.

Checked by hand: msgspec could not say in a line what is expected of each value.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from leukodiff.core.errors import InputError

SEXES = ("female", "male")

MOST_WHITE_CELLS = 1000.0
"""White cells in 10^9/L: more is another unit. The highest counts of leukemias are below it."""

OLDEST = 130.0


@dataclass(frozen=True)
class Sample:
    """A slide's blood. Everything may be unknown: empty, or `None`.

    `sample_id` and `patient` are the laboratory's own words. `sex` is one of `SEXES`. `age_years`
    0-130. `wbc_count` is the analyzer's white cell count, 10^9/L. `collected` is a date as text.

    Raises:
        InputError: a value that can't be, in one line that says what is expected.
    """

    sample_id: str = ""
    patient: str = ""
    sex: str = ""
    age_years: float | None = None
    wbc_count: float | None = None
    collected: str = ""

    def __post_init__(self) -> None:
        if self.sex and self.sex not in SEXES:
            raise InputError(f"sex: expected {' or '.join(SEXES)}, or nothing, not {self.sex!r}")
        if self.age_years is not None and not 0 <= self.age_years <= OLDEST:
            raise InputError(f"age: expected years from 0 to {OLDEST:g}, not {self.age_years:g}")
        if self.wbc_count is not None:
            _require_white_cells(self.wbc_count)


def _require_white_cells(count: float) -> None:
    if 0 < count <= MOST_WHITE_CELLS:
        return
    asked = f"white cell count: expected 10^9/L, such as 6.2, not {count:g}"
    if math.isfinite(count) and count > MOST_WHITE_CELLS:
        asked += f" (per microliter? that would be {count / 1000:g})"
    raise InputError(asked)


def read_samples(path: Path) -> Mapping[str, Sample]:
    """A CSV table with a row a slide: `slide_id`, then any of the columns that `Sample` has.

    Raises:
        InputError: it can't be read, has no `slide_id`, a column nobody knows, a slide twice, or a
            value that can't be; the line is named.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a CSV table in UTF-8 ({error})") from error
    reader = csv.DictReader(text.splitlines(), strict=True)
    try:
        return _rows(path, reader)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error


def _rows(path: Path, reader: "csv.DictReader[str]") -> dict[str, Sample]:
    known = {one.name for one in fields(Sample)}
    columns = reader.fieldnames or []
    if "slide_id" not in columns:
        raise InputError(f"{path}: needs a column slide_id; found {', '.join(columns) or 'none'}")
    if unknown := sorted(set(columns) - known - {"slide_id"}):
        raise InputError(
            f"{path}: unknown column {unknown[0]!r}; known: {', '.join(sorted(known))}"
        )
    found: dict[str, Sample] = {}
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        if row["slide_id"] in found:
            raise InputError(f"{where}: slide {row['slide_id']!r} is there twice")
        found[row["slide_id"]] = _sample(row, where)
    return found


def _sample(row: Mapping[str | None, object], where: str) -> Sample:
    if None in row:
        raise InputError(f"{where}: more values than columns")
    given = {str(k): str(v or "").strip() for k, v in row.items() if k != "slide_id"}
    try:
        return Sample(**{name: _value(name, text) for name, text in given.items()})  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _value(name: str, text: str) -> str | float | None:
    if name not in ("age_years", "wbc_count"):
        return text
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{name}: expected a number with a point, not {text!r}") from error
