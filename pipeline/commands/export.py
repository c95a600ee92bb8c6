"""`leukodiff export`: a trained checkpoint becomes a model file with its metadata."""

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
def export_detector(checkpoint: Path, out: Path, **chosen: Any) -> None:
    """Export a checkpoint of `train detector`."""
    from leukodiff.detector.export import DetectorExport
    from leukodiff.detector.export import export_detector as write

    metadata = write(checkpoint, out, DetectorExport(command=command_line(), **chosen))
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
