"""The numbers of a report as rows of text, with the bars that are drawn next to them."""

import math
from dataclasses import dataclass
from itertools import count

from leukodiff.datasets.vocabulary import BY_NAME, CellType
from leukodiff.pipeline.report.differential import COUNTED, UNCOUNTED, DifferentialRow
from leukodiff.pipeline.report.measurements import COUNTED_SO, PER_1000_RED, PER_FIELD, Measurement
from leukodiff.pipeline.report.reference_ranges import (
    PER_HUNDRED,
    PER_LITRE,
    PERCENT,
    RATIO,
    ReferenceRange,
)
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.report.statistics import Estimate
from leukodiff.pipeline.report.texts import Texts

from .formatting import DASH, between, limit, number

PERCENT_DECIMALS = 1
DECIMALS = {PERCENT: PERCENT_DECIMALS, PER_LITRE: 2, RATIO: 2}
UNIT_KEYS = {
    PERCENT: "percent",
    PER_LITRE: "per_litre",
    RATIO: "ratio",
    PER_HUNDRED: "per_100",
    PER_FIELD: "per_field",
    PER_1000_RED: "per_1000_red",
}
"""Every unit by its key in the texts."""

TOO_FEW = "too_few"
"""Outside the range, with an interval that tells nothing: too few cells."""

AXIS_TICKS = (0, 1, 5, 20, 40, 70, 100)
"""Marks of the axis of the intervals, percent."""


@dataclass(frozen=True)
class FlagText:
    """A flag in words; `level` is empty where there is none."""

    text: str = ""
    level: str = ""


@dataclass(frozen=True)
class IntervalBar:
    """A share to draw, percent 0-100: with interval, reference range and corrected share.

    `alt` is the same in words.
    """

    share: Estimate
    reference: tuple[float, float] | None
    corrected: Estimate | None
    alt: str


@dataclass(frozen=True)
class ShareRow:
    """A line of the differential. `bar` is `None` where nothing was counted."""

    kind: CellType
    name: str
    count: str
    percent: str
    interval: str
    reference: str
    corrected: str
    unidentified_bounds: str
    flag: FlagText
    bar: IntervalBar | None


@dataclass(frozen=True)
class ValueRow:
    """A line of any other table of numbers."""

    name: str
    value: str
    interval: str
    unit: str
    reference: str
    flag: FlagText


@dataclass(frozen=True)
class CountBar:
    """A bar of the graph; `interval` in cells, `None` for cells outside the 100 %."""

    kind: CellType
    name: str
    count: int
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class CountGraph:
    """Cells by type, with an axis from 0 to `ticks[-1]`."""

    bars: tuple[CountBar, ...]
    ticks: tuple[int, ...]

    def place(self, count: float) -> float:
        """A count's place on the axis, 0-1."""
        return min(count / self.ticks[-1], 1.0)


def on_axis(percent: float) -> float:
    """A share's place on the axis of the intervals, 0-1: its root, to show the small ones."""
    return math.sqrt(min(max(percent, 0.0), 100.0) / 100)


def share_rows(report: SmearReport, texts: Texts) -> tuple[ShareRow, ...]:
    """The differential, in the order of the vocabulary."""
    rows = {row.cell_type: row for row in report.differential.rows}
    return tuple(_share_row(report, rows[name], texts) for name in COUNTED)


def _share_row(report: SmearReport, row: DifferentialRow, texts: Texts) -> ShareRow:
    measured = report.measured(row.cell_type, PERCENT)
    reference = measured.reference if measured else None
    corrected = (report.corrected or {}).get(row.cell_type)
    bounds = row.unidentified_bounds if row.percent is not None else None
    return ShareRow(
        BY_NAME[row.cell_type],
        texts(f"cells.{row.cell_type}"),
        str(row.count),
        number(row.percent, PERCENT_DECIMALS, texts),
        between(row.percent_low, row.percent_high, PERCENT_DECIMALS, texts),
        range_text(reference, texts),
        with_interval(corrected, PERCENT_DECIMALS, texts),
        between(*bounds, PERCENT_DECIMALS, texts) if bounds else DASH,
        flag_of(measured, texts),
        _bar(row, reference, corrected, texts),
    )


def _bar(
    row: DifferentialRow, reference: ReferenceRange | None, corrected: Estimate | None, texts: Texts
) -> IntervalBar | None:
    if row.percent is None or row.percent_low is None or row.percent_high is None:
        return None
    share = Estimate(row.percent, row.percent_low, row.percent_high)
    value, held = with_interval(share, PERCENT_DECIMALS, texts), range_text(reference, texts)
    alt = texts("finding.reference", value=value, reference=held)
    ends = (reference.low, reference.high) if reference else None
    return IntervalBar(share, ends, corrected, alt)


def value_rows(report: SmearReport, texts: Texts, *units: str) -> tuple[ValueRow, ...]:
    """The measurements in some units, in words."""
    return tuple(value_row(one, texts) for one in report.measurements if one.unit in units)


def value_row(one: Measurement, texts: Texts) -> ValueRow:
    """A measurement in words; one that is known as given has no interval."""
    decimals = DECIMALS.get(one.unit, 1)
    key = f"value.{one.analyte}_{UNIT_KEYS[one.unit]}"
    counted = one.kind == COUNTED_SO or (one.low is not None and one.low != one.high)
    return ValueRow(
        texts(key if texts.has(key) else f"cells.{one.analyte}"),
        number(one.value, decimals, texts),
        between(one.low, one.high, decimals, texts) if counted else DASH,
        texts(f"unit.{UNIT_KEYS[one.unit]}"),
        range_text(one.reference, texts),
        flag_of(one, texts),
    )


def range_text(reference: ReferenceRange | None, texts: Texts) -> str:
    """A range in words, or a dash."""
    if reference is None:
        return DASH
    return f"{limit(reference.low, texts)}{DASH}{limit(reference.high, texts)}"


def with_interval(one: Estimate | None, decimals: int, texts: Texts) -> str:
    """A number with its interval in brackets, or a dash."""
    if one is None:
        return DASH
    ends = between(one.low, one.high, decimals, texts)
    return f"{number(one.value, decimals, texts)} ({ends})"


def flag_of(one: Measurement | None, texts: Texts) -> FlagText:
    """A measurement's flag; outside its range without one, a hint at too few cells."""
    if one is None or one.value is None:
        return FlagText()
    if one.flag:
        return FlagText(texts.of(one.flag), one.flag.level)
    if one.reference and not one.reference.low <= one.value <= one.reference.high:
        return FlagText(texts("flag_more.too_few"), TOO_FEW)
    return FlagText()


def count_graph(report: SmearReport, texts: Texts) -> CountGraph:
    """Cells of each type, with the intervals in cells."""
    found = report.differential
    rows = {row.cell_type: row for row in found.rows}
    bars = []
    for name in (*COUNTED, *UNCOUNTED):
        low, high = rows[name].percent_low, rows[name].percent_high
        ends = None
        if low is not None and high is not None:
            ends = low * found.n / 100, high * found.n / 100
        bars.append(CountBar(BY_NAME[name], texts(f"cells.{name}"), rows[name].count, ends))
    most = max(end for bar in bars for end in (bar.count, *(bar.interval or ())))
    return CountGraph(tuple(bars), ticks(most))


def ticks(most: float) -> tuple[int, ...]:
    """Whole numbers from 0 to the first at or above `most`, four to eight steps of 1, 2 or 5."""
    steps = (digit * 10**power for power in count() for digit in (1, 2, 5))
    step = next(step for step in steps if 8 * step >= most)
    last = max(1, math.ceil(most / step)) * step
    return tuple(range(0, last + 1, step))
