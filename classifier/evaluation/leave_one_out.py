"""Leaving one laboratory out: models trained on all the others, and how they name its cells."""

import csv
import gc
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leukodiff.core.errors import DataError
from leukodiff.core.intervals import share_with_interval
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.leave_one_out import (
    LEFT_OUT,
    Laboratory,
    laboratory_of,
    require_unseen,
    trained_without,
)
from leukodiff.datasets.splits import TEST
from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES, FIVE_PART
from leukodiff.runtime.metadata import ModelMetadata, metadata_path, read_metadata

from ..calibration import bin_table, risk_coverage
from ..infer import Classifier
from .cell_predictions import CellPredictions, classify_labeled, figures
from .leave_one_out_table import flat, markdown

Log = Callable[[str], None]


def fold_file(runs: Path, name: str) -> Path:
    """Path of the exported model of the fold that leaves a laboratory out."""
    return runs / f"without_{name}" / "model.onnx"


def fold_model(
    laboratories: Sequence[Laboratory],
    name: str,
    runs: Path,
    training: Mapping[str, Any],
    log: Log = lambda line: None,
    command: str = "",
) -> Path:
    """The model of a fold: the one that stands in `runs`, else one trained and exported now.

    An interrupted training goes on from its last epoch. Temperature and reject threshold are
    fitted on the val split of the laboratories that it was trained on.

    Args:
        laboratories: all of them, the one left out among them.
        name: of the laboratory left out.
        runs: folder with a sub-folder a fold.
        training: settings of `ClassifierTraining` other than `out`.
        log: receives a line an epoch.
        command: what the exported metadata says made it.

    Raises:
        DataError: no other laboratory, or the model that stands there learned from other data.
    """
    out = fold_file(runs, name)
    fields = trained_without(laboratories, name)
    if metadata_path(out).is_file():
        log(f"stands already: {out}")
    else:
        _train(fields, name, out, training, log, command)
    _require_fold(out, fields, laboratory_of(laboratories, name))
    return out


def _train(
    fields: Sequence[LabeledField],
    name: str,
    out: Path,
    training: Mapping[str, Any],
    log: Log,
    command: str,
) -> None:
    from ..export import ExportNotes, export_classifier
    from ..train import ClassifierTraining, train_classifier

    log("training on " + ", ".join(sorted({field.source for field in fields})))
    best = train_classifier(fields, ClassifierTraining(out=out.parent, **training), log=log)
    gc.collect()  # the crops of the training go before those of the calibration come
    notes = ExportNotes(name=f"leukodiff-classifier-without-{name}", command=command)
    export_classifier(best, fields, out, notes)
    log(f"made {out}")


def _require_fold(out: Path, fields: Sequence[LabeledField], left_out: Laboratory) -> None:
    """Refuse a model that has seen the laboratory, or that lacks a data set of the others."""
    training_data = read_metadata(metadata_path(out)).training_data
    require_unseen(out, training_data, left_out)
    known = set(CLASSIFIER_CLASSES)
    given = {f.source for f in fields if f.split != TEST and known & set(f.cell_types)}
    if lacking := given - {one.get("name") for one in training_data}:
        raise DataError(
            f"{out}: made without {', '.join(sorted(lacking))}; choose another --runs, or remove "
            f"{out.parent} to train it anew"
        )


@dataclass(frozen=True)
class LaboratoryRow:
    """The cells of a laboratory, or of one of its slides, and one model's predictions of them.

    `part` is `left out` or `held out`; `slide` is empty for all slides together.
    """

    laboratory: str
    part: str
    slide: str
    model: ModelMetadata
    predictions: CellPredictions

    def as_dict(self) -> dict[str, Any]:
        """The figures, ready for JSON: of all the model's classes, of five, and other types."""
        return {
            "laboratory": self.laboratory,
            "part": self.part,
            "slide": self.slide,
            **self.model.identity,
            "all_classes": figures(self.predictions),
            "five_classes": figures(self.predictions.among(FIVE_PART)),
            "other_types": self._other_types(),
        }

    def _other_types(self) -> dict[str, Any]:
        """Recall of each type beyond the five that the laboratory has."""
        others = [name for name in self.model.classes if name not in FIVE_PART]
        cells = {name: self.predictions.of_types([name]) for name in others}
        return {name: share_with_interval(one.right) for name, one in cells.items() if len(one)}


def laboratory_rows(
    classifier: Classifier, laboratory: Laboratory, part: str = LEFT_OUT
) -> list[LaboratoryRow]:
    """A row for the laboratory's cells, and one for each of its slides where it has slides.

    `part` says which of its fields: `left out` all of them, `held out` its test split.
    """
    predictions = classify_labeled(classifier, laboratory.fields_of(part))

    def row(slide: str, cells: CellPredictions) -> LaboratoryRow:
        return LaboratoryRow(laboratory.name, part, slide, classifier.metadata, cells)

    slides = np.unique(predictions.groups) if laboratory.has_slides else np.array([], str)
    return [
        row("", predictions),
        *(row(str(one), predictions.where(predictions.groups == one)) for one in slides),
    ]


def save_rows(
    rows: Sequence[LaboratoryRow], out: Path, calibration: Mapping[str, Any] | None = None
) -> None:
    """Writes `laboratories.json`, `table.csv`, `table.md`, and of each laboratory its curves.

    That is its confusion matrix, its reliability and its risk-coverage curve, each as CSV and PNG,
    of the cells of the five types. `calibration`, where there is one, goes to `calibration.json`:
    what `export classifier` takes.
    """
    out.mkdir(parents=True, exist_ok=True)
    facts = [row.as_dict() for row in rows]
    text = json.dumps({"rows": facts}, indent=2)
    (out / "laboratories.json").write_text(text + "\n", encoding="utf-8")
    (out / "table.md").write_text(markdown(facts) + "\n", encoding="utf-8")
    if calibration is not None:
        text = json.dumps(calibration, indent=2)
        (out / "calibration.json").write_text(text + "\n", encoding="utf-8")
    _write_csv(out / "table.csv", [flat(one) for one in facts])
    for row in rows:
        if not row.slide:
            _save_curves(row, out)
    _draw_risk_coverage([row for row in rows if not row.slide], out / "risk_coverage.png")


def _save_curves(row: LaboratoryRow, out: Path) -> None:
    import pandas as pd

    from .evaluate import (
        draw_confusion,
        draw_reliability,
        draw_risk_coverage,
        write_risk_coverage,
    )

    cells = row.predictions.of_types(FIVE_PART)
    name = f"{row.laboratory}_{row.part.replace(' ', '_')}"
    counts = _confusion(cells)
    counts.to_csv(out / f"confusion_{name}.csv")
    draw_confusion(counts, out / f"confusion_{name}.png")
    bins = bin_table(cells.confidence, cells.right)
    table = pd.DataFrame(bins, columns=["confidence", "right", "share"])
    table.to_csv(out / f"reliability_{name}.csv", index=False, float_format="%.4f")
    draw_reliability(bins, out / f"reliability_{name}.png")
    curve = risk_coverage(cells.confidence, cells.right)
    write_risk_coverage(curve, out / f"risk_coverage_{name}.csv")
    draw_risk_coverage({name: curve}, out / f"risk_coverage_{name}.png")


def _confusion(cells: CellPredictions) -> Any:
    """Counts: a row a true class, a column a predicted class; those that occur in either."""
    import pandas as pd

    k = len(cells.class_names)
    counts = np.zeros((k, k), int)
    np.add.at(counts, (cells.truth, cells.chosen), 1)
    seen = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    names = [cells.class_names[i] for i in seen]
    return pd.DataFrame(
        counts[np.ix_(seen, seen)], index=pd.Index(names, name="true"), columns=names
    )


def _draw_risk_coverage(rows: Sequence[LaboratoryRow], path: Path) -> None:
    from .evaluate import draw_risk_coverage

    cells = {f"{row.laboratory}, {row.part}": row.predictions.of_types(FIVE_PART) for row in rows}
    draw_risk_coverage(
        {name: risk_coverage(one.confidence, one.right) for name, one in cells.items()}, path
    )


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
