"""An exported detector as a YOLO that can be trained on. Needs the `train` extra."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.errors import ModelFileError
from leukodiff.datasets.vocabulary import DETECTOR_CLASSES
from leukodiff.runtime.onnx_import import make_pass_through, restore_norms, weights_of

from .letterbox import STRIDE
from .yolo import prepare_ultralytics

PREFIX = "network."
"""Prefix that the exported graph gives the names of a network's weights."""

ARCHITECTURE = "yolo11n.yaml"


def checkpoint_from_onnx(
    path: Path, images: Iterable[NDArray[np.uint8]], out: Path, imgsz: int = 640
) -> Path:
    """Writes an ultralytics checkpoint with the weights of an exported detector.

    Args:
        path: an ONNX file of `export detector`.
        images: some training images (H, W, 3) uint8 RGB, sides of 32 px or more.
        out: the checkpoint to write.
        imgsz: what the checkpoint says of the size it was trained at, px.

    Raises:
        ModelFileError: it is no detector of this architecture.
    """
    import torch

    network = unfused_network(path)
    restore_norms(network, _as_inputs(images))
    network.args = {"imgsz": imgsz, "task": "detect"}
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": network, "train_args": network.args}, out)
    return out


def unfused_network(path: Path) -> Any:
    """The network with its norms apart; each norm only adds its convolution's bias."""
    network = empty_network()
    stored = weights_of(path)
    for name, weight in network.state_dict().items():
        if ".bn." not in name and "dfl" not in name:
            weight.copy_(_weight(stored, name, path, weight.shape))
    for name, module in network.named_modules():
        if name.endswith(".bn"):
            bias = name.removesuffix(".bn") + ".conv.bias"
            make_pass_through(module, _weight(stored, bias, path, module.bias.shape))
    return network.eval()


def empty_network() -> Any:
    """A network of our three classes, its head as wide as fine-tuning from COCO leaves it."""
    prepare_ultralytics()
    from torch import nn
    from ultralytics.nn.tasks import DetectionModel

    network: Any = DetectionModel(ARCHITECTURE, verbose=False)
    head = network.model[-1]
    for branch in head.cv3:
        branch[-1] = nn.Conv2d(branch[-1].in_channels, len(DETECTOR_CLASSES), 1)
    head.nc = network.nc = network.yaml["nc"] = len(DETECTOR_CLASSES)
    head.no = head.nc + 4 * head.reg_max
    network.names = dict(enumerate(DETECTOR_CLASSES))
    return network.float()


def _as_inputs(images: Iterable[NDArray[np.uint8]]) -> Iterator[Any]:
    import torch

    for image in images:
        height, width = (side // STRIDE * STRIDE for side in image.shape[:2])
        whole = torch.from_numpy(image[:height, :width].copy())
        yield whole.permute(2, 0, 1)[None].float() / 255


def _weight(stored: dict[str, Any], name: str, path: Path, shape: Any) -> Any:
    found = stored.get(PREFIX + name)
    if found is None or found.shape != shape:
        raise ModelFileError(f"{path}: no {name} of this shape in it; not a detector of ours")
    return found
