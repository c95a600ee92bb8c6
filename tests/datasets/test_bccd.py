from pathlib import Path
from typing import Any

import pytest

from leukodiff.core.errors import DataError
from leukodiff.datasets.bccd import bccd_scene, bccd_test_scenes, load_bccd, read_bccd
from leukodiff.datasets.bccd_erratum import load_erratum
from leukodiff.datasets.vocabulary import is_white

A, B, C = "BloodImage_90001", "BloodImage_90002", "BloodImage_90003"
SPLITS = {"train": [A], "val": [B], "test": [C]}
WBC, RBC = ("WBC", 100, 100, 300, 280), ("RBC", 10, 20, 110, 118)
HEADER = (
    "field,action,class,x_min,y_min,x_max,y_max,new_x_min,new_y_min,new_x_max,new_y_max,reason\n"
)


@pytest.fixture
def tree(trees: Any, tmp_path: Path) -> Path:
    objects = {
        A: [WBC, RBC, ("RBC", 5, 5, 5, 5)],
        B: [WBC, ("WBC", 400, 100, 500, 200), ("Platelets", 630, 470, 650, 485)],
        C: [WBC],
    }
    labels = "Image,Category\n90001,NEUTROPHIL\n90002,MONOCYTE\n"
    labels += '90003,"NEUTROPHIL, EOSINOPHIL"\n'
    return Path(trees.write_bccd(tmp_path, objects, SPLITS, labels))


def test_official_split_types_and_boxes(tree: Path) -> None:
    one, two, three = load_bccd(tree)
    assert [f.split for f in (one, two, three)] == ["train", "val", "test"]
    # The box without area is gone, and the one white cell has the table's one type.
    assert one.cell_types == ("neutrophil", "red_cell")
    assert one.xyxy.tolist() == [[100, 100, 300, 280], [10, 20, 110, 118]]
    # Two white cells: the table can't say which is meant. The platelet is clipped to the image.
    assert two.cell_types == ("white_cell", "white_cell", "platelet")
    assert two.xyxy[2].tolist() == [630, 470, 640, 480]
    # Two labels for one box.
    assert three.cell_types == ("white_cell",)


def test_published_boxes_are_read_as_they_are(tree: Path) -> None:
    one, two, _ = read_bccd(tree)
    assert one.xyxy[2].tolist() == [5, 5, 5, 5]
    assert two.xyxy[2].tolist() == [630, 470, 650, 485]


@pytest.mark.parametrize("inner", [".", "BCCD"], ids=["download folder", "BCCD itself"])
def test_either_root(tree: Path, inner: str) -> None:
    assert len(load_bccd(tree / inner)) == 3


NEU, RED, WHITE = "neutrophil", "red_cell", "white_cell"
ERRATA = {
    "add a red cell": (f"{A},add,RBC,,,,,400,300,500,400,missed", (NEU, RED, RED)),
    "add, box in the first columns": (f"{A},add,RBC,400,300,500,400,,,,,x", (NEU, RED, RED)),
    "add a white cell: no type": (f"{A},add,WBC,,,,,400,300,500,400,x", (WHITE, RED, WHITE)),
    "drop": (f"{A},drop,RBC,10,20,110,118,,,,,dirt", (NEU,)),
    "mend": (f"{A},mend,WBC,100,100,300,280,90,90,310,290,loose", (RED, NEU)),
    "our name of the class": (f"{A},drop,red_cell,10,20,110,118,,,,,dirt", (NEU,)),
    "another field": (f"{B},drop,RBC,1,1,2,2,,,,,x", (NEU, RED)),
}


@pytest.mark.parametrize(("row", "expected"), ERRATA.values(), ids=ERRATA.keys())
def test_erratum(tree: Path, tmp_path: Path, row: str, expected: tuple[str, ...]) -> None:
    table = tmp_path / "erratum.csv"
    table.write_text(HEADER + row + "\n")
    errata = {key: rows for key, rows in load_erratum(table).items() if key == A}
    field = read_bccd(tree, errata)[0]
    real = [i for i, box in enumerate(field.xyxy) if box[2] > box[0]]
    assert field.keep(real).cell_types == expected


BAD_ROWS = {
    "unknown action": f"{A},move,RBC,1,1,2,2,,,,,x",
    "unknown class": f"{A},drop,Dust,1,1,2,2,,,,,x",
    "drop without a box": f"{A},drop,RBC,,,,,,,,,x",
    "mend without the new box": f"{A},mend,RBC,1,1,2,2,,,,,x",
    "no number": f"{A},add,RBC,,,,,a,1,2,2,x",
}


@pytest.mark.parametrize("row", BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_bad_erratum_names_the_line(tmp_path: Path, row: str) -> None:
    table = tmp_path / "erratum.csv"
    table.write_text(HEADER + row + "\n")
    with pytest.raises(DataError, match="line 2"):
        load_erratum(table)


def test_erratum_of_a_box_that_is_not_there(tree: Path, tmp_path: Path) -> None:
    table = tmp_path / "erratum.csv"
    table.write_text(HEADER + f"{A},drop,RBC,11,20,110,118,,,,,x\n")
    with pytest.raises(DataError, match=A):
        read_bccd(tree, load_erratum(table))


@pytest.mark.parametrize("text", [None, "", HEADER], ids=["missing", "empty", "header alone"])
def test_no_errata(tmp_path: Path, text: str | None) -> None:
    table = tmp_path / "erratum.csv"
    if text is not None:
        table.write_text(text)
    assert load_erratum(table) == {}


BROKEN = {
    "no XML": ("Annotations/BloodImage_90001.xml", "hello", "not a Pascal VOC"),
    "unknown label": (
        "Annotations/BloodImage_90001.xml",
        "<annotation><object><name>Cat</name><bndbox><xmin>1</xmin><ymin>1</ymin>"
        "<xmax>2</xmax><ymax>2</ymax></bndbox></object></annotation>",
        "'Cat'",
    ),
    "a corner is missing": (
        "Annotations/BloodImage_90001.xml",
        "<annotation><object><name>RBC</name></object></annotation>",
        "not a Pascal VOC",
    ),
    "no image": ("JPEGImages/BloodImage_90001.jpg", "text", "not a readable image"),
}


@pytest.mark.parametrize(("file", "text", "match"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_files_are_named(tree: Path, file: str, text: str, match: str) -> None:
    (tree / "BCCD" / file).write_text(text)
    with pytest.raises(DataError, match=match) as caught:
        load_bccd(tree)
    assert "90001" in str(caught.value)


def test_missing_split_file(tree: Path) -> None:
    (tree / "BCCD/ImageSets/Main/val.txt").unlink()
    with pytest.raises(DataError, match=r"val\.txt"):
        load_bccd(tree)


def test_scene_of_a_field() -> None:
    # 00205 (test) and 00276 (train) show the same neutrophil; 00000 is alone.
    assert bccd_scene("BloodImage_00205") == bccd_scene("BloodImage_00276")
    assert bccd_scene("BloodImage_00000") == "BloodImage_00000"


def test_scenes_of_the_official_test_split() -> None:
    # 00205 is a test field, so 00276, which shows the same place, is not to be learned either.
    assert bccd_scene("BloodImage_00276") in bccd_test_scenes()
    assert bccd_scene("BloodImage_00000") not in bccd_test_scenes()


def test_real_scenes_of_the_official_test_split(data_root: Path) -> None:
    test = {f.group for f in load_bccd(data_root / "bccd") if f.split == "test"}
    assert test == bccd_test_scenes()


def test_real_bccd(data_root: Path) -> None:
    official = load_bccd(data_root / "bccd", erratum=False)
    assert [sum(f.split == s for f in official) for s in ("train", "val", "test")] == [205, 87, 72]
    names = [name for f in official for name in f.cell_types]
    assert len(names) == 4155 + 372 + 361 - 2
    assert names.count("red_cell") == 4153
    assert names.count("platelet") == 361
    assert names.count("basophil") in (2, 3)


def test_real_bccd_with_its_erratum(data_root: Path) -> None:
    official = {f.field_id: f for f in load_bccd(data_root / "bccd", erratum=False)}
    mended = {f.field_id: f for f in load_bccd(data_root / "bccd")}
    assert mended.keys() == official.keys()
    for number in ("00135", "00171", "00178", "00327"):  # a white cell cut by the edge
        name = f"BloodImage_{number}.jpg"
        white = [sum(map(is_white, fields[name].cell_types)) for fields in (official, mended)]
        assert white[1] > white[0], name
