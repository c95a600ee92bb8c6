"""Phantom fields for training: repeatable, most without a white cell, none labeled falsely."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from leukodiff.datasets.fields import LabeledField
from leukodiff.detector.hard_negatives import SCALES_UM_PER_PX, SIDE_UM, hard_negatives


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[LabeledField]:
    return hard_negatives(tmp_path_factory.mktemp("drawn"), 12, seed=1)


def test_none_are_asked_for(tmp_path: Path) -> None:
    assert hard_negatives(tmp_path, 0, seed=1) == []


@pytest.mark.slow
def test_every_field_is_a_window_of_its_own_scale(drawn: list[LabeledField]) -> None:
    low, high = SCALES_UM_PER_PX
    assert {field.split for field in drawn} == {"train"}
    scales = [field.um_per_px or 0.0 for field in drawn]
    assert all(low <= scale <= high for scale in scales)
    assert len(set(scales)) == len(drawn)
    for field, scale in zip(drawn, scales, strict=True):
        assert field.xyxy.max() <= SIDE_UM / scale + 1


def test_only_cells_are_labeled(drawn: list[LabeledField]) -> None:
    names = Counter(name for field in drawn for name in field.cell_types)
    artifacts = {"smudge_cell", "platelet_clump", "precipitate", "dirt_particle", "fibre"}
    assert not artifacts & set(names)
    assert names["red_cell"] > 50
    without = sum(set(field.cell_types) <= {"red_cell", "platelet"} for field in drawn)
    assert len(drawn) / 3 < without < len(drawn)


def test_the_same_seed_draws_the_same(drawn: list[LabeledField], tmp_path: Path) -> None:
    (again,) = hard_negatives(tmp_path, 1, seed=1)
    assert np.array_equal(again.xyxy, drawn[0].xyxy)
    assert again.path.read_bytes() == drawn[0].path.read_bytes()
