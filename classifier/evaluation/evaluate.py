"""Evaluation of a classifier on labeled cells: figures, curves and pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import classification_report, confusion_matrix

from leukodiff.core.intervals import share_with_interval
from leukodiff.datasets.fields import LabeledField

from ..calibration import bin_table, expected_calibration_error, risk_coverage
from ..cells import labeled_cells
from ..infer import Classifier
from ..predictions import Predictions


@dataclass(frozen=True)
class ClassifierEvaluation:
    """Truth (N,) as class indices, and the predictions of the same N cells.

    Accuracy takes every cell's likeliest class; what the reject threshold leaves unnamed is
    reported separately (`unidentified`, and `accuracy_of_named` over the rest). `model` and
    `sha256` name the model that made them.
    """

    truth: NDArray[np.int64]
    predictions: Predictions
    model: str = ""
    sha256: str = ""

    @cached_property
    def chosen(self) -> NDArray[np.int64]:
        """The likeliest class of each cell, (N,)."""
        return np.asarray(self.predictions.probabilities.argmax(axis=1), np.int64)

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Mask (N,) of the cells whose likeliest class is the true one."""
        return np.asarray(self.chosen == self.truth)

    @cached_property
    def present(self) -> list[int]:
        """The classes that occur in the truth or in the predictions."""
        return sorted(set(self.truth.tolist()) | set(self.chosen.tolist()))

    def summary(self) -> dict[str, Any]:
        """The figures, ready for JSON: shares 0-1 with exact 95 % intervals (Clopper-Pearson)."""
        named = self.predictions.named
        return {
            "model": self.model,
            "sha256": self.sha256,
            "cells": len(self.truth),
            "accuracy": share_with_interval(self.right),
            "named_right": share_with_interval(self.right & named),
            "accuracy_of_named": share_with_interval(self.right[named]),
            "unidentified": share_with_interval(~named),
            "calibration_error": expected_calibration_error(
                self.predictions.confidence, self.right
            ),
            "classes": self._report(output_dict=True),
        }

    def report(self) -> str:
        """The classification report as text: precision, recall, F1 and n of each class."""
        return str(self._report(output_dict=False))

    def _report(self, output_dict: bool) -> Any:
        return classification_report(
            self.truth,
            self.chosen,
            labels=self.present,
            target_names=[self.predictions.class_names[i] for i in self.present],
            output_dict=output_dict,
            digits=4,
            zero_division=0.0,
        )

    def confusion(self) -> pd.DataFrame:
        """Counts: a row a true class, a column a named class."""
        names = [self.predictions.class_names[i] for i in self.present]
        counts = confusion_matrix(self.truth, self.chosen, labels=self.present)
        return pd.DataFrame(counts, index=pd.Index(names, name="true"), columns=names)

    def save(self, out: Path) -> None:
        """Writes `classifier.json`, the report, the confusion matrix, the curves and pictures."""
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.summary(), indent=2)
        (out / "classifier.json").write_text(text + "\n", encoding="utf-8")
        (out / "classification_report.txt").write_text(self.report(), encoding="utf-8")
        self.confusion().to_csv(out / "confusion_matrix.csv")
        draw_confusion(self.confusion(), out / "confusion_matrix.png")
        bins = bin_table(self.predictions.confidence, self.right)
        draw_reliability(bins, out / "reliability.png")
        curve = risk_coverage(self.predictions.confidence, self.right)
        write_risk_coverage(curve, out / "risk_coverage.csv")
        draw_risk_coverage({"": curve}, out / "risk_coverage.png")


def write_risk_coverage(curve: Sequence[tuple[float, float, float]], path: Path) -> None:
    """Writes a curve of `calibration.risk_coverage` as a table of shares, 0-1."""
    rows = pd.DataFrame(curve, columns=["threshold", "unidentified", "right_of_named"])
    rows.to_csv(path, index=False, float_format="%.4f")


def evaluate_classifier(
    classifier: Classifier, fields: Sequence[LabeledField]
) -> ClassifierEvaluation:
    """Names every labeled cell of the fields, its crop cut as in the pipeline."""
    facts = classifier.metadata
    cells = labeled_cells(fields, facts.classes, classifier.crop)
    predictions = classifier.classify_crops(cells.crops, cells.width_um)
    return ClassifierEvaluation(
        cells.class_id, predictions, f"{facts.name} {facts.version}", facts.sha256
    )


def draw_confusion(counts: pd.DataFrame, path: Path) -> None:
    """Draws a confusion matrix: counts written in, colored by the share of the true class."""
    values = counts.to_numpy()
    share = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    figure = _figure(1.5 + 0.8 * len(counts), 1.2 + 0.7 * len(counts))
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), n in np.ndenumerate(values):
        color = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(n), ha="center", va="center", color=color)
    names = [str(name).replace("_", " ") for name in counts.columns]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="named", ylabel="true")
    figure.savefig(path, dpi=110)


def draw_reliability(bins: Sequence[tuple[float, float, float]], path: Path) -> None:
    """Draws share right against confidence; a dot's size is its share of the cells."""
    figure = _figure(4.5, 4.5)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    if bins:
        confidence, right, share = np.array(bins).T
        axes.scatter(confidence, right, s=20 + 600 * share, alpha=0.7)
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1.03), ylim=(0, 1.03))
    figure.savefig(path, dpi=110)


def draw_risk_coverage(
    curves: Mapping[str, Sequence[tuple[float, float, float]]], path: Path
) -> None:
    """Draws, for each name, the share right of the named cells over the share left unidentified."""
    figure = _figure(5.2, 4.2)
    axes = figure.add_subplot()
    for name, rows in curves.items():
        if rows:
            _, unidentified, right = np.array(rows).T
            axes.plot(100 * unidentified, 100 * right, label=name)
    axes.set(xlabel="left unidentified, %", ylabel="right of the named, %", xlim=(0, 100))
    axes.set_ylim(top=100.5)
    axes.grid(alpha=0.3)
    if len(curves) > 1:
        axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)


def _figure(width: float, height: float) -> Any:
    # Figures of their own, not pyplot's: nothing global, no display.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
