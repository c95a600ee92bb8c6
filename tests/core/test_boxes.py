"""Boxes worked out by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from leukodiff.core.boxes import area, centers, clip, iou, iou_matrix, overlap_matrix, sides

BOXES: NDArray[np.float32] = np.array([[0, 0, 4, 2], [1, 1, 3, 5], [9, 9, 10, 10]], np.float32)


def test_sides_centers_and_areas() -> None:
    assert sides(BOXES).tolist() == [[4, 2], [2, 4], [1, 1]]
    assert centers(BOXES).tolist() == [[2, 1], [2, 3], [9.5, 9.5]]
    assert area(BOXES).tolist() == [8, 8, 1]
    assert area(BOXES).dtype == np.float32


@pytest.mark.parametrize("function", [sides, centers, area])
def test_no_boxes(function) -> None:
    assert len(function(np.zeros((0, 4), np.float32))) == 0
    assert iou_matrix(np.zeros((0, 4), np.float32), BOXES).shape == (0, 3)
    assert overlap_matrix(BOXES, np.zeros((0, 4), np.float32)).shape == (3, 0)


def test_a_box_that_is_inside_out_has_no_area() -> None:
    assert area(np.array([[3, 3, 1, 1], [3, 0, 1, 4]])).tolist() == [0, 0]


def test_boxes_are_clipped_row_by_row() -> None:
    limits = np.array([[0, 0, 2, 2], [0, 2, 9, 9], [0, 0, 9, 9]], np.float32)
    assert clip(BOXES, limits)[:2].tolist() == [[0, 0, 2, 2], [1, 2, 3, 5]]
    assert area(clip(BOXES, limits)).tolist() == [4, 6, 0]


def test_intersection_over_union() -> None:
    assert iou(BOXES[:1], BOXES[1:2]).tolist() == pytest.approx([2 / 14])
    expected = [[1, 1 / 7, 0], [1 / 7, 1, 0], [0, 0, 1]]
    assert iou_matrix(BOXES, BOXES).tolist() == [pytest.approx(row) for row in expected]


def test_boxes_that_share_an_edge_do_not_overlap() -> None:
    others = np.array([[4, 0, 5, 2], [3, 1, 5, 2]], np.float32)
    assert overlap_matrix(BOXES[:1], others).tolist() == [[False, True]]
