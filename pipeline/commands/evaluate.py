"""`leukodiff evaluate`: how good the models are on fields whose cells are known."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .laboratories import laboratories
from .method_comparison import evaluate_counts
from .options import (
    FOLDER,
    classifier_option,
    data_options,
    detector_option,
    engine_options,
    json_option,
    labeled_fields,
    scale_option,
    split_option,
)

if TYPE_CHECKING:
    from leukodiff.datasets.fields import LabeledField
    from leukodiff.detector.infer import Detector

_out = click.option("--out", type=FOLDER, help="Folder for tables, figures and pictures.")


@click.group()
def evaluate() -> None:
    """Measure models on labeled fields, and counts against manual ones.

    All but `pipeline` and `counts` need the `train` extra.
    """


evaluate.add_command(laboratories)
evaluate.add_command(evaluate_counts)


@evaluate.command("detector")
@detector_option
@data_options("bccd")
@split_option
@scale_option
@_out
@json_option
@engine_options
@click.option(
    "--ladder",
    metavar="UM,UM,...",
    callback=lambda _context, _option, text: _scales(text) if text else [],
    help="Also measure at these working scales (um/px).",
)
def evaluate_detector(
    detector: Path | None,
    data: tuple[str, ...],
    official_labels: bool,
    split: str,
    um_per_px: float | None,
    out: Path | None,
    json_file: Path | None,
    engine: str,
    threads: int | None,
    ladder: list[float],
) -> None:
    """mAP50, mAP50-95, AP per class, precision and recall at the shipped threshold."""
    from leukodiff.detector.evaluate import evaluate_detector as measure
    from leukodiff.detector.infer import Detector

    from .console import show_table

    fields = labeled_fields(data, official_labels, split, um_per_px)
    loaded = Detector.load(detector, engine=engine, threads=threads)
    figures = measure(loaded, fields)
    title = f"mAP50 {figures.map50:.4f}   mAP50-95 {figures.map50_95:.4f}   {len(fields)} fields"
    columns = ("class", "labels", "AP50", "AP50-95", "threshold", "precision", "recall", "extra")
    rows = [
        (
            c.name,
            c.n_labels,
            *_fixed(c.ap50, c.ap50_95, c.threshold, c.precision, c.recall),
            c.n_extra,
        )
        for c in figures.classes
    ]
    show_table(title, columns, rows)
    if out:
        figures.save(out)
    _write_json(json_file, figures.as_dict())
    if ladder:
        _climb(loaded, ladder, fields, out)


@evaluate.command("classifier")
@classifier_option
@data_options("pbc")
@split_option
@scale_option
@_out
@json_option
@engine_options
def evaluate_classifier(
    classifier: Path | None,
    data: tuple[str, ...],
    official_labels: bool,
    split: str,
    um_per_px: float | None,
    out: Path | None,
    json_file: Path | None,
    engine: str,
    threads: int | None,
) -> None:
    """Classification report, confusion matrix, reliability; crops cut by the labeled boxes."""
    from leukodiff.classifier.evaluation.evaluate import evaluate_classifier as measure
    from leukodiff.classifier.infer import Classifier

    fields = labeled_fields(data, official_labels, split, um_per_px)
    figures = measure(Classifier.load(classifier, engine=engine, threads=threads), fields)
    click.echo(figures.report())
    summary = figures.summary()
    click.echo(f"accuracy {_interval(summary['accuracy'])}")
    click.echo(f"of the named {_interval(summary['accuracy_of_named'])}")
    click.echo(f"unidentified {_interval(summary['unidentified'])}")
    if out:
        figures.save(out)
    _write_json(json_file, summary)


@evaluate.command("pipeline")
@detector_option
@classifier_option
@data_options("bccd")
@split_option
@scale_option
@_out
@json_option
@engine_options
def evaluate_pipeline(
    detector: Path | None,
    classifier: Path | None,
    data: tuple[str, ...],
    official_labels: bool,
    split: str,
    um_per_px: float | None,
    out: Path | None,
    json_file: Path | None,
    engine: str,
    threads: int | None,
) -> None:
    """From the field's pixels to each known cell's name, both models together."""
    from leukodiff.classifier.infer import Classifier
    from leukodiff.detector.infer import Detector
    from leukodiff.pipeline.analysis.evaluate import evaluate_pipeline as measure

    from .console import progress_bar, show_table

    fields = labeled_fields(data, official_labels, split, um_per_px)
    models = (
        Detector.load(detector, engine=engine, threads=threads),
        Classifier.load(classifier, engine=engine, threads=threads),
    )
    with progress_bar("fields") as advance:
        figures = measure(*models, fields, advance)
    summary = figures.summary()
    rows = [
        (name, one["n"], *_fixed(one["share"], one["low"], one["high"]))
        for name, one in summary["recall"].items()
    ]
    show_table(f"{summary['fields']} fields", ("type", "cells", "recall", "low", "high"), rows)
    for what in ("found", "named_right", "likeliest_right"):
        click.echo(f"{what.replace('_', ' ')} {_interval(summary[what])}")
    if out:
        figures.save(out)
    _write_json(json_file, summary)


def _scales(text: str) -> list[float]:
    try:
        scales = [float(one) for one in text.split(",")]
    except ValueError:
        scales = []
    if not scales or not all(0 < scale < math.inf for scale in scales):
        raise click.BadParameter(f"expected positive numbers with commas, not {text!r}")
    return scales


def _climb(
    detector: Detector, scales: list[float], fields: list[LabeledField], out: Path | None
) -> None:
    from leukodiff.detector.resolution_sweep import resolution_sweep

    from .console import show_table

    points = resolution_sweep([detector.at_scale(scale) for scale in scales], fields, out)
    rows = [
        (*_fixed(r.um_per_px, r.white_cell_recall, r.white_cell_ap50, r.map50), r.milliseconds)
        for r in points
    ]
    show_table("working scale", ("um/px", "WBC recall", "WBC AP50", "mAP50", "ms a field"), rows)


def _fixed(*values: float | None) -> list[str]:
    return ["" if value is None or value != value else f"{value:.4f}" for value in values]


def _interval(one: Mapping[str, Any]) -> str:
    if not one["n"]:
        return "-- (no cells)"
    low, high = 100 * one["low"], 100 * one["high"]
    return f"{100 * one['share']:.1f} % (95 % interval {low:.1f}-{high:.1f} %, n = {one['n']})"


def _write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
