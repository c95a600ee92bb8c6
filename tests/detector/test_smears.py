"""A smear's cells are the same however it is cut up and shown: phantoms, with the shipped weights.

What a network is sure of differs with what else it is shown, so a cell that is only just sure
enough may come or go. Cells that are found surely one way must be found the other way too, but for
a few.
"""

from dataclasses import replace

import numpy as np
import pytest

from leukodiff.core.boxes import iou_matrix
from leukodiff.datasets.phantom import PhantomSettings, place, render
from leukodiff.detector.detections import Detections
from leukodiff.detector.infer import Detector
from leukodiff.detector.letterbox import PAD_GRAY, resized
from leukodiff.detector.tiles import ReadAt

pytestmark = pytest.mark.slow

SURELY = 0.65
"""Confidence (0-1) well above every class's threshold."""

MAY_DIFFER = 0.05
"""Share of the sure cells that a network itself sees otherwise, for all that seams can do."""

UM = 0.16
WIDTH, HEIGHT = 480, 360


@pytest.fixture(scope="module")
def shipped() -> Detector:
    return Detector.load(threads=1)


@pytest.fixture(scope="module")
def fields() -> list[np.ndarray]:
    stains = ("analyser", "camera")
    return [phantom(seed, stain=stains[seed % 2]) for seed in range(4)]


def phantom(seed: int, **knobs) -> np.ndarray:
    settings = PhantomSettings(
        WIDTH, HEIGHT, UM, seed=seed, n_white=2, red_cells_per_mm2=5000, **knobs
    )
    return render(settings, place(settings)).image


def reader(image: np.ndarray) -> ReadAt:
    def read_at(x: int, y: int, width: int, height: int, downsample: float) -> np.ndarray:
        region = image[y : y + height, x : x + width]
        return resized(region, round(width / downsample), round(height / downsample))

    return read_at


def assert_same_cells(pairs: list[tuple[Detections, Detections]]) -> None:
    """The sure cells of each are in the other, with their class."""
    both_ways = pairs + [(other, one) for one, other in pairs]
    missing = [lost(one, other) for one, other in both_ways]
    sure = sum((one.confidence >= SURELY).sum() for one, _ in both_ways)
    assert sure > 60
    assert sum(map(len, missing)) <= MAY_DIFFER * sure, missing


def lost(one: Detections, other: Detections) -> Detections:
    sure = one.select(one.confidence >= SURELY)
    alike = iou_matrix(sure.xyxy, other.xyxy) >= 0.5
    same_class = sure.class_id[:, None] == other.class_id[None]
    return sure.select(~(alike & same_class).any(axis=1))


@pytest.mark.parametrize("tile_px", [224, 320])
def test_tiled_as_untiled(shipped, fields, tile_px: int) -> None:
    tiled = [
        shipped.detect_tiled(reader(image), WIDTH, HEIGHT, UM, tile_px=tile_px)
        for image in fields[:2]
    ]
    assert_same_cells([(one, shipped.detect(i, UM)) for one, i in zip(tiled, fields, strict=False)])


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_same_smear_at_half_and_double_size(shipped, fields, factor: float) -> None:
    pairs = []
    for image in fields[:2]:
        other = resized(image, round(WIDTH * factor), round(HEIGHT * factor))
        found = shipped.detect(other, UM / factor)
        there = replace(found, xyxy=found.xyxy / np.float32(factor))
        pairs.append((there, shipped.detect(image, UM)))
    assert_same_cells(pairs)


def test_a_mosaic_holds_the_sum_of_its_fields(shipped, fields) -> None:
    gap = 24
    wide, high = WIDTH + gap, HEIGHT + gap
    mosaic = np.full((2 * high - gap, 2 * wide - gap, 3), PAD_GRAY, np.uint8)
    parts = []
    for i, image in enumerate(fields):
        y, x = high * (i // 2), wide * (i % 2)
        mosaic[y : y + HEIGHT, x : x + WIDTH] = image
        found = shipped.detect(image, UM)
        parts.append((found.xyxy + np.array([x, y] * 2, np.float32), found))
    alone = Detections(
        np.concatenate([xyxy for xyxy, _ in parts]),
        np.concatenate([found.confidence for _, found in parts]),
        np.concatenate([found.class_id for _, found in parts]),
        shipped.metadata.classes,
    )
    height, width = mosaic.shape[:2]
    together = shipped.detect_tiled(reader(mosaic), width, height, UM, tile_px=512)
    assert_same_cells([(together, alone)])
