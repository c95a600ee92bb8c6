"""A trained checkpoint, written as the ONNX file and the metadata that the detector loads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leukodiff.core.errors import InputError, ModelFileError
from leukodiff.core.files import sha256_of
from leukodiff.datasets.vocabulary import DETECTOR_CLASSES, WHITE_CELL
from leukodiff.runtime.metadata import ModelMetadata, metadata_path, write_metadata
from leukodiff.runtime.onnx_export import export_onnx

from .infer import DEFAULT_NMS_IOU
from .yolo import load_yolo

THRESHOLDS: Mapping[str, float] = {WHITE_CELL: 0.4, "red_cell": 0.35, "platelet": 0.35}
"""Confidences (0-1) that a detection must reach, where no evaluation has chosen others."""

RED_CELL_BOX_RATIO = 1.12
"""Boxes of BCCD's style are so many times as wide as the red cell in them: BCCD's are 102 to 107 px
against 95 px segmented. Chosen so that the scale of fields of BCCD, TXL-PBC and Chula comes out
within 5 % of what their segmented red cells say."""


CONFIRM_FROM = 0.03
"""Below its threshold, but so sure or more, a white cell counts where the classifier names it."""


@dataclass(frozen=True)
class DetectorExport:
    """Settings of an export, for its metadata.

    `um_per_px` and `canvas_px` are the working scale and canvas; `None` reads them from the
    `training.json` of the run that the checkpoint lies in. Thresholds are 0-1, by class.
    `red_cell_box_ratio` is how much wider its boxes are than the red cells in them. A white cell
    found with less than its threshold, but `confirm_from` (0-1) at least, counts where the
    classifier names it. `average` names other checkpoints of the same network and the share (0-1)
    that each has in the weights.
    """

    name: str = "leukodiff-detector"
    version: str = "1"
    um_per_px: float | None = None
    canvas_px: int | None = None
    thresholds: Mapping[str, float] = field(default_factory=lambda: dict(THRESHOLDS))
    nms_iou: float = DEFAULT_NMS_IOU
    red_cell_box_ratio: float = RED_CELL_BOX_RATIO
    confirm_from: float = CONFIRM_FROM
    training_data: tuple[Mapping[str, str], ...] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    licence: str = "AGPL-3.0-or-later"
    average: Mapping[Path, float] = field(default_factory=dict)


def export_detector(checkpoint: Path, out: Path, settings: DetectorExport) -> ModelMetadata:
    """Write `out` (ONNX) and the metadata beside it from an ultralytics checkpoint.

    The graph takes `images`, uint8 (N, H, W, 3) RGB with H and W multiples of 32, and gives
    `predictions`, float32 (N, A, 4 + C): cx, cy, w, h in px, then the classes' probabilities (0-1).

    Raises:
        InputError: its classes are not `DETECTOR_CLASSES`, in that order.
        ModelFileError: its working scale and canvas are neither given nor on record.
    """
    yolo = load_yolo(str(checkpoint))
    _require_our_classes(checkpoint, tuple(yolo.names.values()))
    _average(yolo.model, settings.average)
    _write_graph(yolo.model, out)
    metadata = _metadata(checkpoint, out, settings)
    write_metadata(metadata_path(out), metadata)
    return metadata


def _require_our_classes(checkpoint: Path, classes: tuple[str, ...]) -> None:
    # The graph gives numbers alone: in another order a red cell would pass as a platelet.
    if classes != DETECTOR_CLASSES:
        found = ", ".join(classes[:8]) + (", ..." if len(classes) > 8 else "")
        raise InputError(
            f"{checkpoint}: its classes are {found}; a detector of ours has "
            f"{', '.join(DETECTOR_CLASSES)}, in this order"
        )


def _average(model: Any, others: Mapping[Path, float]) -> None:
    """Mixes the weights of checkpoints that were fine-tuned one from another, in place.

    The mean of such weights keeps more of what the earlier ones knew of other smears (Wortsman et
    al., Robust fine-tuning of zero-shot models, CVPR 2022).
    """
    own = 1 - sum(others.values())
    if others and not (own > 0 and min(others.values()) > 0):
        raise InputError("shares of averaged checkpoints are above 0 and come to less than 1")
    mixed = {name: own * value.float() for name, value in model.state_dict().items()}
    for path, share in others.items():
        weights = load_yolo(str(path)).model.state_dict()
        if {n: v.shape for n, v in weights.items()} != {n: v.shape for n, v in mixed.items()}:
            raise InputError(f"{path}: another network than the checkpoint it is averaged with")
        mixed = {name: value + share * weights[name].float() for name, value in mixed.items()}
    if others:
        model.float().load_state_dict(mixed)


def detector_module(yolo_model: Any) -> Any:
    """A torch module from uint8 (N, H, W, 3) RGB to (N, A, 4 + C), round a YOLO's network."""
    import copy

    import torch

    network = copy.deepcopy(yolo_model).float().cpu().eval().fuse(verbose=False)
    head = network.model[-1]
    head.export, head.format, head.dynamic, head.shape = True, "onnx", True, None

    class DetectorModule(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            pixels = images.permute(0, 3, 1, 2).float() / 255.0
            predictions: torch.Tensor = self.network(pixels).permute(0, 2, 1)
            return predictions

    return DetectorModule().eval()


def _write_graph(yolo_model: Any, out: Path) -> None:
    import torch

    axes = {
        "images": {0: "n", 1: "height", 2: "width"},
        "predictions": {0: "n", 1: "anchors"},
    }
    example = torch.zeros((2, 96, 64, 3), dtype=torch.uint8)
    export_onnx(detector_module(yolo_model), example, out, ["predictions"], axes)


def _metadata(checkpoint: Path, out: Path, settings: DetectorExport) -> ModelMetadata:
    run = _training_record(checkpoint)
    chosen = run.get("settings", {})
    um_per_px = settings.um_per_px or chosen.get("um_per_px")
    canvas_px = settings.canvas_px or chosen.get("canvas_px")
    if um_per_px is None or canvas_px is None:
        raise ModelFileError(
            f"{checkpoint}: no training.json above it; give um_per_px and canvas_px"
        )
    data = settings.training_data
    return ModelMetadata(
        name=settings.name,
        version=settings.version,
        kind="detector",
        classes=DETECTOR_CLASSES,
        input_px=canvas_px,
        um_per_px=um_per_px,
        sha256=sha256_of(out),
        thresholds=dict(settings.thresholds),
        calibration={
            "nms_iou": settings.nms_iou,
            "red_cell_box_ratio": settings.red_cell_box_ratio,
            "confirm_from": settings.confirm_from,
        },
        training_data=tuple(run.get("data", ())) if data is None else data,
        metrics=dict(settings.metrics),
        command=settings.command,
        licence=settings.licence,
    )


def _training_record(checkpoint: Path) -> dict[str, Any]:
    # A run's checkpoints lie in <run>/run/weights, its record in <run>.
    for folder in checkpoint.resolve().parents[:3]:
        record = folder / "training.json"
        if record.is_file():
            facts: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
            return facts
    return {}
