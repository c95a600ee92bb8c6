"""The earlier systems' own test set, read by this one: as given, and without what it has seen.

    python benchmarks/earlier_systems.py --out docs/results

Kaggle blood-cells TEST is 2,487 turned and sheared copies of 71 fields of BCCD. The shipped
classifier learned from BCCD's train split, so most copies show a cell that it has seen: the figure
on all of them says how well it remembers. The copies of fields in BCCD's test split show cells
that no model here has seen.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leukodiff.classifier.infer import Classifier
from leukodiff.core.intervals import clopper_pearson
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.registry import load_dataset
from leukodiff.detector.infer import Detector

CLASSES = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")
"""The four classes of the set: as the earlier systems do, a copy is given one of these."""

REPORTED = {"VGG19": 0.915, "CNN, 2019": 0.92, "CNN, best reported": 0.98}
"""Accuracies that the earlier systems report on this TEST set."""


@dataclass(frozen=True)
class Copy:
    """A copy, the split of BCCD that its original is in, and whether it was named right."""

    field: LabeledField
    original_split: str
    right: bool


def named(detector: Detector, classifier: Classifier, field: LabeledField) -> str | None:
    """The class of the largest white cell of a copy; `None` if no white cell was found."""
    image = read_rgb(field.path)
    assert field.um_per_px is not None
    found = detector.detect(image, field.um_per_px).of("white_cell")
    if not len(found):
        return None
    area = np.prod(found.xyxy[:, 2:] - found.xyxy[:, :2], axis=1)
    largest = found.select(np.array([area.argmax()]))
    named = classifier.classify(image, largest.xyxy, field.um_per_px)
    of_four = [named.probabilities[0, named.class_names.index(name)] for name in CLASSES]
    return CLASSES[int(np.argmax(of_four))]


def read_copies(detector: Detector, classifier: Classifier) -> list[Copy]:
    """Every copy in TEST, named."""
    split_of = {field.group: field.split for field in load_dataset("bccd")}
    seen_places = {f.group for f in load_dataset("bccd") if f.split in ("train", "val")}
    copies = []
    for field in load_dataset("kaggle_blood_cells"):
        if field.path.parent.parent.name != "TEST":
            continue
        split = "train or val" if field.group in seen_places else split_of.get(field.group, "none")
        right = named(detector, classifier, field) == field.cell_types[0]
        copies.append(Copy(field, split, right))
    return copies


def figures(copies: Sequence[Copy]) -> dict[str, Any]:
    """Accuracy with its 95 % interval, which counts scenes, not copies, as independent.

    The interval is exact (Clopper-Pearson) for n = the number of scenes: copies of one field are
    right or wrong together.
    """
    scenes = {copy.field.group for copy in copies}
    share = float(np.mean([copy.right for copy in copies]))
    n = len(scenes)
    low, high = clopper_pearson(round(share * n), n)
    return {
        "images": len(copies),
        "scenes": n,
        "accuracy": share,
        "low": low,
        "high": high,
    }


def main() -> None:
    """Measure, print, and write `earlier_systems.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    out: Path = parser.parse_args().out
    copies = read_copies(Detector.load(), Classifier.load())
    result = {
        "reported": REPORTED,
        "as_given": figures(copies),
        "unseen": figures([c for c in copies if c.original_split == "test"]),
    }
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=2)
    (out / "earlier_systems.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
