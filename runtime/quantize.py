"""An ONNX model in eight-bit integers, for CPUs. Needs the `train` extra."""

import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def quantize_onnx(path: Path, images: Sequence[NDArray[np.uint8]]) -> None:
    """Rewrites an ONNX file so that its convolutions run in int8: half the size, less arithmetic.

    Post-training quantisation by NNCF: weights per channel, activations by the ranges that they
    take over `images`, biases corrected. The file stays plain ONNX (QuantizeLinear and
    DequantizeLinear), its input and outputs stay what they are. What it costs in accuracy is to be
    measured before such a file is used.

    Args:
        path: a file that `export_onnx` wrote.
        images: batches (1, H, W, 3), uint8 RGB, as the model meets them; training data, never test.
    """
    os.environ["NNCF_CI"] = "1"  # it would report its use to its makers
    import nncf
    import onnx

    nncf.set_log_level(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        smaller = nncf.quantize(
            with_whole_weights(onnx.load(str(path))),
            nncf.Dataset(list(images), lambda image: {"images": image}),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
        )
    onnx.checker.check_model(smaller)
    partial = path.with_name(path.name + ".partial")
    onnx.save(smaller, str(partial))
    os.replace(partial, path)


def with_whole_weights(model: Any) -> Any:
    """An ONNX model whose weights are float32 again, where `halve_weights` had halved them."""
    from onnx import numpy_helper

    stored = {weight.name: weight for weight in model.graph.initializer}
    casts = [
        node for node in model.graph.node if node.op_type == "Cast" and node.input[0] in stored
    ]
    for node in casts:
        weight = stored[node.input[0]]
        values = numpy_helper.to_array(weight).astype(np.float32)
        weight.CopyFrom(numpy_helper.from_array(values, node.output[0]))
        model.graph.node.remove(node)
    return model
