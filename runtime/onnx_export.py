"""A torch module, written as the ONNX file that `load_model` takes. Needs the `train` extra."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leukodiff.core.files import replacing

OPSET = 18
"""The newest operator set of which ONNX Runtime's CUDA provider has all that a YOLO needs."""

LARGE = 1024
"""Weights with at least this many numbers are stored in half precision."""


def export_onnx(
    module: Any,
    example: Any,
    path: Path,
    output_names: Sequence[str],
    dynamic_axes: Mapping[str, Mapping[int, str]],
) -> None:
    """Trace a torch module with one input, `images`, and write it to `path`; whole or not at all.

    `example` is an input tensor, uint8 (N, H, W, 3). `dynamic_axes` names the free axes of the
    input and of each output, by axis number. Large weights are stored as float16 and cast when the
    file is loaded: half the bytes, the arithmetic stays float32.
    """
    import onnx
    import onnxslim
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial, warnings.catch_warnings(), torch.inference_mode():
        # The tracer warns of every shape it reads; the parity tests show that they are right.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (example,),
            str(partial),
            opset_version=OPSET,
            input_names=["images"],
            output_names=list(output_names),
            dynamic_axes={name: dict(axes) for name, axes in dynamic_axes.items()},
            dynamo=False,
        )
        model = onnxslim.slim(onnx.load(str(partial)))
        halve_weights(model)
        model.ir_version = min(model.ir_version, 10)  # ONNX Runtime 1.20, OpenVINO 2025 read it
        onnx.checker.check_model(model)
        onnx.save(model, str(partial))


def halve_weights(model: Any) -> None:
    """Store an ONNX model's large float32 weights as float16, each cast to float32 on loading."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < LARGE:
            continue
        values = numpy_helper.to_array(weight).astype(np.float16)
        if not np.isfinite(values).all():
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
