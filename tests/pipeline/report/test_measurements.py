"""What a report says in numbers, and the remarks that follow."""

from collections.abc import Callable
from pathlib import Path

import pytest

from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.measurements import CORRECTED, ESTIMATED, GIVEN
from leukodiff.pipeline.report.reference_ranges import (
    NLR,
    PER_HUNDRED,
    PER_LITRE,
    PERCENT,
    RATIO,
    read_profile,
)
from leukodiff.pipeline.report.remarks import hint
from leukodiff.pipeline.report.report import CountingOptions, SmearReport
from leukodiff.pipeline.report.sample import Sample
from leukodiff.pipeline.report.statistics import Confusion
from leukodiff.pipeline.report.texts import load_texts

MakeCell = Callable[..., Cell]
MakeReport = Callable[..., SmearReport]

RANGES = {"neutrophil": 60, "lymphocyte": 30, "monocyte": 6, "eosinophil": 4}


@pytest.fixture
def make(make_cell: MakeCell, make_report: MakeReport) -> Callable[..., SmearReport]:
    def made(types: dict[str, int], **more: object) -> SmearReport:
        names = [name for name, n in types.items() for _ in range(n)]
        cells = [make_cell(name, number) for number, name in enumerate(names)]
        return make_report(*cells, **more)

    return made


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        pytest.param({}, ["few cells (n = 0, fewer than 100)"], id="none"),
        pytest.param({"neutrophil": 1}, ["few cells (n = 1, fewer than 100)"], id="one"),
        pytest.param(RANGES, [], id="usual"),
        pytest.param(
            RANGES | {"erythroblast": 1, "unidentified": 2},
            ["erythroblasts present (1)", "2 unidentified"],
            id="beside the differential",
        ),
        pytest.param(
            {"neutrophil": 10, "lymphocyte": 80, "monocyte": 5, "eosinophil": 5},
            ["neutrophil low", "lymphocyte high", "neutrophil-to-lymphocyte ratio low"],
            id="turned round",
        ),
        pytest.param(
            {"unidentified": 3},
            ["few cells (n = 0, fewer than 100)", "3 unidentified"],
            id="all unidentified",
        ),
    ],
)
def test_remarks(
    make: Callable[..., SmearReport], types: dict[str, int], expected: list[str]
) -> None:
    assert [str(one) for one in make(types).remarks] == expected


def test_counts_in_blood_need_the_analyzers_count(make: Callable[..., SmearReport]) -> None:
    report = make(RANGES)
    assert report.measured("neutrophil", PER_LITRE) is None
    counted = make(RANGES, sample=Sample(wbc_count=10.0)).measured("neutrophil", PER_LITRE)
    assert counted is not None
    assert counted.value == pytest.approx(6.0)
    assert not counted.flag
    assert counted.low == pytest.approx(4.97, abs=0.01)  # 49.7 % of 10


def test_the_given_count_is_held_against_its_range(make: Callable[..., SmearReport]) -> None:
    report = make(RANGES, sample=Sample(wbc_count=0.5))
    whole = report.measured("white_cell", PER_LITRE, GIVEN)
    assert whole is not None
    assert whole.flag == "low"
    neutrophils = report.measured("neutrophil", PER_LITRE)
    assert neutrophils is not None
    assert neutrophils.flag == "critical low"
    assert "neutrophil count critical low" in [str(one) for one in report.remarks]


def test_ratios_have_intervals_and_are_unknown_without_lymphocytes(
    make: Callable[..., SmearReport],
) -> None:
    both = make(RANGES | {"erythroblast": 3})
    ratio, nucleated = both.measured(NLR, RATIO), both.measured("erythroblast", PER_HUNDRED)
    assert ratio is not None
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.value is not None
    assert ratio.low < 2.0 == ratio.value < ratio.high
    assert nucleated is not None
    assert nucleated.value == pytest.approx(3.0)
    none = make({"neutrophil": 5}).measured(NLR, RATIO)
    assert none is not None
    assert (none.value, none.flag) == (None, "")


def test_errors_of_the_classifier_are_allowed_for(make: Callable[..., SmearReport]) -> None:
    right = {name: {name: 400} for name in ("neutrophil", "lymphocyte", "eosinophil", "basophil")}
    right |= {"monocyte": {"monocyte": 200, "neutrophil": 200}}
    right |= {"immature_granulocyte": {"immature_granulocyte": 400}}
    counting = CountingOptions(confusion=Confusion.from_mapping(right))
    report = make(RANGES, counting=counting)
    corrected = report.measured("monocyte", PERCENT, CORRECTED)
    assert corrected is not None
    assert corrected.value is not None
    assert 8 < corrected.value < 14  # half of the monocytes were called neutrophils
    assert report.corrected is not None
    assert sum(one.value for one in report.corrected.values()) == pytest.approx(100, abs=3)


def test_once_a_person_has_named_cells_nothing_is_corrected(
    make_cell: MakeCell, make_report: MakeReport
) -> None:
    counting = CountingOptions(confusion=Confusion.from_mapping({"neutrophil": {"neutrophil": 50}}))
    seen = make_report(make_cell("neutrophil", reviewed_as="neutrophil"), counting=counting)
    assert seen.corrected is None


def test_estimates_are_called_so(make: Callable[..., SmearReport]) -> None:
    found = [one for one in make(RANGES).measurements if one.kind == ESTIMATED]
    assert {one.unit for one in found} == {"/field", "/1000 RBC"}
    assert all(not one.flag and one.reference is None for one in found)


@pytest.mark.parametrize(
    ("times", "points", "message"),
    [
        pytest.param(1, 5.0, "each share to ±5 points (95 %) needs about 4", id="more"),
        pytest.param(10, 5.0, "±5 points (95 %) or better, by 1000 cells", id="reached"),
        pytest.param(1, 0.1, "more cells than a smear has", id="out of reach"),
        pytest.param(0, 5.0, "", id="no cell"),
    ],
)
def test_how_many_cells_a_precision_takes(
    make: Callable[..., SmearReport], times: int, points: float, message: str
) -> None:
    types = {name: n * times for name, n in RANGES.items()}
    remarks = " ".join(map(str, make(types, counting=CountingOptions(precision=points)).remarks))
    assert message in remarks
    assert bool(message) == ("±" in remarks)


def test_no_range_for_this_sample_is_a_remark(
    make: Callable[..., SmearReport], tmp_path: Path
) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(
        'name = "ours"\n[[range]]\nanalyte = "neutrophil"\nunit = "%"\nlow = 40\nhigh = 50\n'
        "age_from = 18\n",
        encoding="utf-8",
    )
    counting = CountingOptions(profile=read_profile(path))
    unknown = make(RANGES, counting=counting)
    assert unknown.flags == ()
    assert "no reference range of neutrophil holds" in " ".join(map(str, unknown.remarks))
    known = make(RANGES, counting=counting, sample=Sample(age_years=40))
    assert [str(one) for one in known.remarks] == ["neutrophil possibly high"]


def test_a_hint_is_cited_and_only_for_what_is_flagged(make: Callable[..., SmearReport]) -> None:
    report = make({"neutrophil": 10, "lymphocyte": 80, "monocyte": 5, "eosinophil": 5})
    texts = load_texts()
    for one in report.measurements:
        words = hint(one, texts)
        assert bool(words) == (bool(one.flag) and one.unit != PER_LITRE)
        assert not words or words.endswith(").")
