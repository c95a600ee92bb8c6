"""What the detector is not sure of counts where the classifier names it, and there alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from leukodiff.classifier.predictions import Predictions
from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES, DETECTOR_CLASSES
from leukodiff.detector.detections import Detections
from leukodiff.pipeline.analysis.low_confidence import (
    accepted,
    classify,
    detect,
    detect_many,
    suppress_overlaps,
)

from ..conftest import ColorDetector, Facts

IMAGE = np.zeros((200, 200, 3), np.uint8)
SURE_FROM, LOW_FROM = 0.3, 0.05
Box = tuple[str, tuple[int, int, int, int], float]

HERE, APART = (10, 10, 30, 30), (100, 100, 120, 120)
WITHIN = (14, 14, 24, 24)
TOUCHING = (31, 10, 51, 30)


def detections(boxes: Sequence[Box]) -> Detections:
    return Detections(
        np.array([box for _, box, _ in boxes], np.float32).reshape(-1, 4),
        np.array([sure for _, _, sure in boxes], np.float32),
        np.array([DETECTOR_CLASSES.index(name) for name, _, _ in boxes], np.int64),
        DETECTOR_CLASSES,
    )


class Finds(ColorDetector):
    """Finds what it is set to, by the thresholds it is asked with."""

    def __init__(self, boxes: Sequence[Box], calibration: Mapping[str, Any]) -> None:
        facts = replace(Facts("detector", DETECTOR_CLASSES), calibration=calibration)
        super().__init__(replace(facts, thresholds=dict.fromkeys(DETECTOR_CLASSES, SURE_FROM)))
        self._boxes = boxes

    def detect(self, image: Any, um_per_px: float, thresholds: Any = None) -> Detections:
        least = self.metadata.thresholds if thresholds is None else thresholds
        return detections([one for one in self._boxes if one[2] >= least[one[0]]])


class Names:
    """Names the cell in every box as it is set to, by the box."""

    def __init__(self, names: Mapping[tuple[int, ...], str]) -> None:
        self.metadata = Facts("classifier", CLASSIFIER_CLASSES)
        self.asked: list[list[Any]] = []
        self._names = names

    def classify(self, image: Any, xyxy: Any, um_per_px: float) -> Predictions:
        self.asked.append(xyxy.astype(int).tolist())
        names = [self._names.get(tuple(box), "") for box in self.asked[-1]]
        rows = [
            [0.9 if name == one else 0.1 / 7 for one in CLASSIFIER_CLASSES]
            if name
            else [1 / 8] * len(CLASSIFIER_CLASSES)
            for name in names
        ]
        shaped = np.array(rows, np.float32).reshape(-1, len(CLASSIFIER_CLASSES))
        return Predictions(shaped, CLASSIFIER_CLASSES, 0.5)


def finds(*boxes: Box, low_from: float | None = LOW_FROM) -> Finds:
    return Finds(boxes, {} if low_from is None else {"confirm_from": low_from})


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("monocyte", True),
        ("erythroblast", True),
        pytest.param("platelet", False, id="a platelet is no white cell"),
        pytest.param("", False, id="unidentified"),
    ],
)
def test_a_weak_box_counts_where_it_is_named(name: str, counts: bool) -> None:
    detector = finds(("white_cell", HERE, 0.9), ("white_cell", APART, 0.1))
    classifier = Names({HERE: "neutrophil", APART: name})
    found = classify(classifier, IMAGE, detect(detector, IMAGE, 0.2), 0.2)
    white, predictions = found.white, found.predictions
    assert predictions.cell_types == (("neutrophil", name) if counts else ("neutrophil",))
    assert white.confidence.tolist() == pytest.approx([0.9, 0.1] if counts else [0.9])
    assert white.xyxy.astype(int).tolist() == [list(HERE), list(APART)][: len(white)]


def test_a_sure_box_counts_whatever_it_is_called() -> None:
    found = detect(finds(("white_cell", HERE, 0.3)), IMAGE, 0.2)
    cells = classify(Names({}), IMAGE, found, 0.2)
    assert (len(cells.white), cells.predictions.cell_types) == (1, ("unidentified",))


def test_cells_are_sorted_by_place_however_sure_the_detector_is() -> None:
    detector = finds(("white_cell", APART, 0.9), ("white_cell", HERE, 0.1))
    classifier = Names({HERE: "monocyte", APART: "basophil"})
    cells = classify(classifier, IMAGE, detect(detector, IMAGE, 0.2), 0.2)
    assert cells.predictions.cell_types == ("monocyte", "basophil")
    assert cells.white.xyxy.astype(int).tolist() == [list(HERE), list(APART)]


@pytest.mark.parametrize(
    ("boxes", "weak"),
    [
        pytest.param([("white_cell", HERE, 0.04)], [], id="too weak"),
        pytest.param([("white_cell", HERE, 0.05)], [HERE], id="just strong enough"),
        pytest.param([("red_cell", HERE, 0.1)], [], id="no white cell"),
        pytest.param([("white_cell", (10, 10, 30, 39), 0.1)], [], id="too long for its width"),
        pytest.param([("white_cell", (10, 10, 130, 120), 0.1)], [], id="too large"),
        pytest.param(
            [("white_cell", HERE, 0.9), ("white_cell", WITHIN, 0.2)], [], id="within a sure one"
        ),
        pytest.param(
            [("white_cell", HERE, 0.1), ("white_cell", WITHIN, 0.2)],
            [WITHIN],
            id="the surer of two",
        ),
        pytest.param(
            [("white_cell", HERE, 0.9), ("white_cell", TOUCHING, 0.2)], [TOUCHING], id="beside one"
        ),
        pytest.param(
            [("red_cell", HERE, 0.9), ("white_cell", WITHIN, 0.2)], [WITHIN], id="in a red cell"
        ),
    ],
)
def test_what_is_weak(boxes: list[Box], weak: list[tuple[int, ...]]) -> None:
    found = detect(finds(*boxes), IMAGE, 0.2)
    assert found.low_confidence.xyxy.astype(int).tolist() == [list(box) for box in weak]
    assert found.cells.confidence.min(initial=1) >= SURE_FROM
    (window,) = detect_many(finds(*boxes), [IMAGE], 0.2)
    assert window.low_confidence.xyxy.tolist() == found.low_confidence.xyxy.tolist()


@pytest.mark.parametrize("low_from", [None, 0.8])
def test_a_detector_that_asks_for_no_confirmation(low_from: float | None) -> None:
    detector = finds(("white_cell", HERE, 0.9), ("white_cell", APART, 0.1), low_from=low_from)
    classifier = Names({HERE: "neutrophil", APART: "monocyte"})
    assert len(classify(classifier, IMAGE, detect(detector, IMAGE, 0.2), 0.2).white) == 1
    assert classifier.asked == [[list(HERE)]]


@pytest.mark.parametrize(("name", "reds"), [("monocyte", [APART]), ("", [HERE, APART])])
def test_what_is_accepted_is_no_red_cell(name: str, reds: list[tuple[int, ...]]) -> None:
    boxes = [("red_cell", HERE, 0.5), ("red_cell", APART, 0.5), ("white_cell", HERE, 0.1)]
    found = detect(finds(*boxes), IMAGE, 0.2)
    cells = classify(Names({HERE: name}), IMAGE, found, 0.2)
    assert len(cells.white) == bool(name)
    assert cells.other_cells.of("red_cell").xyxy.astype(int).tolist() == [list(box) for box in reds]


@pytest.mark.parametrize(
    ("boxes", "left"),
    [
        pytest.param([(HERE, 0.4), (WITHIN, 0.2)], [HERE], id="a weak piece of a sure one"),
        pytest.param([(HERE, 0.1), (WITHIN, 0.2)], [WITHIN], id="the surer of two weak ones"),
        pytest.param([(HERE, 0.4), (WITHIN, 0.5)], [HERE, WITHIN], id="two sure ones"),
        pytest.param([(HERE, 0.1), (APART, 0.2)], [HERE, APART], id="two weak ones apart"),
        pytest.param([], [], id="none"),
    ],
)
def test_what_windows_saw_of_a_cell_is_there_once(
    boxes: list[tuple[tuple[int, int, int, int], float]], left: list[tuple[int, ...]]
) -> None:
    white = detections([("white_cell", box, sure) for box, sure in boxes])
    kept = suppress_overlaps(finds(), white)
    assert kept.xyxy.astype(int).tolist() == [list(box) for box in left]


def test_nothing_is_accepted_of_nothing() -> None:
    assert accepted(Names({}).classify(IMAGE, np.zeros((0, 4), np.float32), 0.2)).tolist() == []
