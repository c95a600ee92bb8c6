from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leukodiff.core.errors import DataError
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.leave_one_out import (
    COPIES_OF,
    HELD_OUT,
    LEFT_OUT,
    Laboratory,
    by_laboratory,
    cells_of,
    laboratory_of,
    own_laboratory,
    require_unseen,
    trained_without,
)
from leukodiff.datasets.registry import DATASETS, load_dataset
from leukodiff.datasets.splits import UNKNOWN


def field(source: str, group: str, split: str = "train") -> LabeledField:
    box = np.array([[0, 0, 9, 9]], np.float32)
    return LabeledField(Path(f"{group}.png"), box, ("monocyte",), split, source, group, 0.1)


def test_copies_belong_to_the_laboratory_of_their_originals():
    fields = [field(name, name) for name in ("txl_pbc", "bccd", "pbc", "kaggle_blood_cells")]
    found = {lab.name: [f.source for f in lab.fields] for lab in by_laboratory(fields)}
    assert found == {"pbc": ["txl_pbc", "pbc"], "bccd": ["bccd", "kaggle_blood_cells"]}
    assert set(COPIES_OF) | set(COPIES_OF.values()) <= set(DATASETS)


def test_no_fields_are_no_laboratories():
    assert by_laboratory([]) == []


def test_only_the_first_data_set_of_a_laboratory_is_tested_on():
    fields = (field("bccd", "a"), field("bccd", "b", "test"), field("kaggle_blood_cells", "a"))
    laboratory = Laboratory("bccd", fields)
    assert laboratory.fields_of(LEFT_OUT) == list(fields[:2])
    assert laboratory.fields_of(HELD_OUT) == [fields[1]]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param("aaabbb", True, id="three fields a slide"),
        pytest.param("aaabb", False, id="fewer"),
        pytest.param("abcdef", False, id="a group an image"),
    ],
)
def test_slides_are_kept_apart_where_there_are_slides(groups, expected):
    fields = tuple(field("mine", group) for group in groups)
    assert Laboratory("mine", fields).has_slides is expected


def test_a_fold_learns_from_no_cell_of_the_laboratory_left_out():
    fields = [field("pbc", "x"), field("bccd", "y"), field("bccd", f"{UNKNOWN}:z")]
    twin = replace(fields[1], group="x", source="mine")
    labs = by_laboratory([*fields, twin])
    assert trained_without(labs, "pbc") == [fields[1]], "the twin and the unknown one stay out"
    assert trained_without(labs, "bccd") == [fields[0], twin]


def test_alone_there_is_no_fold():
    with pytest.raises(DataError, match="no other laboratory"):
        trained_without(by_laboratory([field("pbc", "x")]), "pbc")


def test_an_unknown_laboratory_is_named():
    with pytest.raises(DataError, match=r"'nobodys' among the data given: pbc"):
        laboratory_of(by_laboratory([field("pbc", "x")]), "nobodys")


def test_two_folders_with_the_same_file_names_are_two_laboratories(tmp_path):
    same = [field("table", "1.png")]
    here, there = (own_laboratory(same, tmp_path / name)[0] for name in ("here", "there"))
    assert (here.source, there.source) == ("here", "there")
    assert here.group != there.group


@pytest.mark.parametrize(
    ("laboratory", "learned", "words"),
    [
        pytest.param("pbc", ("bccd", "chula"), None, id="unseen"),
        pytest.param("pbc", ("bccd", "pbc"), "trained on pbc", id="seen"),
        pytest.param("pbc", ("txl_pbc",), "trained on txl_pbc", id="its copies were seen"),
        pytest.param("bccd", ("kaggle_blood_cells",), "trained on kaggle", id="turned copies"),
        pytest.param("pbc", ("table",), None, id="a table, not PBC"),
        pytest.param("mine", ("table",), "can't tell", id="perhaps this table"),
        pytest.param("mine", (), None, id="nothing is said"),
    ],
)
def test_a_model_that_has_seen_the_laboratory_is_refused(laboratory, learned, words):
    (lab,) = by_laboratory([field(laboratory, "x")])
    data = [{"name": name} for name in learned]
    if words is None:
        require_unseen(Path("model.onnx"), data, lab)
        return
    with pytest.raises(DataError, match=words):
        require_unseen(Path("model.onnx"), data, lab)


def test_rows_name_their_cells():
    assert cells_of({"part": LEFT_OUT, "slide": ""}) == "left out"
    assert cells_of({"part": HELD_OUT, "slide": "L-8"}) == "held out, slide L-8"


@pytest.mark.parametrize("name", ["pbc", "bccd", "chula"])
def test_on_the_real_data_a_fold_shares_no_group_with_the_laboratory_left_out(data_root, name):
    given = ("pbc", "txl_pbc", "bccd", "kaggle_blood_cells", "chula")
    labs = by_laboratory([f for one in given for f in load_dataset(one)])
    kept, left_out = trained_without(labs, name), laboratory_of(labs, name)
    groups = {f.group for f in left_out.fields}
    assert kept
    assert not groups & {f.group for f in kept}
    assert not {f.source for f in left_out.fields} & {f.source for f in kept}
    assert {f.path for f in left_out.tested}.isdisjoint(f.path for f in kept)
