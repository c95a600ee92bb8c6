from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from leukodiff.pipeline.exports.crops import BACKGROUND, CROP_PX, Gallery, cut_crop
from leukodiff.pipeline.report.cells import Cell

MakeCell = Callable[..., Cell]


@pytest.mark.parametrize(("per_class", "n", "kept"), [(3, 0, 0), (3, 2, 2), (3, 50, 3), (0, 5, 0)])
def test_a_gallery_keeps_so_many_of_each_class(
    make_cell: MakeCell, per_class: int, n: int, kept: int
) -> None:
    gallery = Gallery(per_class)
    for i in range(n):
        for name in ("neutrophil", "monocyte"):
            gallery.offer(make_cell(name, i, cell_id=f"{name}-{i}"), lambda: b"")
    assert len(gallery.crops()) == 2 * kept


def test_atypical_cells_have_a_place_of_their_own(make_cell: MakeCell) -> None:
    gallery = Gallery(2)
    for i in range(20):
        odd = i % 2 == 0
        cell = make_cell("unidentified", i, is_atypical=odd, cell_id=f"{odd}-{i}")
        gallery.offer(cell, lambda: b"")
    assert (
        sorted(cell_id.split("-")[0] for cell_id in gallery.crops()) == ["False"] * 2 + ["True"] * 2
    )


def test_the_order_of_fields_does_not_matter(make_cell: MakeCell) -> None:
    cells = [make_cell(number=i) for i in range(200)]
    forward, backward, threaded = Gallery(8), Gallery(8), Gallery(8)
    for cell in cells:
        forward.offer(cell, lambda: b"")
    for cell in cells[::-1]:
        backward.offer(cell, lambda: b"")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda cell: threaded.offer(cell, lambda: b""), cells))
    assert set(forward.crops()) == set(backward.crops()) == set(threaded.crops())


def test_crops_are_made_only_for_what_is_kept(make_cell: MakeCell) -> None:
    made = []

    def crop() -> bytes:
        made.append(1)
        return b""

    gallery = Gallery(4)
    for i in range(1000):
        gallery.offer(make_cell(number=i), crop)
    assert len(made) < 60  # about 4 (1 + ln(1000 / 4)) of a random order


@pytest.mark.parametrize(
    ("box", "um_per_px"),
    [
        pytest.param((100, 100, 160, 160), 0.1, id="inside"),
        pytest.param((0, 0, 20, 20), 0.1, id="in a corner"),
        pytest.param((280, 180, 300, 200), 0.1, id="in the far corner"),
        pytest.param((0, 0, 300, 200), 0.01, id="window larger than the field"),
        pytest.param((100, 100, 101, 101), 50.0, id="window of one pixel"),
    ],
)
def test_a_crop_is_a_square_of_fixed_size(
    make_cell: MakeCell, box: tuple[float, ...], um_per_px: float
) -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    cell = make_cell(x_min=box[0], y_min=box[1], x_max=box[2], y_max=box[3])
    crop = cv2.imdecode(np.frombuffer(cut_crop(image, cell, um_per_px), np.uint8), 1)
    assert np.asarray(crop).shape == (CROP_PX, CROP_PX, 3)


def test_beyond_the_field_there_is_background(make_cell: MakeCell) -> None:
    cell = make_cell(x_min=0, y_min=0, x_max=10, y_max=10)
    data = cut_crop(np.zeros((500, 500, 3), np.uint8), cell, 0.1)
    crop = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), 1))
    assert np.abs(crop[5, 5].astype(int) - BACKGROUND).max() < 8
    assert crop[-5, -5].max() < 8
