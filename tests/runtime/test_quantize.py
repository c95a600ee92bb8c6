"""A model in int8 says nearly the same, and is still the ONNX that the runtime loads."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="quantising needs the `train` extra")

from leukodiff.runtime.onnx_export import export_onnx  # noqa: E402
from leukodiff.runtime.quantize import quantize_onnx, with_whole_weights  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # NNCF's own, and torch's


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 24, 3), torch.nn.ReLU(), torch.nn.Conv2d(24, 8, 3)
    )

    class FromPixels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, images):
            return self.network(images.permute(0, 3, 1, 2).float() / 255)

    path = tmp_path_factory.mktemp("models") / "small.onnx"
    axes = {"images": {0: "n", 1: "h", 2: "w"}, "out": {0: "n", 2: "h", 3: "w"}}
    example = torch.zeros((1, 16, 16, 3), dtype=torch.uint8)
    export_onnx(FromPixels(), example, path, ["out"], axes)
    return path


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (1, 32, 24, 3)).astype(np.uint8) for _ in range(6)]


def outputs(path: Path, image: np.ndarray) -> np.ndarray:
    import openvino

    model = openvino.Core().compile_model(path, "CPU")
    return np.asarray(model({"images": image})[0])


def test_int8_says_nearly_the_same(exported: Path, images, tmp_path: Path) -> None:
    import onnx

    smaller = tmp_path / "int8.onnx"
    smaller.write_bytes(exported.read_bytes())
    quantize_onnx(smaller, images)
    kinds = [node.op_type for node in onnx.load(str(smaller)).graph.node]
    assert "QuantizeLinear" in kinds
    before, after = outputs(exported, images[0]), outputs(smaller, images[0])
    assert before.shape == after.shape
    assert np.abs(before - after).mean() < 0.05 * np.abs(before).mean()
    assert [one.name for one in tmp_path.iterdir()] == ["int8.onnx"]


def test_halved_weights_are_whole_again(exported: Path) -> None:
    import onnx

    model = onnx.load(str(exported))
    assert any(weight.name.endswith("_half") for weight in model.graph.initializer)
    whole = with_whole_weights(model)
    assert not any(node.op_type == "Cast" and "_half" in node.input[0] for node in whole.graph.node)
    onnx.checker.check_model(whole)
