from pathlib import Path

import cv2
import numpy as np
import pytest

from leukodiff.core.errors import DataError
from leukodiff.datasets.table import load_table

HEADER = "field_id,cell_type,x_min,y_min,x_max,y_max"


def folder(tmp_path: Path, table: str, images: tuple[str, ...] = ("a.png", "b.png")) -> Path:
    for name in images:
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "truth.csv").write_text(table)
    return tmp_path


def test_rows_become_cells_and_an_image_without_rows_a_field_without_cells(tmp_path: Path) -> None:
    root = folder(tmp_path, f"{HEADER}\na.png,monocyte,1,2,3,4.5\na.png,red_cell,0,0,1,1\n")
    first, second = load_table(root)
    assert first.cell_types == ("monocyte", "red_cell")
    np.testing.assert_array_equal(first.xyxy, [[1, 2, 3, 4.5], [0, 0, 1, 1]])
    assert (second.field_id, second.cell_types, second.um_per_px) == ("b.png", (), None)


@pytest.mark.parametrize(
    ("columns", "values", "name", "expected"),
    [
        pytest.param(
            "reviewed_as", "basophil", "cell_types", ("basophil",), id="review goes first"
        ),
        pytest.param("reviewed_as", "", "cell_types", ("monocyte",), id="not reviewed"),
        pytest.param("group", "smear 7", "group", "smear 7", id="group"),
        pytest.param("split", "val", "split", "val", id="split"),
        pytest.param("um_per_px", "0.2", "um_per_px", 0.2, id="scale"),
    ],
)
def test_optional_columns(
    tmp_path: Path, columns: str, values: str, name: str, expected: object
) -> None:
    root = folder(tmp_path, f"{HEADER},{columns}\na.png,monocyte,1,2,3,4,{values}\n")
    assert getattr(load_table(root)[0], name) == expected


def test_the_phantoms_truth_file_gives_the_scale(tmp_path: Path) -> None:
    root = folder(tmp_path, HEADER + "\n")
    (root / "truth.json").write_text('{"settings": {"um_per_px": 0.25}}')
    assert load_table(root)[0].um_per_px == 0.25


def test_images_of_one_group_share_a_split(tmp_path: Path) -> None:
    names = tuple(f"{i}.png" for i in range(20))
    rows = "".join(f"{name},monocyte,1,2,3,4,smear 7\n" for name in names)
    assert (
        len({f.split for f in load_table(folder(tmp_path, f"{HEADER},group\n{rows}", names))}) == 1
    )


@pytest.mark.parametrize(
    ("table", "words"),
    [
        pytest.param(f"{HEADER}\nc.png,monocyte,1,2,3,4\n", "no image c.png", id="missing image"),
        pytest.param(f"{HEADER}\na.png,monocite,1,2,3,4\n", "no cell type 'monocite'", id="typo"),
        pytest.param(f"{HEADER}\na.png,monocyte,1,2,3,x\n", "no number", id="not a number"),
        pytest.param(
            f"{HEADER},split\na.png,monocyte,1,2,3,4,dev\n", "split 'dev'", id="bad split"
        ),
    ],
)
def test_a_wrong_table_is_refused_by_name(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load_table(folder(tmp_path, table))


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected truth\.csv or cells\.csv"):
        load_table(tmp_path)
