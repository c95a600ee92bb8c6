from collections.abc import Callable
from math import comb
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leukodiff.datasets.vocabulary import FIVE_PART
from leukodiff.pipeline.comparison.counts import (
    compare_counts,
    difference_interval,
    exact_p,
    holm,
    overall_test,
    share,
)
from leukodiff.pipeline.comparison.formatting import count_sentences, p_text
from leukodiff.pipeline.comparison.readings import Reading, n_of

Make = Callable[..., Reading]


@pytest.mark.parametrize(
    ("a", "n_a", "b", "n_b", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        pytest.param(48, 80, 56, 70, 5.24, 33.39, id="a"),
        pytest.param(3, 10, 9, 10, 17.05, 80.90, id="b"),
        pytest.param(0, 29, 5, 56, -3.81, 19.26, id="d"),
        pytest.param(0, 20, 0, 10, -16.11, 27.75, id="g: none at all"),
        pytest.param(0, 10, 10, 10, 60.75, 100.0, id="h: all and none"),
    ],
)
def test_newcombe_s_own_examples(
    a: int, n_a: int, b: int, n_b: int, low: float, high: float
) -> None:
    assert difference_interval(a, n_a, b, n_b) == pytest.approx((low, high), abs=0.006)


def test_fisher_by_hand() -> None:
    """0 and 3 of 3: of the 20 ways to choose 3 of 6 cells two are as extreme."""
    assert exact_p(0, 3, 3, 3) == pytest.approx(2 / comb(6, 3))
    assert exact_p(2, 4, 2, 4) == 1


@pytest.mark.parametrize(
    ("a", "b", "beyond"),
    [
        pytest.param(0, 5, False, id="0 and 5 %"),
        pytest.param(0, 6, True, id="0 and 6 %"),
        pytest.param(5, 13, False, id="5 and 13 %"),
        pytest.param(5, 15, True, id="5 and 15 %"),
        pytest.param(50, 64, False, id="50 and 64 %"),
        pytest.param(50, 65, True, id="50 and 65 %"),
    ],
)
def test_two_counts_of_a_hundred_cells(a: int, b: int, beyond: bool) -> None:
    assert (exact_p(a, 100, b, 100) < 0.05) is beyond
    assert exact_p(a, 100, b, 100) == pytest.approx(exact_p(b, 100, a, 100))


def test_holm_by_hand() -> None:
    """3 x 0.01; 2 x 0.03 and not below it; 1 x 0.04, not below either."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.5]) == [0.5]


def test_a_comparison_by_hand(reading: Make) -> None:
    found = compare_counts(reading(60, 30, 8, 2, 0), reading(40, 50, 8, 2, 0))
    neutrophil, lymphocyte, monocyte, eosinophil, basophil = found.types
    assert neutrophil.difference == pytest.approx(-20)
    assert lymphocyte.difference == pytest.approx(20)
    assert monocyte.p == eosinophil.p_holm == 1
    assert (basophil.difference, basophil.p, basophil.p_holm) == (0, None, None)
    assert basophil.beyond_chance is None
    # the smallest of four p times 4; the next times 3, but never below the one before
    least = exact_p(30, 100, 50, 100)
    assert lymphocyte.p_holm == pytest.approx(4 * least)
    assert least < exact_p(60, 100, 40, 100)
    assert neutrophil.p_holm == pytest.approx(max(4 * least, 3 * exact_p(60, 100, 40, 100)))
    assert [one.cell_type for one in found.beyond_chance] == ["neutrophil", "lymphocyte"]
    assert found.overall is not None
    # (60-50)^2/50 twice, (30-40)^2/40 twice: 4 + 5
    assert found.overall.chi_square == pytest.approx(9)
    assert found.overall.degrees_of_freedom == 3


def test_by_the_distribution_where_counts_are_large_enough() -> None:
    found = overall_test([600, 400], [500, 500])
    assert found is not None
    assert found.method == "chi-square"
    assert found.chi_square == pytest.approx(2 * 50**2 / 550 + 2 * 50**2 / 450)
    drawn = overall_test([60, 38, 2], [40, 58, 2])
    assert drawn is not None
    assert "draws" in drawn.method
    assert drawn == overall_test([60, 38, 2], [40, 58, 2])


def test_small_counts_are_tested_exactly() -> None:
    """0 and 3 of 3 again: 2 of 20 tables are as extreme."""
    found = overall_test([3, 0], [0, 3])
    assert found is not None
    assert found.p == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("a", "b"), [([0, 0], [1, 2]), ([3, 0], [4, 0]), ([], []), ([0], [0])], ids=str
)
def test_nothing_to_test(a: list[int], b: list[int]) -> None:
    assert overall_test(a, b) is None


def test_counts_of_no_cells(reading: Make) -> None:
    found = compare_counts(reading(0, 0), reading(3, 1))
    assert found.overall is None
    assert all(one.p is None and one.difference is None for one in found.types)
    assert found.types[0].a == share(0, 0)
    assert found.types[0].a.percent is None
    assert count_sentences(found) == ["Nothing to compare: no cell of the differential in A."]
    both = compare_counts(reading(), reading(erythroblast=3))
    assert both.types == ()
    assert "in A and B" in count_sentences(both)[0]


def test_one_cell_each_means_nothing(reading: Make) -> None:
    found = compare_counts(reading(1), reading(0, 1))
    assert not found.beyond_chance
    assert found.types[0].p == 1


def test_a_count_and_itself(reading: Make) -> None:
    found = compare_counts(reading(60, 30, 8, 2, 0), reading(60, 30, 8, 2, 0))
    assert found.overall is not None
    assert found.overall.p == 1
    assert count_sentences(found)[0] == "No type differs beyond counting error."


def test_sentences(reading: Make) -> None:
    lines = count_sentences(compare_counts(reading(60, 30, 10), reading(40, 50, 10)))
    assert lines[0].startswith("Beyond counting error: neutrophil 20.0 points lower in B (95 % ")
    assert "interval 6.1 to 32.8" in lines[0]
    assert "lymphocyte 20.0 points higher in B" in lines[0]
    assert lines[0].endswith("Every other type lies within it.")
    assert lines[1].startswith("All types together: more than chance in counting (chi-square 9.0")
    alone = count_sentences(compare_counts(reading(90, 0, 10), reading(94, 6, 0)))
    assert alone[0].count("monocyte") == 1
    only = count_sentences(compare_counts(reading(94, 0, 3, 3), reading(88, 6, 3, 3)))
    assert only[0] == "No type differs beyond counting error."
    assert only[1].startswith("Looked at alone, lymphocyte would (p < 0.05); with 4 types tested")


def test_p_values_as_written() -> None:
    assert [p_text(p) for p in (None, 0.0001, 0.0456, 1.0)] == ["", "<0.001", "0.046", "1.000"]


def test_types_outside_the_100_percent_are_not_tested(reading: Make) -> None:
    found = compare_counts(reading(5, unidentified=9), reading(5, 0, erythroblast=50))
    assert [one.cell_type for one in found.types] == ["neutrophil", "lymphocyte"]


counts = st.lists(st.integers(0, 60), min_size=5, max_size=5)


def made(counts: list[int]) -> Reading:
    named = dict(zip(FIVE_PART, counts, strict=True))
    return Reading(Path("x.csv"), "s", named, n_of(named))


@pytest.mark.slow
@given(counts, counts)
@settings(max_examples=25, deadline=None)
def test_a_and_b_may_change_places(a: list[int], b: list[int]) -> None:
    there, back = compare_counts(made(a), made(b)), compare_counts(made(b), made(a))
    for one, other in zip(there.types, back.types, strict=True):
        assert (one.difference is None) == (other.difference is None)
        if one.difference is None or one.difference_low is None or one.difference_high is None:
            continue
        assert one.difference == pytest.approx(-(other.difference or 0))
        assert one.difference_low == pytest.approx(-(other.difference_high or 0))
        assert one.p == pytest.approx(other.p)
        assert one.p is None or one.p_holm is None or one.p <= one.p_holm <= 1
        assert one.difference_low - 1e-9 <= one.difference <= one.difference_high + 1e-9
