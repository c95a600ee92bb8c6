"""Models that have never seen a laboratory: trained on all the others, one fold a laboratory."""

import gc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from leukodiff.core.errors import DataError
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.leave_one_out import (
    Laboratory,
    laboratory_of,
    require_unseen,
    trained_without,
)
from leukodiff.datasets.splits import TEST
from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES
from leukodiff.runtime.metadata import metadata_path, read_metadata

Log = Callable[[str], None]


def fold_file(runs: Path, name: str) -> Path:
    """Where the exported model of the fold stands that leaves a laboratory out."""
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
