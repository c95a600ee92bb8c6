"""An exported detector can be trained on: put back together, it computes what the file computes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="training needs the `train` extra")

from leukodiff.classifier.infer import SHIPPED as CLASSIFIER  # noqa: E402
from leukodiff.core.errors import ModelFileError  # noqa: E402
from leukodiff.detector.from_onnx import checkpoint_from_onnx, unfused_network  # noqa: E402
from leukodiff.detector.infer import SHIPPED, Detector  # noqa: E402
from leukodiff.detector.yolo import load_yolo  # noqa: E402
from leukodiff.runtime.onnx_import import restore_norms  # noqa: E402


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(90, 250, (6, 12, 12, 3), dtype=np.uint8)
    return [one.repeat(9, axis=0).repeat(9, axis=1) for one in coarse]


def pixels(image: np.ndarray) -> Any:
    return torch.from_numpy(image[:96, :96].copy()).permute(2, 0, 1)[None].float() / 255


def predictions(network, image: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return np.asarray(network.eval()(pixels(image))[0][0].T.numpy())


def test_the_network_predicts_what_the_file_predicts(images):
    network = unfused_network(SHIPPED)
    from_file = Detector.load().model(np.ascontiguousarray(images[0][:96, :96])[None])[0]
    assert predictions(network, images[0]) == pytest.approx(from_file, abs=0.05)
    before = predictions(network, images[1])
    restore_norms(network, [pixels(one) for one in images])
    assert predictions(network, images[1]) == pytest.approx(before, abs=0.02)


def test_restored_norms_are_what_reaches_them(images):
    network = unfused_network(SHIPPED)
    restore_norms(network, [pixels(images[0])])
    first = network.model[0]
    with torch.inference_mode():
        reaching = first.conv(pixels(images[0]))
    assert first.bn.running_mean.numpy() == pytest.approx(
        reaching.mean((0, 2, 3)).numpy(), abs=1e-4
    )


def test_the_checkpoint_is_one_that_ultralytics_trains(images, tmp_path: Path):
    out = checkpoint_from_onnx(SHIPPED, images, tmp_path / "a" / "start.pt", imgsz=96)
    yolo = load_yolo(str(out))
    assert list(yolo.names.values()) == ["white_cell", "red_cell", "platelet"]
    assert yolo.model.args["imgsz"] == 96


def test_another_model_s_file_is_named(tmp_path: Path):
    with pytest.raises(ModelFileError, match=CLASSIFIER.name):
        unfused_network(CLASSIFIER)
