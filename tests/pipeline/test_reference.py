import pytest

from leukodiff.datasets.vocabulary import BY_NAME
from leukodiff.pipeline.differential import COUNTED, DifferentialRow, differential
from leukodiff.pipeline.reference import ReferenceRange, adult_ranges, flag, flags, notes

USUAL = ReferenceRange("lymphocyte", 20.0, 40.0, "a book", "raised by x", "lowered by y", "a book")


@pytest.mark.parametrize(
    ("percent", "low", "high", "expected"),
    [
        pytest.param(30, 25, 35, "", id="within"),
        pytest.param(30, 5, 70, "", id="within, though the interval is wide"),
        pytest.param(20, 15, 25, "", id="on the lower border"),
        pytest.param(40, 35, 45, "", id="on the upper border"),
        pytest.param(41, 35, 47, "possibly high", id="above, the interval reaches in"),
        pytest.param(41, 40, 47, "possibly high", id="above, the interval touches"),
        pytest.param(50, 41, 59, "high", id="above with its interval"),
        pytest.param(19, 12, 26, "possibly low", id="below, the interval reaches in"),
        pytest.param(10, 5, 19.9, "low", id="below with its interval"),
        pytest.param(0, 0, 97.5, "", id="the interval covers the range"),
        pytest.param(0, 0, 40, "", id="the interval just covers the range"),
        pytest.param(0, 0, 39.9, "possibly low", id="the interval tells something"),
        pytest.param(None, None, None, "", id="no share"),
    ],
)
def test_a_flag_goes_by_the_interval(
    percent: float | None, low: float | None, high: float | None, expected: str
) -> None:
    assert flag(DifferentialRow("lymphocyte", 1, percent, low, high), USUAL) == expected


def test_the_shipped_ranges_cover_the_differential_and_say_where_from() -> None:
    ranges = adult_ranges()
    assert set(ranges) == set(COUNTED)
    for name, usual in ranges.items():
        assert BY_NAME[name].counts_in_differential
        assert 0 <= usual.low < usual.high <= 100
        assert usual.source
        assert usual.hint_source
        assert usual.when_high
        assert usual.when_low or not usual.low


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param([], [], id="empty"),
        pytest.param(
            ["neutrophil"] * 60 + ["lymphocyte"] * 30 + ["monocyte"] * 6 + ["eosinophil"] * 4,
            [],
            id="usual",
        ),
        pytest.param(
            ["neutrophil"] * 10 + ["lymphocyte"] * 80 + ["monocyte"] * 5 + ["eosinophil"] * 5,
            ["neutrophil low", "lymphocyte high"],
            id="turned round",
        ),
        pytest.param(
            ["neutrophil"],
            [],
            id="one cell proves nothing",
        ),
    ],
)
def test_flags_of_a_differential(cells: list[str], expected: list[str]) -> None:
    found = flags(differential(cells), adult_ranges())
    assert [one.text for one in found] == expected
    assert all(one.hint.endswith(").") for one in found)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param(["neutrophil"] * 100, (), id="enough"),
        pytest.param([], ("few cells (n = 0, fewer than 100)",), id="none"),
        pytest.param(
            ["neutrophil"] * 100 + ["erythroblast", "unidentified"],
            ("erythroblasts present (1)", "1 unidentified"),
            id="beside the differential",
        ),
    ],
)
def test_notes(cells: list[str], expected: tuple[str, ...]) -> None:
    assert notes(differential(cells)) == expected
