"""Squares cut from an image are padded where they reach beyond its edge."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukodiff.core.crops import Rgb, Square, resize_square

FILL = (245.0, 10.4, 10.5)
FILLED = (245, 10, 10)


def image(width: int = 7, height: int = 5) -> Rgb:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("center", "side", "expected"),
    [
        pytest.param((3.0, 2.0), 2.0, Square(2, 1, 2), id="even"),
        pytest.param((3.0, 2.0), 3.0, Square(2, 0, 3), id="odd, half to even"),
        pytest.param((3.0, 2.0), 0.1, Square(2, 2, 1), id="at least one px"),
        pytest.param((-4.0, 2.0), 2.4, Square(-5, 1, 2), id="beyond the edge"),
    ],
)
def test_a_square_around_a_point(
    center: tuple[float, float], side: float, expected: Square
) -> None:
    assert Square.around(*center, side) == expected


@given(st.integers(-12, 12), st.integers(-12, 12), st.integers(1, 12))
def test_pixels_beyond_the_image_are_filled(left: int, top: int, side: int) -> None:
    whole = image()
    cut = Square(left, top, side).cut(whole, FILL)
    assert cut.shape == (side, side, 3)
    for y in range(side):
        for x in range(side):
            inside = 0 <= left + x < 7 and 0 <= top + y < 5
            assert tuple(cut[y, x]) == (tuple(whole[top + y, left + x]) if inside else FILLED)


def test_no_more_than_the_square_is_read() -> None:
    asked = []

    def read(x: int, y: int, width: int, height: int) -> Rgb:
        asked.append((x, y, width, height))
        return np.zeros((height, width, 3), np.uint8)

    for square in (Square(1, 1, 2), Square(-1, -1, 2), Square(6, 4, 9), Square(9, 0, 3)):
        square.read((7, 5), read, FILL)
    assert asked == [(1, 1, 2, 2), (0, 0, 1, 1), (6, 4, 1, 1)]


@pytest.mark.parametrize(
    ("px", "method"), [(3, cv2.INTER_AREA), (9, cv2.INTER_LINEAR), (5, cv2.INTER_LINEAR)]
)
def test_a_square_is_resized_by_area_when_it_shrinks(px: int, method: int) -> None:
    square = image(5, 5)
    found = resize_square(square, px, enlarging=cv2.INTER_LINEAR)
    assert (found == cv2.resize(square, (px, px), interpolation=method)).all()
