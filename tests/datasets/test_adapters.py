"""The adapters of PBC, TXL-PBC, Chula, Kaggle blood-cells, LISC and Raabin-WBC."""

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from leukodiff.core.errors import DataError, InputError
from leukodiff.datasets.chula import SPLIT_OF_SMEAR, load_chula
from leukodiff.datasets.kaggle_blood_cells import kaggle_originals, load_kaggle_blood_cells
from leukodiff.datasets.lisc import load_lisc, mask_to_xyxy
from leukodiff.datasets.pbc import LABELS as PBC_LABELS
from leukodiff.datasets.pbc import load_pbc
from leukodiff.datasets.raabin import load_raabin
from leukodiff.datasets.registry import DATASETS, dataset_root, describe_datasets, load_dataset
from leukodiff.datasets.txl_pbc import load_txl_pbc
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
