from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.splits import apart_from, position, split_of


@pytest.mark.slow
@given(st.text())
def test_position_is_a_fraction_and_stays(group: str) -> None:
    assert 0 <= position(group) < 1
    assert position(group) == position(group)


def test_golden_positions() -> None:
    # Written down once: a change here would move images between published splits.
    names = ("BNE_2234", "BA_10387", "MO_46784", "LY_27994")
    assert [split_of(f"pbc/{name}") for name in names] == ["train", "val", "train", "train"]


FRACTIONS = {
    "70/10/20": (0.1, 0.2, {"train": 0.7, "val": 0.1, "test": 0.2}),
    "all train": (0.0, 0.0, {"train": 1.0}),
    "all test": (0.0, 1.0, {"test": 1.0}),
}


@pytest.mark.parametrize(("val", "test", "expected"), FRACTIONS.values(), ids=FRACTIONS.keys())
def test_fractions(val: float, test: float, expected: dict[str, float]) -> None:
    found = Counter(split_of(str(i), val, test) for i in range(5000))
    assert {k: n / 5000 for k, n in found.items()} == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("val", "test"), [(-0.1, 0.2), (0.6, 0.6)], ids=["negative", "over one"])
def test_bad_fractions(val: float, test: float) -> None:
    with pytest.raises(ValueError, match="fractions"):
        split_of("x", val, test)


def test_apart_from_leaves_out_shared_and_unknown_groups() -> None:
    fields = [LabeledField(Path(g), group=g) for g in ("a", "b", "unknown:c")]
    held_out = [LabeledField(Path("x"), group="b")]
    assert [f.group for f in apart_from(fields, held_out)] == ["a"]
    assert apart_from([], held_out) == []
