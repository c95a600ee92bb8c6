"""Do the corrections of one half of a laboratory's cells make the other half better?

Of a laboratory only cells are taken that the classifier has not learned from: the test split for
one that knows the laboratory (`held out`), all of it for one that does not (`left out`). Its fields
are cut in two halves by place (fields that show the same place stay together), each class evenly.
The true labels of one half stand for the corrections that a person signed; the other half is named
before and after; then the other way round, so that each cell is named once by a classifier that
learned from the other half alone. Two ways to learn:

- fine-tuned: `train classifier --weights`, with the corrections beside public data;
- last layer: the same with `--last-layer`.

Both are exported as ever, calibrated on the public val cells.

What the same classifier says of other laboratories' test cells tells what it forgot.

    nice python benchmarks/learning_from_corrections.py --runs runs/corrections --out docs/results
    nice python benchmarks/learning_from_corrections.py --only chula --classifier FOLD.onnx \
        --runs runs/corrections_fold --name corrections_left_out --out docs/results

The fold of `corrections_left_out.json` was made by `train classifier --data pbc --data bccd
--epochs 8 --fine-epochs 2 --cells-per-epoch 4000`, from the ImageNet weights, and `export`.
`corrections.json` was made with `--way "last layer"`.
"""

import argparse
import gc
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from places import places
from scipy.stats import binomtest

from leukodiff.classifier.evaluation.cell_predictions import (
    CellPredictions,
    classify_labeled,
    figures,
)
from leukodiff.classifier.export import ExportNotes, export_classifier
from leukodiff.classifier.head_finetune import PULL, train_last_layer
from leukodiff.classifier.infer import SHIPPED, Classifier
from leukodiff.classifier.train import ClassifierTraining, train_classifier
from leukodiff.datasets.bccd import bccd_test_scenes
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.leave_one_out import HELD_OUT, LEFT_OUT
from leukodiff.datasets.registry import load_dataset
from leukodiff.datasets.splits import TEST, TRAIN, position
from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES, FIVE_PART
from leukodiff.runtime.metadata import metadata_path

LABORATORIES = ("chula", "bccd")
PUBLIC = ("pbc", "bccd", "chula")
THINNED = {"pbc": 4}
"""Of PBC every fourth field, for time's sake."""

FINE_TUNED = "fine-tuned"
LAST_LAYER = "last layer"

Halves = tuple[list[LabeledField], list[LabeledField]]
Predict = Callable[[Sequence[LabeledField]], CellPredictions]


@dataclass(frozen=True)
class Task:
    """A classifier, the public fields it may go on learning from, and how."""

    classifier: Path
    public: list[LabeledField]
    settings: ClassifierTraining
    ways: tuple[str, ...]


def main() -> None:
    """Prints a line a laboratory and way, and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classifier", type=Path, default=SHIPPED)
    parser.add_argument("--architecture", default="tf_efficientnet_lite0")
    parser.add_argument("--only", action="append", choices=LABORATORIES)
    parser.add_argument("--way", action="append", choices=(FINE_TUNED, LAST_LAYER))
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="corrections")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--fine-epochs", type=int, default=1)
    parser.add_argument("--cells-per-epoch", type=int, default=800)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    before = Classifier.load(chosen.classifier, threads=chosen.threads)
    settings = ClassifierTraining(
        out=chosen.runs,
        architecture=chosen.architecture,
        weights=str(chosen.classifier),
        classes=before.metadata.classes,
        crop=before.crop,
        epochs=chosen.epochs,
        fine_epochs=chosen.fine_epochs,
        cells_per_epoch=chosen.cells_per_epoch,
        learning_rate=chosen.learning_rate,
        device="cpu",
        threads=chosen.threads,
    )
    data = {name: thinned(name) for name in PUBLIC}
    known = {one.get("name", "") for one in before.metadata.training_data}
    rows = {}
    for name in chosen.only or LABORATORIES:
        public = [f for other in PUBLIC if other in known for f in data[other] if f.split != TEST]
        chosen_ways = tuple(chosen.way or (FINE_TUNED, LAST_LAYER))
        task = Task(chosen.classifier, public, settings, chosen_ways)
        rows[name] = measured(task, name, data, HELD_OUT if name in known else LEFT_OUT)
        facts = {"classifier": before.metadata.identity, "laboratories": rows}
        text = json.dumps(facts | {"settings": plain(settings)}, indent=2)
        (chosen.out / f"{chosen.name}.json").write_text(text + "\n", encoding="utf-8")


def plain(settings: ClassifierTraining) -> dict[str, Any]:
    """Settings that the figures depend on besides the data."""
    names = ("epochs", "fine_epochs", "cells_per_epoch", "learning_rate", "batch_size", "seed")
    return {name: getattr(settings, name) for name in names} | {"last_layer_pull": PULL}


def thinned(name: str) -> list[LabeledField]:
    """The fields of a data set that show a known class, one in so many of a large one.

    Without what BCCD's train and val splits show of its test places.
    """
    fields = [
        f
        for f in load_dataset(name)
        if set(f.cell_types) & set(CLASSIFIER_CLASSES)
        and (f.source != "bccd" or f.split == TEST or f.group not in bccd_test_scenes())
    ]
    every = THINNED.get(name, 1)
    kept = [f for f in fields if position(f"corrections/{f.group}") < 1 / every]
    return kept if every > 1 else fields


def measured(
    task: Task, name: str, data: Mapping[str, Sequence[LabeledField]], part: str
) -> dict[str, Any]:
    """The figures of a laboratory before and after, over both directions."""
    fields = [f for f in data[name] if part == LEFT_OUT or f.split == TEST]
    fields = [f for f in fields if set(f.cell_types) & set(FIVE_PART)]
    at = [f.group for f in fields] if name == "bccd" else [str(one) for one in places(fields)]
    halves = cut_in_two(fields, at)
    others = {
        other: [f for f in data[other] if f.split == TEST] for other in PUBLIC if other != name
    }
    predicted: dict[str, list[CellPredictions]] = {}
    elsewhere: dict[str, dict[str, list[CellPredictions]]] = {}
    for turn, (learned, asked) in enumerate((halves, halves[::-1])):
        where = task.settings.out / f"{name}_{turn}"
        corrections = [replace(f, source="table", split=TRAIN) for f in learned]
        for way, predict in ways(task, corrections, where).items():
            predicted.setdefault(way, []).append(predict(asked))
            for other, cells in others.items():
                elsewhere.setdefault(other, {}).setdefault(way, []).append(predict(cells))
        gc.collect()
    named = {way: together(parts) for way, parts in predicted.items()}
    row = {
        "part": part,
        "fields": len(fields),
        "places": len(set(at)),
        "cells_in_half": [cells_in(half) for half in halves],
        **{way: compared(one, named["before"]) for way, one in named.items()},
        "elsewhere": {
            other: {way: figures(together(parts)) for way, parts in by_way.items()}
            for other, by_way in elsewhere.items()
        },
    }
    show(name, row, [*named])
    return row


def ways(task: Task, corrections: Sequence[LabeledField], where: Path) -> dict[str, Predict]:
    """Predictors before and after learning from the corrections, by the way to learn."""
    before = Classifier.load(task.classifier, threads=task.settings.threads)
    found: dict[str, Predict] = {"before": lambda fields: classify_labeled(before, fields)}
    if FINE_TUNED in task.ways:
        found[FINE_TUNED] = fine_tuned(task, corrections, where)
    if LAST_LAYER in task.ways:
        found[LAST_LAYER] = last_layer(task, corrections, where)
    return found


def cut_in_two(fields: Sequence[LabeledField], at: Sequence[str]) -> Halves:
    """The fields in two halves of whole places, each type as evenly as the places allow."""
    by_place: dict[str, list[LabeledField]] = {}
    for one, place in zip(fields, at, strict=True):
        by_place.setdefault(place, []).append(one)
    halves: Halves = ([], [])
    counts = (Counter[str](), Counter[str]())
    for place in sorted(by_place, key=lambda one: (-len(by_place[one]), position(one))):
        types = Counter(t for f in by_place[place] for t in f.cell_types if t in FIVE_PART)
        fuller = sum((counts[0][t] - counts[1][t]) * n for t, n in types.items())
        chosen = int(fuller > 0 or (fuller == 0 and counts[0].total() > counts[1].total()))
        halves[chosen].extend(by_place[place])
        counts[chosen].update(types)
    return halves


def cells_in(fields: Sequence[LabeledField]) -> dict[str, int]:
    """Number of cells of each of the five types."""
    found = Counter(t for f in fields for t in f.cell_types if t in FIVE_PART)
    return {name: found[name] for name in FIVE_PART if found[name]}


def fine_tuned(task: Task, corrections: Sequence[LabeledField], where: Path) -> Predict:
    """As `train classifier` and `export classifier` do it."""
    return exported(task, corrections, where / "fine_tuned", train_classifier)


def exported(
    task: Task, corrections: Sequence[LabeledField], where: Path, train: Callable[..., Path]
) -> Predict:
    """Predictor of a classifier that learned by `train`; one that stands already is taken."""
    out = where / "model.onnx"
    if not metadata_path(out).is_file():
        fields = [*task.public, *corrections]
        best = train(fields, replace(task.settings, out=where), log=print)
        export_classifier(best, fields, out, ExportNotes("with-corrections"))
    after = Classifier.load(out, threads=task.settings.threads)
    return lambda fields: classify_labeled(after, fields)


def last_layer(task: Task, corrections: Sequence[LabeledField], where: Path) -> Predict:
    """As `train classifier --last-layer` and `export classifier` do it."""
    return exported(task, corrections, where / "last_layer", train_last_layer)


def together(parts: Sequence[CellPredictions]) -> CellPredictions:
    """The cells of several readings by models of the same classes as one."""
    return replace(
        parts[0],
        truth=np.concatenate([one.truth for one in parts]),
        probabilities=np.concatenate([one.probabilities for one in parts]),
        named=np.concatenate([one.named for one in parts]),
        groups=np.concatenate([one.groups for one in parts]),
    )


def compared(after: CellPredictions, before: CellPredictions) -> dict[str, Any]:
    """Figures of the five types, and which cells came right or went wrong (exact McNemar test)."""
    after, before = (one.of_types(FIVE_PART) for one in (after, before))
    mended, spoilt = (int((a & ~b).sum()) for a, b in _pairs(after.right, before.right))
    named, lost = (
        int((a & ~b).sum())
        for a, b in _pairs(after.right & after.named, before.right & before.named)
    )
    return {
        **figures(after),
        "mended": mended,
        "spoilt": spoilt,
        "p": binomtest(mended, mended + spoilt).pvalue if mended + spoilt else 1.0,
        "newly_named_right": named,
        "no_longer_named_right": lost,
    }


def _pairs(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> list[tuple[Any, Any]]:
    return [(a, b), (b, a)]


def show(name: str, row: Mapping[str, Any], named: Sequence[str]) -> None:
    """A line a way."""
    print(f"{name}, {row['part']}: {row['cells_in_half']} cells from {row['places']} places")
    for way in named:
        one = row[way]
        right, left = one["accuracy"]["share"], one["unidentified"]["share"]
        recall = {t: round(c["recall"]["share"], 3) for t, c in one["classes"].items()}
        kept = {o: round(r[way]["accuracy"]["share"], 3) for o, r in row["elsewhere"].items()}
        print(
            f"  {way}: right {right:.3f}, mended {one['mended']}, spoilt {one['spoilt']}, "
            f"left unidentified {left:.3f}, recall {recall}; elsewhere {kept}"
        )


if __name__ == "__main__":
    main()
