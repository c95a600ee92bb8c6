"""A smear of colored squares, and models that see nothing but colors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from leukodiff.classifier.predictions import Predictions
from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES, DETECTOR_CLASSES
from leukodiff.detector.detections import Detections
from leukodiff.detector.scale import ScaleEstimate
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.fields import FieldResult
from leukodiff.pipeline.report.report import ModelUsed, Provenance, SmearReport
from leukodiff.pipeline.report.scale import ScaleSource, SlideScale

Rgb = NDArray[np.uint8]

COLORS = {
    "neutrophil": (90, 40, 160),
    "lymphocyte": (60, 40, 160),
    "erythroblast": (70, 50, 150),
    "unidentified": (99, 99, 99),
    "red_cell": (200, 120, 120),
    "platelet": (120, 90, 200),
}
SIDE = 16


@dataclass(frozen=True)
class Facts:
    kind: str
    classes: tuple[str, ...]
    name: str = "colors"
    version: str = "1"
    sha256: str = "0" * 64
    thresholds: Mapping[str, float] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)


def squares(image: Rgb, color: Sequence[int]) -> list[list[float]]:
    mask = (image == np.array(color)).all(axis=2).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    return [[x, y, x + w, y + h] for x, y, w, h, _ in stats[1:].tolist()]


@dataclass
class ColorDetector:
    metadata: Facts = field(default_factory=lambda: Facts("detector", DETECTOR_CLASSES))
    um_per_px: float = 0.5
    batch: int = 4

    def detect_many(
        self,
        images: Sequence[Rgb],
        um_per_px: float,
        thresholds: Any = None,
        *,
        framed: bool = True,
    ) -> list[Detections]:
        return [self.detect(image, um_per_px, thresholds) for image in images]

    def detect(self, image: Rgb, um_per_px: float, thresholds: Any = None) -> Detections:
        boxes, ids = [], []
        for name, color in COLORS.items():
            class_name = name if name in DETECTOR_CLASSES else "white_cell"
            found = squares(image, color)
            boxes += found
            ids += [DETECTOR_CLASSES.index(class_name)] * len(found)
        xyxy = np.array(boxes, np.float32).reshape(-1, 4)
        confidence = np.full(len(boxes), 0.875, np.float32)
        return Detections(xyxy, confidence, np.array(ids, np.int64), DETECTOR_CLASSES)


@dataclass
class ColorClassifier:
    metadata: Facts = field(default_factory=lambda: Facts("classifier", CLASSIFIER_CLASSES))

    def classify(self, image: Rgb, xyxy: NDArray[np.float32], um_per_px: float) -> Predictions:
        rows = np.full((len(xyxy), len(CLASSIFIER_CLASSES)), 0.125, np.float32)
        for row, (x, y, *_) in zip(rows, xyxy.astype(int).tolist(), strict=True):
            for i, name in enumerate(CLASSIFIER_CLASSES):
                if tuple(image[y, x].tolist()) == COLORS.get(name):
                    row[:] = 0
                    row[i] = 1
        return Predictions(rows, CLASSIFIER_CLASSES, 0.5)


@pytest.fixture
def models() -> Models:
    """Models that find and name the squares of `field_image`, at 0.5 um/px."""
    measured = ScaleEstimate(0.5, 0.1, 30)
    return Models(
        ColorDetector(), ColorClassifier(), lambda images, *_, **__: measured if images else None
    )


@pytest.fixture
def field_image() -> Callable[..., Rgb]:
    """Draws a field with a square for each cell named, left to right, below a part of the smear
    in which the models see no cell; with `smear=False` the rest is empty."""

    def draw(*names: str, width: int = 160, height: int = 90, smear: bool = True) -> Rgb:
        image = np.full((height, width, 3), 245, np.uint8)
        if smear:
            for x in range(2, width - 8, 16):
                image[4:30, x : x + 8] = (215, 170, 170)
        for i, name in enumerate(names):
            x = 8 + i * (SIDE + 8)
            image[40 : 40 + SIDE, x : x + SIDE] = COLORS[name]
        return image

    return draw


@pytest.fixture
def smear(tmp_path: Path, field_image: Callable[..., Rgb]) -> Callable[..., Path]:
    """Writes a folder of fields: name of the image -> cells in it."""

    def write(folder: str = "smear", **fields: Sequence[str]) -> Path:
        path = tmp_path / folder
        path.mkdir(parents=True, exist_ok=True)
        for name, cells in fields.items():
            write_png(path / f"{name}.png", field_image(*cells))
        return path

    return write


def write_png(path: Path, image: Rgb) -> None:
    _, data = cv2.imencode(".png", image[:, :, ::-1])
    path.write_bytes(data.tobytes())


PITCH = 32
"""Red cells of a drawn scan stand on a grid of so many px."""


@pytest.fixture
def draw_scan() -> Callable[..., Rgb]:
    """Draws a smear of red squares with a square for each cell named, at the middle given.

    `empty` and `thick` are regions (x, y, width, height) with no red cell and with nothing else.
    """

    def draw(
        cells: Mapping[tuple[int, int], str] | None = None,
        width: int = 1500,
        height: int = 1200,
        empty: Sequence[tuple[int, int, int, int]] = (),
        thick: Sequence[tuple[int, int, int, int]] = (),
    ) -> Rgb:
        image = np.full((height, width, 3), 245, np.uint8)
        for y in range(8, height - SIDE, PITCH):
            for x in range(8, width - SIDE, PITCH):
                image[y : y + SIDE, x : x + SIDE] = COLORS["red_cell"]
        for regions, color in ((empty, (245, 245, 245)), (thick, (160, 60, 60))):
            for x, y, w, h in regions:
                image[y : y + h, x : x + w] = color
        half = SIDE // 2
        for x, y in cells or {}:
            image[max(0, y - PITCH) : y + PITCH, max(0, x - PITCH) : x + PITCH] = 245
        for (x, y), name in (cells or {}).items():
            image[max(0, y - half) : y + half, max(0, x - half) : x + half] = COLORS[name]
        return image

    return draw


@pytest.fixture
def write_scan(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tiled TIFF without loss; its name makes a scan of it, however small it is."""

    def write(image: Rgb, name: str = "scan.svs", um_per_px: float | None = 0.5) -> Path:
        import tifffile

        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        known: dict[str, Any] = {}
        if um_per_px:
            known = {"resolution": (1e4 / um_per_px,) * 2, "resolutionunit": "CENTIMETER"}
        tifffile.imwrite(
            path,
            image,
            tile=(256, 256),
            photometric="rgb",
            compression="zlib",
            metadata=None,
            **known,
        )
        return path

    return write


@pytest.fixture
def make_cell() -> Callable[..., Cell]:
    """A cell of a type, sure of it, in a box."""

    def make(cell_type: str = "neutrophil", number: int = 1, **changes: Any) -> Cell:
        chances = tuple(float(name == cell_type) for name in CLASSIFIER_CLASSES)
        facts: dict[str, Any] = {
            "field_id": "field 1.jpg",
            "cell_id": f"field 1-{number}",
            "x_min": 10.0,
            "y_min": 20.0,
            "x_max": 40.5,
            "y_max": 60.0,
            "detection_confidence": 0.9,
            "cell_type": cell_type,
            "confidence": max(chances) or 0.25,
            "probabilities": chances,
        }
        return Cell(**(facts | changes))

    return make


@pytest.fixture
def make_report() -> Callable[..., SmearReport]:
    """A report of the cells given."""

    def make(*cells: Cell, **changes: Any) -> SmearReport:
        made = Provenance(
            "0.1.0",
            (
                ModelUsed("detector", "d", "1", "a" * 64),
                ModelUsed("classifier", "c", "1", "b" * 64),
            ),
            {"um_per_px": None},
            "2026-11-22T10:00:00+00:00",
            2.5,
        )
        facts: dict[str, Any] = {
            "slide_id": "smear 1",
            "class_names": CLASSIFIER_CLASSES,
            "cells": cells,
            "fields": (FieldResult("field 1.jpg", 640, 480, len(cells), 12, 3),),
            "scale": SlideScale(0.073, ScaleSource.RED_CELLS, 0.12, 40),
            "provenance": made,
            "overlays": {"field 1.jpg": "overlays/field 1.jpg"},
        }
        return SmearReport(**(facts | changes))

    return make
