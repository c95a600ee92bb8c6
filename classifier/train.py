"""Fine-tunes an EfficientNet from ImageNet weights to name white cells.

One file to read from top to bottom: cells in, `best.pt` out. An interrupted training resumes from
`last.pt` when it is started again with the same settings.
"""

import csv
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from leukodiff.datasets.bccd import bccd_test_scenes
from leukodiff.datasets.fields import LabelledField
from leukodiff.datasets.splits import TEST, apart_from
from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES
from leukodiff.runtime.errors import DataError

from .augment import Augmentation, augment, centre_views
from .cells import LabelledCells, labelled_cells, wide
from .crops import CropSettings

OF_BCCD = ("bccd", "kaggle_blood_cells")
"""The sources whose groups are scenes of BCCD."""


@dataclass(frozen=True)
class ClassifierTraining:
    """Everything a training run depends on.

    `weights` is `hub` (the architecture's ImageNet weights by timm), `none` (random ones), or a
    path to a safetensors file. `device` is a torch device (`None`: a GPU if there is one);
    `threads` of 0 leaves torch's choice.
    """

    out: Path
    architecture: str = "tf_efficientnet_lite0"
    weights: str = "hub"
    classes: tuple[str, ...] = CLASSIFIER_CLASSES
    crop: CropSettings = field(default_factory=CropSettings)
    augmentation: Augmentation = field(default_factory=Augmentation)
    epochs: int = 12
    batch_size: int = 32
    learning_rate: float = 6e-4
    weight_decay: float = 0.02
    dropout: float = 0.2
    label_smoothing: float = 0.05
    ema_decay: float = 0.998
    seed: int = 0
    device: str | None = None
    threads: int = 0


@dataclass
class _Run:
    """The moving parts of a run: what a checkpoint holds."""

    model: nn.Module
    average: ModelEmaV3
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    rng: torch.Generator
    epoch: int = 0
    best: float = -1.0


def train_classifier(
    fields: Sequence[LabelledField],
    settings: ClassifierTraining,
    log: Callable[[str], None] = lambda line: None,
    stop_after: int | None = None,
) -> Path:
    """Trains on the fields' `train` split, keeps the epoch best on their `val` split.

    Args:
        fields: labelled fields of any number of sources, `test` among them: those are not looked
            at, and train and val fields that show the same cells are left out.
        settings: the run.
        log: receives one line an epoch.
        stop_after: leave after this epoch, to be resumed later; `None` runs to the end.

    Returns:
        Path of `best.pt`: the averaged weights with the settings they were made with.

    Raises:
        DataError: if a split is empty or a source has no scale.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    train, val = load_splits(fields, settings)
    steps = math.ceil(len(train) / settings.batch_size)
    run = _start(settings, steps)
    _resume(run, settings)
    while run.epoch < min(settings.epochs, stop_after or settings.epochs):
        began = time.monotonic()
        loss = _train_epoch(run, train, steps, settings)
        recall = recall_by_source(predict(run.average.module, val.crops, settings), val)
        run.epoch += 1
        score = float(np.mean(list(recall.values())))
        line = {"epoch": run.epoch, "loss": loss, **recall, "seconds": time.monotonic() - began}
        _record(settings.out / "epochs.csv", line)
        log("  ".join(f"{k} {v:.4g}" for k, v in line.items()))
        if score > run.best:
            run.best = score
            _save_best(settings.out / "best.pt", run, settings)
        _save_checkpoint(settings.out / "last.pt", run, settings)
    return settings.out / "best.pt"


def load_splits(
    fields: Sequence[LabelledField], settings: ClassifierTraining
) -> tuple[LabelledCells, LabelledCells]:
    """The cells of the train and of the val split, cut at the training margin.

    What a `test` field shows is in neither, whatever data set or photograph it comes from; what
    BCCD's official test split shows is in neither even where BCCD is not among the fields.
    """
    splits = []
    unseen = [
        field
        for field in apart_from(fields, [f for f in fields if f.split == TEST])
        if field.source not in OF_BCCD or field.group not in bccd_test_scenes()
    ]
    for split in ("train", "val"):
        chosen = [f for f in unseen if f.split == split]
        if not chosen:
            raise DataError(f"the datasets given have no {split} split")
        splits.append(labelled_cells(chosen, settings.classes, wide(settings.crop)))
    return splits[0], splits[1]


def create_model(settings: ClassifierTraining, pretrained: bool = True) -> nn.Module:
    """The network, its head sized for the classes."""
    overlay = {} if settings.weights in ("hub", "none") else {"file": settings.weights}
    model: nn.Module = timm.create_model(
        settings.architecture,
        pretrained=pretrained and settings.weights != "none",
        pretrained_cfg_overlay=overlay,
        num_classes=len(settings.classes),
        drop_rate=settings.dropout,
    )
    return model.to(_device(settings)).to(memory_format=torch.channels_last)


def normalise(views: Tensor) -> Tensor:
    """0-1 to the network's range: mean 0.5 and standard deviation 0.5 in each channel."""
    return ((views - 0.5) / 0.5).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def predict(
    model: nn.Module, crops: NDArray[np.uint8], settings: ClassifierTraining
) -> NDArray[np.float32]:
    """Logits (N, K) of crops cut at the training margin, seen unchanged."""
    model.eval()
    logits = []
    margin = (crops.shape[1] - settings.crop.size_px) // 2
    inner = crops[
        :, margin : margin + settings.crop.size_px, margin : margin + settings.crop.size_px
    ]
    for start in range(0, len(crops), 64):
        batch = torch.from_numpy(np.ascontiguousarray(inner[start : start + 64]))
        views = centre_views(batch.to(_device(settings)), settings.crop.size_px)
        logits.append(model(normalise(views)).float().cpu().numpy())
    return np.concatenate(logits)


def recall_by_source(logits: NDArray[np.float32], cells: LabelledCells) -> dict[str, float]:
    """Share of each source's cells named right, 0-1."""
    right = logits.argmax(axis=1) == cells.class_id
    source = np.array(cells.source)
    return {name: float(right[source == name].mean()) for name in sorted(set(cells.source))}


def draw_weights(cells: LabelledCells) -> Tensor:
    """How often a cell is drawn: one over the roots of its class's and of its source's size.

    The root stands between seeing every cell as often (rare classes and small sources drown) and
    seeing every class as often (a rare class's few cells are learnt by heart).
    """
    by_class, by_source = Counter(cells.class_id.tolist()), Counter(cells.source)
    weights = [
        (by_class[c] * by_source[s]) ** -0.5
        for c, s in zip(cells.class_id.tolist(), cells.source, strict=True)
    ]
    return torch.tensor(weights, dtype=torch.float64)


def _device(settings: ClassifierTraining) -> torch.device:
    return torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _start(settings: ClassifierTraining, steps: int) -> _Run:
    model = create_model(settings)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=settings.learning_rate,
        total_steps=steps * settings.epochs,
        pct_start=min(0.5, 1 / settings.epochs),
    )
    average = ModelEmaV3(model, decay=settings.ema_decay, use_warmup=True)
    rng = torch.Generator().manual_seed(settings.seed)
    return _Run(model, average, optimiser, schedule, rng)


def _train_epoch(
    run: _Run, cells: LabelledCells, steps: int, settings: ClassifierTraining
) -> float:
    run.model.train()
    criterion = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    weights, total = draw_weights(cells), 0.0
    size = settings.batch_size
    drawn = torch.multinomial(weights, steps * size, replacement=True, generator=run.rng)
    for step in range(steps):
        chosen = drawn[step * size : (step + 1) * size].numpy()
        crops = torch.from_numpy(cells.crops[chosen]).to(_device(settings))
        target = torch.from_numpy(cells.class_id[chosen]).to(_device(settings))
        views = augment(crops, settings.crop.size_px, settings.augmentation, run.rng)
        loss = criterion(run.model(normalise(views)), target)
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        run.optimiser.step()
        run.schedule.step()
        run.average.update(run.model, step=run.epoch * steps + step)
        total += float(loss.detach())
    return total / steps


def _record(path: Path, line: dict[str, float]) -> None:
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(line))
        if fresh:
            writer.writeheader()
        writer.writerow(line)


def _plain(settings: ClassifierTraining) -> dict[str, Any]:
    # What may differ when a run goes on elsewhere is left out.
    return asdict(settings) | {"out": None, "device": None, "threads": None}


def _save_best(path: Path, run: _Run, settings: ClassifierTraining) -> None:
    torch.save({"weights": run.average.module.state_dict(), "settings": _plain(settings)}, path)


def _save_checkpoint(path: Path, run: _Run, settings: ClassifierTraining) -> None:
    state = {
        "settings": _plain(settings),
        "epoch": run.epoch,
        "best": run.best,
        "rng": run.rng.get_state(),
        "dropout_rng": torch.get_rng_state(),
        **{name: getattr(run, name).state_dict() for name in _STATEFUL},
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def _resume(run: _Run, settings: ClassifierTraining) -> None:
    path = settings.out / "last.pt"
    if not path.exists():
        return
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["settings"] != _plain(settings):
        raise DataError(f"{path}: made with other settings; choose another --out or remove it")
    for name in _STATEFUL:
        getattr(run, name).load_state_dict(state[name])
    run.rng.set_state(state["rng"])
    torch.set_rng_state(state["dropout_rng"])
    run.epoch, run.best = state["epoch"], state["best"]


_STATEFUL = ("model", "average", "optimiser", "schedule")
