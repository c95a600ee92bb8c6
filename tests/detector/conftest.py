"""A detector that needs no weights: it finds the colored discs that the tests draw."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from leukodiff.datasets.vocabulary import DETECTOR_CLASSES
from leukodiff.detector.infer import Detector
from leukodiff.runtime.metadata import ModelMetadata
from leukodiff.runtime.model import Model

COLORS = ((120, 40, 160), (220, 120, 110), (60, 60, 200))
"""What the tests paint a white cell, a red cell and a platelet in (RGB), on white."""

BEST_PX = 40.0
"""The disc's diameter at working scale that the detector is surest of."""


def paint(
    cells: list[tuple[int, int, int, int]], width: int = 320, height: int = 240
) -> np.ndarray:
    """A field of discs, each (class, x, y, diameter in px)."""
    image = np.full((height, width, 3), 255, np.uint8)
    for class_id, x, y, diameter in cells:
        cv2.circle(image, (x, y), diameter // 2, COLORS[class_id], -1)
    return image


def find_discs(images: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions (N, A, 7) as a YOLO gives them; a disc of half or double `BEST_PX` gets 0.25."""
    each = [rows_of_discs(image) for image in images]
    most = max(map(len, each))
    padded = [np.pad(rows, ((0, most - len(rows)), (0, 0))) for rows in each]
    return {"predictions": np.array(padded, np.float32)}


def rows_of_discs(image: np.ndarray) -> list[np.ndarray]:
    """Of one image, a row of nothing first."""
    rows = [np.zeros(7)]
    for class_id, color in enumerate(COLORS):
        near = (np.abs(image.astype(int) - color).sum(axis=2) < 60).astype(np.uint8)
        for x, y, width, height, area in cv2.connectedComponentsWithStats(near)[2][1:]:
            if area < 12:
                continue
            octaves = abs(np.log2(np.sqrt(width * height) / BEST_PX))
            row = np.array([x + width / 2, y + height / 2, width, height, 0, 0, 0], float)
            row[4 + class_id] = max(0.0, 0.95 - 0.7 * octaves)
            rows.append(row)
    return rows


def make_metadata(**facts: Any) -> ModelMetadata:
    known: dict[str, Any] = {
        "name": "discs",
        "version": "1",
        "kind": "detector",
        "classes": DETECTOR_CLASSES,
        "input_px": 320,
        "um_per_px": 0.1875,
        "sha256": "0" * 64,
        "thresholds": dict.fromkeys(DETECTOR_CLASSES, 0.4),
    }
    return ModelMetadata(**(known | facts))


@pytest.fixture
def discs() -> Callable[..., Detector]:
    """Makes the detector of discs; at 0.1875 um/px a red cell has its best size, 40 px."""

    def make(run: Any = find_discs, **facts: Any) -> Detector:
        metadata = make_metadata(**facts)
        return Detector(Model(Path("discs.onnx"), metadata, "test", run), metadata.um_per_px)

    return make


@pytest.fixture
def draw() -> Callable[..., np.ndarray]:
    """`paint`, for the tests."""
    return paint
