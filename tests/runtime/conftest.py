"""A model small enough to write in a test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leukodiff.core.files import sha256_of
from leukodiff.runtime.metadata import ModelMetadata, metadata_path, write_metadata

WriteModel = Callable[..., Path]


@pytest.fixture
def write_model(tmp_path: Path) -> WriteModel:
    """Writes a random classifier: mean color -> `logits` (N, 2) and `features` (N, 3)."""

    def write(seed: int = 0, **facts: Any) -> Path:
        path = tmp_path / "tiny.onnx"
        path.write_bytes(_tiny_onnx(seed))
        known: dict[str, Any] = {
            "name": "tiny",
            "version": "1",
            "kind": "classifier",
            "classes": ("a", "b"),
            "input_px": 8,
            "um_per_px": 0.1,
            "sha256": sha256_of(path),
        }
        write_metadata(metadata_path(path), ModelMetadata(**(known | facts)))
        return path

    return write


def _tiny_onnx(seed: int) -> bytes:
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    weights = np.random.default_rng(seed).normal(size=(3, 2)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["pixels"], to=kinds.FLOAT),
            helper.make_node("ReduceMean", ["pixels"], ["features"], axes=[1, 2], keepdims=0),
            helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("images", kinds.UINT8, ["n", "h", "w", 3])],
        [
            helper.make_tensor_value_info("logits", kinds.FLOAT, ["n", 2]),
            helper.make_tensor_value_info("features", kinds.FLOAT, ["n", 3]),
        ],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return bytes(model.SerializeToString())
