"""Cost and catch of the notes on cells: by each rule, how many cells it leaves unidentified.

For every labeled cell, boxed by hand and as the detector boxes it: how many cells a rule notes,
how many of them the classifier would have named right and wrong without it, and what is right of
the cells that are named with and without the rules. One table in Markdown.

    python benchmarks/notes.py --data bccd --data txl_pbc --split train --split val
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leukodiff.classifier.facts import CellNote
from leukodiff.classifier.infer import Classifier
from leukodiff.classifier.predictions import Predictions
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.registry import load_dataset
from leukodiff.datasets.vocabulary import WHITE_CELL, is_white
from leukodiff.detector.detections import Detections
from leukodiff.detector.infer import Detector
from leukodiff.detector.matching import match_detections

NOTES = tuple(filter(None, CellNote))


@dataclass(frozen=True)
class Judged:
    """One cell of known type: whether its likeliest class is right, whether sure, and its note."""

    right: bool
    sure: bool
    note: CellNote


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classifier", type=Path)
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--split", action="append", required=True)
    chosen = parser.parse_args()
    classifier, detector = Classifier.load(chosen.classifier), Detector.load()
    print("| data | boxes | cells | " + " | ".join(NOTES) + " | named | right | without rules |")
    print("| --- " * (len(NOTES) + 6) + "|")
    for name in chosen.data:
        fields = [one for one in load_dataset(name) if one.split in chosen.split]
        for boxes, found in (("labeled", None), ("detected", detector)):
            cells = [cell for one in fields for cell in judged(one, classifier, found)]
            print(row(f"{name} {'+'.join(chosen.split)}", boxes, cells))


def judged(
    field: LabeledField, classifier: Classifier, detector: Detector | None
) -> Iterator[Judged]:
    """The cells of a field whose type the classifier knows."""
    white = field.keep([i for i, name in enumerate(field.cell_types) if is_white_or_young(name)])
    classes = classifier.metadata.classes
    if not set(white.cell_types) & set(classes) or field.um_per_px is None:
        return
    image = read_rgb(field.path)
    found, at = _predicted(image, white, classifier, detector)
    for label, true in enumerate(white.cell_types):
        if true in classes and label in at:
            yield _judged(found, at[label], true)


def is_white_or_young(name: str) -> bool:
    """White cells and erythroblasts: what the detector boxes as white."""
    return is_white(name) or name == "erythroblast"


def _predicted(
    image: NDArray[np.uint8],
    white: LabeledField,
    classifier: Classifier,
    detector: Detector | None,
) -> tuple[Predictions, dict[int, int]]:
    """What is said of each box, and which box stands for which label."""
    scale = white.um_per_px or 0.0
    if detector is None:
        return classifier.classify(image, white.xyxy, scale), {i: i for i in range(len(white.xyxy))}
    found: Detections = detector.detect(image, scale).of(WHITE_CELL)
    kinds = np.full(len(white.xyxy), found.class_names.index(WHITE_CELL), np.int64)
    label_of = match_detections(found, white.xyxy, kinds).label_of
    at = {int(label): i for i, label in enumerate(label_of) if label >= 0}
    return classifier.classify(image, found.xyxy, scale), at


def _judged(found: Predictions, at: int, true: str) -> Judged:
    right = found.class_names[int(found.probabilities[at].argmax())] == true
    return Judged(right, bool(found.confidence[at] >= found.reject_threshold), found.notes[at])


def row(data: str, boxes: str, cells: Sequence[Judged]) -> str:
    """A row of the table; of each note: cells noted, and those that were sure, right + wrong."""
    n = max(1, len(cells))
    parts = [data, boxes, str(len(cells))]
    for note in NOTES:
        noted = [cell for cell in cells if cell.note == note]
        sure = [cell.right for cell in noted if cell.sure]
        share = f"{100 * len(noted) / n:.1f} %"
        parts.append(f"{share} ({sum(sure)} + {len(sure) - sum(sure)})" if noted else "0")
    named = [cell.right for cell in cells if not cell.note]
    before = [cell.right for cell in cells if cell.sure]
    parts += [f"{100 * len(some) / n:.1f} %" for some in (named,)]
    parts += [f"{100 * np.mean(some or [False]):.1f} %" for some in (named, before)]
    return "| " + " | ".join(parts) + " |"


if __name__ == "__main__":
    main()
