"""Figures worked out by hand, and the files that hold them."""

import json
import math
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from leukodiff.core.errors import LeukodiffError
from leukodiff.datasets.fields import LabeledField
from leukodiff.detector.detections import Detections
from leukodiff.detector.evaluate import evaluate_detector, figures
from leukodiff.detector.resolution_sweep import resolution_sweep

pytestmark = pytest.mark.slow

if find_spec("ultralytics") is None:
    pytest.skip("average precision needs the `train` extra", allow_module_level=True)

CLASSES = ("white_cell", "red_cell", "platelet")
CELLS = [(0, 60, 60, 50), (1, 150, 60, 40), (1, 220, 150, 40)]


@pytest.fixture
def field(tmp_path: Path, draw) -> LabeledField:
    """One white and two red cells, all labeled, at the detector's working scale."""
    path = tmp_path / "field.png"
    cv2.imwrite(str(path), draw(CELLS)[..., ::-1])
    boxes = [(x - d / 2, y - d / 2, x + d / 2, y + d / 2) for _, x, y, d in CELLS]
    names = ("neutrophil", "red_cell", "red_cell")
    return LabeledField(path, np.array(boxes, np.float32), names, um_per_px=0.1875)


def test_a_perfect_detector(discs, field: LabeledField) -> None:
    evaluation = evaluate_detector(discs(), [field, field])
    assert evaluation.map50 == pytest.approx(
        0.995, abs=0.006
    )  # the interpolation starts at recall 0
    assert evaluation.n_fields == 2
    white, red = evaluation.of("white_cell"), evaluation.of("red_cell")
    assert (white.n_labels, white.n_right, white.n_extra, white.n_missed) == (2, 2, 0, 0)
    assert (red.n_labels, red.precision, red.recall) == (4, 1.0, 1.0)
    # Clopper-Pearson for 4 of 4: 0.025 ** (1 / 4)
    assert red.recall_low == pytest.approx(0.025**0.25)
    assert red.recall_high == 1.0
    assert evaluation.disagreements == ()


def test_a_class_without_labels_is_left_out_of_the_mean(discs, field: LabeledField) -> None:
    evaluation = evaluate_detector(discs(), [field])
    platelet = evaluation.of("platelet")
    assert math.isnan(platelet.ap50)
    assert math.isnan(platelet.recall)
    assert not math.isnan(evaluation.map50)


def found(field: LabeledField, *cells: tuple[int, float, tuple[float, ...]]) -> Detections:
    return Detections(
        np.array([box for _, _, box in cells], np.float32).reshape(-1, 4),
        np.array([confidence for _, confidence, _ in cells], np.float32),
        np.array([class_id for class_id, _, _ in cells], np.int64),
        CLASSES,
    )


def test_precision_recall_and_disagreements(discs, field: LabeledField) -> None:
    first, second = (tuple(field.xyxy[i].tolist()) for i in (1, 2))
    cells = found(
        field,
        (1, 0.9, first),
        (1, 0.8, (0.0, 0.0, 40.0, 40.0)),
        (1, 0.3, second),  # right, but below the threshold of 0.4
    )
    evaluation = figures(discs(), [(field, cells)])
    red, white = evaluation.of("red_cell"), evaluation.of("white_cell")
    assert (red.precision, red.recall) == (0.5, 0.5)
    assert (red.n_right, red.n_extra, red.n_missed) == (1, 1, 1)
    assert red.best_threshold == pytest.approx(0.3)  # F1 2/3, 1/2, 4/5 at 0.9, 0.8, 0.3
    assert math.isnan(white.precision)
    assert white.recall == 0.0
    assert white.ap50 == 0.0
    predictions = [(d.kind, d.class_name, d.xyxy, d.confidence) for d in evaluation.disagreements]
    assert predictions == [
        ("extra", "red_cell", (0.0, 0.0, 40.0, 40.0), 0.8),
        ("missed", "white_cell", (35.0, 35.0, 85.0, 85.0), None),
        ("missed", "red_cell", second, None),
    ]


def boxed_only(field: LabeledField, *names: str) -> LabeledField:
    """The field with only the cells of some classes, of which every one is boxed."""
    mine = [i for i, name in enumerate(("white_cell", "red_cell", "red_cell")) if name in names]
    return replace(field.keep(mine), boxed=frozenset(names))


def test_a_class_that_is_not_boxed_counts_neither_as_right_nor_as_wrong(
    discs, field: LabeledField
) -> None:
    white_only = boxed_only(field, "white_cell")
    alone, both = (evaluate_detector(discs(), some) for some in ([field], [field, white_only]))
    red = both.of("red_cell")
    assert red == alone.of("red_cell")
    assert (red.n_labels, red.n_extra, red.precision, red.n_boxed_fields) == (2, 0, 1.0, 1)
    white = both.of("white_cell")
    assert (white.n_labels, white.n_right, white.n_boxed_fields) == (2, 2, 2)
    assert both.map50 == pytest.approx(alone.map50)
    assert both.disagreements == ()


def test_false_ones_of_a_class_that_is_boxed_count(discs, field: LabeledField) -> None:
    no_white = boxed_only(field, "platelet")
    nothing_there = replace(no_white, boxed=frozenset({"white_cell"}))
    evaluation = evaluate_detector(discs(), [nothing_there])
    white, red = evaluation.of("white_cell"), evaluation.of("red_cell")
    assert (white.n_labels, white.n_extra, white.precision) == (0, 1, 0.0)
    assert (red.n_extra, red.n_boxed_fields) == (0, 0)
    assert math.isnan(red.precision)
    assert math.isnan(evaluation.map50)
    assert [(d.kind, d.class_name) for d in evaluation.disagreements] == [("extra", "white_cell")]


def test_of_wanted_cells_alone_there_is_recall_and_no_precision(
    discs, field: LabeledField, tmp_path: Path
) -> None:
    evaluation = evaluate_detector(discs(), [replace(field.keep([1]), complete=False)])
    red = evaluation.of("red_cell")
    assert (red.recall, red.n_right, red.n_extra, red.n_boxed_fields) == (1.0, 1, 0, 0)
    assert math.isnan(red.precision)
    assert math.isnan(red.ap50)
    evaluation.save(tmp_path / "out")
    assert json.loads((tmp_path / "out/evaluation.json").read_text())["map50"] is None


def test_average_precision_by_hand(discs, field: LabeledField) -> None:
    # Right, wrong, right of two labels: precision 1 to recall 1/2, then 2/3 to recall 1.
    first, second = (tuple(field.xyxy[i].tolist()) for i in (1, 2))
    cells = found(field, (1, 0.9, first), (1, 0.8, (0.0, 0.0, 9.0, 9.0)), (1, 0.7, second))
    evaluation = figures(discs(), [(field, cells)])
    assert evaluation.of("red_cell").ap50 == pytest.approx((1 + 2 / 3) / 2, abs=0.01)


def test_fields_where_nothing_is_found(discs, field: LabeledField) -> None:
    evaluation = figures(discs(), [(field, Detections.empty(CLASSES))])
    assert evaluation.map50 == 0.0
    assert len(evaluation.disagreements) == 3


def test_the_order_of_fields_does_not_matter(discs, draw, field: LabeledField) -> None:
    path = field.path.with_name("other.png")
    cv2.imwrite(str(path), draw([(0, 60, 60, 44), (1, 150, 60, 34)])[..., ::-1])
    unlabeled = replace(field.keep([]), path=path)
    orders = ([field, unlabeled], [unlabeled, field])
    one, other = (evaluate_detector(discs(), some) for some in orders)
    assert one.map50 < 0.99
    assert one.as_dict() == other.as_dict()


def test_saved_files(discs, field: LabeledField, tmp_path: Path) -> None:
    evaluate_detector(discs(), [field]).save(tmp_path / "out")
    facts = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert facts["sha256"] == "0" * 64
    assert [row["name"] for row in facts["classes"]] == list(CLASSES)
    assert facts["classes"][2]["ap50"] is None
    table = pd.read_csv(tmp_path / "out/classes.csv")
    assert table["n_labels"].tolist() == [1, 2, 0]
    assert list(pd.read_csv(tmp_path / "out/pr_curves.csv")) == [
        "class_name",
        "recall",
        "precision",
    ]
    assert len(pd.read_csv(tmp_path / "out/disagreements.csv")) == 0
    assert (tmp_path / "out/pr_curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(None, "no field to evaluate on", id="no fields"),
        pytest.param({"um_per_px": None}, "its scale is not known", id="no scale"),
        pytest.param({"path": Path("gone.png")}, r"gone\.png: can't be read", id="no image"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_evaluated(discs, field: LabeledField, change, words: str) -> None:
    fields = [] if change is None else [replace(field, **change)]
    with pytest.raises(LeukodiffError, match=words):
        evaluate_detector(discs(), fields)


def test_a_scale_given_for_fields_without_one(discs, field: LabeledField) -> None:
    evaluation = evaluate_detector(discs(), [replace(field, um_per_px=None)], um_per_px=0.1875)
    assert evaluation.of("white_cell").recall == 1.0


def test_resolution_sweep(discs, field: LabeledField, tmp_path: Path) -> None:
    detectors = [discs().at_scale(scale) for scale in (0.5, 0.1875)]
    points = resolution_sweep(detectors, [field], tmp_path / "ladder")
    assert [point.um_per_px for point in points] == [0.1875, 0.5]
    assert [point.white_cell_recall for point in points] == [1.0, 0.0]
    # 320 px, and 320 * 0.1875 / 0.5 = 120 px, with the margin, in strides
    assert [point.canvas_px for point in points] == [352, 160]
    table = pd.read_csv(tmp_path / "ladder/ladder.csv")
    assert table["white_cell_recall"].tolist() == [1.0, 0.0]
    assert (tmp_path / "ladder/ladder.png").stat().st_size > 1000
