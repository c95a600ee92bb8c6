"""Measures the shipped models and writes docs/results.md, every figure in it from a file beside it.

    LEUKODIFF_DATA=... python benchmarks/results.py            # all of it
    python benchmarks/results.py --page                                   # the page alone

`benchmarks/earlier_systems.py` and `benchmarks/speed_bccd.py` write their own files there.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from results_page import load_figures, page

from leukodiff.classifier.evaluation.evaluate import evaluate_classifier
from leukodiff.classifier.infer import Classifier
from leukodiff.datasets.bccd import load_bccd
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.registry import dataset_root, load_dataset
from leukodiff.datasets.splits import TEST, apart_from
from leukodiff.detector.evaluate import evaluate_detector
from leukodiff.detector.infer import Detector
from leukodiff.detector.resolution_sweep import resolution_sweep
from leukodiff.pipeline.analysis.evaluate import evaluate_pipeline

SWEEP_UM_PER_PX = (0.1216, 0.14, 0.158, 0.18, 0.2, 0.22, 0.25)

DOCS = Path("docs")


def bccd_test(erratum: bool) -> list[LabeledField]:
    """BCCD's official test fields."""
    return [f for f in load_bccd(dataset_root("bccd"), erratum) if f.split == TEST]


def unseen_places(fields: Sequence[LabeledField]) -> list[LabeledField]:
    """Those of the fields that show a place which no field of BCCD's train or val split shows."""
    others = [f for f in load_dataset("bccd") if f.split != TEST]
    return apart_from(fields, others)


def detector_figures(out: Path) -> None:
    """BCCD's test split twice over, and what was kept out of training of two other laboratories."""
    detector = Detector.load()
    for name, fields in {
        "bccd_erratum": bccd_test(erratum=True),
        "bccd_official": bccd_test(erratum=False),
        "bccd_erratum_unseen_places": unseen_places(bccd_test(erratum=True)),
        "txl_pbc": [f for f in load_dataset("txl_pbc") if f.split == TEST],
        "chula": [f for f in load_dataset("chula") if f.split == TEST],
    }.items():
        evaluate_detector(detector, fields).save(out / "detector" / name)
        print("detector", name)
    val = [f for f in load_dataset("bccd") if f.split == "val"]
    points = [detector.at_scale(scale) for scale in SWEEP_UM_PER_PX]
    resolution_sweep(points, val, out / "detector" / "ladder")


def classifier_figures(out: Path) -> None:
    """PBC's held-out cells, and the smears of Chula that were kept out of training."""
    classifier = Classifier.load()
    for name, fields in {
        "pbc": [f for f in load_dataset("pbc") if f.split == TEST],
        "chula": [f for f in load_dataset("chula") if f.split == TEST],
    }.items():
        evaluate_classifier(classifier, fields).save(out / "classifier" / name)
        print("classifier", name)


def pipeline_figures(out: Path) -> None:
    """From the field's pixels to the cell's name, on BCCD's test fields with one labeled cell."""
    models = Detector.load(), Classifier.load()
    for name, fields in {
        "bccd_official": bccd_test(erratum=False),
        "bccd_erratum": bccd_test(erratum=True),
        "bccd_unseen_places": unseen_places(bccd_test(erratum=False)),
        "chula": [f for f in load_dataset("chula") if f.split == TEST],
    }.items():
        evaluate_pipeline(*models, fields).save(out / "pipeline" / name)
        print("pipeline", name)


MEASUREMENTS: dict[str, Callable[[Path], None]] = {
    "detector": detector_figures,
    "classifier": classifier_figures,
    "pipeline": pipeline_figures,
}


def main() -> None:
    """Measure what was asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help="write the page only")
    parser.add_argument("--only", choices=sorted(MEASUREMENTS), help="measure one part")
    chosen = parser.parse_args()
    out = DOCS / "results"
    for name, measure in MEASUREMENTS.items():
        if not chosen.page and chosen.only in (None, name):
            measure(out)
    (DOCS / "results.md").write_text(page(load_figures(out)), encoding="utf-8")


if __name__ == "__main__":
    main()
