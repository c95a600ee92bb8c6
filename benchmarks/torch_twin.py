"""The shipped models as torch modules again, so that a comparison runs on the very same weights."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from leukodiff.classifier.from_onnx import load_exported
from leukodiff.detector.from_onnx import unfused_network
from leukodiff.detector.yolo import load_yolo


def detector_twin(path: Path, scratch: Path) -> Any:
    """An `ultralytics.YOLO` with the shipped detector's weights, layers fused as in the file."""
    network = unfused_network(path).fuse(verbose=False).eval()
    network.args = {"imgsz": 640, "task": "detect"}
    checkpoint = scratch / "twin.pt"
    torch.save({"model": network, "train_args": network.args}, checkpoint)
    return load_yolo(str(checkpoint))


def classifier_twin(path: Path, architecture: str, n_classes: int) -> nn.Module:
    """The shipped classifier in torch: its convolutions hold the batch norms, as in the file."""
    model: nn.Module = timm.create_model(architecture, num_classes=n_classes).eval()
    load_exported(model, path)
    layers = list(model.named_modules())
    for (_, convolution), (name, norm) in pairwise(layers):
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            convolution.bias = nn.Parameter(norm.bias.detach())
            # timm's norm layers carry the activation that follows them: that stays.
            parent, _, leaf = name.rpartition(".")
            activation = getattr(norm, "act", nn.Identity())
            setattr(model.get_submodule(parent), leaf, activation)
    return model
