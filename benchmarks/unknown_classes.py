"""Separation of a class that was kept from training from the known ones: AUROC by each score.

For each set of classes left out, a classifier is trained without them from ImageNet weights (it
goes on where it stopped, and is taken as it stands where it is done). Then PBC's test cells of the
known classes are held against all of PBC's cells of each class left out. Prints a table and writes
the figures, with what is right among the known ones.

    python benchmarks/unknown_classes.py --leave-out erythroblast,eosinophil \
        --leave-out basophil,immature_granulocyte --runs runs/unknown --out docs/results
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from leukodiff.classifier.cells import labeled_cells, wide
from leukodiff.classifier.export import known_places, load_trained
from leukodiff.classifier.ood import OodScorer, energies, of_length_1
from leukodiff.classifier.tensor_ops import predict_with_features
from leukodiff.classifier.train import ClassifierTraining, load_splits, train_classifier
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.registry import load_dataset
from leukodiff.datasets.splits import TEST
from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES

LABORATORIES = ("pbc", "bccd", "chula")
TESTED = "pbc"
"""The one laboratory with cells enough of every class."""

NEIGHBORS = 10

Floats = NDArray[np.float32]
Score = Callable[[Floats, Floats], NDArray[Any]]
"""Logits (N, K) and features (N, D) -> how unknown each cell is, (N,)."""


def main() -> None:
    """Trains what is not trained yet, prints the table and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leave-out", action="append", required=True, metavar="CLASS,CLASS")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--weights", default="hub")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--fine-epochs", type=int, default=3)
    parser.add_argument("--cells-per-epoch", type=int, default=6000)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    fields = [field for name in LABORATORIES for field in load_dataset(name)]
    rows = []
    for text in chosen.leave_out:
        left_out = text.split(",")
        settings = ClassifierTraining(
            out=chosen.runs / f"without_{'_'.join(left_out)}",
            weights=chosen.weights,
            classes=tuple(name for name in CLASSIFIER_CLASSES if name not in left_out),
            epochs=chosen.epochs,
            fine_epochs=chosen.fine_epochs,
            cells_per_epoch=chosen.cells_per_epoch,
            threads=chosen.threads,
        )
        best = train_classifier(fields, settings, log=print)
        rows += figures(best, fields, left_out)
    mean = {name: float(np.mean([row["auroc"][name] for row in rows])) for name in rows[0]["auroc"]}
    print(table(rows, mean))
    if chosen.out:
        text = json.dumps({"rows": rows, "mean_auroc": mean}, indent=2)
        (chosen.out / "unknown_classes.json").write_text(text + "\n", encoding="utf-8")


def figures(
    best: Path, fields: Sequence[LabeledField], left_out: Sequence[str]
) -> list[dict[str, Any]]:
    """A row a class left out: AUROC of each score against the known classes' test cells."""
    model, settings = load_trained(best)
    train, _ = load_splits(fields, settings)
    tested = [field for field in fields if field.source == TESTED]
    size = wide(settings.crop)
    known = labeled_cells([f for f in tested if f.split == TEST], settings.classes, size)
    logits, features = predict_with_features(model, known.crops, settings.crop)
    right = float(np.mean(logits.argmax(axis=1) == known.class_id))
    learned, learned_features, _ = known_places(model, train, settings)
    scores = ways(learned, learned_features)
    typical = {name: score(logits, features) for name, score in scores.items()}
    rows = []
    for name in left_out:
        unknown = labeled_cells(tested, [name], size)
        scores_in = predict_with_features(model, unknown.crops, settings.crop)
        auroc = {way: area(typical[way], score(*scores_in)) for way, score in scores.items()}
        counts = {"unknown": len(unknown), "known": len(known)}
        row = {"class": name, "trained_without": list(left_out), "cells": counts}
        rows.append({**row, "known_right": right, "auroc": auroc})
    return rows


def ways(known: OodScorer, features: Floats) -> Mapping[str, Score]:
    """The scores that are compared; the first is the one that ships.

    `features` (N, D) are of the training cells that `known` was made from.
    """
    flat = of_length_1(features)

    def nearest(_logits: Floats, seen: Floats) -> NDArray[Any]:
        like = of_length_1(seen) @ flat.T
        return np.asarray(1 - np.partition(like, -NEIGHBORS, axis=1)[:, -NEIGHBORS])

    def unsure(logits: Floats, _seen: Floats) -> NDArray[Any]:
        return np.asarray(np.logaddexp.reduce(logits, axis=1) - logits.max(axis=1))

    return {
        "both, as it ships": lambda logits, seen: known.score(seen, logits),
        "distance to the classes": lambda _logits, seen: known.distances(seen),
        "nearest training cells": nearest,
        "energy of the logits": lambda logits, _seen: energies(logits),
        "largest logit": lambda logits, _seen: -logits.max(axis=1),
        "largest probability": unsure,
    }


def area(known: NDArray[Any], unknown: NDArray[Any]) -> float:
    """The chance that an unknown cell scores higher than a known one, 0-1."""
    truth = np.r_[np.zeros(len(known)), np.ones(len(unknown))]
    return float(roc_auc_score(truth, np.r_[known, unknown]))


def table(rows: Sequence[Mapping[str, Any]], mean: Mapping[str, float]) -> str:
    """The figures in Markdown, a row a score."""
    names = [row["class"] for row in rows]
    lines = [f"| score | {' | '.join(names)} | mean |", "| --- " * (len(names) + 2) + "|"]
    for way, average in mean.items():
        each = " | ".join(f"{row['auroc'][way]:.3f}" for row in rows)
        lines.append(f"| {way} | {each} | {average:.3f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
