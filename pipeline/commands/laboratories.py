"""`leukodiff evaluate laboratories`: each laboratory by a model that has never seen it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .options import (
    FOLDER,
    classifier_option,
    command_line,
    data_options,
    detector_option,
    engine_options,
    json_option,
    labeled_fields,
    scale_option,
)
from .train import train_classifier

if TYPE_CHECKING:
    from leukodiff.classifier.infer import Classifier
    from leukodiff.datasets.fields import LabeledField
    from leukodiff.datasets.leave_one_out import Laboratory
    from leukodiff.detector.infer import Detector

AnyModel = TypeVar("AnyModel", "Detector", "Classifier")

_out = click.option("--out", type=FOLDER, help="Folder for the table, curves and pictures.")
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


@click.group()
def laboratories() -> None:
    """One table of laboratories, each tested by a model that has never seen it."""


@laboratories.command("classifier")
@classifier_option
@data_options("pbc", "bccd", "chula")
@_only
@_model
@click.option("--runs", type=FOLDER, help="Folder of the folds: those that lack are trained here.")
@scale_option
@_out
@json_option
@engine_options
def laboratories_classifier(
    classifier: Path | None,
    data: tuple[str, ...],
    official_labels: bool,
    only: tuple[str, ...],
    model: dict[str, Path],
    runs: Path | None,
    um_per_px: float | None,
    out: Path | None,
    json_file: Path | None,
    engine: str,
    threads: int | None,
    **training: Any,
) -> None:
    """Recall and F1 of each type, calibration, share left unidentified.

    A laboratory's model is what --model names, else the fold in --runs, trained there on all the
    other laboratories if it lacks; without --runs the shipped model where it has not seen the
    laboratory. What the shipped model was kept from in a laboratory it knows is a row of its own.
    """
    from leukodiff.classifier.evaluation.folds import fold_model
    from leukodiff.classifier.evaluation.leave_one_out import laboratory_rows, save_rows
    from leukodiff.classifier.evaluation.leave_one_out_table import SCREEN, screen_row
    from leukodiff.classifier.infer import Classifier

    from .console import show_table

    labs = _laboratories(data, official_labels, um_per_px)
    settings = training | {"threads": threads or 0}

    def fold_of(lab: Laboratory) -> Path | None:
        if lab.name in model or runs is None:
            return model.get(lab.name)
        return fold_model(
            labs, lab.name, runs, settings, _log(f"without {lab.name}"), command_line()
        )

    def load(path: Path | None) -> Classifier:
        return Classifier.load(path, engine=engine, threads=threads)

    tests = _tests(_chosen(labs, only, model), load(classifier), fold_of, load)
    rows = [row for one, lab, part in tests for row in laboratory_rows(one, lab, part)]
    facts = [row.as_dict() for row in rows]
    show_table("", SCREEN, [screen_row(one) for one in facts])
    if out:
        save_rows(rows, out)
    _write_json(json_file, facts)


laboratories_classifier.params += [
    one
    for one in train_classifier.params
    if one.name not in {"last_layer", *(mine.name for mine in laboratories_classifier.params)}
]
"""A fold takes what `train classifier` takes, and learns with all of the network."""


@laboratories.command("detector")
@detector_option
@data_options("bccd", "txl_pbc", "chula")
@_only
@_model
@scale_option
@_out
@json_option
@engine_options
def laboratories_detector(
    detector: Path | None,
    data: tuple[str, ...],
    official_labels: bool,
    only: tuple[str, ...],
    model: dict[str, Path],
    um_per_px: float | None,
    out: Path | None,
    json_file: Path | None,
    engine: str,
    threads: int | None,
) -> None:
    """Recall of white cells, and precision where every cell is boxed.

    A laboratory's model is what --model names (`train detector` and `export detector` make it of
    the other laboratories), else the shipped one where it has not seen the laboratory.
    """
    from leukodiff.detector.infer import Detector
    from leukodiff.detector.leave_one_out import HEADER, detector_rows, save_rows, table_row

    from .console import show_table

    def load(path: Path | None) -> Detector:
        return Detector.load(path, engine=engine, threads=threads)

    labs = _chosen(_laboratories(data, official_labels, um_per_px), only, model)
    tests = _tests(labs, load(detector), lambda lab: model.get(lab.name), load)
    rows = [row for one, lab, part in tests for row in detector_rows(one, lab, part)]
    facts = [row.as_dict() for row in rows]
    show_table("", HEADER, [table_row(one) for one in facts])
    if out:
        save_rows(rows, out)
    _write_json(json_file, facts)


def _laboratories(
    data: Iterable[str], official_labels: bool, um_per_px: float | None
) -> list[Laboratory]:
    """The laboratories of the data asked for; one's own table is called as its folder is."""
    from leukodiff.core.errors import InputError
    from leukodiff.datasets.leave_one_out import OWN, by_laboratory, own_laboratory

    fields: list[LabeledField] = []
    for text in data:
        name, _, folder = text.partition("=")
        loaded = labeled_fields([text], official_labels, um_per_px=um_per_px)
        mine = own_laboratory(loaded, Path(folder)) if name == OWN else loaded
        if {one.source for one in mine} & {one.source for one in fields}:
            raise InputError(f"{text}: a laboratory of that name is given already")
        fields += mine
    return by_laboratory(fields)


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
            _echo(f"{lab.name}: no model at hand that has not seen it; see --help")
        if seen and lab.fields_of(HELD_OUT):
            yield shipped, lab, HELD_OUT


def _lab_and_file(text: str) -> tuple[str, Path]:
    name, _, file = text.partition("=")
    if not name or not file:
        raise click.BadParameter("expected LAB=FILE, such as chula=without_chula.onnx")
    return name, Path(file)


def _log(what: str) -> Callable[[str], None]:
    return lambda line: _echo(f"{what}  {line}")


def _echo(line: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')}  {line}", err=True)


def _write_json(path: Path | None, rows: Sequence[Mapping[str, Any]]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"rows": rows}, indent=2) + "\n", encoding="utf-8")
