"""Detection of the white cells of a laboratory left out of training: rows of one table."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leukodiff.core.errors import DataError
from leukodiff.core.text import markdown_table, share_text
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.leave_one_out import Laboratory, cells_of
from leukodiff.datasets.vocabulary import WHITE_CELL
from leukodiff.runtime.metadata import ModelMetadata

from .detections import Detections
from .evaluate import ClassFigures, detect_all, figures
from .infer import Detector

Pairs = Sequence[tuple[LabeledField, Detections]]


@dataclass(frozen=True)
class DetectorRow:
    """The white cells of a laboratory, or of one of its slides, and how one model finds them.

    `part` is `left out` or `held out`; `slide` is empty for all slides together. `white` is of all
    the fields, `boxed` of those alone in which every white cell is boxed, `None` where there are
    none: only there is a cell without a box a false one.
    """

    laboratory: str
    part: str
    slide: str
    model: ModelMetadata
    n_fields: int
    white: ClassFigures
    boxed: ClassFigures | None

    def as_dict(self) -> dict[str, Any]:
        """The figures, ready for JSON: shares 0-1 with exact 95 % intervals (Clopper-Pearson)."""
        white, boxed = self.white, self.boxed
        n_found = boxed.n_right + boxed.n_extra if boxed else 0
        return {
            "laboratory": self.laboratory,
            "part": self.part,
            "slide": self.slide,
            **self.model.identity,
            "fields": self.n_fields,
            "recall": _share(white, "recall", white.n_labels),
            "precision": _share(boxed, "precision", n_found),
            "extra": boxed.n_extra if boxed else None,
            "false_per_field": boxed.n_extra / boxed.n_boxed_fields if boxed else None,
        }


def detector_rows(detector: Detector, laboratory: Laboratory, part: str) -> list[DetectorRow]:
    """A row for the laboratory's fields, and one for each of its slides where it has slides.

    Fields that are known to show no white cell tell the false ones, and have no recall.

    Raises:
        DataError: no white cell is labeled, nor is it known of a field that it shows none.
    """
    fields = laboratory.fields_of(part)
    pairs = detect_all(detector, fields)
    slides = sorted({field.group for field in fields}) if laboratory.has_slides else []

    def row(slide: str, chosen: Pairs) -> DetectorRow:
        judged = [pair for pair in chosen if pair[0].boxes_every(WHITE_CELL)]
        boxed = figures(detector, judged).of(WHITE_CELL) if judged else None
        white = figures(detector, chosen).of(WHITE_CELL)
        facts = detector.metadata
        return DetectorRow(laboratory.name, part, slide, facts, len(chosen), white, boxed)

    rows = [row("", pairs)]
    if not (rows[0].white.n_labels or rows[0].boxed):
        raise DataError(f"{laboratory.name}: no labeled white cell to find")
    return rows + [row(one, [pair for pair in pairs if pair[0].group == one]) for one in slides]


def save_rows(rows: Sequence[DetectorRow], out: Path) -> None:
    """Writes `laboratories.json`, `table.csv` and `table.md`."""
    import pandas as pd

    out.mkdir(parents=True, exist_ok=True)
    facts = [row.as_dict() for row in rows]
    text = json.dumps({"rows": facts}, indent=2)
    (out / "laboratories.json").write_text(text + "\n", encoding="utf-8")
    (out / "table.md").write_text(markdown(facts) + "\n", encoding="utf-8")
    plain = [one | {"trained_on": " ".join(one["trained_on"])} for one in facts]
    pd.json_normalize(plain, sep="_").to_csv(out / "table.csv", index=False, float_format="%.4f")


HEADER = ("laboratory", "cells", "fields", "white cells", "recall", "precision", "false ones")
"""Columns of the table; precision and false ones of fields in which every white cell is boxed."""


def markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """The table in Markdown, from the figures as they stand in JSON."""
    return markdown_table(HEADER, map(table_row, rows))


def table_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of the table as text."""
    return (
        row["laboratory"],
        cells_of(row),
        str(row["fields"]),
        str(row["recall"]["n"]),
        share_text(row["recall"]) or "--",
        share_text(row["precision"]) or "--",
        "--" if row["extra"] is None else str(row["extra"]),
    )


def _share(one: ClassFigures | None, what: str, n: int) -> dict[str, Any]:
    if one is None or not n:
        return {"n": 0, "share": None, "low": None, "high": None}
    values = [getattr(one, f"{what}{end}") for end in ("", "_low", "_high")]
    return {"n": n, **dict(zip(("share", "low", "high"), values, strict=True))}
