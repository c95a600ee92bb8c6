"""`leukodiff train`: fine-tune a detector or a classifier on labeled fields."""

from pathlib import Path
from typing import Any

import click

from .options import data_options, labeled_fields, out_option


@click.group()
def train() -> None:
    """Train a model on public datasets or on your own (needs the `train` extra)."""


@train.command("detector")
@data_options("bccd")
@out_option("Folder of the run: checkpoints, log, and training.json.")
@click.option(
    "--weights",
    default="yolo11n.pt",
    show_default=True,
    help="Start from: a published name, a file (.pt, or .onnx of ours), or shipped: our own.",
)
@click.option("--um-per-px", type=float, default=0.17, show_default=True, help="Working scale.")
@click.option("--canvas-px", type=int, help="Side of the training canvas.  [default: what fits]")
@click.option(
    "--phantoms",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Phantom fields of dirt and platelet clumps to train with beside the data.",
)
@click.option("--epochs", type=int, default=40, show_default=True)
@click.option("--batch", type=int, default=16, show_default=True, help="Fields a step.")
@click.option("--patience", type=int, default=100, show_default=True, help="Epochs without gain.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", help="cpu, 0, cuda:1 ...  [default: a GPU if there is one]")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto")
@click.option("--workers", type=int, default=2, show_default=True, help="Processes that load.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
def train_detector(data: tuple[str, ...], official_labels: bool, **chosen: Any) -> None:
    """Fine-tune a YOLO detector for white cells, red cells and platelets."""
    from leukodiff.detector.train import DetectorTraining
    from leukodiff.detector.train import train_detector as start

    trained = start(labeled_fields(data, official_labels), DetectorTraining(**chosen))
    click.echo(f"best checkpoint: {trained.best}")
    click.echo(f'next: leukodiff export detector "{trained.best}" --out detector.onnx')


@train.command("classifier")
@data_options("pbc", "bccd")
@out_option("Folder of the run: best.pt, last.pt, epochs.csv.")
@click.option("--architecture", default="tf_efficientnet_lite0", show_default=True)
@click.option(
    "--weights",
    default="hub",
    show_default=True,
    help="Start from: hub (ImageNet), a file (safetensors or our .onnx), or shipped.",
)
@click.option("--epochs", type=int, default=12, show_default=True)
@click.option(
    "--fine-epochs",
    type=int,
    default=4,
    show_default=True,
    help="The last epochs, which see the crops at full size; the others are quicker.",
)
@click.option(
    "--cells-per-epoch", type=int, help="Cells drawn in an epoch.  [default: as many as there are]"
)
@click.option("--batch-size", type=int, default=48, show_default=True, help="Cells a step.")
@click.option("--learning-rate", type=float, default=6e-4, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", help="cpu, cuda, cuda:1 ...  [default: a GPU if there is one]")
@click.option("--threads", type=int, default=0, help="Cores to use.  [default: torch's choice]")
@click.option(
    "--last-layer",
    is_flag=True,
    help="Fit only the last layer of an exported classifier: minutes, for few cells of one's own.",
)
def train_classifier(
    data: tuple[str, ...], official_labels: bool, out: Path, last_layer: bool, **chosen: Any
) -> None:
    """Fine-tune an EfficientNet that names white cells; run again to resume."""
    from leukodiff.classifier.head_finetune import train_last_layer
    from leukodiff.classifier.train import ClassifierTraining
    from leukodiff.classifier.train import train_classifier as train_all

    fields = labeled_fields(data, official_labels)
    start = train_last_layer if last_layer else train_all
    best = start(fields, ClassifierTraining(out=out, **chosen), log=click.echo)
    click.echo(f"best checkpoint: {best}")
    click.echo(f'next: leukodiff export classifier "{best}" --out classifier.onnx')
