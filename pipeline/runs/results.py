"""Tables of a run -> pandas frames, typed as docs/output.md says."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from leukodiff.core.errors import InputError
from leukodiff.pipeline.exports.tables import (
    AREA_COLUMNS,
    CELL_COLUMNS,
    COUNT_COLUMNS,
    FIELD_COLUMNS,
    MEASUREMENT_COLUMNS,
    SLIDE_COLUMNS,
    Row,
    to_csv,
)
from leukodiff.pipeline.report.serialize import LARGEST

from .analyze import AnyPath, RunSummary
from .output import RECORD, SlideFolder
from .rerender import slide_folders

WORDS = frozenset(
    {"slide_id", "field_id", "cell_id", "cell_type", "reviewed_as", "note", "status", "error"}
    | {"kind", "reason", "flag", "flags", "analyte", "unit", "um_per_px_source"}
)
"""Columns of text."""

WHOLE = frozenset(
    {"n_fields", "n_cells", "n_wbc", "n_rbc", "n_platelet", "width", "height", "count"}
    | {"nucleus_lobes", "um_per_px_cells"}
)
"""Columns of whole numbers."""

YES_OR_NO = frozenset({"read"})

STARTS_OF_FORMULAS = "'[=+@\\t\\r\\n-]"
"""Text that the tables hold behind an apostrophe, so that no spreadsheet runs it."""


@dataclass(frozen=True)
class Results:
    """The tables of analyzed slides as pandas frames, each read when it is first asked for.

    Columns are those of docs/output.md; every frame begins with `slide_id`. Text is `str` (empty
    where there is none), whole numbers are `Int64`, other numbers `Float64`, and an unknown number
    is `pd.NA`. Rows come in the order of the slides and, within one, of its files.

    `slides` has a row a slide, failed ones too; the others hold what the whole slides' folders say.
    """

    slides: pd.DataFrame
    folders: tuple[Path, ...]

    @cached_property
    def cells(self) -> pd.DataFrame:
        """A row a white cell."""
        return self._joined("cells.csv", CELL_COLUMNS)

    @cached_property
    def fields(self) -> pd.DataFrame:
        """A row a field."""
        return self._joined("fields.csv", ("slide_id", *FIELD_COLUMNS))

    @cached_property
    def counts(self) -> pd.DataFrame:
        """The differential: a row a slide and cell type."""
        return self._joined("counts.csv", COUNT_COLUMNS)

    @cached_property
    def measurements(self) -> pd.DataFrame:
        """A row a number of a report."""
        return self._joined("measurements.csv", MEASUREMENT_COLUMNS)

    @cached_property
    def areas(self) -> pd.DataFrame:
        """A row an area of a scan; empty where no slide is one."""
        return self._joined("areas.csv", ("slide_id", *AREA_COLUMNS))

    def _joined(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        there = [folder / name for folder in self.folders if (folder / name).is_file()]
        tables = []
        for path in there:
            tables.append(_read(path))
            if "slide_id" not in tables[-1]:
                tables[-1].insert(0, "slide_id", _slide_id(path.parent))
        return pd.concat(tables, ignore_index=True) if tables else _of_rows(columns, ())


def read_results(of: RunSummary | AnyPath) -> Results:
    """The results of a run, of an output folder, or of one slide's folder.

    Args:
        of: what `analyze` gave: the slides of that run alone; or a folder: whatever stands there.

    Raises:
        InputError: the folder holds no result, or a table of it is damaged; it is named.
    """
    if isinstance(of, RunSummary):
        return _of_run(of)
    folder = Path(of)
    folders = tuple(_folders(folder))
    if (folder / RECORD).is_file():
        return Results(_slides_of(folder), folders)
    return Results(_read(folder / "slides.csv"), folders)


def _slides_of(folder: Path) -> pd.DataFrame:
    try:
        return _of_rows(SLIDE_COLUMNS, [_row(folder)])
    except (ValueError, TypeError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{folder / RECORD}: damaged; analyze the slide again ({text})") from error


def _of_run(run: RunSummary) -> Results:
    ids = {row["slide_id"] for row in run.rows}
    whole = {_slide_id(folder): folder for folder in _folders(run.out)}
    slides = _of_rows(SLIDE_COLUMNS, run.rows)
    return Results(slides, tuple(path for name, path in whole.items() if name in ids))


def _folders(folder: Path) -> list[Path]:
    """The slides' folders of an output; none where every slide failed."""
    is_empty = next(folder.glob(f"*/{RECORD}"), None) is None
    return [] if (folder / "slides.csv").is_file() and is_empty else slide_folders([folder])


def _row(folder: Path) -> Row:
    record = SlideFolder(folder.parent, folder.name).record()
    if record is None:
        raise InputError(f"{folder}: no such folder")
    return record.row


def _slide_id(folder: Path) -> str:
    return str(_row(folder)["slide_id"])


def _of_rows(columns: Sequence[str], rows: Iterable[Row]) -> pd.DataFrame:
    return _typed(io.StringIO(to_csv(columns, rows)))


def _read(path: Path) -> pd.DataFrame:
    try:
        return _typed(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error
    except (ValueError, TypeError) as error:  # pandas' own errors of a table are these
        text = " ".join(str(error).split())
        raise InputError(f"{path}: damaged; make it again with `report` ({text})") from error


def _typed(text: io.StringIO) -> pd.DataFrame:
    table = pd.read_csv(text, dtype="str", keep_default_na=False)
    return table.assign(**{str(name): _column(str(name), table[name]) for name in table})


def _column(name: str, values: "pd.Series[str]") -> "pd.Series[Any]":
    if name in WORDS:
        guarded = values.str.match(STARTS_OF_FORMULAS)
        return values.mask(guarded, values.str[1:])
    if name in YES_OR_NO:
        return values == "yes"
    known = pd.to_numeric(values.mask(values == ""))
    if name in WHOLE and (known.abs() > LARGEST).any():
        raise ValueError(f"{name}: a number in it can't be")
    return known.astype("Int64" if name in WHOLE else "Float64")
