import pytest

from leukodiff.pipeline.report.flags import Flag, flag
from leukodiff.pipeline.report.reference_ranges import ReferenceRange
from leukodiff.pipeline.report.statistics import Estimate

REFERENCE = ReferenceRange("lymphocyte", "%", 20.0, 40.0, "a book")
WITH_LIMITS = ReferenceRange(
    "neutrophil", "10^9/L", 2.0, 7.0, "a book", critical_low=0.5, critical_high=50.0
)


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
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
        pytest.param(50, 50, 50, "high", id="a value without an interval"),
    ],
)
def test_a_flag_goes_by_the_interval(value: float, low: float, high: float, expected: str) -> None:
    assert flag(Estimate(value, low, high), REFERENCE) == expected
    assert expected in list(Flag)


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        pytest.param(0.6, 0.3, 0.9, "low", id="low, not critical"),
        pytest.param(0.5, 0.3, 0.9, "critical low", id="on the critical limit"),
        pytest.param(0.0, 0.0, 0.4, "critical low", id="none at all"),
        pytest.param(0.0, 0.0, 3.0, "possibly low", id="few cells: not sure that it is low"),
        pytest.param(0.0, 0.0, 9.0, "", id="a cell or two"),
        pytest.param(49.0, 45.0, 53.0, "high", id="high, not critical"),
        pytest.param(50.0, 45.0, 53.0, "critical high", id="on the upper critical limit"),
    ],
)
def test_a_critical_value_is_set_apart(
    value: float, low: float, high: float, expected: str
) -> None:
    assert flag(Estimate(value, low, high), WITH_LIMITS) == expected
