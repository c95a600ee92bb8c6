import numpy as np
import pytest

from leukodiff.classifier.crops import CropSettings, cut_crops
from leukodiff.classifier.facts import CellNote
from leukodiff.classifier.morphometry import (
    at_edge,
    measure_cells,
    overlapping,
    shows_too_little,
)
from leukodiff.datasets.phantom import PhantomSettings, place, render

SIZE = (200, 100)
UM = 0.25


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("box", "sides"),
    [
        pytest.param((50, 20, 100, 70), (0, 0, 0, 0), id="inside"),
        pytest.param((0, 20, 50, 70), (1, 0, 0, 0), id="left"),
        pytest.param((1.1, 20, 50, 70), (1, 0, 0, 0), id="on the margin, 0.3 um"),
        pytest.param((1.5, 20, 50, 70), (0, 0, 0, 0), id="just off it"),
        pytest.param((150, 60, 200, 100), (0, 0, 1, 1), id="in the corner"),
        pytest.param((0, 0, 200, 100), (1, 1, 1, 1), id="all of the field"),
    ],
)
def test_which_sides_the_edge_cuts(box, sides):
    assert at_edge(boxes(box), SIZE, UM).tolist() == [[bool(side) for side in sides]]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param((50, 20, 100, 70), False, id="inside"),
        pytest.param((50, 20, 100, 45), False, id="flat but whole"),
        pytest.param((0, 20, 50, 70), False, id="touches the edge"),
        pytest.param((0, 20, 26, 70), False, id="half of it shown"),
        pytest.param((0, 20, 24, 70), True, id="less than that"),
        pytest.param((176, 20, 200, 70), True, id="on the right"),
        pytest.param((50, 0, 100, 24), True, id="on top"),
        pytest.param((50, 76, 100, 100), True, id="at the bottom"),
        pytest.param((50, 75, 75, 100), True, id="a tip: 6 um"),
        pytest.param((150, 60, 200, 100), False, id="most of it in the corner"),
        pytest.param((168, 68, 200, 100), True, id="a piece in the corner: 8 um"),
        pytest.param((20, 0, 50, 60), False, id="long, cut across: enough is there"),
    ],
)
def test_which_cells_are_cut_too_far(box, expected):
    assert shows_too_little(boxes(box), SIZE, UM).tolist() == [expected]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], [], id="no cells"),
        pytest.param([(0, 0, 40, 40)], [False], id="one"),
        pytest.param([(0, 0, 40, 40), (40, 0, 80, 40)], [False, False], id="side by side"),
        pytest.param(
            [(0, 0, 40, 40), (34, 0, 74, 40)], [False, False], id="boxes overlap a little"
        ),
        pytest.param([(0, 0, 40, 40), (24, 0, 64, 40)], [True, True], id="one on the other"),
        pytest.param([(0, 0, 40, 40), (30, 30, 70, 70)], [False, False], id="corner over corner"),
        pytest.param([(10, 10, 20, 20), (0, 0, 40, 40)], [True, True], id="one within the other"),
        pytest.param([(0, 0, 40, 40)] * 3, [True] * 3, id="the same box"),
        pytest.param([(0, 0, 9, 9), (50, 0, 59, 9), (52, 2, 61, 11)], [0, 1, 1], id="two of three"),
    ],
)
def test_which_cells_overlap(rows, expected):
    assert overlapping(boxes(*rows)).tolist() == [bool(one) for one in expected]


def test_neighbors_are_found_as_by_every_pair():
    rng = np.random.default_rng(0)
    corner, side = rng.uniform(0, 600, (300, 2)), rng.uniform(20, 60, (300, 2))
    xyxy = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
    middle, half = (xyxy[:, :2] + xyxy[:, 2:]) / 2, (xyxy[:, 2:] - xyxy[:, :2]) / 2
    gap = np.abs(middle[:, None] - middle) / (half[:, None] + half)
    near = np.hypot(gap[..., 0], gap[..., 1]) < 0.8
    np.fill_diagonal(near, False)
    assert 0 < near.any(axis=1).sum() < 300
    assert (overlapping(xyxy) == near.any(axis=1)).all()


@pytest.fixture(scope="module")
def smear():
    settings = PhantomSettings(width=640, height=480, um_per_px=0.2, n_white=6, seed=4)
    placed = place(settings)
    return render(settings, placed).image, (placed.boxes_um()[:6] / 0.2).astype(np.float32)


def judged(image, xyxy, um_per_px=0.2):
    settings = CropSettings()
    crops = cut_crops(image, xyxy, um_per_px, settings)
    return measure_cells(crops, xyxy, image.shape[1::-1], um_per_px, settings)


def test_whole_cells_are_measured_and_not_spoken_against(smear):
    for facts in judged(*smear):
        assert facts.note == ""
        assert 50 < facts.cell_um2 < 300
        assert 0.2 < facts.nucleus_to_cell < 0.95
        assert facts.nucleus_to_cell == facts.nucleus_um2 / facts.cell_um2
        assert 1 <= facts.lobes <= 5


def test_no_cells(smear):
    assert judged(smear[0], boxes()) == ()


def test_a_cut_cell_has_no_measures(smear):
    image, xyxy = smear
    x0, y0, x1, y1 = xyxy[0].astype(int)
    for share, note in ((0.9, ""), (0.4, CellNote.CUT)):
        end = round(x0 + share * (x1 - x0))
        (facts,) = judged(image[:, :end], boxes((x0, y0, end, y1)))
        assert facts.note == note
        assert (facts.cell_um2, facts.nucleus_um2, facts.lobes) == (None, None, None)
        assert facts.nucleus_to_cell is None


def test_a_cell_out_of_focus_is_noted_and_still_measured(smear):
    import cv2

    image, xyxy = smear
    blurred = cv2.GaussianBlur(image, (0, 0), 1.6 / 0.2)
    assert {facts.note for facts in judged(blurred, xyxy)} == {CellNote.BLURRED}
    assert all(facts.cell_um2 for facts in judged(blurred, xyxy))


def test_an_overlapping_cell_is_noted(smear):
    image, xyxy = smear
    moved = xyxy[:1] + np.float32(8)
    notes = [facts.note for facts in judged(image, np.concatenate([xyxy, moved]))]
    assert notes == [CellNote.OVERLAPPING, *[""] * 5, CellNote.OVERLAPPING]


def test_what_has_no_nucleus_has_no_measures():
    white = np.full((300, 300, 3), 240, np.uint8)
    (facts,) = judged(white, boxes((100, 100, 160, 160)))
    assert (facts.cell_um2, facts.nucleus_um2, facts.lobes, facts.note) == (None, None, None, "")


@pytest.mark.parametrize(
    ("color", "note"),
    [
        pytest.param((110, 70, 160), "", id="a nucleus"),
        pytest.param((60, 40, 70), CellNote.DIRT, id="nearly black"),
        pytest.param((30, 30, 30), CellNote.DIRT, id="black"),
    ],
)
def test_what_is_dark_in_every_color_is_dirt(color, note):
    import cv2

    image = np.full((300, 300, 3), 240, np.uint8)
    cv2.circle(image, (150, 150), 28, color, -1, cv2.LINE_AA)
    (facts,) = judged(image, boxes((120, 120, 180, 180)))
    assert facts.note == note
    assert (facts.cell_um2 is None) == bool(note)
