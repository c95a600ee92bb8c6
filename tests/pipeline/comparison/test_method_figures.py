import csv
import io
import json
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from leukodiff.pipeline.comparison import tables
from leukodiff.pipeline.comparison.formatting import method_sentences
from leukodiff.pipeline.comparison.methods import MethodComparison, compare_methods
from leukodiff.pipeline.comparison.readings import Reading

Make = Callable[..., Reading]


@pytest.fixture
def study(reading: Make) -> MethodComparison:
    """Four slides, counted by hand by two readers of 100 cells and by leukodiff, 200 cells."""
    manual = [
        reading(n, 100 - n, slide_id=f"s{i}", reader=reader)
        for i, n in enumerate((40, 50, 60, 70))
        for reader, n in (("A", n - 2), ("B", n + 2))
    ]
    results = [
        reading(2 * n, 200 - 2 * n, slide_id=f"s{i}") for i, n in enumerate((42, 50, 62, 90))
    ]
    return compare_methods(manual, results)


def test_a_study_by_hand(study: MethodComparison) -> None:
    neutrophil, lymphocyte = study.types
    assert study.n_slides == neutrophil.n == 4
    assert [row.points for row in neutrophil.differences] == [2, 0, 2, 20]
    assert (neutrophil.manual_mean, neutrophil.results_mean) == (55, 61)
    assert neutrophil.bland_altman is not None
    assert neutrophil.bland_altman.bias == 6
    assert lymphocyte.bland_altman is not None
    assert lymphocyte.bland_altman.bias == -6
    first = neutrophil.differences[0].manual
    assert first is not None
    assert (first.count, first.n, first.n_readers, first.percent) == (80, 200, 2, 40)
    assert first.sd == pytest.approx(math.sqrt(8))
    assert neutrophil.reader_sd == pytest.approx(math.sqrt(8))
    # by chance: the mean of p (1 - p) / 100 of the four slides
    expected = np.mean([p * (1 - p) * 100 for p in (0.4, 0.5, 0.6, 0.7)])
    assert neutrophil.reader_sd_by_counting == pytest.approx(math.sqrt(expected))
    assert neutrophil.error_ratio == pytest.approx(1)  # 200 cells on either side
    assert neutrophil.within == 3
    assert [row.within_counting_error for row in neutrophil.differences] == [True] * 3 + [False]
    assert neutrophil.note == ""


def test_counting_error_alone(reading: Make) -> None:
    """400 cells by hand, 100 by leukodiff, half of them neutrophils: 25/4 and 25 points squared."""
    found = compare_methods(
        [reading(200, 200, slide_id=f"s{i}") for i in range(3)],
        [reading(50, 50, slide_id=f"s{i}") for i in range(3)],
    )
    one = found.types[0]
    assert one.error_ratio == pytest.approx(4)
    assert one.sd_by_counting == pytest.approx(math.sqrt(25 / 4 + 25))
    assert (one.reader_sd, one.reader_sd_by_counting) == (None, None)
    assert one.correlation is None
    assert "the same percentage on every slide (manual, results)" in one.note


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_slides(reading: Make, n: int) -> None:
    manual = [reading(60 + i, 40 - i, slide_id=f"s{i}") for i in range(n)]
    found = compare_methods([*manual, reading(1, 1, slide_id="x")], manual)
    assert found.n_slides == n
    for one in found.types:
        assert one.n == n
        assert (one.deming, one.passing_bablok, one.bland_altman) == (None, None, None)
        assert one.note == f"{n} slides: 3 or more are needed"
    assert found.only_manual == ("x",)


def test_slides_of_one_side_and_without_cells(reading: Make) -> None:
    manual = [reading(6, 4, slide_id=one) for one in ("both", "manual", "empty")]
    results = [
        reading(5, 5, slide_id="both"),
        reading(5, 5, slide_id="new"),
        reading(slide_id="empty"),
    ]
    found = compare_methods(manual, results)
    assert found.n_slides == 1
    assert (found.only_manual, found.only_results) == (("manual",), ("new",))
    assert found.without_cells == ("empty",)
    lines = method_sentences(found)
    assert "Slides only in the manual counts, left out: 1 (manual)." in lines
    assert "Slides only in the results, left out: 1 (new)." in lines
    assert "Slides without a cell on one side, left out: 1 (empty)." in lines


def test_types_that_one_side_does_not_know(reading: Make) -> None:
    manual = [reading(6, 4, slide_id=f"s{i}", blast=1) for i in range(3)]
    results = [reading(6, 4, slide_id=f"s{i}", immature_granulocyte=1) for i in range(3)]
    found = compare_methods(manual, results)
    assert found.not_in_manual == ("immature_granulocyte",)
    assert [one.cell_type for one in found.types][-2:] == ["immature_granulocyte", "blast"]
    assert any("taken as types of their own: blast" in line for line in method_sentences(found))


def test_a_rare_type_has_too_few_points(reading: Make) -> None:
    manual = [reading(100 - n, 0, 0, 0, n, slide_id=f"s{i}") for i, n in enumerate((0, 0, 1, 2, 3))]
    found = compare_methods(manual, manual)
    assert found.types[-1].note.startswith("none seen by either on 2 of 5 slides")


def test_a_slide_twice_is_refused(reading: Make) -> None:
    with pytest.raises(ValueError, match="twice"):
        compare_methods([], [reading(1), reading(1)])


def test_the_order_of_slides_does_not_matter(reading: Make) -> None:
    rng = np.random.default_rng(2)
    shares = rng.uniform(0.3, 0.8, 12)
    manual, results = (
        [reading(int(a), n - int(a), slide_id=f"s{i}") for i, a in enumerate(counted)]
        for n in (200, 300)
        for counted in [rng.binomial(n, shares)]
    )
    there = compare_methods(manual, results).types[0]
    back = compare_methods(manual[::-1], results[::-1]).types[0]
    assert there.deming is not None
    assert back.deming is not None
    assert there.deming.slope == pytest.approx(back.deming.slope)
    assert there.passing_bablok is not None
    assert back.passing_bablok is not None
    assert there.passing_bablok.slope_high == pytest.approx(back.passing_bablok.slope_high)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def numbers_only(table: Sequence[dict[str, str]], names: set[str]) -> bool:
    values = [one for row in table for name, one in row.items() if name not in names and one]
    return all(math.isfinite(float(one)) for one in values)


NAMES = {"slide_id", "cell_type", "within_counting_error", "note"}


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_files_have_numbers_or_nothing(reading: Make, n: int) -> None:
    manual = [reading(60, 40 - i, i, slide_id=f"{i}") for i in range(n)]
    results = [reading(60, 40, slide_id=f"{i + 1}") for i in range(n)]
    found = compare_methods(manual, results)
    for text in (tables.methods_csv(found), tables.differences_csv(found)):
        assert "nan" not in text
        assert "inf" not in text
        assert numbers_only(rows(text), NAMES)
    json.dumps(tables.methods_json(found), allow_nan=False)


def test_the_table_by_hand(study: MethodComparison) -> None:
    row = rows(tables.methods_csv(study))[0]
    assert (row["cell_type"], row["n_slides"], row["manual_mean"]) == ("neutrophil", "4", "55.0")
    assert (row["bias"], row["within_counting_error"], row["share_within"]) == ("6.0", "3", "0.75")
    last = rows(tables.differences_csv(study))[-1]
    assert (last["slide_id"], last["cell_type"], last["difference"]) == (
        "s3",
        "lymphocyte",
        "-20.0",
    )
    assert last["mean"] == "20.0"
    assert last["within_counting_error"] == "no"
