"""The shipped models as torch modules again, so that a comparison runs on the very same weights."""

from pathlib import Path
from typing import Any

import onnx
import timm
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from leukodiff.detector.yolo import load_yolo


def weights_of(path: Path) -> dict[str, Tensor]:
    """The initializers of an ONNX file, float32, by name; stored halves under their own name."""
    model = onnx.load(str(path))
    return {
        one.name.removesuffix("_half"): torch.from_numpy(numpy_helper.to_array(one).copy()).float()
        for one in model.graph.initializer
    }


def detector_twin(path: Path, scratch: Path) -> Any:
    """An `ultralytics.YOLO` with the shipped detector's weights, layers fused as in the file."""
    from ultralytics.nn.tasks import DetectionModel

    stored = weights_of(path)
    network: Any = DetectionModel("yolo11n.yaml", verbose=False)
    _for_three_classes(network.model[-1])
    network = network.fuse(verbose=False).eval()
    prefix = "network."
    state = {name.removeprefix(prefix): w for name, w in stored.items() if name.startswith(prefix)}
    missing = network.load_state_dict(state, strict=False).missing_keys
    lost = [name for name in missing if "dfl" not in name]
    if lost:
        raise SystemExit(f"{path}: weights missing: {lost[:3]}")
    network.names = {0: "white_cell", 1: "red_cell", 2: "platelet"}
    network.args = {"imgsz": 640, "task": "detect"}
    checkpoint = scratch / "twin.pt"
    torch.save({"model": network, "train_args": network.args}, checkpoint)
    return load_yolo(str(checkpoint))


def _for_three_classes(head: Any) -> None:
    # Fine-tuning from COCO keeps the width of the head that COCO's 80 classes gave it.
    for branch in head.cv3:
        branch[-1] = nn.Conv2d(branch[-1].in_channels, 3, 1)
    head.nc, head.no = 3, 3 + 4 * head.reg_max


def classifier_twin(path: Path, architecture: str, n_classes: int) -> nn.Module:
    """The shipped classifier in torch: its convolutions hold the batch norms, as in the file."""
    model: nn.Module = timm.create_model(architecture, num_classes=n_classes).eval()
    graph = onnx.load(str(path)).graph
    stored = weights_of(path)
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    modules = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    for node, module in zip(convolutions, modules, strict=True):
        module.weight.data = stored[node.input[1].removesuffix("_half")].reshape(
            module.weight.shape
        )
        module.bias = nn.Parameter(stored[node.input[2].removesuffix("_half")])
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            _make_identity(model, name, module)
    head = next(node for node in graph.node if node.op_type in ("Gemm", "MatMul"))
    weight = stored[head.input[1].removesuffix("_half")]
    linear = model.get_submodule("classifier")
    assert isinstance(linear, nn.Linear)
    linear.weight.data = weight if weight.shape == linear.weight.shape else weight.T.contiguous()
    linear.bias.data = stored[head.input[2].removesuffix("_half")]
    return model


def _make_identity(model: nn.Module, name: str, norm: nn.BatchNorm2d) -> None:
    # timm's norm layers carry the activation that follows them: that stays.
    parent, _, leaf = name.rpartition(".")
    activation = getattr(norm, "act", nn.Identity())
    setattr(model.get_submodule(parent), leaf, activation)
