"""The adapters of all data sets but BCCD."""

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from leukodiff.core.errors import DataError, InputError
from leukodiff.datasets.c_nmc import load_c_nmc
from leukodiff.datasets.chula import SPLIT_OF_SMEAR, load_chula
from leukodiff.datasets.chula_rbc12 import load_chula_rbc12
from leukodiff.datasets.deep_apl import load_deep_apl
from leukodiff.datasets.draaslan import load_draaslan, read_draaslan
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.kaggle_blood_cells import kaggle_originals, load_kaggle_blood_cells
from leukodiff.datasets.lisc import load_lisc, mask_to_xyxy
from leukodiff.datasets.pbc import LABELS as PBC_LABELS
from leukodiff.datasets.pbc import load_pbc
from leukodiff.datasets.raabin import load_raabin
from leukodiff.datasets.registry import DATASETS, dataset_root, describe_datasets, load_dataset
from leukodiff.datasets.txl_pbc import load_txl_pbc
from leukodiff.datasets.txl_raabin import load_txl_raabin, read_txl_raabin
from leukodiff.datasets.vocabulary import BY_NAME

SMEARS = ["B-30", "B-42", "B-53", "B-56", "B-57", "E-11", "E-12", "E-15", "L-8", "M-8", "N-3B"]
TXL_NAMES = ("01a07118-0e94-50cd-a593-db6ad39131f2", "not-in-the-table")


def test_pbc(trees: Any, tmp_path: Path) -> None:
    folders = {f"PBC_dataset_normal_DIB/{name}": [f"{name}_1.jpg"] for name in PBC_LABELS}
    folders["PBC_dataset_normal_DIB/ig"] = ["MMY_1.jpg", "PMY_2.jpg"]
    fields = load_pbc(trees.write_class_folders(tmp_path, folders))
    assert Counter(f.cell_types for f in fields)[("immature_granulocyte",)] == 2
    assert {f.cell_types[0] for f in fields} == set(PBC_LABELS.values())
    assert fields[0].xyxy.tolist() == [[0, 0, 72, 72]]
    # The scale follows the width: 72 px stand for what 360 px stood for.
    assert fields[0].um_per_px == pytest.approx(0.104 * 5)


def test_pbc_without_a_class(trees: Any, tmp_path: Path) -> None:
    trees.write_class_folders(tmp_path, {"basophil": ["BA_1.jpg"]})
    with pytest.raises(DataError, match="eosinophil"):
        load_pbc(tmp_path)


@pytest.mark.parametrize("folder", ["{}", "{}/test"], ids=["flat", "as published"])
def test_txl_pbc(trees: Any, tmp_path: Path, folder: str) -> None:
    for seed, name in enumerate(TXL_NAMES):
        trees.write_image(tmp_path / folder.format("images") / f"{name}.jpg", (100, 50), seed)
        text = "0 0.5 0.5 0.4 0.8\n1 0.1 0.1 0.4 0.4\n2 0.9 0.9 0.1 0.1\n"
        trees.write_text(tmp_path / folder.format("labels") / f"{name}.txt", text)
    known, unknown = load_txl_pbc(tmp_path)
    assert known.xyxy[0].tolist() == pytest.approx([30, 5, 70, 45])
    assert known.xyxy[1].tolist() == pytest.approx([0, 0, 30, 15])  # clipped
    assert known.cell_types[0] in PBC_LABELS.values()
    assert known.cell_types[1:] == ("red_cell", "platelet")
    assert known.group.split("_")[1].isdigit()
    assert unknown.cell_types[0] == "white_cell"
    assert (unknown.split, unknown.group) == ("unknown", "unknown:not-in-the-table")


LABEL_FILES = {
    "one cell": ("3 0.5 0.5 0.25 0.5\n", [[24, 12, 40, 36]], ("lymphocyte",)),
    "empty field": ("", [], ()),
    "a box without area": ("3 0.5 0.5 0 0.5\n", [], ()),
}


@pytest.mark.parametrize(("text", "boxes", "types"), LABEL_FILES.values(), ids=LABEL_FILES.keys())
@pytest.mark.parametrize("with_classes", [True, False])
def test_chula(
    trees: Any,
    tmp_path: Path,
    text: str,
    boxes: list[list[float]],
    types: tuple[str, ...],
    with_classes: bool,
) -> None:
    trees.write_image(tmp_path / "train/images/L-8_0323.jpg", (64, 48))
    trees.write_text(tmp_path / "train/labels/L-8_0323.txt", text)
    if with_classes:
        classes = "neutrophil\neosinophil\nbasophil\nlymphocyte\nmonocyte\n"
        trees.write_text(tmp_path / "classes.txt", classes)
    (field,) = load_chula(tmp_path)
    assert field.xyxy.tolist() == boxes
    assert field.cell_types == types
    assert (field.group, field.split, field.complete) == ("L-8", "train", False)


def test_a_cell_boxed_twice_is_one_cell(trees: Any, tmp_path: Path) -> None:
    trees.write_image(tmp_path / "images/L-8_0323.jpg", (64, 48))
    rows = "3 0.5 0.5 0.2 0.2\n" * 3 + "3 0.2 0.5 0.2 0.2\n" + "0 0.5 0.5 0.2 0.2\n"
    trees.write_text(tmp_path / "labels/L-8_0323.txt", rows)
    (field,) = load_chula(tmp_path)
    assert sorted(field.cell_types) == ["lymphocyte", "lymphocyte", "neutrophil"]


BAD_LABELS = {
    "too few numbers": "3 0.5 0.5 0.2\n",
    "words": "lymphocyte 0.5 0.5 0.2 0.2\n",
    "unknown class": "9 0.5 0.5 0.2 0.2\n",
}


@pytest.mark.parametrize("text", BAD_LABELS.values(), ids=BAD_LABELS.keys())
def test_bad_labels_are_named(trees: Any, tmp_path: Path, text: str) -> None:
    trees.write_image(tmp_path / "images/L-8_0323.jpg")
    trees.write_text(tmp_path / "labels/L-8_0323.txt", text)
    with pytest.raises(DataError, match=r"L-8_0323\.txt"):
        load_chula(tmp_path)


def test_image_without_labels(trees: Any, tmp_path: Path) -> None:
    trees.write_image(tmp_path / "images/L-8_0323.jpg")
    with pytest.raises(DataError, match="L-8_0323"):
        load_chula(tmp_path)


def test_kaggle(trees: Any, tmp_path: Path) -> None:
    images = "dataset2-master/dataset2-master/images"
    trees.write_class_folders(
        tmp_path,
        {
            f"{images}/TRAIN/EOSINOPHIL": ["_0_99999.jpeg"],
            f"{images}/TEST/EOSINOPHIL": ["_0_1616.jpeg"],
            f"{images}/TEST_SIMPLE/NEUTROPHIL": ["_0_1966.jpeg"],
        },
    )
    train, test, simple = load_kaggle_blood_cells(tmp_path)
    assert (train.split, train.group) == ("train", "unknown:TRAIN/EOSINOPHIL/0_99999")
    assert (test.split, test.group) == ("test", "BloodImage_00139")
    assert (simple.split, simple.cell_types) == ("test", ("neutrophil",))


def test_kaggle_originals_are_one_a_copy() -> None:
    originals = kaggle_originals()
    assert len(originals) == 3351
    by_folder: dict[str, set[str]] = {}
    for key, original in originals.items():
        by_folder.setdefault(key.split("/")[0], set()).add(original)
    # The published split was made before the copies, and TEST_SIMPLE holds TEST's originals.
    assert not by_folder["TRAIN"] & by_folder["TEST"]
    assert by_folder["TEST_SIMPLE"] <= by_folder["TEST"]


def test_lisc(trees: Any, tmp_path: Path) -> None:
    for folder in ("neut", "mixt"):
        trees.write_image(tmp_path / "LISC/Main Dataset" / folder / "1.bmp", (200, 100))
        mask = np.zeros((100, 200, 3), np.uint8)
        mask[20:60, 30:70] = 100  # cytoplasm
        mask[30:50, 40:60] = 255  # nucleus
        mask[5:8, 5:8] = 255  # a slip of the pen
        mask[40:90, 120:170] = 100
        path = tmp_path / "LISC/Ground Truth Segmentation" / folder / "1_expert.bmp"
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), mask)
    one, mixed = load_lisc(tmp_path)
    assert one.xyxy.tolist() == [[30, 20, 70, 60], [120, 40, 170, 90]]
    assert one.cell_types == ("neutrophil", "neutrophil")
    assert mixed.cell_types == ("white_cell", "white_cell")
    assert (one.split, one.group, one.um_per_px) == ("test", "neut/1", None)


def test_lisc_without_its_mask(trees: Any, tmp_path: Path) -> None:
    trees.write_image(tmp_path / "Main Dataset/neut/1.bmp")
    with pytest.raises(DataError, match=r"1_expert\.bmp"):
        load_lisc(tmp_path)


def test_empty_mask_has_no_boxes() -> None:
    assert mask_to_xyxy(np.zeros((10, 10), bool)).shape == (0, 4)


@pytest.mark.parametrize("folder", ["{0}", "{0}/{0}"], ids=["flat", "unpacked twice"])
def test_raabin(trees: Any, tmp_path: Path, folder: str) -> None:
    trees.write_class_folders(
        tmp_path,
        {
            folder.format("Train") + "/Basophil": ["20190526_162951_0.jpg"],
            folder.format("TestA") + "/Monocyte": ["20190527_132457_3.jpg"],
            folder.format("TestB") + "/Neutrophil": ["95-5-1_12_1.jpg"],
        },
    )
    found = [(f.split, f.cell_types[0], f.group) for f in load_raabin(tmp_path)]
    assert found == [
        ("train", "basophil", "20190526_162951"),
        ("test", "monocyte", "20190527_132457"),
        ("test", "neutrophil", "95-5-1_12"),
    ]


RAABIN_NAMES = (
    "00dae381-fd8c-5369-ab10-be3e7ef84b2b",
    "018239dc-02bb-5c9c-be33-0737ee53d592",
    "01b4040b-7f33-57fe-a543-02357053b9c7",
)
"""The first names of the table: a neutrophil without a source, one by phone, one by its smear."""


@pytest.fixture
def raabin_tree(trees: Any, tmp_path: Path) -> Path:
    """Those images, the last with two white cells, and one of another data set."""
    for seed, name in enumerate((*RAABIN_NAMES, "not-in-the-table")):
        trees.write_image(tmp_path / f"x/images/train/{name}.jpg", (100, 50), seed)
        white = "0 0.5 0.5 0.4 0.8\n" + "0 0.1 0.5 0.1 0.1\n" * (name == RAABIN_NAMES[2])
        trees.write_text(tmp_path / f"x/labels/train/{name}.txt", white + "1 0.9 0.1 0.1 0.1\n")
    return tmp_path


def test_txl_raabin(raabin_tree: Path) -> None:
    unmatched, by_phone, two = load_txl_raabin(raabin_tree)
    assert by_phone.xyxy[0].tolist() == pytest.approx([30, 5, 70, 45])
    assert (by_phone.cell_types, by_phone.group) == (("basophil", "red_cell"), "20190527")
    assert (unmatched.cell_types[0], unmatched.group) == ("neutrophil", RAABIN_NAMES[0])
    assert (two.cell_types, two.group) == (("white_cell", "white_cell", "red_cell"), "95-7-24-2")
    assert all(two.boxes_every(name) for name in ("white_cell", "red_cell", "platelet"))


ERRATA = {
    "a second white box is no white cell": (
        "027b917d-c172-5be9-8dba-6bd4ef20d22d",
        "0 0.1 0.5 0.1 0.1\n0 0.5 0.5 0.4 0.8\n1 0.9 0.1 0.1 0.1\n",
        ("lymphocyte", "red_cell"),
    ),
    "the white cell is boxed as a red one": (
        "2bd943ad-5094-5962-9932-d39d5952db03",
        "1 0.1 0.5 0.1 0.1\n1 0.5 0.5 0.4 0.8\n",
        ("neutrophil", "red_cell"),
    ),
}


@pytest.mark.parametrize(("name", "labels", "types"), ERRATA.values(), ids=ERRATA)
def test_txl_raabin_s_wrong_boxes(
    trees: Any, tmp_path: Path, name: str, labels: str, types: tuple[str, ...]
) -> None:
    trees.write_image(tmp_path / f"images/{name}.jpg", (100, 50))
    trees.write_text(tmp_path / f"labels/{name}.txt", labels)
    (field,) = load_txl_raabin(tmp_path)
    assert sorted(field.cell_types) == sorted(types)
    white = field.cell_types.index(types[0])
    assert field.xyxy[white].tolist() == pytest.approx([30, 5, 70, 45])
    assert types[0] not in read_txl_raabin(tmp_path)[0].cell_types


DRAASLAN_ROWS = (
    ((85.6, 2.3, 187.7, 120.1), "wbc"),  # in the table of types
    ((10.0, 200.0, 60.0, 250.0), "wbc"),  # not in it: no cell
    ((200.0, 200.0, 300.0, 250.0), "rbc"),  # beyond the edge
)


@pytest.fixture
def draaslan_tree(trees: Any, tmp_path: Path) -> Path:
    """One field of the table in its published size, its boxes as fractions."""
    trees.write_image(tmp_path / "main/images/image-1.jpg", (256, 256))
    rows = [
        f"1,image-1.png,{','.join(str(edge / 256) for edge in box)},{label}"
        for box, label in DRAASLAN_ROWS
    ]
    header = "image_id,image,xmin,ymin,xmax,ymax,label"
    trees.write_text(tmp_path / "main/annotations.csv", "\n".join([header, *rows]) + "\n")
    return tmp_path


def test_draaslan(draaslan_tree: Path) -> None:
    (field,) = load_draaslan(draaslan_tree)
    assert field.cell_types == ("neutrophil", "red_cell")
    assert field.xyxy[0].tolist() == pytest.approx(DRAASLAN_ROWS[0][0])
    assert field.xyxy[1].tolist() == [200, 200, 256, 250]
    assert (field.group, field.um_per_px) == ("image-1", 0.14)
    boxed = {name: field.boxes_every(name) for name in ("white_cell", "red_cell", "platelet")}
    assert boxed == {"white_cell": True, "red_cell": True, "platelet": False}
    (published,) = read_draaslan(draaslan_tree)
    assert published.xyxy[1, 2] == pytest.approx(300)


def test_draaslan_without_an_image(draaslan_tree: Path) -> None:
    (draaslan_tree / "main/images/image-1.jpg").unlink()
    with pytest.raises(DataError, match=r"image-1\.jpg: not a readable image"):
        load_draaslan(draaslan_tree)


def test_chula_rbc12(trees: Any, tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        trees.write_image(tmp_path / f"Dataset/{name}.jpg")
    one, three = load_chula_rbc12(tmp_path)
    assert (one.group, three.group) == ("chula_rbc12/1", "chula_rbc12/3")
    assert one.xyxy.shape == (0, 4)
    assert one.complete
    boxed = {name: one.boxes_every(name) for name in ("white_cell", "red_cell", "platelet")}
    assert boxed == {"white_cell": True, "red_cell": False, "platelet": False}


def test_chula_rbc12_of_fields_with_white_cells_alone(trees: Any, tmp_path: Path) -> None:
    trees.write_image(tmp_path / "Dataset/2.jpg")
    with pytest.raises(DataError, match="found none"):
        load_chula_rbc12(tmp_path)


def test_c_nmc(trees: Any, tmp_path: Path) -> None:
    folders = {"all": ["UID_23_21_2_all.bmp"], "hem": ["UID_H22_11_10_hem.bmp"]}
    trees.write_class_folders(tmp_path, {f"fold_1/{name}": of for name, of in folders.items()})
    blast, healthy = load_c_nmc(tmp_path)
    assert (blast.group, healthy.group) == ("all/23", "hem/H22")
    assert blast.xyxy.tolist() == [[0, 0, 72, 72]]
    assert {blast.cell_types, healthy.cell_types} == {("white_cell",)}
    assert (blast.split, blast.um_per_px) == ("test", None)


def test_deep_apl(trees: Any, tmp_path: Path) -> None:
    slides = "Data/All/Patient_07/Signed slides"
    names = ("Artifact", "Blast", "Metamyelocyte")
    trees.write_class_folders(tmp_path, {f"{slides}/{name}": [f"{name}.jpg"] for name in names})
    trees.write_image(tmp_path / "Data/All/Patient_07/Unsigned slides/Blast/other.jpg")
    blast, immature = load_deep_apl(tmp_path)
    assert (blast.cell_types, immature.cell_types) == (("white_cell",), ("immature_granulocyte",))
    assert (blast.group, blast.split) == ("Patient_07", "test")


@pytest.mark.parametrize(
    ("complete", "boxed", "expected"),
    [
        pytest.param(True, None, (True, True), id="every cell"),
        pytest.param(False, None, (False, False), id="the wanted cells"),
        pytest.param(True, frozenset({"white_cell"}), (True, False), id="every white cell"),
        pytest.param(True, frozenset(), (False, False), id="of no class"),
    ],
)
def test_where_every_cell_is_boxed(
    complete: bool, boxed: frozenset[str] | None, expected: tuple[bool, bool]
) -> None:
    field = LabeledField(Path("x.png"), complete=complete, boxed=boxed)
    assert (field.boxes_every("white_cell"), field.boxes_every("platelet")) == expected


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_is_described(name: str) -> None:
    info = DATASETS[name]
    assert info.licence
    assert info.citation
    assert info.address.startswith("http")
    assert info.boxes in ("cells", "image")
    assert set(info.label_map.values()) <= set(BY_NAME)


@pytest.mark.parametrize("name", DATASETS)
def test_the_error_of_a_missing_dataset_has_a_remedy(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEUKODIFF_DATA", str(tmp_path))
    with pytest.raises(DataError, match=f"data fetch {name}"):
        load_dataset(name)
    (tmp_path / DATASETS[name].folder).mkdir()
    with pytest.raises(DataError):
        load_dataset(name)


def test_unknown_dataset() -> None:
    with pytest.raises(InputError, match="bccd, pbc"):
        dataset_root("nope")


def test_a_description_has_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEUKODIFF_DATA", str(tmp_path))
    (tmp_path / "pbc").mkdir()
    places = {row["name"]: row["folder"] for row in describe_datasets()}
    assert places["pbc"] == str(tmp_path / "pbc")
    assert not places["bccd"]


REAL = {
    "pbc": (10052, {"train", "val", "test"}),
    "txl_pbc": (500, {"train", "val", "test"}),
    "chula": (207, {"train", "val", "test"}),
    "kaggle_blood_cells": (3358, {"train", "test"}),
    "txl_raabin": (500, {"train", "val"}),
    "draaslan": (100, {"train", "val", "test"}),
    "chula_rbc12": (598, {"train", "val", "test"}),
    "c_nmc": (206, {"test"}),
}


@pytest.mark.parametrize(("name", "expected"), REAL.items(), ids=REAL.keys())
def test_real(name: str, expected: tuple[int, set[str]], data_root: Path) -> None:
    fields = load_dataset(name)
    assert len(fields) == expected[0]
    assert {f.split for f in fields} == expected[1]
    assert all((f.xyxy[:, 2:] > f.xyxy[:, :2]).all() for f in fields)


def test_real_chula_is_split_by_smear(data_root: Path) -> None:
    fields = load_dataset("chula")
    splits = {smear: {f.split for f in fields if f.group == smear} for smear in SMEARS}
    assert splits == {smear: {SPLIT_OF_SMEAR.get(smear, "train")} for smear in SMEARS}
    assert {f.group for f in fields} == set(SMEARS)


def test_real_pbc_is_split_alike_in_every_class(data_root: Path) -> None:
    fields = load_dataset("pbc")
    for name in PBC_LABELS.values():
        splits = Counter(f.split for f in fields if f.cell_types == (name,))
        total = splits.total()
        assert splits["train"] / total == pytest.approx(0.7, abs=0.05)
        assert splits["val"] / total == pytest.approx(0.1, abs=0.03)
        assert splits["test"] / total == pytest.approx(0.2, abs=0.04)
