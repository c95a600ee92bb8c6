"""Fine-tunes an EfficientNet from ImageNet weights to name white cells.

One file to read from top to bottom: cells in, `best.pt` out. An interrupted training resumes from
`last.pt` when it is started again with the same settings.
"""

import csv
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from leukodiff.core.errors import DataError
from leukodiff.core.files import replacing
from leukodiff.datasets.bccd import bccd_test_scenes
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.splits import TEST, apart_from
from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES
from leukodiff.runtime.model import checked_metadata
from leukodiff.runtime.onnx_import import restore_norms

from .augmentation import Augmentation, after_references, augment, normalized_by
from .cells import LabeledCells, labeled_cells, wide
from .crops import CropSettings
from .from_onnx import load_exported
from .infer import SHIPPED
from .mixstyle import mixstyle
from .tensor_ops import normalize, predict_with_features, stain_normalized

LARGEST_SHARE = 0.45
"""Share (0-1) of the draws that no laboratory exceeds where others have cells."""

OF_BCCD = ("bccd", "kaggle_blood_cells")
"""The sources whose groups are scenes of BCCD."""


@dataclass(frozen=True)
class ClassifierTraining:
    """Everything a training run depends on.

    `weights` is `hub` (the architecture's ImageNet weights by timm), `none` (random ones), a path
    to a safetensors file or to an exported classifier, or `shipped`: the one that comes with
    leukodiff. An epoch draws `cells_per_epoch` cells (`None`: as many as there
    are). All but the last `fine_epochs` see the crops at `coarse_px` a side, which is quicker.
    `style_share` of the steps mix the styles of cells (see `mixstyle`). `device` is a torch
    device (`None`: a GPU if there is one); `threads` of 0 leaves torch's choice.
    """

    out: Path
    architecture: str = "tf_efficientnet_lite0"
    weights: str = "hub"
    classes: tuple[str, ...] = CLASSIFIER_CLASSES
    crop: CropSettings = field(default_factory=CropSettings)
    augmentation: Augmentation = field(default_factory=Augmentation)
    epochs: int = 12
    fine_epochs: int = 4
    coarse_px: int = 96
    cells_per_epoch: int | None = None
    batch_size: int = 48
    learning_rate: float = 6e-4
    weight_decay: float = 0.02
    dropout: float = 0.2
    label_smoothing: float = 0.05
    ema_decay: float = 0.997
    style_share: float = 0.5
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
    learnt_before: tuple[Mapping[str, str], ...] = ()


def train_classifier(
    fields: Sequence[LabeledField],
    settings: ClassifierTraining,
    log: Callable[[str], None] = lambda line: None,
    stop_after: int | None = None,
) -> Path:
    """Trains on the fields' `train` split, keeps the epoch best on their `val` split.

    Args:
        fields: labeled fields of any number of sources, `test` among them: those are not looked
            at, and train and val fields that show the same cells are left out.
        settings: the run.
        log: receives one line an epoch.
        stop_after: leave after this epoch, to be resumed later; `None` runs to the end.

    Returns:
        Path of `best.pt`: the averaged weights with the settings they were made with.

    Raises:
        DataError: if a split is empty or a source has no scale.
    """
    train, val = load_splits(fields, settings)
    return train_on_cells(train, val, settings, log, stop_after)


def train_on_cells(
    train: LabeledCells,
    val: LabeledCells,
    settings: ClassifierTraining,
    log: Callable[[str], None] = lambda line: None,
    stop_after: int | None = None,
) -> Path:
    """Trains on cells cut at the training margin; see `train_classifier`."""
    settings.out.mkdir(parents=True, exist_ok=True)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    steps = math.ceil((settings.cells_per_epoch or len(train)) / settings.batch_size)
    run = _start(settings, steps, train)
    _resume(run, settings)
    while run.epoch < min(settings.epochs, stop_after or settings.epochs):
        began = time.monotonic()
        loss = _train_epoch(run, train, steps, settings)
        recall = recall_by_source(
            predict_with_features(run.average.module, val.crops, settings.crop)[0], val
        )
        run.epoch += 1
        score = _score(recall, val)
        line = {"epoch": run.epoch, "loss": loss, **recall, "seconds": time.monotonic() - began}
        _record(settings.out / "epochs.csv", line)
        log("  ".join(f"{k} {v:.4g}" for k, v in line.items()))
        if score > run.best:
            run.best = score
            best = settings.out / "best.pt"
            save_trained(best, run.average.module, settings, run.learnt_before)
        _save_checkpoint(settings.out / "last.pt", run, settings)
    return settings.out / "best.pt"


def load_splits(
    fields: Sequence[LabeledField], settings: ClassifierTraining
) -> tuple[LabeledCells, LabeledCells]:
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
        splits.append(labeled_cells(chosen, settings.classes, wide(settings.crop)))
    return splits[0], splits[1]


def create_model(settings: ClassifierTraining, pretrained: bool = True) -> nn.Module:
    """The network, its head sized for the classes."""
    from_imagenet = settings.weights != "none" and not exported_weights(settings)
    overlay = {} if settings.weights in ("hub", "none") else {"file": settings.weights}
    model: nn.Module = timm.create_model(
        settings.architecture,
        pretrained=pretrained and from_imagenet,
        pretrained_cfg_overlay=overlay,
        num_classes=len(settings.classes),
        drop_rate=settings.dropout,
    )
    return model.to(_device(settings)).to(memory_format=torch.channels_last)


def exported_weights(settings: ClassifierTraining) -> Path | None:
    """The exported classifier that the training starts from, if it starts from one."""
    path = SHIPPED if settings.weights == "shipped" else Path(settings.weights)
    return path if path.suffix == ".onnx" else None


def recall_by_source(logits: NDArray[np.float32], cells: LabeledCells) -> dict[str, float]:
    """Share of each source's cells named right, 0-1."""
    right = logits.argmax(axis=1) == cells.class_id
    source = np.array(cells.source)
    return {name: float(right[source == name].mean()) for name in sorted(set(cells.source))}


def _score(recall: Mapping[str, float], cells: LabeledCells) -> float:
    """The mean of the sources' recalls, each weighing the root of its number of cells."""
    roots = [cells.source.count(name) ** 0.5 for name in recall]
    return float(np.average(list(recall.values()), weights=roots))


def draw_weights(cells: LabeledCells) -> Tensor:
    """Weights by which cells are drawn: by the roots of laboratories' sizes and of their classes'.

    The root stands between seeing every cell as often (rare classes and small sources drown) and
    seeing every class as often (a rare class's few cells are learned by heart). No laboratory has
    more than `LARGEST_SHARE` of the draws, unless there are too few others.
    """
    source, class_id = np.array(cells.source), cells.class_id.tolist()
    number = Counter(zip(cells.source, class_id, strict=True))
    weights = np.array(
        [number[one] ** -0.5 for one in zip(cells.source, class_id, strict=True)], np.float64
    )
    sizes = Counter(cells.source)
    roots = {name: n**0.5 for name, n in sizes.items()}
    largest = max(roots, key=lambda name: roots[name])
    others = sum(roots.values()) - roots[largest]
    roots[largest] = min(roots[largest], others * LARGEST_SHARE / (1 - LARGEST_SHARE)) or 1.0
    for name, root in roots.items():
        weights[source == name] *= root / weights[source == name].sum()
    return torch.from_numpy(weights)


def _device(settings: ClassifierTraining) -> torch.device:
    return torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _start(settings: ClassifierTraining, steps: int, cells: LabeledCells) -> _Run:
    model = create_model(settings)
    before: tuple[Mapping[str, str], ...] = ()
    if path := exported_weights(settings):
        before = checked_metadata(path, "classifier").training_data
        load_exported(model, path)
        restore_norms(model, _some_views(cells, settings))
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
    rng = torch.Generator(_device(settings)).manual_seed(settings.seed)
    return _Run(model, average, optimiser, schedule, rng, learnt_before=before)


def _some_views(cells: LabeledCells, settings: ClassifierTraining) -> Iterator[Tensor]:
    """Batches of training crops, as the network takes them: what an exported one is shown."""
    rng = torch.Generator(_device(settings)).manual_seed(settings.seed)
    weights = draw_weights(cells).to(rng.device)
    drawn = torch.multinomial(weights, 8 * settings.batch_size, True, generator=rng)
    for chosen in drawn.cpu().numpy().reshape(8, -1):
        crops = torch.from_numpy(cells.crops[chosen]).to(_device(settings))
        views = augment(crops, settings.crop.size_px, settings.augmentation, rng)
        yield normalize(stain_normalized(views, settings.crop))


def _train_epoch(run: _Run, cells: LabeledCells, steps: int, settings: ClassifierTraining) -> float:
    run.model.train()
    coarse = run.epoch < settings.epochs - settings.fine_epochs
    size_px = min(settings.coarse_px, settings.crop.size_px) if coarse else settings.crop.size_px
    criterion = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    device, size, total = run.rng.device, settings.batch_size, 0.0
    weights, class_id = draw_weights(cells).to(device), torch.from_numpy(cells.class_id).to(device)
    # A GPU holds all crops; where the processor trains, they stay where they are.
    crops = torch.from_numpy(cells.crops).to(device)
    drawn = torch.multinomial(weights, steps * size, replacement=True, generator=run.rng)
    for step in range(steps):
        chosen = drawn[step * size : (step + 1) * size]
        views = augment(crops[chosen], size_px, settings.augmentation, run.rng)
        strength = normalized_by(size, settings.augmentation, run.rng).to(views)
        views = views + strength * (stain_normalized(views, settings.crop) - views)
        views = after_references(views, settings.augmentation, run.rng)
        with (
            mixstyle(run.model, settings.style_share, run.rng),
            torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"),
        ):
            logits = run.model(normalize(views))
        loss = criterion(logits.float(), class_id[chosen])
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


def save_trained(
    path: Path,
    network: nn.Module,
    settings: ClassifierTraining,
    learnt_before: Sequence[Mapping[str, str]],
) -> None:
    """Writes a `best.pt`: what `export classifier` takes."""
    state = {
        "weights": network.state_dict(),
        "settings": _plain(settings),
        "learnt_before": [dict(one) for one in learnt_before],
    }
    torch.save(state, path)


def _save_checkpoint(path: Path, run: _Run, settings: ClassifierTraining) -> None:
    state = {
        "settings": _plain(settings),
        "epoch": run.epoch,
        "best": run.best,
        "learnt_before": [dict(one) for one in run.learnt_before],
        "rng": run.rng.get_state(),
        "dropout_rng": torch.get_rng_state(),
        **{name: getattr(run, name).state_dict() for name in _STATEFUL},
    }
    with replacing(path) as partial:
        torch.save(state, partial)


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
    run.learnt_before = tuple(state["learnt_before"])


_STATEFUL = ("model", "average", "optimiser", "schedule")
