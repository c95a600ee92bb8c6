"""Evaluation of a detector on the labeled cells of a set of fields."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.errors import DataError
from leukodiff.core.intervals import clopper_pearson
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.images import read_rgb

from .detections import Detections
from .infer import DEFAULT_THRESHOLD, Detector
from .matching import IOU_LEVELS, match_detections
from .yolo_dataset import detector_class

FLOOR = 0.001
"""Average precision is taken over every detection at least this sure (0-1), as ultralytics does."""


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one class. Fractions 0-1; `nan` where there is nothing to divide by.

    `precision` and `recall` are at the shipped `threshold` with an overlap (IoU) of 0.5 or more,
    each with the 95 % interval of Clopper and Pearson (Biometrika 1934). `best_threshold` has the
    largest F1. Recall is of all labels; all else is of the `n_boxed_fields` fields in which every
    cell of the class is boxed: elsewhere a detection without a label is neither right nor wrong.
    """

    name: str
    n_labels: int
    ap50: float
    ap50_95: float
    threshold: float
    precision: float
    precision_low: float
    precision_high: float
    recall: float
    recall_low: float
    recall_high: float
    n_right: int
    n_extra: int
    n_missed: int
    best_threshold: float
    n_boxed_fields: int


@dataclass(frozen=True)
class Disagreement:
    """A labeled cell that was missed, or a detection without a label where all have one.

    `kind` is `missed` or `extra`, at the shipped threshold. `confidence` is `None` for a missed
    cell.
    """

    field_id: str
    kind: str
    class_name: str
    xyxy: tuple[float, float, float, float]
    confidence: float | None


@dataclass(frozen=True)
class DetectorEvaluation:
    """A detector's figures over some fields.

    `map50` and `map50_95` are means over the classes that have labels in fields which box every
    cell of them. Average precision is COCO's 101-point interpolation as ultralytics computes it
    (`ultralytics.utils.metrics.ap_per_class`), which is how the published figures on BCCD were
    made; one class an anchor, as in the pipeline.
    `curves` has each class's (recall, precision) at an overlap of 0.5.
    """

    model: str
    sha256: str
    um_per_px: float
    n_fields: int
    map50: float
    map50_95: float
    classes: tuple[ClassFigures, ...]
    disagreements: tuple[Disagreement, ...] = ()
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(
        default_factory=dict
    )

    def of(self, class_name: str) -> ClassFigures:
        """The figures of one class."""
        return next(figures for figures in self.classes if figures.name == class_name)

    def as_dict(self) -> dict[str, Any]:
        """The figures, without curves and disagreements, ready for JSON (`null` for no value)."""
        facts = {
            name: getattr(self, name)
            for name in ("model", "sha256", "um_per_px", "n_fields", "map50", "map50_95")
        }
        rows = [asdict(figures) for figures in self.classes]
        return {name: _without_nan(one) for name, one in {**facts, "classes": rows}.items()}

    def save(self, folder: Path) -> None:
        """Write `evaluation.json`, `classes.csv`, `disagreements.csv`, `pr_curves.csv`, `.png`."""
        from .plots import save_pr_curves

        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.as_dict(), indent=2, allow_nan=False)
        (folder / "evaluation.json").write_text(text + "\n", encoding="utf-8")
        _write_tables(self, folder)
        save_pr_curves(
            self.curves, {c.name: c.ap50 for c in self.classes}, folder / "pr_curves.png"
        )


def evaluate_detector(
    detector: Detector, fields: Sequence[LabeledField], um_per_px: float | None = None
) -> DetectorEvaluation:
    """Detect in every field and compare with its labels.

    A field tells a class's precision only where every cell of the class is boxed
    (`LabeledField.boxes_every`). `um_per_px` stands in where a field's own scale is not known.

    Raises:
        DataError: there is no field, or a field's scale is not known.
    """
    if not fields:
        raise DataError("no field to evaluate on")
    return figures(detector, detect_all(detector, fields, um_per_px))


def detect_all(
    detector: Detector, fields: Iterable[LabeledField], um_per_px: float | None = None
) -> list[tuple[LabeledField, Detections]]:
    """Each field with its detections, down to `FLOOR`."""
    return [(one, _detect(detector, one, um_per_px)) for one in fields]


def figures(
    detector: Detector, pairs: Sequence[tuple[LabeledField, Detections]]
) -> DetectorEvaluation:
    """The figures of detections made down to `FLOOR`, each with its field."""
    names = detector.metadata.classes
    thresholds = {n: detector.metadata.thresholds.get(n, DEFAULT_THRESHOLD) for n in names}
    matches = _matches_of(pairs)
    by_class = {name: _average_precision(matches, i) for i, name in enumerate(names)}
    classes = tuple(
        _class_figures(matches, (i, name), thresholds[name], by_class[name][0])
        for i, name in enumerate(names)
    )
    labeled = [one for one in classes if not np.isnan(one.ap50)]
    return DetectorEvaluation(
        model=f"{detector.metadata.name} {detector.metadata.version}",
        sha256=detector.metadata.sha256,
        um_per_px=detector.um_per_px,
        n_fields=len(pairs),
        map50=float(np.mean([one.ap50 for one in labeled])) if labeled else float("nan"),
        map50_95=float(np.mean([one.ap50_95 for one in labeled])) if labeled else float("nan"),
        classes=classes,
        disagreements=tuple(_disagreements(pairs, thresholds)),
        curves={name: curve for name, (_, curve) in by_class.items()},
    )


def labels_of(labeled: LabeledField) -> NDArray[np.int64]:
    """The detector's class of each labeled cell, (N,)."""
    return np.array([detector_class(name) for name in labeled.cell_types], np.int64)


def _detect(detector: Detector, labeled: LabeledField, um_per_px: float | None) -> Detections:
    scale = labeled.um_per_px or um_per_px
    if scale is None:
        raise DataError(f"{labeled.path}: its scale is not known; give um_per_px")
    floor = dict.fromkeys(detector.metadata.classes, FLOOR)
    return detector.detect(read_rgb(labeled.path), scale, floor)


@dataclass(frozen=True)
class _Matches:
    # `boxed`: whether every cell of a detection's or label's class is boxed in its field.
    right: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int64]
    boxed: NDArray[np.bool_]
    label_class_id: NDArray[np.int64]
    label_boxed: NDArray[np.bool_]
    n_boxed_fields: NDArray[np.int64]


def _matches_of(pairs: Sequence[tuple[LabeledField, Detections]]) -> _Matches:
    right, confidence, class_id, label_class_id = [], [], [], []
    boxed, label_boxed = [], []
    by_class = np.array([[one.boxes_every(n) for n in found.class_names] for one, found in pairs])
    for (labeled, found), of_field in zip(pairs, by_class, strict=True):
        labels = labels_of(labeled)
        right.append(match_detections(found, labeled.xyxy, labels).right)
        confidence.append(found.confidence)
        class_id.append(found.class_id)
        boxed.append(of_field[found.class_id])
        label_class_id.append(labels)
        label_boxed.append(of_field[labels])
    return _Matches(
        np.concatenate(right),
        np.concatenate(confidence),
        np.concatenate(class_id),
        np.concatenate(boxed),
        np.concatenate(label_class_id),
        np.concatenate(label_boxed),
        by_class.sum(axis=0),
    )


Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def _average_precision(matches: _Matches, class_id: int) -> tuple[NDArray[np.float64], Curve]:
    from .yolo import prepare_ultralytics

    prepare_ultralytics()
    from ultralytics.utils.metrics import ap_per_class

    mine = (matches.class_id == class_id) & matches.boxed
    labels = (matches.label_class_id == class_id) & matches.label_boxed
    if not labels.any():
        nothing = np.zeros(0)
        return np.full(len(IOU_LEVELS), np.nan), (nothing, nothing)
    results = ap_per_class(
        matches.right[mine],
        matches.confidence[mine],
        matches.class_id[mine],
        matches.label_class_id[labels],
    )
    return np.asarray(results[5][0]), (np.asarray(results[10]), np.asarray(results[11][0]))


def _class_figures(
    matches: _Matches, one: tuple[int, str], threshold: float, ap: NDArray[np.float64]
) -> ClassFigures:
    class_id, name = one
    mine, labels = matches.class_id == class_id, matches.label_class_id == class_id
    sure, boxed = mine & (matches.confidence >= threshold), mine & matches.boxed
    n_labels, n_boxed = int(labels.sum()), int((labels & matches.label_boxed).sum())
    n_right, judged = int(matches.right[sure, 0].sum()), matches.right[sure & boxed, 0]
    return ClassFigures(
        name,
        n_labels,
        float(ap[0]),
        float(ap.mean()),
        threshold,
        *_fraction(int(judged.sum()), len(judged)),
        *_fraction(n_right, n_labels),
        n_right,
        int((~judged).sum()),
        n_labels - n_right,
        _best_threshold(matches.right[boxed, 0], matches.confidence[boxed], n_boxed),
        int(matches.n_boxed_fields[class_id]),
    )


def _fraction(right: int, n: int) -> tuple[float, float, float]:
    if not n:
        return float("nan"), float("nan"), float("nan")
    return right / n, *clopper_pearson(right, n)


def _best_threshold(
    right: NDArray[np.bool_], confidence: NDArray[np.float32], n_labels: int
) -> float:
    if not len(right) or not n_labels:
        return float("nan")
    order = np.argsort(-confidence, kind="stable")
    n_right = right[order].cumsum()
    f1 = 2 * n_right / (np.arange(1, len(order) + 1) + n_labels)
    return round(float(confidence[order][int(f1.argmax())]), 3)


def _disagreements(
    pairs: Iterable[tuple[LabeledField, Detections]], thresholds: Mapping[str, float]
) -> Iterator[Disagreement]:
    for labeled, found in pairs:
        names = found.class_names
        least = np.array([thresholds[name] for name in names])
        sure = found.select(found.confidence >= least[found.class_id])
        labels = labels_of(labeled)
        label_of = match_detections(sure, labeled.xyxy, labels).label_of
        for i in np.flatnonzero(label_of < 0):
            confidence = round(float(sure.confidence[i]), 4)
            name = names[sure.class_id[i]]
            corners = _corners(sure.xyxy[i])
            if labeled.boxes_every(name):
                yield Disagreement(labeled.field_id, "extra", name, corners, confidence)
        for i in np.setdiff1d(np.arange(len(labels)), label_of):
            name = names[labels[i]]
            yield Disagreement(labeled.field_id, "missed", name, _corners(labeled.xyxy[i]), None)


def _corners(box: NDArray[np.float32]) -> tuple[float, float, float, float]:
    x_min, y_min, x_max, y_max = (round(float(v), 1) for v in box)
    return x_min, y_min, x_max, y_max


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _write_tables(evaluation: DetectorEvaluation, folder: Path) -> None:
    import pandas as pd

    rows = [asdict(one) for one in evaluation.classes]
    pd.DataFrame(rows).to_csv(folder / "classes.csv", index=False, float_format="%.4f")
    columns = ["field_id", "kind", "class_name", "x_min", "y_min", "x_max", "y_max", "confidence"]
    cells = [
        (d.field_id, d.kind, d.class_name, *d.xyxy, d.confidence) for d in evaluation.disagreements
    ]
    pd.DataFrame(cells, columns=columns).to_csv(folder / "disagreements.csv", index=False)
    curves = [
        pd.DataFrame({"class_name": name, "recall": recall, "precision": precision})
        for name, (recall, precision) in evaluation.curves.items()
    ]
    pd.concat(curves).to_csv(folder / "pr_curves.csv", index=False, float_format="%.4f")
