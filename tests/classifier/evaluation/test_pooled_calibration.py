"""A temperature and a threshold that several laboratories agree on."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx", reason="the tiny models need the `dev` extra")

from leukodiff.classifier.evaluation.pooled_calibration import pooled_calibration
from leukodiff.classifier.infer import Classifier
from leukodiff.core.errors import DataError
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.leave_one_out import Laboratory

NAMES = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")


@pytest.fixture
def laboratory(tmp_path: Path) -> Any:
    """Makes a laboratory of fields of one flat color each, their types drawn from a seed."""

    def make(name: str, n: int, seed: int) -> Laboratory:
        rng, made = np.random.default_rng(seed), []
        for i in range(n):
            path = tmp_path / f"{name}{i}.png"
            cv2.imwrite(str(path), np.full((64, 64, 3), rng.integers(60, 250, 3), np.uint8))
            box = np.array([[20, 20, 44, 44]], np.float32)
            made.append(
                LabeledField(path, box, (NAMES[rng.integers(5)],), "test", name, path.stem, 0.4)
            )
        return Laboratory(name, tuple(made))

    return make


def test_laboratories_left_out_are_pooled(write_classifier: Any, laboratory: Any) -> None:
    classifier = Classifier.load(write_classifier(), threads=1)
    tests = [(classifier, laboratory("a", 30, 1)), (classifier, laboratory("b", 20, 2))]
    found = pooled_calibration(tests)
    assert (found["laboratories"], found["cells"], found["prior"]) == (["a", "b"], 50, "routine")
    # Names drawn by lot are right in a fifth: no threshold reaches the aim, so the cap holds.
    assert found["unidentified"] <= 0.08
    assert found["right_of_named"] < 0.6
    assert found["temperature"] > 1
    assert 0 < found["reject"] < 1


def test_no_laboratory_and_models_that_differ(write_classifier: Any, laboratory: Any) -> None:
    with pytest.raises(DataError, match="nothing to calibrate by"):
        pooled_calibration([])
    path, lab = write_classifier(), laboratory("a", 3, 1)
    models = [Classifier.load(path, threads=1, prior=prior) for prior in ("routine", "none")]
    with pytest.raises(DataError, match="priors differ"):
        pooled_calibration([(one, lab) for one in models])
