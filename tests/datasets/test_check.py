from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from leukodiff.core.errors import DataError
from leukodiff.datasets.check import (
    CheckReport,
    check,
    duplicates_between,
    find_duplicates,
    groups_between,
)
from leukodiff.datasets.check_text import between_text, check_text
from leukodiff.datasets.duplicates import fingerprint, fingerprints, near_pairs


@pytest.fixture
def chula_tree(trees: Any, tmp_path: Path) -> Path:
    root = tmp_path / "chula_wbc"
    lines = {
        "A-1_0001": "0 0.5 0.5 0.2 0.2\n",
        "A-1_0002": "1 0.5 0.5 0 0.2\n",  # no area
        "B-2_0001": "1 0.95 0.5 0.4 0.2\n",  # leaves the image
    }
    for seed, (name, text) in enumerate(lines.items()):
        trees.write_image(root / "images" / f"{name}.jpg", (320, 240), seed)
        trees.write_text(root / "labels" / f"{name}.txt", text)
    return root


def test_odd_boxes_and_counts(chula_tree: Path) -> None:
    report = check("chula", chula_tree)
    assert report.n_fields == {"train": 3}
    assert report.n_cells == {("neutrophil", "train"): 1, ("eosinophil", "train"): 2}
    assert len(report.without_area) == 1
    assert report.without_area[0].startswith("A-1_0002.jpg: eosinophil")
    assert [line.split(":")[0] for line in report.outside] == ["B-2_0001.jpg"]
    text = check_text(report)
    assert "boxes without area: 1" in text
    assert "boxes outside the image: 1" in text


def test_the_same_bytes_twice(chula_tree: Path) -> None:
    images = chula_tree / "images"
    (images / "A-1_0002.jpg").write_bytes((images / "A-1_0001.jpg").read_bytes())
    (duplicates,) = check("chula", chula_tree).duplicates
    assert duplicates.same_bytes
    assert not duplicates.across


def test_cut_off_image_is_listed_and_the_rest_is_read(chula_tree: Path) -> None:
    path = chula_tree / "images/A-1_0001.jpg"
    path.write_bytes(path.read_bytes()[:-400])
    report = check("chula", chula_tree)
    assert [line.split(":")[0] for line in report.unreadable] == ["A-1_0001.jpg"]
    assert "truncated" in report.unreadable[0]


def test_what_can_not_be_loaded_is_still_checked(chula_tree: Path) -> None:
    (chula_tree / "images/A-1_0001.jpg").write_text("not an image")
    report = check("chula", chula_tree)
    assert "A-1_0001.jpg" in report.problem
    assert len(report.unreadable) == 1
    assert "can't be read to the end" in check_text(report)


def nothing(root: Path) -> None:
    root.mkdir()


def notes_only(root: Path) -> None:
    root.mkdir()
    (root / "notes.txt").write_text("to do")


def unreadable_images(root: Path) -> None:
    (root / "images").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg"):
        (root / "images" / name).write_text("not an image")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (nothing, "no image of chula in this folder"),
        (notes_only, "no image of chula in this folder"),
        (unreadable_images, "none of 2 images of chula can be read"),
    ],
)
def test_a_folder_without_anything_readable_is_refused(
    tmp_path: Path, make: Any, reason: str
) -> None:
    make(tmp_path / "data")
    with pytest.raises(DataError, match=reason) as refused:
        check("chula", tmp_path / "data")
    assert "\n" not in str(refused.value)


def test_progress_counts_every_image(chula_tree: Path) -> None:
    seen: list[tuple[int, int]] = []
    check("chula", chula_tree, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def smooth(seed: int) -> np.ndarray[Any, Any]:
    small = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return cv2.resize(small, (360, 360), interpolation=cv2.INTER_CUBIC)


COPIES = {
    "the same": (lambda image: image, True),
    "half the size": (lambda image: cv2.resize(image, (180, 180)), True),
    "a little darker": (lambda image: (image * 0.9).astype(np.uint8), True),
    "mirrored": (lambda image: image[:, ::-1], False),
    "another picture": (lambda _: smooth(2), False),
}


@pytest.mark.parametrize(("change", "expected"), COPIES.values(), ids=COPIES.keys())
def test_near_duplicates(tmp_path: Path, change: Any, expected: bool) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.jpg"]
    cv2.imwrite(str(paths[0]), smooth(1))
    cv2.imwrite(str(paths[1]), change(smooth(1)))
    assert bool(list(near_pairs(fingerprints(paths)))) == expected


def test_nothing_has_no_pairs() -> None:
    assert list(near_pairs([])) == []
    assert find_duplicates([], {}) == []


@pytest.mark.parametrize("content", [b"", b"text"], ids=["0 bytes", "text"])
def test_an_unreadable_fingerprint_has_a_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    assert fingerprint(path).error
    assert fingerprint(tmp_path / "missing.jpg").error


def test_empty_reports_have_a_text() -> None:
    report = CheckReport("chula", Path("x"))
    assert report.clean
    assert "nothing wrong found" in check_text(report)
    assert "nothing in common" in between_text([report, report])


@pytest.fixture(scope="module")
def real(data_root: Path) -> dict[str, CheckReport]:
    names = ("bccd", "txl_pbc", "pbc", "kaggle_blood_cells")
    return {name: check(name) for name in names}


def test_real_bccd_has_two_boxes_without_area(real: dict[str, CheckReport]) -> None:
    found = sorted(line.split(".")[0] for line in real["bccd"].without_area)
    assert found == ["BloodImage_00338", "BloodImage_00343"]
    assert not real["bccd"].outside


def test_real_bccd_split_cuts_scenes(real: dict[str, CheckReport]) -> None:
    cut = real["bccd"].groups_across_splits
    assert len(cut) == 21
    assert sum("test" in splits for splits in cut.values()) == 13


def test_real_kaggle_has_copies_on_both_sides(real: dict[str, CheckReport]) -> None:
    cut = real["kaggle_blood_cells"].groups_across_splits
    assert sorted(cut) == ["BloodImage_00204", "BloodImage_00223", "BloodImage_00230"]
    assert all(set(splits) == {"train", "test"} for splits in cut.values())
    assert real["kaggle_blood_cells"].n_unknown == 7


def test_real_txl_is_in_pbc_and_in_the_same_split(real: dict[str, CheckReport]) -> None:
    duplicates = duplicates_between([real["pbc"], real["txl_pbc"]])
    assert len({pair.right for pair in duplicates} | {pair.left for pair in duplicates}) >= 2 * 410
    assert all(a.split()[1] == b.split()[1] for a, b in (pair.sides for pair in duplicates))


def test_real_pbc_split_cuts_no_picture(real: dict[str, CheckReport]) -> None:
    assert len(real["pbc"].duplicates) == 11
    assert not [pair for pair in real["pbc"].duplicates if pair.across]
    assert not real["pbc"].unreadable


def test_real_kaggle_holds_bccd(real: dict[str, CheckReport]) -> None:
    shared = groups_between([real["bccd"], real["kaggle_blood_cells"]])
    assert shared["bccd test", "kaggle_blood_cells train"] > 0


def test_ones_own_table_is_checked_with_a_data_set(trees: Any, chula_tree: Path) -> None:
    """A reviewed copy of an image of a data set is found, whatever it is called."""
    own = chula_tree.parent / "own"
    own.mkdir()
    image = (chula_tree / "images" / "B-2_0001.jpg").read_bytes()
    (own / "mon_a.jpg").write_bytes(image)
    trees.write_image(own / "mon_b.jpg", (320, 240), 9)
    columns = "field_id,cell_type,x_min,y_min,x_max,y_max,group,split,um_per_px\n"
    rows = (
        "mon_a.jpg,monocyte,10,10,40,40,mon,train,0.1\nmon_b.jpg,monocyte,9,9,40,40,mon,train,0.1\n"
    )
    (own / "cells.csv").write_text(columns + rows)
    report = check("table", own)
    assert report.n_fields == {"train": 2}
    (duplicates,) = duplicates_between([check("chula", chula_tree), report])
    assert {path.name for path in (duplicates.left, duplicates.right)} == {
        "B-2_0001.jpg",
        "mon_a.jpg",
    }
    with pytest.raises(DataError, match="in which folder"):
        check("table", None)
