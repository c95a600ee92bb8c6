"""Fine-tune a YOLO detector on labeled fields, at one physical scale."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from leukodiff.core.errors import DataError, InputError
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.layout import whole_image
from leukodiff.datasets.registry import DATASETS
from leukodiff.datasets.vocabulary import DETECTOR_CLASSES
from leukodiff.runtime.metadata import with_earlier
from leukodiff.runtime.model import checked_metadata

from .hard_negatives import hard_negatives
from .infer import SHIPPED
from .yolo import load_yolo
from .yolo_dataset import canvas_side, labeled_fields_to_yolo

AUGMENTATION: Mapping[str, float] = {
    # A smear has no up or down; the scale is known but not exactly. Stain and lamp are varied by
    # the trainer in optical density, so little is left to vary here. No mosaics: what is labeled
    # is known window by window.
    "flipud": 0.5,
    "fliplr": 0.5,
    "hsv_h": 0.01,
    "hsv_s": 0.2,
    "hsv_v": 0.2,
    "scale": 0.5,
    "translate": 0.15,
    "mosaic": 0.0,
    "degrees": 8.0,
}
"""Ultralytics' augmentation settings that we set ourselves; the rest are its defaults."""

NORM_FIELDS = 64
"""From so many fields an exported detector's norms are told before it is trained on."""


@dataclass(frozen=True)
class DetectorTraining:
    """Settings of a detector's training.

    `out` is the run's folder. `weights` is a published checkpoint's name or a path, of a checkpoint
    or of an exported detector, or `shipped`: the detector that comes with leukodiff. `um_per_px` is
    the working scale that every field is resized to, `canvas_px` the side of the training canvas
    there (`None`: as small as holds the largest field, at most 640). `device` as torch names it
    (`None`: a GPU if there is one). `precision` is `fp32`, `bf16`, or `auto`: bf16 on a GPU that
    has it, else fp32. `options` go to ultralytics as they are (learning rate, optimizer, other
    augmentation). `phantoms` is how many phantom fields with dirt and platelet clumps are
    trained with beside the data.
    """

    out: Path
    um_per_px: float = 0.17
    canvas_px: int | None = None
    phantoms: int = 0
    weights: str = "yolo11n.pt"
    epochs: int = 40
    batch: int = 16
    seed: int = 0
    device: str | None = None
    precision: str = "auto"
    workers: int = 2
    patience: int = 100
    resume: bool = False
    augmentation: Mapping[str, float] = field(default_factory=lambda: dict(AUGMENTATION))
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainedDetector:
    """Paths of a run's checkpoints: the best on the validation split, and the last."""

    best: Path
    last: Path
    record: Path


def train_detector(fields: Sequence[LabeledField], settings: DetectorTraining) -> TrainedDetector:
    """Train on the fields whose split is `train`, validating on `val`; others are left alone.

    The run's folder holds `fields/` (the YOLO tree), `run/` (ultralytics' own output), and
    `training.json` (settings, data and scale: what the export reads). With `resume` a run that was
    cut short goes on from its last epoch, and one that is whole is returned as it is.

    Raises:
        DataError: a split is empty, a field's scale is not known, or its label covers the image.
        InputError: the folder holds another run.
    """
    chosen = [one for one in fields if one.split in ("train", "val")]
    _require_both_splits(chosen)
    _require_boxes_of_cells(chosen)
    side = settings.canvas_px or canvas_side(chosen, settings.um_per_px)
    settings = replace(settings, canvas_px=side)
    trained = _paths(settings.out)
    if trained.record.exists():
        _require_same_run(trained.record, settings)
        if json.loads(trained.record.read_text())["finished"]:
            return trained
    else:
        _start_run(chosen, settings, trained)
    _fit(settings, trained)
    _write_record(trained.record, {**json.loads(trained.record.read_text()), "finished": True})
    return trained


def _paths(out: Path) -> TrainedDetector:
    weights = out / "run" / "weights"
    return TrainedDetector(weights / "best.pt", weights / "last.pt", out / "training.json")


def _require_both_splits(fields: Sequence[LabeledField]) -> None:
    counts = Counter(one.split for one in fields)
    for split in ("train", "val"):
        if not counts[split]:
            raise DataError(f"no field is in the split {split!r}; training needs train and val")


def _require_boxes_of_cells(fields: Sequence[LabeledField]) -> None:
    for one in fields:
        if len(one.xyxy) == 1 and np.array_equal(one.xyxy, whole_image(one.path)):
            name = one.source or "its dataset"
            raise DataError(
                f"{one.path}: its label covers the image; {name} has no boxes to train a detector "
                "with"
            )


def _start_run(
    fields: Sequence[LabeledField], settings: DetectorTraining, trained: TrainedDetector
) -> None:
    assert settings.canvas_px is not None  # noqa: S101 - filled in by the caller, said for the type checker
    if trained.last.exists():
        raise InputError(f"{settings.out}: holds an unknown run; choose another folder")
    tree = settings.out / "fields"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True, exist_ok=True)
    drawn = hard_negatives(settings.out / "phantoms", settings.phantoms, settings.seed)
    fields = [*fields, *drawn]
    labeled_fields_to_yolo(fields, tree, settings.um_per_px, settings.canvas_px)
    _write_record(trained.record, _record(fields, settings))


def _record(fields: Sequence[LabeledField], settings: DetectorTraining) -> dict[str, Any]:
    sources = Counter((one.source, one.split) for one in fields)
    data = [
        {"name": source, "split": split, "fields": str(n), **_credit(source)}
        for (source, split), n in sources.items()
    ]
    return {
        "classes": list(DETECTOR_CLASSES),
        "settings": _comparable(settings),
        "data": list(with_earlier(data, _learned_before(settings))),
        "finished": False,
    }


def _learned_before(settings: DetectorTraining) -> Sequence[Mapping[str, str]]:
    path = _exported_weights(settings)
    return checked_metadata(path, "detector").training_data if path else ()


def _credit(source: str) -> dict[str, str]:
    info = DATASETS.get(source)
    return {"licence": info.licence, "citation": info.citation} if info else {}


def _comparable(settings: DetectorTraining) -> dict[str, Any]:
    # What may differ when a run goes on elsewhere is left out.
    facts = asdict(settings)
    for name in ("out", "device", "workers", "resume", "precision"):
        del facts[name]
    return facts


def _require_same_run(record: Path, settings: DetectorTraining) -> None:
    if not settings.resume:
        raise InputError(
            f"{settings.out}: holds an earlier run; resume it or choose another folder"
        )
    before, now = json.loads(record.read_text())["settings"], _comparable(settings)
    changed = sorted(name for name in now if now[name] != before.get(name))
    if changed:
        raise InputError(f"{settings.out}: was begun with other settings ({', '.join(changed)})")


def _write_record(path: Path, record: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _fit(settings: DetectorTraining, trained: TrainedDetector) -> None:
    device = settings.device or _best_device()
    resuming = trained.last.exists()
    model = load_yolo(str(trained.last if resuming else _first_weights(settings)))
    from .trainer import SmearTrainer  # imports ultralytics, which `load_yolo` has prepared

    if resuming:
        here = {"device": device, "workers": settings.workers}
        model.train(trainer=SmearTrainer, resume=True, **here)
        return
    model.train(
        trainer=SmearTrainer,
        data=str(settings.out / "fields" / "data.yaml"),
        imgsz=settings.canvas_px,
        epochs=settings.epochs,
        batch=settings.batch,
        seed=settings.seed,
        patience=settings.patience,
        device=device,
        amp=_precision(settings.precision, device),
        workers=settings.workers,
        project=str(settings.out.resolve()),
        name="run",
        exist_ok=True,
        plots=False,
        cache="ram",
        **{**settings.augmentation, **settings.options},
    )


def _exported_weights(settings: DetectorTraining) -> Path | None:
    """The exported detector that the training starts from, if it starts from one."""
    path = SHIPPED if settings.weights == "shipped" else Path(settings.weights)
    return path if path.suffix == ".onnx" else None


def _first_weights(settings: DetectorTraining) -> str | Path:
    path = _exported_weights(settings)
    if path is None:
        return settings.weights
    from .from_onnx import checkpoint_from_onnx

    written = sorted((settings.out / "fields").glob("images/train/*"))
    some = written[:: max(1, len(written) // NORM_FIELDS)]
    images = (read_rgb(one) for one in some)
    assert settings.canvas_px is not None  # noqa: S101 - filled in by the caller, said for the type checker
    return checkpoint_from_onnx(path, images, settings.out / "start.pt", settings.canvas_px)


def _best_device() -> str:
    import torch

    return "0" if torch.cuda.is_available() else "cpu"


def _precision(wanted: str, device: str) -> str | bool:
    # Ultralytics' own "true" (fp16) first fetches another model to check the GPU with; bf16 does
    # not.
    import torch

    if wanted == "bf16":
        return "bf16"
    has_bf16 = device != "cpu" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return "bf16" if wanted == "auto" and has_bf16 else False
