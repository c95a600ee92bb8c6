"""An exported classifier as a network that can be trained on. Needs the `train` extra."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import onnx
from torch import nn

from leukodiff.core.errors import ModelFileError
from leukodiff.runtime.onnx_import import make_pass_through, weights_of


def load_exported(model: Any, path: Path) -> None:
    """Fills a timm network with the weights of an ONNX file of `export classifier`, in place.

    The file's convolutions hold the norms that followed them: each norm then only adds a bias,
    until `restore_norms` has shown it what reaches it. A head of other classes is left as it is.

    Raises:
        ModelFileError: the file is of another architecture.
    """
    nodes = onnx.load(str(path)).graph.node
    stored = weights_of(path)
    convolutions = [_inputs(node, stored) for node in nodes if node.op_type == "Conv"]
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    pairs = [(a, b) for a, b in pairwise([*layers, None]) if isinstance(a, nn.Conv2d)]
    shapes = [a.weight.shape for a, _ in pairs]
    if shapes != [weight.shape for weight, _ in convolutions]:
        raise ModelFileError(f"{path}: not of the architecture that is to be trained")
    for (convolution, after), (weight, bias) in zip(pairs, convolutions, strict=True):
        convolution.weight.data.copy_(weight)
        if isinstance(after, nn.BatchNorm2d):
            make_pass_through(after, bias)
        elif convolution.bias is not None:
            convolution.bias.data.copy_(bias)
    head = [_inputs(node, stored) for node in nodes if node.op_type == "Gemm"]
    linear = model.get_classifier()
    if len(head) == 1 and linear.weight.shape in (head[0][0].shape, head[0][0].T.shape):
        weight, bias = head[0]
        linear.weight.data.copy_(weight if weight.shape == linear.weight.shape else weight.T)
        linear.bias.data.copy_(bias)


def _inputs(node: Any, stored: dict[str, Any]) -> tuple[Any, Any]:
    weight, bias = (stored[name.removesuffix("_half")] for name in node.input[1:3])
    return weight, bias
