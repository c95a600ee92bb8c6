import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from leukodiff.classifier.predictions import Predictions
from leukodiff.core.errors import DataError, InputError
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES, DETECTOR_CLASSES
from leukodiff.detector.detections import Detections
from leukodiff.pipeline.analysis.evaluate import evaluate_pipeline

CELL = (20, 20, 40, 40)
NEAR = (21, 20, 41, 40)
FAR = (60, 60, 80, 80)


def labeled(root: Path, cells: list[tuple[str, tuple[int, ...]]], **more: Any) -> LabeledField:
    path = root / "field.png"
    cv2.imwrite(str(path), np.zeros((100, 100, 3), np.uint8))
    xyxy = np.array([box for _, box in cells], np.float32).reshape(-1, 4)
    names = tuple(name for name, _ in cells)
    return LabeledField(path, xyxy, names, **{"um_per_px": 0.1, "source": "mine", **more})


def detector(*boxes: tuple[int, ...], class_id: int = 0) -> Any:
    found = Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.5, len(boxes), dtype=np.float32),
        np.full(len(boxes), class_id, np.int64),
        DETECTOR_CLASSES,
    )
    facts = SimpleNamespace(thresholds={}, calibration={})
    return SimpleNamespace(detect=lambda image, um_per_px, least: found, metadata=facts)


def classifier(name: str, sure: float = 0.9) -> Any:
    def classify(image: Any, xyxy: Any, um_per_px: float) -> Predictions:
        rest = (1 - sure) / (len(CLASSIFIER_CLASSES) - 1)
        row = [sure if one == name else rest for one in CLASSIFIER_CLASSES]
        probabilities = np.tile(np.array(row, np.float32), (len(xyxy), 1))
        return Predictions(probabilities, CLASSIFIER_CLASSES, reject_threshold=0.5)

    return SimpleNamespace(classify=classify)


@pytest.mark.parametrize(
    ("found", "prediction", "expected"),
    [
        pytest.param([CELL], ("monocyte", 0.9), ("monocyte", "monocyte"), id="found and right"),
        pytest.param([NEAR], ("monocyte", 0.9), ("monocyte", "monocyte"), id="a pixel off"),
        pytest.param([CELL], ("basophil", 0.9), ("basophil", "basophil"), id="found and wrong"),
        pytest.param([CELL], ("monocyte", 0.4), ("unidentified", "monocyte"), id="not sure"),
        pytest.param([FAR], ("monocyte", 0.9), ("missed", "missed"), id="found elsewhere"),
        pytest.param([], ("monocyte", 0.9), ("missed", "missed"), id="nothing found"),
        pytest.param([FAR, CELL], ("monocyte", 0.9), ("monocyte", "monocyte"), id="one of two"),
    ],
)
def test_what_becomes_of_a_cell(
    tmp_path: Path,
    found: list[tuple[int, ...]],
    prediction: tuple[str, float],
    expected: tuple[str, str],
) -> None:
    fields = [labeled(tmp_path, [("monocyte", CELL), ("red_cell", FAR)])]
    (cell,) = evaluate_pipeline(detector(*found), classifier(*prediction), fields).cells
    assert (cell.cell_type, cell.likeliest) == expected
    assert (cell.true_type, cell.field_id, cell.source) == ("monocyte", "field.png", "mine")


def test_one_detection_stands_for_one_cell(tmp_path: Path) -> None:
    fields = [labeled(tmp_path, [("monocyte", CELL), ("monocyte", NEAR)])]
    cells = evaluate_pipeline(detector(CELL), classifier("monocyte"), fields).cells
    assert sorted(cell.cell_type for cell in cells) == ["missed", "monocyte"]


def test_a_red_cell_is_no_white_one(tmp_path: Path) -> None:
    fields = [labeled(tmp_path, [("monocyte", CELL)])]
    (cell,) = evaluate_pipeline(detector(CELL, class_id=1), classifier("monocyte"), fields).cells
    assert cell.cell_type == "missed"


@pytest.mark.parametrize(
    ("cells", "more", "error", "words"),
    [
        ([], {}, DataError, "no field"),
        ([("white_cell", CELL), ("red_cell", FAR)], {}, DataError, "no field"),
        ([("monocyte", CELL)], {"um_per_px": None}, DataError, "scale"),
        ([("monocyte", (0, 0, 100, 100))], {}, InputError, "covers the image"),
    ],
    ids=["no cells", "no types", "no scale", "a label an image"],
)
def test_fields_that_can_not_be_measured_on(
    tmp_path: Path,
    cells: list[tuple[str, tuple[int, ...]]],
    more: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    fields = [labeled(tmp_path, cells, **more)]
    with pytest.raises(error, match=words):
        evaluate_pipeline(detector(CELL), classifier("monocyte"), fields)


def test_figures_and_files(tmp_path: Path) -> None:
    fields = [labeled(tmp_path, [("monocyte", CELL), ("basophil", FAR)])]
    figures = evaluate_pipeline(detector(CELL), classifier("monocyte"), fields)
    figures.save(tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "pipeline.json").read_text())
    assert summary == figures.summary()
    assert (summary["fields"], summary["cells"], summary["found"]["share"]) == (1, 2, 0.5)
    assert summary["recall"]["basophil"]["share"] == 0
    with (tmp_path / "out" / "confusion.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["true_type", "missed", "monocyte"],
            ["monocyte", "0", "1"],
            ["basophil", "1", "0"],
        ]


def test_progress_is_reported_field_by_field(tmp_path: Path) -> None:
    reported: list[tuple[int, int, str]] = []
    fields = [labeled(tmp_path, [("monocyte", CELL)])] * 2
    evaluate_pipeline(
        detector(CELL), classifier("monocyte"), fields, lambda *state: reported.append(state)
    )
    assert reported == [(1, 2, "field.png"), (2, 2, "field.png")]
