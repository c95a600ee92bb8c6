"""`leukodiff export` and `models`: a checkpoint becomes a model file; what the shipped ones are."""

import json
from pathlib import Path
from typing import Any

import click

from leukodiff.core.errors import InputError

from .options import FILE, command_line, data_options, labeled_fields

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
    callback=lambda _context, _option, texts: dict(map(_threshold, texts)),
    help="Least confidence of a class, 0-1; may be repeated.",
)
@click.option(
    "--average",
    multiple=True,
    metavar="FILE=SHARE",
    callback=lambda _context, _option, texts: dict(map(_share, texts)),
    help="Another checkpoint and its share (0-1) in the weights; may be repeated.",
)
@click.option(
    "--red-cell-box-ratio",
    type=float,
    default=1.12,
    show_default=True,
    help="How much wider its boxes are than the red cells in them.",
)
@click.option(
    "--confirm-from",
    type=click.FloatRange(0, 1),
    default=0.03,
    show_default=True,
    help="White cells less sure than their threshold, but so sure, count where the classifier "
    "names them; 1: none do.",
)
@click.option(
    "--figures", type=FILE, help="What `evaluate detector --json` wrote of the val split, to keep."
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
@click.option(
    "--calibration",
    type=FILE,
    help="Temperature and threshold by laboratories left out: the calibration.json of `evaluate "
    "laboratories classifier --out`.  [default: by the data's val split]",
)
def export_classifier(
    checkpoint: Path,
    out: Path,
    version: str,
    data: tuple[str, ...],
    official_labels: bool,
    calibration: Path | None,
) -> None:
    """Export a checkpoint of `train classifier`, calibrated."""
    from leukodiff.classifier.export import ExportNotes
    from leukodiff.classifier.export import export_classifier as write

    notes = ExportNotes(version=version, command=command_line())
    by_others = _json(calibration, "evaluate laboratories classifier") if calibration else None
    metadata = write(checkpoint, labeled_fields(data, official_labels), out, notes, by_others)
    click.echo(f"{out}  sha256 {metadata.sha256}")


def _figures(path: Path) -> dict[str, Any]:
    # The file they were measured on is this one before its figures were known.
    facts = _json(path, "evaluate detector --json")
    return {name: value for name, value in facts.items() if name not in ("model", "sha256")}


def _json(path: Path, command: str) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not what `{command}` writes ({error})") from error


def _share(text: str) -> tuple[Path, float]:
    name, _, value = text.rpartition("=")
    try:
        return Path(name), float(value)
    except ValueError:
        raise click.BadParameter("expected FILE=SHARE, such as last.pt=0.25") from None


def _threshold(text: str) -> tuple[str, float]:
    from leukodiff.datasets.vocabulary import DETECTOR_CLASSES

    name, _, value = text.partition("=")
    try:
        least = float(value)
    except ValueError:
        raise click.BadParameter("expected CLASS=NUMBER, such as white_cell=0.5") from None
    if name not in DETECTOR_CLASSES:
        raise click.BadParameter(f"no class {name!r}: expected {', '.join(DETECTOR_CLASSES)}")
    if not 0 <= least <= 1:
        raise click.BadParameter(f"{text}: a confidence is from 0 to 1")
    return name, least


@click.command()
def models() -> None:
    """List the shipped models, each checked against its own checksum."""
    from leukodiff.classifier.infer import SHIPPED as CLASSIFIER
    from leukodiff.detector.infer import SHIPPED as DETECTOR
    from leukodiff.runtime.model import checked_metadata

    from .console import show_table

    rows = []
    for kind, path in (("detector", DETECTOR), ("classifier", CLASSIFIER)):
        facts = checked_metadata(path, kind)
        data = ", ".join(dict.fromkeys(str(one.get("name", "?")) for one in facts.training_data))
        size = f"{path.stat().st_size / 1e6:.1f}"
        scale = f"{facts.um_per_px:.4g}"
        rows.append((kind, facts.name, facts.version, size, scale, data, facts.sha256[:12]))
    columns = ("kind", "name", "version", "MB", "um/px", "trained on", "sha256")
    show_table("shipped models, checksums right", columns, rows)
    click.echo(f"{DETECTOR.parent}\n{CLASSIFIER.parent}")
