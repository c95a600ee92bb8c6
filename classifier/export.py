"""Turns a training's `best.pt` into the ONNX file and metadata that the runtime loads."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from leukodiff.datasets.fields import LabelledField
from leukodiff.datasets.registry import DATASETS
from leukodiff.runtime.checksum import sha256_of
from leukodiff.runtime.errors import ModelFileError
from leukodiff.runtime.metadata import ModelMetadata, metadata_path, write_metadata
from leukodiff.runtime.onnx_export import export_onnx

from .augment import Augmentation
from .calibration import fit_temperature, reject_threshold
from .cells import LabelledCells
from .crops import CropSettings
from .infer import softmax
from .train import ClassifierTraining, create_model, load_splits, predict


class FromUint8(nn.Module):
    """The network with its normalisation inside: uint8 (N, H, W, 3) RGB in, logits (N, K) out."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Logits of crops."""
        scaled = images.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1
        logits: Tensor = self.network(scaled)
        return logits


@dataclass(frozen=True)
class ExportNotes:
    """What the metadata says beyond the weights."""

    name: str = "leukodiff-classifier"
    version: str = "1"
    command: str = ""


def load_trained(checkpoint: Path) -> tuple[nn.Module, ClassifierTraining]:
    """The averaged network of a `best.pt`, in evaluation mode, and the settings of its training."""
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        plain = dict(state["settings"])
    except (OSError, RuntimeError, KeyError, ValueError, EOFError) as error:
        raise ModelFileError(f"{checkpoint}: not a checkpoint of `train classifier`") from error
    settings = ClassifierTraining(
        **plain
        | {
            "out": checkpoint.parent,
            "device": "cpu",
            "threads": 0,
            "classes": tuple(plain["classes"]),
            "crop": CropSettings(**plain["crop"]),
            "augmentation": Augmentation(**plain["augmentation"]),
        }
    )
    model = create_model(settings, pretrained=False)
    model.load_state_dict(state["weights"])
    return model.eval(), settings


def export_classifier(
    checkpoint: Path, fields: Sequence[LabelledField], out: Path, notes: ExportNotes
) -> ModelMetadata:
    """Writes `out` (ONNX) and its metadata; temperature and threshold come from the `val` split.

    Args:
        checkpoint: `best.pt` of `train_classifier`.
        fields: the fields it was trained with; only their `val` split is used here.
        out: the ONNX file to write; the metadata goes beside it as `.json`.
        notes: name, version and the command that made it.
    """
    model, settings = load_trained(checkpoint)
    train, val = load_splits(fields, settings)
    logits = predict(model, val.crops, settings)
    temperature = fit_temperature(logits, val.class_id)
    probabilities = softmax(logits, temperature)
    right = probabilities.argmax(axis=1) == val.class_id
    threshold = reject_threshold(probabilities.max(axis=1), right)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_onnx(model, settings.crop.size_px, out)
    metadata = ModelMetadata(
        name=notes.name,
        version=notes.version,
        kind="classifier",
        classes=settings.classes,
        input_px=settings.crop.size_px,
        um_per_px=settings.crop.um_per_px,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        thresholds={"reject": round(threshold, 4)},
        calibration={"temperature": round(temperature, 4)},
        training_data=tuple(_training_data(train, val)),
        metrics={"val_accuracy": round(float(np.mean(right)), 4), "val_cells": len(val)},
        sha256=sha256_of(out),
        command=notes.command,
        licence="AGPL-3.0-or-later",
    )
    write_metadata(metadata_path(out), metadata)
    return metadata


def _training_data(train: LabelledCells, val: LabelledCells) -> list[dict[str, str]]:
    """A row a dataset and split: name, cells, and whose the dataset is where that is known."""
    counts = Counter([(name, "train") for name in train.source])
    counts.update((name, "val") for name in val.source)
    return [
        {"name": name, "split": split, "cells": str(n), **_credit(name)}
        for (name, split), n in counts.items()
    ]


def _credit(source: str) -> dict[str, str]:
    info = DATASETS.get(source)
    return {"licence": info.licence, "citation": info.citation} if info else {}


def write_onnx(model: nn.Module, size_px: int, out: Path) -> None:
    """Writes the network as ONNX, any number of crops at a time."""
    module = FromUint8(model.to(memory_format=torch.contiguous_format))
    example = torch.zeros(2, size_px, size_px, 3, dtype=torch.uint8)
    export_onnx(module, example, out, ["logits"], {"images": {0: "n"}, "logits": {0: "n"}})
