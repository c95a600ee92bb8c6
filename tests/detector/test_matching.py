"""Detections are set against labels by COCO's rule, worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukodiff.core.boxes import iou_matrix
from leukodiff.detector.detections import Detections
from leukodiff.detector.matching import match_detections

NAMES = ("white_cell", "red_cell")


def detections(*cells: tuple[int, tuple[float, ...]]) -> Detections:
    n = len(cells)
    return Detections(
        np.array([box for _, box in cells], np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.5, n).astype(np.float32) if n else np.zeros(0, np.float32),
        np.array([class_id for class_id, _ in cells], np.int64),
        NAMES,
    )


@pytest.mark.parametrize(
    ("a", "b", "iou"),
    [
        pytest.param((0, 0, 10, 10), (0, 0, 10, 10), 1.0, id="same"),
        pytest.param((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3, id="half over"),
        pytest.param((0, 0, 10, 10), (10, 0, 20, 10), 0.0, id="touching"),
        pytest.param((0, 0, 10, 10), (2, 2, 4, 4), 0.04, id="inside"),
        pytest.param((0, 0, 0, 0), (0, 0, 0, 0), 0.0, id="no area"),
    ],
)
def test_iou(a, b, iou: float) -> None:
    result = iou_matrix(np.array([a], np.float32), np.array([b], np.float32))
    assert result == pytest.approx(np.array([[iou]]))


BOX = (0, 0, 10, 10)


@pytest.mark.parametrize(
    ("found", "labels", "label_of", "n_levels"),
    [
        pytest.param([], [], [], [], id="nothing at all"),
        pytest.param([], [(0, BOX)], [], [], id="missed"),
        pytest.param([(0, BOX)], [], [-1], [0], id="nothing labeled"),
        pytest.param([(0, BOX)], [(0, BOX)], [0], [10], id="exact"),
        pytest.param([(1, BOX)], [(0, BOX)], [-1], [0], id="the wrong class"),
        pytest.param([(0, (0, 0, 10, 8))], [(0, BOX)], [0], [7], id="0.8: levels to 0.80"),
        pytest.param([(0, (0, 0, 10, 4))], [(0, BOX)], [-1], [0], id="too little"),
        pytest.param([(0, BOX), (0, BOX)], [(0, BOX)], [0, -1], [10, 0], id="found twice"),
        pytest.param(
            [(0, (0, 0, 10, 9)), (0, BOX)],
            [(0, BOX)],
            [0, -1],
            [9, 1],
            id="the surer takes the label, at the levels that it reaches",
        ),
        pytest.param(
            [(0, (1, 0, 11, 10))],
            [(0, (4, 0, 14, 10)), (0, BOX)],
            [1],
            [7],
            id="the nearer of two labels",
        ),
    ],
)
def test_match(found, labels, label_of, n_levels) -> None:
    truth = detections(*labels)
    match = match_detections(detections(*found), truth.xyxy, truth.class_id)
    assert match.label_of.tolist() == label_of
    assert match.right.sum(axis=1).tolist() == n_levels


boxes = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 30), st.integers(0, 30), st.integers(5, 20)),
    max_size=12,
)


@given(boxes, boxes, st.integers(0, 12))
def test_a_threshold_does_not_change_what_is_above_it(found, labels, n: int) -> None:
    cells, truth = (
        detections(*[(c, (x, y, x + side, y + side)) for c, x, y, side in some])
        for some in (found, labels)
    )
    whole = match_detections(cells, truth.xyxy, truth.class_id)
    sure = match_detections(cells.select(np.arange(len(cells)) < n), truth.xyxy, truth.class_id)
    np.testing.assert_array_equal(whole.right[:n], sure.right)
    taken = whole.label_of[whole.label_of >= 0]
    assert len(set(taken.tolist())) == len(taken)
