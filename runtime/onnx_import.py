"""The way back from an exported ONNX file to a torch network that can be trained on.

Exporting folds each batch norm into the convolution before it. To train on, the norms are put
back, with the statistics that the network shows on the images at hand, so that it computes the
same and learns as it did. Needs the `train` extra.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any


def weights_of(path: Path) -> dict[str, Any]:
    """The weights of an ONNX file as float32 tensors by name; those stored in halves too."""
    import onnx
    import torch
    from onnx import numpy_helper

    model = onnx.load(str(path))
    return {
        one.name.removesuffix("_half"): torch.from_numpy(numpy_helper.to_array(one).copy()).float()
        for one in model.graph.initializer
    }


def make_pass_through(norm: Any, bias: Any) -> None:
    """Makes a batch norm add a bias (C,) and do nothing else in evaluation mode."""
    import torch

    with torch.no_grad():
        norm.weight.fill_(1.0)
        norm.bias.copy_(bias)
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0 - norm.eps)


def restore_norms(network: Any, batches: Iterable[Any]) -> None:
    """Gives each norm the mean and variance of what reaches it, and takes them back by its gain.

    The network computes the same as before in evaluation mode, and nearly so in training mode.

    Args:
        network: a torch module; its `BatchNorm2d` are changed in place.
        batches: inputs of the network, (N, 3, H, W) as it takes them.
    """
    import torch

    sums: dict[Any, list[Any]] = {}

    def add(norm: Any, _module: Any, inputs: Any) -> None:
        moments = [inputs[0].mean((0, 2, 3)), (inputs[0] ** 2).mean((0, 2, 3)), 1.0]
        before = sums.get(norm, [0.0, 0.0, 0.0])
        sums[norm] = [a + b for a, b in zip(before, moments, strict=True)]

    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(partial(add, norm)) for norm in norms]
    with torch.no_grad():
        for batch in batches:
            network.eval()(batch)
        for hook in hooks:
            hook.remove()
        for norm, (first, second, n) in sums.items():
            _restore(norm, first / n, second / n)


def _restore(norm: Any, mean: Any, square: Any) -> None:
    import torch

    variance = (square - mean**2).clamp(min=1e-6)
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    norm.bias += gain * (mean - norm.running_mean)
    norm.weight.copy_(gain * torch.sqrt(variance + norm.eps))
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
