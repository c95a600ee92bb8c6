"""Detector and classifier together, evaluated on fields whose white cells are known."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from leukodiff.classifier.infer import Classifier
from leukodiff.classifier.predictions import Predictions
from leukodiff.core.errors import DataError, InputError
from leukodiff.core.intervals import share_with_interval
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.vocabulary import (
    CLASSIFIER_CLASSES,
    FIVE_PART,
    UNIDENTIFIED,
    WHITE_CELL,
)
from leukodiff.detector.detections import Detections
from leukodiff.detector.infer import Detector
from leukodiff.detector.matching import match_detections

from .low_confidence import classify, detect

MISSED = "missed"
"""Stands for a name where no detection met the cell."""

NAMED_TYPES = tuple(name for name in CLASSIFIER_CLASSES if name != "platelet")


@dataclass(frozen=True)
class NamedCell:
    """A labeled cell and its name in the pipeline.

    It is found when a white-cell detection overlaps it by half (IoU 0.5). `likeliest` is the most
    probable type, `cell_type` what the pipeline calls it (`unidentified` below the reject
    threshold); both are `missed` where it was not found. `confidence` is 0-1.
    """

    source: str
    field_id: str
    true_type: str
    cell_type: str
    likeliest: str
    confidence: float | None


@dataclass(frozen=True)
class PipelineEvaluation:
    """Every labeled cell of the fields, and the number of fields."""

    cells: tuple[NamedCell, ...]
    n_fields: int

    def summary(self) -> dict[str, Any]:
        """The figures, ready for JSON: shares 0-1 of all labeled cells, exact 95 % intervals."""
        return {
            "fields": self.n_fields,
            "cells": len(self.cells),
            "found": share_with_interval([c.cell_type != MISSED for c in self.cells]),
            "named_right": share_with_interval([c.cell_type == c.true_type for c in self.cells]),
            "likeliest_right": share_with_interval(
                [c.likeliest == c.true_type for c in self.cells]
            ),
            "macro_f1": self.macro_f1,
            "unidentified": share_with_interval([c.cell_type == UNIDENTIFIED for c in self.cells]),
            "recall": {name: share_with_interval(self._right(name)) for name in self.true_types},
        }

    @property
    def true_types(self) -> list[str]:
        """The types that occur, in the vocabulary's order."""
        present = {cell.true_type for cell in self.cells}
        return [name for name in NAMED_TYPES if name in present]

    @property
    def macro_f1(self) -> float | None:
        """Mean F1 of those of the five types that occur, 0-1; missed and unidentified are wrong."""
        counts, scores = self.confusion(), list[float]()
        for name in (one for one in FIVE_PART if one in self.true_types):
            both = sum(
                n * ((true == name) + (called == name)) for (true, called), n in counts.items()
            )
            scores.append(2 * counts[name, name] / both)
        return sum(scores) / len(scores) if scores else None

    def confusion(self) -> Counter[tuple[str, str]]:
        """Counts of cells by (true type, name given)."""
        return Counter((cell.true_type, cell.cell_type) for cell in self.cells)

    def save(self, out: Path) -> None:
        """Write `pipeline.json`, `named_cells.csv` and `confusion.csv`."""
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.summary(), indent=2)
        (out / "pipeline.json").write_text(text + "\n", encoding="utf-8")
        _write_csv(
            out / "named_cells.csv",
            [field.name for field in fields(NamedCell)],
            [list(asdict(cell).values()) for cell in self.cells],
        )
        counts = self.confusion()
        called = sorted({name for _, name in counts})
        rows = [[true, *(counts[true, name] for name in called)] for true in self.true_types]
        _write_csv(out / "confusion.csv", ["true_type", *called], rows)

    def _right(self, name: str) -> list[bool]:
        return [cell.cell_type == name for cell in self.cells if cell.true_type == name]


def evaluate_pipeline(
    detector: Detector,
    classifier: Classifier,
    labeled: Sequence[LabeledField],
    on_progress: Callable[[int, int, str], None] | None = None,
) -> PipelineEvaluation:
    """Find and name the cells of each field, and compare with those whose type is known.

    Fields without such a cell are left out.

    Raises:
        DataError: no field has a cell of known type, or a field's scale is not known.
        InputError: a label covers its whole image, so that it names no place.
    """
    chosen = [field for field in labeled if set(field.cell_types) & set(NAMED_TYPES)]
    if not chosen:
        raise DataError("no field of the datasets given has a white cell of known type")
    cells: list[NamedCell] = []
    for done, field in enumerate(chosen, start=1):
        cells += _named_cells(detector, classifier, field)
        if on_progress:
            on_progress(done, len(chosen), field.field_id)
    return PipelineEvaluation(tuple(cells), len(chosen))


def _named_cells(
    detector: Detector, classifier: Classifier, field: LabeledField
) -> list[NamedCell]:
    if field.um_per_px is None:
        raise DataError(f"{field.path}: its scale (um/px) is unknown; give the dataset one")
    image = read_rgb(field.path)
    known = [i for i, name in enumerate(field.cell_types) if name in NAMED_TYPES]
    truth = field.keep(known)
    _require_places(truth, image.shape[1], image.shape[0])
    in_image = detect(detector, image, field.um_per_px)
    cells = classify(classifier, image, in_image, field.um_per_px)
    order = np.argsort(-cells.white.confidence, kind="stable")
    found, predictions = cells.white.select(order), cells.predictions.select(order)
    detection_of = _detections_of(found, truth)
    return [
        _named(field, true_type, predictions, detection_of.get(label))
        for label, true_type in enumerate(truth.cell_types)
    ]


def _detections_of(found: Detections, truth: LabeledField) -> dict[int, int]:
    """For each labeled cell that was found, the detection that stands for it."""
    white = found.class_names.index(WHITE_CELL)
    classes = np.full(len(truth.cell_types), white, np.int64)
    label_of = match_detections(found, truth.xyxy, classes).label_of
    return {int(label): at for at, label in enumerate(label_of) if label >= 0}


def _named(
    field: LabeledField, true_type: str, predictions: Predictions, at: int | None
) -> NamedCell:
    if at is None:
        return NamedCell(field.source, field.field_id, true_type, MISSED, MISSED, None)
    likeliest = predictions.class_names[int(predictions.probabilities[at].argmax())]
    confidence = round(float(predictions.confidence[at]), 4)
    name = predictions.cell_types[at]
    return NamedCell(field.source, field.field_id, true_type, name, likeliest, confidence)


def _require_places(field: LabeledField, width: int, height: int) -> None:
    if any((box >= [0, 0, width, height]).all() for box in field.xyxy * [-1, -1, 1, 1]):
        raise InputError(
            f"{field.path}: its label covers the image; `evaluate classifier` measures such data"
        )


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
