"""The two models of a run: started beside what comes before they are needed."""

import logging
import threading

import numpy as np
import pytest

from leukodiff.pipeline.analysis.models import Models, load_models
from leukodiff.runtime.model import Model

pytestmark = pytest.mark.slow


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """What the engines are given."""
    seen: list[tuple[int, ...]] = []
    outputs = Model.outputs

    def watched(self: Model, images: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(images.shape)
        return outputs(self, images)

    monkeypatch.setattr(Model, "outputs", watched)
    return seen


def wait_for_engines() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("engine"):
            thread.join()


def detect_nothing(models: Models) -> None:
    blank = np.full((100, 100, 3), 240, np.uint8)
    assert len(models.detector.detect(blank, 0.2)) == 0


def test_fields_are_read_as_they_come(shapes: list[tuple[int, ...]]) -> None:
    models = load_models(workers=1)
    wait_for_engines()
    assert shapes == []
    detect_nothing(models)


@pytest.mark.parametrize(("workers", "times"), [(1, 1), (2, 2), (16, 2)])
def test_a_scan_s_windows_and_crops_are_learned_beforehand(
    shapes: list[tuple[int, ...]], workers: int, times: int
) -> None:
    models = load_models(workers=workers, for_scans=True)
    wait_for_engines()
    assert sorted(shapes) == sorted([(1, 128, 128, 3), (4, 256, 256, 3)] * times)
    detect_nothing(models)


def test_an_engine_without_its_gpu_warns(caplog: pytest.LogCaptureFixture) -> None:
    providers = pytest.importorskip("onnxruntime").get_available_providers()
    if "CUDAExecutionProvider" in providers:
        pytest.skip("this onnxruntime may find a GPU")
    with caplog.at_level(logging.WARNING):
        models = load_models(engine="onnxruntime", workers=1)
    (line,) = caplog.messages
    assert "no GPU" in line
    assert models.detector.batch == 4
    detect_nothing(models)
