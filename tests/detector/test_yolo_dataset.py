"""Labeled fields become a YOLO tree at one scale, with nothing lost on the way."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from leukodiff.core.errors import DataError, InputError
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.vocabulary import DETECTOR_CLASSES
from leukodiff.detector.yolo_dataset import (
    KNOWN_CLASSES,
    WINDOWS_A_CELL,
    canvas_side,
    detector_class,
    field_windows,
    labeled_fields_to_yolo,
    window_starts,
)


def labeled(
    folder: Path, boxes: Sequence[tuple[int, ...]], size=(320, 240), um_per_px=0.1, **facts
):
    path = folder / "field one.png"
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), 200, np.uint8))
    names = facts.pop("cell_types", ("red_cell",) * len(boxes))
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    return LabeledField(path, xyxy, names, um_per_px=um_per_px, **facts)


@pytest.mark.parametrize(
    ("name", "class_id"),
    [
        ("white_cell", 0),
        ("neutrophil", 0),
        ("immature_granulocyte", 0),
        pytest.param("erythroblast", 0, id="nucleated, so found as a white cell"),
        ("unidentified", 0),
        ("red_cell", 1),
        ("platelet", 2),
    ],
)
def test_classes(name: str, class_id: int) -> None:
    assert detector_class(name) == class_id


@pytest.mark.parametrize(
    ("length", "starts"),
    [
        pytest.param(0, [0], id="empty"),
        pytest.param(320, [0], id="just fits"),
        pytest.param(321, [0, 1], id="one over"),
        pytest.param(560, [0, 240], id="a quarter shared"),
        pytest.param(561, [0, 120, 241], id="no less is shared"),
    ],
)
def test_window_starts(length: int, starts: list[int]) -> None:
    assert window_starts(length, 320) == starts


@pytest.mark.parametrize(
    ("um_per_px", "side"),
    [
        pytest.param(0.1, 320, id="as it is"),
        pytest.param(0.2, 160, id="half"),
        pytest.param(0.09, 384, id="rounded up to a stride"),
        pytest.param(0.02, 640, id="at most 640"),
    ],
)
def test_canvas_side(tmp_path: Path, um_per_px: float, side: int) -> None:
    assert canvas_side([labeled(tmp_path, [])], um_per_px) == side


def test_no_fields_need_a_small_canvas() -> None:
    assert canvas_side([], 0.1) == 32


@pytest.mark.parametrize(
    ("um_per_px", "shape", "box"),
    [
        pytest.param(0.1, (240, 320), (100, 60, 140, 120), id="as it is"),
        pytest.param(0.2, (120, 320), (50, 30, 70, 60), id="halved, then padded to the side"),
    ],
)
def test_a_field_keeps_its_scale(tmp_path: Path, um_per_px, shape, box) -> None:
    (window,) = field_windows(labeled(tmp_path, [(100, 60, 140, 120)]), um_per_px, 320)
    assert window.image.shape == (*shape, 3)
    np.testing.assert_allclose(window.xyxy, [box])


def test_a_large_field_is_cut_and_every_whole_cell_kept(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    corners = random.integers(0, [860, 660], (60, 2))
    boxes = [(int(x), int(y), int(x) + 40, int(y) + 40) for x, y in corners]
    windows = list(field_windows(labeled(tmp_path, boxes, size=(900, 700)), 0.1, 320))
    starts = [(x, y) for y in window_starts(700, 320) for x in window_starts(900, 320)]
    whole = {
        tuple((box + np.array([x, y, x, y])).astype(int).tolist())
        for window, (x, y) in zip(windows, starts, strict=True)
        for box in window.xyxy
        if (box[2:] - box[:2] == 40).all()
    }
    assert whole == set(boxes)
    assert all(window.xyxy.min(initial=0) >= 0 and window.xyxy.max() <= 320 for window in windows)


def test_a_sliver_of_a_cell_is_not_a_label(tmp_path: Path) -> None:
    field = labeled(tmp_path, [(310, 100, 350, 140)], size=(560, 240))
    left, right = field_windows(field, 0.1, 320)
    assert len(left.xyxy) == 0  # 10 of 40 px are left
    assert len(right.xyxy) == 1


def test_the_tree(tmp_path: Path) -> None:
    fields = [
        labeled(tmp_path, [(100, 60, 140, 120)], split="train", cell_types=("basophil",)),
        labeled(tmp_path, [], split="val"),
    ]
    text = labeled_fields_to_yolo(fields, tmp_path / "tree", 0.1, 320).read_text()
    assert str(tmp_path / "tree") in text
    assert "0: white_cell\n  1: red_cell\n  2: platelet" in text
    label = tmp_path / "tree/labels/train/00000_00_field one.txt"
    assert label.read_text() == "0 0.375000 0.375000 0.125000 0.250000\n"
    assert (tmp_path / "tree/labels/val/00001_00_field one.txt").read_text() == ""
    image = cv2.imread(str(tmp_path / "tree/images/train/00000_00_field one.png"))
    assert image is not None
    assert image.shape == (240, 320, 3)


def test_a_field_without_a_scale_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"field one\.png: its scale \(um_per_px\) is not known"):
        canvas_side([labeled(tmp_path, [], um_per_px=None)], 0.1)


def test_an_unreadable_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_text("no image")
    with pytest.raises(InputError, match=r"broken\.png: not an image that can be read"):
        list(field_windows(LabeledField(path, um_per_px=0.1), 0.1, 320))


def test_of_an_incomplete_field_only_neighborhoods_of_its_cells(tmp_path: Path) -> None:
    boxes = [(500, 400, 560, 460)]
    field = labeled(tmp_path, boxes, size=(1440, 900), cell_types=("monocyte",), complete=False)
    windows = list(field_windows(field, 0.1, 320))
    assert len(windows) == WINDOWS_A_CELL
    for window in windows:
        assert window.image.shape == (320, 320, 3)
        assert (window.xyxy[:, 2:] - window.xyxy[:, :2]).tolist() == [[60, 60]]
    again = list(field_windows(field, 0.1, 320))
    assert [w.xyxy.tolist() for w in windows] == [w.xyxy.tolist() for w in again]


def test_what_is_labeled_is_on_record(tmp_path: Path) -> None:
    whole = labeled(tmp_path, [(10, 10, 60, 60)])
    wanted = labeled(tmp_path, [(10, 10, 60, 60)], cell_types=("basophil",), complete=False)
    labeled_fields_to_yolo([whole, wanted], tmp_path / "tree", 0.1, 320)
    known = json.loads((tmp_path / "tree" / KNOWN_CLASSES).read_text())
    assert known == {f"00001_{i:02d}_field one": ["white_cell"] for i in range(WINDOWS_A_CELL)}


@pytest.mark.parametrize(
    ("boxed", "expected"),
    [
        pytest.param({"white_cell"}, ["white_cell"], id="only that there is no white cell"),
        pytest.param({"red_cell", "white_cell"}, ["white_cell", "red_cell"], id="no platelets"),
        pytest.param(set(), [], id="nothing"),
        pytest.param(set(DETECTOR_CLASSES), None, id="all, so not on record"),
    ],
)
def test_of_a_field_with_some_classes_boxed_all_windows_and_its_classes(
    tmp_path: Path, boxed: set[str], expected: list[str] | None
) -> None:
    empty = labeled(tmp_path, [], size=(560, 240), boxed=frozenset(boxed))
    labeled_fields_to_yolo([empty], tmp_path / "tree", 0.1, 320)
    names = [f"00000_{i:02d}_field one" for i in range(2)]
    assert [p.stem for p in sorted((tmp_path / "tree/images/train").iterdir())] == names
    known = json.loads((tmp_path / "tree" / KNOWN_CLASSES).read_text())
    assert known == ({} if expected is None else dict.fromkeys(names, expected))
