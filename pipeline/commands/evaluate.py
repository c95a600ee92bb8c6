"""`leukodiff evaluate`: how good the models are on fields whose cells are known."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .compare import evaluate_counts, write_files
from .options import (
    FOLDER,
    Command,
    classifier_option,
    command_line,
    data_options,
    detector_option,
    engine_options,
    json_option,
    labeled_fields,
    prior_option,
    scale_option,
    split_option,
    together,
)
from .train import train_classifier

if TYPE_CHECKING:
    from leukodiff.classifier.infer import Classifier
    from leukodiff.datasets.fields import LabeledField
    from leukodiff.datasets.leave_one_out import Laboratory
    from leukodiff.detector.infer import Detector

AnyModel = TypeVar("AnyModel", "Detector", "Classifier")


def evaluation_options(
    *data: str,
    more: Sequence[Callable[[Any], Any]] = (split_option,),
    out: str = "Folder for tables, figures and pictures.",
) -> Callable[[Command], Command]:
    """The options of an `Evaluation`, and `more` of its own; `data` is evaluated by default."""
    out_folder = click.option("--out", type=FOLDER, help=out)
    shared = (scale_option, out_folder, json_option, engine_options)
    return together(data_options(*data), *more, *shared)


@dataclass(frozen=True)
class Evaluation:
    """Options that all evaluations share: the fields, the engine, where the figures go."""

    data: tuple[str, ...]
    official_labels: bool
    um_per_px: float | None
    out: Path | None
    json_file: Path | None
    engine: str
    threads: int | None
    split: str | None = None
    prior: str = "routine"

    def labeled_fields(self) -> list[LabeledField]:
        """The labeled fields asked for."""
        return labeled_fields(self.data, self.official_labels, self.split, self.um_per_px)

    def detector(self, path: Path | None) -> Detector:
        """A detector, the shipped one where no file is named."""
        from leukodiff.detector.infer import Detector

        return Detector.load(path, engine=self.engine, threads=self.threads)

    def classifier(self, path: Path | None) -> Classifier:
        """A classifier, the shipped one where no file is named."""
        from leukodiff.classifier.infer import Classifier

        return Classifier.load(path, engine=self.engine, threads=self.threads, prior=self.prior)

    def write(self, facts: Mapping[str, Any], save: Callable[[Path], object]) -> None:
        """Writes figures where they are asked for: `facts` as JSON, `save` a folder of files."""
        if self.out:
            save(self.out)
        if self.json_file:
            write_files({self.json_file: json.dumps(facts, indent=2) + "\n"})


@click.group()
def evaluate() -> None:
    """Measure models on labeled fields, and counts against manual ones.

    All but `pipeline` and `counts` need the `train` extra.
    """


evaluate.add_command(evaluate_counts)


@evaluate.command("detector")
@detector_option
@evaluation_options("bccd")
@click.option(
    "--ladder",
    "scales",
    metavar="UM,UM,...",
    callback=lambda _context, _option, text: _scales(text) if text else [],
    help="Also measure at these working scales (um/px).",
)
def evaluate_detector(detector: Path | None, scales: list[float], **chosen: Any) -> None:
    """mAP50, mAP50-95, AP per class, precision and recall at the shipped threshold."""
    from leukodiff.detector.evaluate import evaluate_detector as measure

    from .console import show_table

    evaluation = Evaluation(**chosen)
    labeled = evaluation.labeled_fields()
    loaded = evaluation.detector(detector)
    figures = measure(loaded, labeled)
    title = f"mAP50 {figures.map50:.4f}   mAP50-95 {figures.map50_95:.4f}   {len(labeled)} fields"
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
    evaluation.write(figures.as_dict(), figures.save)
    if scales:
        _sweep(loaded, scales, labeled, evaluation.out)


@evaluate.command("classifier")
@classifier_option
@evaluation_options("pbc", more=(split_option, prior_option))
def evaluate_classifier(classifier: Path | None, **chosen: Any) -> None:
    """Classification report, confusion matrix, reliability; crops cut by the labeled boxes."""
    from leukodiff.classifier.evaluation.evaluate import evaluate_classifier as measure

    evaluation = Evaluation(**chosen)
    labeled = evaluation.labeled_fields()
    figures = measure(evaluation.classifier(classifier), labeled)
    click.echo(figures.report())
    summary = figures.summary()
    click.echo(f"accuracy {_interval(summary['accuracy'])}")
    click.echo(f"of the named {_interval(summary['accuracy_of_named'])}")
    click.echo(f"unidentified {_interval(summary['unidentified'])}")
    evaluation.write(summary, figures.save)


@evaluate.command("pipeline")
@detector_option
@classifier_option
@evaluation_options("bccd", more=(split_option, prior_option))
def evaluate_pipeline(detector: Path | None, classifier: Path | None, **chosen: Any) -> None:
    """From the field's pixels to each known cell's name, both models together."""
    from leukodiff.pipeline.analysis.evaluate import evaluate_pipeline as measure

    from .console import progress_bar, show_table

    evaluation = Evaluation(**chosen)
    labeled = evaluation.labeled_fields()
    models = evaluation.detector(detector), evaluation.classifier(classifier)
    with progress_bar("fields") as advance:
        figures = measure(*models, labeled, advance)
    summary = figures.summary()
    rows = [
        (name, one["n"], *_fixed(one["share"], one["low"], one["high"]))
        for name, one in summary["recall"].items()
    ]
    show_table(f"{summary['fields']} fields", ("type", "cells", "recall", "low", "high"), rows)
    for what in ("found", "named_right", "likeliest_right"):
        click.echo(f"{what.replace('_', ' ')} {_interval(summary[what])}")
    (macro_f1,) = _fixed(summary["macro_f1"])
    click.echo(f"macro-F1 of five, missed and unidentified as wrong {macro_f1}")
    evaluation.write(summary, figures.save)


_only = click.option(
    "--only", multiple=True, metavar="LAB", help="Only this laboratory; may be repeated."
)
_model = click.option(
    "--model",
    multiple=True,
    metavar="LAB=FILE",
    callback=lambda _context, _option, texts: dict(map(_lab_and_file, texts)),
    help="A model that has not seen the laboratory; may be repeated.",
)
_runs = click.option(
    "--runs", type=FOLDER, help="Folder of the folds: those that lack are trained here."
)
_LABORATORIES_OUT = "Folder for the table, curves and pictures."


@evaluate.group()
def laboratories() -> None:
    """One table of laboratories, each tested by a model that has never seen it."""


@laboratories.command("classifier")
@classifier_option
@evaluation_options(
    *("pbc", "bccd", "chula", "txl_raabin"),
    more=(_only, _model, _runs, prior_option),
    out=_LABORATORIES_OUT,
)
def laboratories_classifier(
    classifier: Path | None,
    only: tuple[str, ...],
    model: dict[str, Path],
    runs: Path | None,
    **chosen: Any,
) -> None:
    """Recall and F1 of each type, calibration, share left unidentified.

    A laboratory's model is what --model names, else the fold in --runs, trained there on all the
    other laboratories if it lacks; without --runs the shipped model where it has not seen the
    laboratory. What the shipped model was kept from in a laboratory it knows is a row of its own.
    """
    from leukodiff.classifier.evaluation.leave_one_out import fold_model, laboratory_rows, save_rows
    from leukodiff.classifier.evaluation.leave_one_out_table import SCREEN, screen_row
    from leukodiff.classifier.evaluation.pooled_calibration import pooled_calibration
    from leukodiff.datasets.leave_one_out import LEFT_OUT

    from .console import show_table

    names = [one.name for one in fields(Evaluation) if one.name in chosen]
    evaluation = Evaluation(**{name: chosen.pop(name) for name in names})
    labs = _laboratories(evaluation)
    training = chosen | {"threads": evaluation.threads or 0}

    def fold_of(lab: Laboratory) -> Path | None:
        if lab.name in model or runs is None:
            return model.get(lab.name)
        log = partial(_log, about=f"without {lab.name}  ")
        return fold_model(labs, lab.name, runs, training, log, command_line())

    load = evaluation.classifier
    tests = _tests(_chosen(labs, only, model), load(classifier), fold_of, load)
    done = list(tests)
    rows = [row for one, lab, part in done for row in laboratory_rows(one, lab, part)]
    facts = [row.as_dict() for row in rows]
    show_table("", SCREEN, [screen_row(one) for one in facts])
    calibration = pooled_calibration((one, lab) for one, lab, part in done if part == LEFT_OUT)
    evaluation.write(
        {"rows": facts, "calibration": calibration},
        lambda folder: save_rows(rows, folder, calibration),
    )


laboratories_classifier.params += [
    one
    for one in train_classifier.params
    if one.name not in {"last_layer", *(mine.name for mine in laboratories_classifier.params)}
]
"""A fold takes what `train classifier` takes, and learns with all of the network."""


@laboratories.command("detector")
@detector_option
@evaluation_options("bccd", "txl_pbc", "chula", more=(_only, _model), out=_LABORATORIES_OUT)
def laboratories_detector(
    detector: Path | None, only: tuple[str, ...], model: dict[str, Path], **chosen: Any
) -> None:
    """Recall of white cells, and precision where every cell is boxed.

    A laboratory's model is what --model names (`train detector` and `export detector` make it of
    the other laboratories), else the shipped one where it has not seen the laboratory.
    """
    from leukodiff.detector.leave_one_out import HEADER, detector_rows, save_rows, table_row

    from .console import show_table

    evaluation = Evaluation(**chosen)
    labs = _chosen(_laboratories(evaluation), only, model)
    load = evaluation.detector
    tests = _tests(labs, load(detector), lambda lab: model.get(lab.name), load)
    rows = [row for one, lab, part in tests for row in detector_rows(one, lab, part)]
    facts = [row.as_dict() for row in rows]
    show_table("", HEADER, [table_row(one) for one in facts])
    evaluation.write({"rows": facts}, lambda folder: save_rows(rows, folder))


def _laboratories(evaluation: Evaluation) -> list[Laboratory]:
    """The laboratories of the data asked for; one's own table is called as its folder is."""
    from leukodiff.core.errors import InputError
    from leukodiff.datasets.leave_one_out import OWN, by_laboratory, own_laboratory

    found: list[LabeledField] = []
    for text in evaluation.data:
        name, _, folder = text.partition("=")
        loaded = replace(evaluation, data=(text,)).labeled_fields()
        mine = own_laboratory(loaded, Path(folder)) if name == OWN else loaded
        if {one.source for one in mine} & {one.source for one in found}:
            raise InputError(f"{text}: a laboratory of that name is given already")
        found += mine
    return by_laboratory(found)


def _chosen(
    labs: Sequence[Laboratory], only: Sequence[str], model: Iterable[str]
) -> list[Laboratory]:
    """Those to test: all, or those asked for; a name that there is not is refused."""
    from leukodiff.datasets.leave_one_out import laboratory_of

    named = {name: laboratory_of(labs, name) for name in (*only, *model)}
    return [named[name] for name in dict.fromkeys(only)] if only else list(labs)


def _tests(
    labs: Iterable[Laboratory],
    shipped: AnyModel,
    fold_of: Callable[[Laboratory], Path | None],
    load: Callable[[Path | None], AnyModel],
) -> Iterator[tuple[AnyModel, Laboratory, str]]:
    """Each laboratory with a model and the part of it which that model has not seen."""
    from leukodiff.datasets.leave_one_out import HELD_OUT, LEFT_OUT, learned_from, require_unseen

    for lab in labs:
        seen = learned_from(shipped.metadata.training_data, lab)
        fold = fold_of(lab)
        unseen = shipped if fold is None and not seen else load(fold) if fold else None
        if unseen:
            require_unseen(unseen.model.path, unseen.metadata.training_data, lab)
            yield unseen, lab, LEFT_OUT
        else:
            _log(f"{lab.name}: no model at hand that has not seen it; see --help")
        if seen and lab.fields_of(HELD_OUT):
            yield shipped, lab, HELD_OUT


def _sweep(
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


def _scales(text: str) -> list[float]:
    try:
        scales = [float(one) for one in text.split(",")]
    except ValueError:
        scales = []
    if not scales or not all(0 < scale < math.inf for scale in scales):
        raise click.BadParameter(f"expected positive numbers with commas, not {text!r}")
    return scales


def _lab_and_file(text: str) -> tuple[str, Path]:
    name, _, file = text.partition("=")
    if not name or not file:
        raise click.BadParameter("expected LAB=FILE, such as chula=without_chula.onnx")
    return name, Path(file)


def _fixed(*values: float | None) -> list[str]:
    return ["" if value is None or value != value else f"{value:.4f}" for value in values]


def _interval(one: Mapping[str, Any]) -> str:
    if not one["n"]:
        return "-- (no cells)"
    low, high = 100 * one["low"], 100 * one["high"]
    return f"{100 * one['share']:.1f} % (95 % interval {low:.1f}-{high:.1f} %, n = {one['n']})"


def _log(line: str, about: str = "") -> None:
    click.echo(f"{time.strftime('%H:%M:%S')}  {about}{line}", err=True)
