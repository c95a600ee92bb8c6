"""On the real data: nothing that a test field shows is in training."""

from collections.abc import Iterable

import pytest

from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.registry import load_dataset
from leukodiff.datasets.splits import TEST, apart_from


def groups(fields: Iterable[LabeledField]) -> set[str]:
    return {field.group for field in fields}


@pytest.fixture(scope="module")
def fields(data_root) -> list[LabeledField]:
    names = ("pbc", "bccd", "kaggle_blood_cells", "txl_pbc")
    return [field for name in names for field in load_dataset(name)]


def test_no_scene_of_a_test_field_is_trained_on(fields):
    test = [field for field in fields if field.split == TEST]
    kept = apart_from(fields, test)
    assert kept
    assert not groups(kept) & groups(test)


def test_a_kaggle_copy_of_a_bccd_test_field_is_left_out(fields):
    test = [field for field in fields if field.split == TEST and field.source == "bccd"]
    copies = [field for field in fields if field.source == "kaggle_blood_cells"]
    assert groups(copies) & groups(test), "the data no longer shows the leak this test is about"
    assert not groups(apart_from(copies, test)) & groups(test)
