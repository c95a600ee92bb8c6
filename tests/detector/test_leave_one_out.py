"""Rows of laboratories: their white cells found, and the false ones where all are boxed."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from leukodiff.core.errors import DataError
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.leave_one_out import LEFT_OUT, by_laboratory
from leukodiff.detector.leave_one_out import detector_rows, save_rows, table_row

pytestmark = pytest.mark.slow

if find_spec("ultralytics") is None:
    pytest.skip("average precision needs the `train` extra", allow_module_level=True)

WHITE = (0, 60, 60, 50)
RED = (1, 150, 60, 40)


@pytest.fixture
def shown(tmp_path: Path, draw) -> Callable[..., LabeledField]:
    """Draws a white and a red cell and labels none."""

    def make(name: str = "one", **facts) -> LabeledField:
        path = tmp_path / f"{name}.png"
        cv2.imwrite(str(path), draw([WHITE, RED])[..., ::-1])
        field = LabeledField(path, source="mine", group=name, um_per_px=0.1875)
        return replace(field, **facts)

    return make


def with_white(field: LabeledField) -> LabeledField:
    box = np.array([[35, 35, 85, 85]], np.float32)
    return replace(field, xyxy=box, cell_types=("monocyte",))


def test_without_a_white_cell_there_are_false_ones_and_no_recall(discs, shown) -> None:
    empty = [shown(name, boxed=frozenset({"white_cell"})) for name in ("one", "two")]
    (row,) = detector_rows(discs(), by_laboratory(empty)[0], LEFT_OUT)
    facts = row.as_dict()
    assert (facts["fields"], facts["recall"]["n"], facts["recall"]["share"]) == (2, 0, None)
    assert (facts["extra"], facts["false_per_field"]) == (2, 1.0)
    assert table_row(facts)[2:5] == ("2", "0", "--")
    assert table_row(facts)[-1] == "2"


def test_no_false_one_is_a_zero(discs, shown) -> None:
    field = with_white(shown(boxed=frozenset({"white_cell"})))
    (row,) = detector_rows(discs(), by_laboratory([field])[0], LEFT_OUT)
    facts = row.as_dict()
    assert (facts["recall"]["share"], facts["precision"]["share"]) == (1.0, 1.0)
    assert (facts["extra"], facts["false_per_field"], table_row(facts)[-1]) == (0, 0.0, "0")


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"complete": False}, id="only the wanted cells"),
        pytest.param({"boxed": frozenset({"red_cell"})}, id="every red cell"),
    ],
)
def test_where_white_cells_lack_boxes_there_is_recall_alone(discs, shown, facts) -> None:
    fields = [with_white(shown("one", **facts)), shown("two", **facts)]
    (row,) = detector_rows(discs(), by_laboratory(fields)[0], LEFT_OUT)
    found = row.as_dict()
    assert found["recall"]["share"] == 1.0
    assert (found["extra"], found["false_per_field"]) == (None, None)
    assert table_row(found)[-2:] == ("--", "--")


def test_false_ones_are_of_the_fields_that_box_every_white_cell(discs, shown) -> None:
    fields = [shown("one", complete=True), with_white(shown("two", complete=False))]
    (row,) = detector_rows(discs(), by_laboratory(fields)[0], LEFT_OUT)
    facts = row.as_dict()
    assert (facts["fields"], facts["extra"], facts["false_per_field"]) == (2, 1, 1.0)


def test_fields_without_a_known_white_cell_are_refused(discs, shown) -> None:
    (laboratory,) = by_laboratory([shown(boxed=frozenset({"red_cell"}))])
    with pytest.raises(DataError, match="mine: no labeled white cell to find"):
        detector_rows(discs(), laboratory, LEFT_OUT)


def test_saved_rows(discs, shown, tmp_path: Path) -> None:
    empty = by_laboratory([shown(boxed=frozenset({"white_cell"}))])[0]
    save_rows(detector_rows(discs(), empty, LEFT_OUT), tmp_path / "out")
    (row,) = json.loads((tmp_path / "out/laboratories.json").read_text())["rows"]
    assert row["false_per_field"] == 1.0
    assert "| mine | left out | 1 | 0 | -- |" in (tmp_path / "out/table.md").read_text()
    assert "false_per_field" in (tmp_path / "out/table.csv").read_text().splitlines()[0]
