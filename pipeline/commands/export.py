"""`leukodiff export`: a trained checkpoint becomes a model file with its metadata."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from .options import FILE, command_line, data_options, labelled_fields

_checkpoint = click.argument("checkpoint", type=click.Path(path_type=Path, exists=True))
_out = click.option("--out", type=FILE, required=True, help="The ONNX file; metadata beside it.")
_version = click.option("--version", default="1", show_default=True, help="Version of the model.")


@click.group()
def export() -> None:
    """Write a trained model as ONNX with its metadata (needs the `train` extra)."""


@export.command("detector")
@_checkpoint
@_out
@_version
@click.option("--um-per-px", type=float, help="Working scale.  [default: the training run's]")
@click.option("--canvas-px", type=int, help="Working canvas.  [default: the training run's]")
@click.option(
    "--threshold",
    multiple=True,
    metavar="CLASS=X",
    callback=lambda _context, _option, texts: _thresholds(texts),
    help="Least confidence of a class, 0-1; may be repeated.",
)
@click.option(
    "--red-cell-box-ratio",
    type=float,
    default=1.0,
    show_default=True,
    help="How much wider its boxes are than the red cells in them.",
)
@click.option(
    "--figures", type=FILE, help="What `evaluate detector --json` wrote, to keep with it."
)
def export_detector(
    checkpoint: Path, out: Path, threshold: dict[str, float], figures: Path | None, **chosen: Any
) -> None:
    """Export a checkpoint of `train detector`."""
    from leukodiff.detector.export import THRESHOLDS, DetectorExport
    from leukodiff.detector.export import export_detector as write

    settings = DetectorExport(
        command=command_line(),
        thresholds={**THRESHOLDS, **threshold},
        metrics=_figures(figures) if figures else {},
        **chosen,
    )
    metadata = write(checkpoint, out, settings)
    click.echo(f"{out}  sha256 {metadata.sha256}")


@export.command("classifier")
@_checkpoint
@_out
@_version
@data_options("pbc", "bccd")
def export_classifier(
    checkpoint: Path, out: Path, version: str, data: tuple[str, ...], official_labels: bool
) -> None:
    """Export a checkpoint of `train classifier`, calibrated on its data's val split."""
    from leukodiff.classifier.export import ExportNotes
    from leukodiff.classifier.export import export_classifier as write

    notes = ExportNotes(version=version, command=command_line(), training_data=training_data(data))
    metadata = write(checkpoint, labelled_fields(data, official_labels), out, notes)
    click.echo(f"{out}  sha256 {metadata.sha256}")


def training_data(data: tuple[str, ...]) -> list[dict[str, str]]:
    """Name, licence and citation of each dataset, for the metadata."""
    from leukodiff.datasets.registry import DATASETS

    names = [text.partition("=")[0] for text in data]
    facts = ("name", "licence", "citation")
    return [
        {fact: getattr(DATASETS[name], fact) for fact in facts}
        if name in DATASETS
        else {"name": name}
        for name in names
    ]


def _figures(path: Path) -> dict[str, Any]:
    # The file they were measured on is this one before its figures were known.
    facts = json.loads(path.read_text(encoding="utf-8"))
    return {name: value for name, value in facts.items() if name not in ("model", "sha256")}


def _thresholds(texts: Iterable[str]) -> dict[str, float]:
    pairs = [text.partition("=") for text in texts]
    try:
        return {name: float(value) for name, _, value in pairs}
    except ValueError:
        raise click.BadParameter("expected CLASS=NUMBER, such as white_cell=0.5") from None
