"""Turns a training's `best.pt` into the ONNX file and metadata that the runtime loads."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit
from torch import Tensor, nn
from torch.nn import functional

from leukodiff.core.errors import DataError, ModelFileError
from leukodiff.core.files import sha256_of
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.registry import DATASETS
from leukodiff.runtime.metadata import ModelMetadata, metadata_path, with_earlier, write_metadata
from leukodiff.runtime.onnx_export import export_onnx

from .augmentation import Augmentation, augment
from .calibration import fit_temperatures, reject_threshold
from .cells import LabeledCells
from .crops import CropSettings
from .infer import Classifier
from .ood import SOFT, OodScorer, fit_ood
from .priors import ROUTINE
from .tensor_ops import middle, predict_with_features, with_features
from .train import ClassifierTraining, create_model, load_splits

CELLS_A_CLASS = 600
"""Training cells of a class that its place in the feature space is fitted to, at most."""

TTA_THRESHOLD = 0.98
"""Confidence (0-1) below which a cell is classified in all eight orientations."""

PLAIN_VIEWS = 4
"""Views of the second look, of eight, that are classified without stain normalization."""

FAR_BEYOND = 9.0
"""Spreads of the out-of-distribution score beyond the threshold from which a cell is marked, from
where it is not named."""

TYPICAL_SHARE = 0.95
"""Share of each laboratory's ordinary validation cells that are not called atypical."""

COLDEST = 1e-3
"""Lowest temperature: of cells that are all named right any lower one fits better still."""

ENOUGH_CELLS = 50
"""Least validation cells of a data set that sets the atypical threshold by itself."""


class FromUint8(nn.Module):
    """The network with its normalization inside: uint8 (N, H, W, 3) RGB in, two outputs.

    Logits (N, K), and how atypical each cell is, (N,), as `OodScorer.score` gives it.
    """

    projection: Tensor
    centers: Tensor

    def __init__(self, network: nn.Module, known: OodScorer):
        super().__init__()
        self.network = network
        self.register_buffer("projection", torch.from_numpy(known.projection))
        self.register_buffer("centers", torch.from_numpy(known.centers))
        self.distance, self.energy = known.distance, known.energy

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and scores of crops."""
        scaled = images.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1
        logits, features = with_features(self.network, scaled)
        flat = functional.normalize(features, eps=1e-9) @ self.projection
        apart = flat[:, None, :] - self.centers[None]
        nearest = (apart * apart).sum(dim=2).min(dim=1).values
        beyond = (nearest - self.distance[0]) / self.distance[1]
        beyond = beyond + (-torch.logsumexp(logits, dim=1) - self.energy[0]) / self.energy[1]
        return logits, torch.sigmoid(beyond / SOFT)


@dataclass(frozen=True)
class ExportNotes:
    """Facts of the metadata that the weights do not hold."""

    name: str = "leukodiff-classifier"
    version: str = "1"
    command: str = ""


def load_trained(checkpoint: Path) -> tuple[nn.Module, ClassifierTraining]:
    """The averaged network of a `best.pt`, in evaluation mode, and the settings of its training."""
    state = _read(checkpoint)
    plain = dict(state["settings"])
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


def learnt_before(checkpoint: Path) -> list[dict[str, str]]:
    """Training data of the model that the training of a `best.pt` started from."""
    return list(_read(checkpoint).get("learnt_before", []))


def _read(checkpoint: Path) -> dict[str, Any]:
    try:
        state = dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
        dict(state["settings"])
    except (OSError, RuntimeError, KeyError, ValueError, EOFError, TypeError) as error:
        raise ModelFileError(f"{checkpoint}: not a checkpoint of `train classifier`") from error
    return state


def export_classifier(
    checkpoint: Path,
    fields: Sequence[LabeledField],
    out: Path,
    notes: ExportNotes,
    calibration: Mapping[str, Any] | None = None,
) -> ModelMetadata:
    """Writes `out` (ONNX) and its metadata.

    Args:
        checkpoint: `best.pt` of `train_classifier`.
        fields: the fields it was trained with: `train` cells set the out-of-distribution score,
            `val` cells its threshold and the confusion.
        out: the ONNX file to write; the metadata goes beside it as `.json`.
        notes: name, version and the command that made it.
        calibration: temperatures and reject threshold by laboratories left out, as
            `pooled_calibration` gives them; by the `val` cells when `None`.

    Raises:
        DataError: the calibration lacks one of its numbers, or is of another prior.
    """
    model, settings = load_trained(checkpoint)
    train, val = load_splits(fields, settings)
    known, _, _ = known_places(model, train, settings)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_onnx(model, settings.crop.size_px, out, known)
    metadata = ModelMetadata(
        name=notes.name,
        version=notes.version,
        kind="classifier",
        classes=settings.classes,
        input_px=settings.crop.size_px,
        um_per_px=settings.crop.um_per_px,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        calibration={"second_look": TTA_THRESHOLD, "plain_views": PLAIN_VIEWS},
        training_data=with_earlier(_training_data(train, val), learnt_before(checkpoint)),
        sha256=sha256_of(out),
        command=notes.command,
        licence="AGPL-3.0-or-later",
    )
    write_metadata(metadata_path(out), metadata)
    return settle(out, val, settings, calibration)


def settle(
    path: Path,
    val: LabeledCells,
    settings: ClassifierTraining,
    calibration: Mapping[str, Any] | None = None,
) -> ModelMetadata:
    """Fits temperature and thresholds to an exported classifier's outputs of validation cells.

    As it is used: with test-time augmentation of the cells that it is not sure of. Where a
    `calibration` is given its temperatures and reject threshold are taken.

    Args:
        path: the ONNX file; its metadata are written anew.
        val: cells with crops at the training margin.
        settings: of the training, its augmentation among them.
        calibration: see `export_classifier`.
    """
    plain = middle(val.crops, settings.crop.size_px)
    classifier = Classifier.load(path)
    if calibration is None:
        views = (plain, _changed(val, settings))
        outputs = [classifier.outputs(one, val.width_um) for one in views]
        logits, atypical = (np.concatenate(part) for part in zip(*outputs, strict=True))
        base, rise = fit_temperatures(logits, np.tile(val.class_id, 2), atypical)
        fitted = {"temperature": max(round(base, 4), COLDEST), "temperature_rise": round(rise, 4)}
        reject = None
    else:
        fitted, reject = _taken(calibration)
    metadata = classifier.metadata
    metadata = replace(metadata, calibration={**metadata.calibration, **fitted}, thresholds={})
    write_metadata(metadata_path(path), metadata)
    return _with_thresholds(path, replace(val, crops=plain), reject)


def _taken(calibration: Mapping[str, Any]) -> tuple[dict[str, float], float]:
    """Temperatures and reject threshold of a pooled calibration."""
    try:
        numbers = {k: float(calibration[k]) for k in ("temperature", "temperature_rise", "reject")}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"not a calibration by laboratories left out ({error})") from error
    if calibration.get("prior", ROUTINE) != ROUTINE:
        raise DataError(f"a calibration with the prior {ROUTINE} is needed")
    return numbers, numbers.pop("reject")


def _with_thresholds(path: Path, val: LabeledCells, reject: float | None) -> ModelMetadata:
    """The metadata with thresholds, and the errors with them, by validation cells.

    `reject` is the reject threshold where it is known already.
    """
    classifier = Classifier.load(path)
    predictions, metadata = classifier.classify_crops(val.crops, val.width_um), classifier.metadata
    right = predictions.probabilities.argmax(axis=1) == val.class_id
    if reject is None:
        reject = reject_threshold(predictions.confidence, right)
    thresholds = {"reject": round(reject, 4)}
    if predictions.atypical is not None:
        thresholds["atypical"] = round(atypical_threshold(predictions.atypical, val.source), 4)
        thresholds["far"] = round(far_threshold(thresholds["atypical"]), 4)
    named = replace(
        predictions,
        reject_threshold=thresholds["reject"],
        atypical_threshold=thresholds.get("atypical", math.inf),
        far_threshold=thresholds.get("far", math.inf),
    )
    truth = [metadata.classes[k] for k in val.class_id]
    errors = {
        "atypical_rate": round(1 - TYPICAL_SHARE, 4),
        "confusion": confusion(named.cell_types, truth),
    }
    metadata = replace(
        metadata,
        thresholds=thresholds,
        calibration={**metadata.calibration, **errors},
        metrics={"val_accuracy": round(float(np.mean(right)), 4), "val_cells": len(val)},
    )
    write_metadata(metadata_path(path), metadata)
    return metadata


def _changed(val: LabeledCells, settings: ClassifierTraining) -> NDArray[np.uint8]:
    """The crops (N, S, S, 3), augmented as from other laboratories."""
    rng = torch.Generator().manual_seed(settings.seed)
    changed = Augmentation(**asdict(settings.augmentation) | {"mild_share": 0.0})
    views = [
        augment(torch.from_numpy(val.crops[i : i + 64]), settings.crop.size_px, changed, rng)
        for i in range(0, len(val), 64)
    ]
    pixels = (torch.cat(views) * 255).round().byte()
    return np.asarray(pixels.permute(0, 2, 3, 1).contiguous().numpy())


def confusion(predicted: Sequence[str], truth: Sequence[str]) -> dict[str, dict[str, int]]:
    """Counts of cells by true type (rows) and predicted type; `unidentified` among them."""
    table: dict[str, Counter[str]] = {}
    for one, true in zip(predicted, truth, strict=True):
        table.setdefault(true, Counter())[one] += 1
    return {true: dict(sorted(row.items())) for true, row in sorted(table.items())}


def atypical_threshold(atypical: NDArray[np.float32], source: Sequence[str]) -> float:
    """The score that one in twenty ordinary cells exceeds, where such scores are highest.

    Args:
        atypical: (N,) scores of validation cells.
        source: (N,) the data set of each.
    """
    sources = np.array(source)
    parts = [atypical[sources == name] for name in sorted(set(source))]
    large = [part for part in parts if len(part) >= ENOUGH_CELLS] or [atypical]
    return max(float(np.quantile(part, TYPICAL_SHARE)) for part in large)


def far_threshold(atypical: float) -> float:
    """The score beyond which a cell is not named at all, by that from which it is marked, 0-1."""
    return float(expit(logit(atypical) + FAR_BEYOND / SOFT))


def known_places(
    model: nn.Module, train: LabeledCells, settings: ClassifierTraining
) -> tuple[OodScorer, NDArray[np.float32], NDArray[np.int64]]:
    """Fits an out-of-distribution score to at most `CELLS_A_CLASS` training cells of each class.

    Returns:
        The score, and the cells' features (N, D) and classes (N,).
    """
    rng = np.random.default_rng(settings.seed)
    order = rng.permutation(len(train))
    rank = np.zeros(len(train), np.int64)
    for k in range(len(settings.classes)):
        of_class = order[train.class_id[order] == k]
        rank[of_class] = np.arange(len(of_class))
    chosen = np.flatnonzero(rank < CELLS_A_CLASS)
    logits, features = predict_with_features(model, train.crops[chosen], settings.crop)
    class_id = train.class_id[chosen]
    return fit_ood(features, logits, class_id, len(settings.classes)), features, class_id


def _training_data(train: LabeledCells, val: LabeledCells) -> list[dict[str, str]]:
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


def write_onnx(model: nn.Module, size_px: int, out: Path, known: OodScorer) -> None:
    """Writes the network as ONNX, any number of crops at a time."""
    module = FromUint8(model.to(memory_format=torch.contiguous_format), known)
    example = torch.zeros(2, size_px, size_px, 3, dtype=torch.uint8)
    outputs = ["logits", "atypical"]
    axes = {name: {0: "n"} for name in ("images", *outputs)}
    export_onnx(module, example, out, outputs, axes)
