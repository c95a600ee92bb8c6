"""Two ways of counting the same slides compared, type by type: manual counts and leukodiff's.

In the manner of CLSI H20-A2 (differential counts against the manual reference, the limits of
counting error after Rümke) and EP09 (regression with error in both, difference plots).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from .bland_altman import BlandAltman, Correlation, bland_altman, correlation
from .counts import ALPHA, Share, difference_interval, exact_p, share
from .readings import Reading, in_order, title
from .regression import FEWEST, Line, PassingBablok, deming, passing_bablok

Floats = NDArray[np.float64]

MANY_ZEROS = 0.25
"""A type that neither saw on more of the slides than this has too few points for a line."""


@dataclass(frozen=True)
class ManualShare:
    """A type in the manual counts of a slide: the readers' mean, and all their cells together.

    `percent` is the mean of the readers' percentages, 0-100; `sd` their standard deviation in
    points, `None` for one reader; `count` of `n` are the cells of all readers.
    """

    percent: float
    count: int
    n: int
    n_readers: int
    sd: float | None


@dataclass(frozen=True)
class Difference:
    """One type on one slide; a side is `None` where the slide is missing or has no cells there."""

    slide_id: str
    cell_type: str
    manual: ManualShare | None
    results: Share | None

    @property
    def points(self) -> float | None:
        """Results less manual, percentage points."""
        if self.manual is None or self.results is None or self.results.percent is None:
            return None
        return self.results.percent - self.manual.percent

    @property
    def mean(self) -> float | None:
        """Mean of the two percentages."""
        if self.manual is None or self.points is None:
            return None
        return self.manual.percent + self.points / 2

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the difference by counting error alone, percentage points."""
        four = self._four
        return difference_interval(*four) if four else None

    @cached_property
    def p(self) -> float | None:
        """Exact p of the difference, were both counts of the same blood."""
        four = self._four
        return exact_p(*four) if four else None

    @property
    def within_counting_error(self) -> bool | None:
        """True when chance in counting explains it at the 5 % level: Rümke's limits."""
        return None if self.p is None else self.p >= ALPHA

    @property
    def counting_variance(self) -> tuple[float, float] | None:
        """Variance of the manual and of the results' percentage by counting, points squared.

        p (1 - p) / n with the share p of both counts together.
        """
        if self.manual is None or self.results is None or not self.results.n:
            return None
        both = (self.manual.count + self.results.count) / (self.manual.n + self.results.n)
        spread = 1e4 * both * (1 - both)
        return spread / self.manual.n, spread / self.results.n

    @property
    def _four(self) -> tuple[int, int, int, int] | None:
        if self.manual is None or self.results is None or not self.results.n:
            return None
        return self.manual.count, self.manual.n, self.results.count, self.results.n


@dataclass(frozen=True)
class TypeFigures:
    """Comparison of the two methods in one type, over the slides that both counted.

    Percentages and points. `error_ratio` is the variance of the results' counting error over that
    of the manual counts: Deming's line uses it. `sd_by_counting` is what the standard deviation of
    the differences would be by counting error alone. `reader_sd` is the readers' own standard
    deviation within a slide, `reader_sd_by_counting` what chance in counting gives. What can't be
    had is `None`, and `note` says why.
    """

    cell_type: str
    differences: tuple[Difference, ...]
    manual_mean: float | None
    results_mean: float | None
    correlation: Correlation | None
    error_ratio: float | None
    deming: Line | None
    passing_bablok: PassingBablok | None
    bland_altman: BlandAltman | None
    sd_by_counting: float | None
    within: int
    reader_sd: float | None
    reader_sd_by_counting: float | None
    note: str

    @property
    def n(self) -> int:
        """Slides that both counted."""
        return len(self.differences)

    @property
    def share_within(self) -> float | None:
        """Share of the slides that differ no more than by counting error, 0-1."""
        return self.within / self.n if self.n else None


@dataclass(frozen=True)
class MethodComparison:
    """All types over all slides; `only_manual` and `only_results` are slides of one side alone."""

    types: tuple[TypeFigures, ...]
    differences: tuple[Difference, ...]
    n_slides: int
    only_manual: tuple[str, ...]
    only_results: tuple[str, ...]
    without_cells: tuple[str, ...]
    not_in_manual: tuple[str, ...]
    strange_types: tuple[str, ...]


def compare_methods(manual: Sequence[Reading], results: Sequence[Reading]) -> MethodComparison:
    """Compare manual counts, of one reader or several, with leukodiff's of the same slides.

    Slides are matched by `slide_id`. Readers who counted no cell of the differential are left out.

    Raises:
        ValueError: the results have a slide twice.
    """
    of_slide = {reading.slide_id: reading for reading in results}
    if len(of_slide) < len(results):
        raise ValueError("a slide stands twice in the results")
    readers: dict[str, list[Reading]] = defaultdict(list)
    for reading in manual:
        readers[reading.slide_id].append(reading)
    names = in_order({name for one in (*manual, *results) for name in one.types})
    slides = list(dict.fromkeys([*readers, *of_slide]))
    rows = tuple(
        _difference(slide, name, readers.get(slide, ()), of_slide.get(slide))
        for slide in slides
        for name in names
    )
    of_type = {name: [row for row in rows if row.cell_type == name] for name in names}
    both = [slide for slide in slides if slide in readers and slide in of_slide]
    empty = tuple(row.slide_id for row in rows if row.slide_id in both and row.points is None)
    counted = {name for reading in manual for name in reading.types}
    return MethodComparison(
        tuple(_figures(name, of_type[name], readers) for name in names),
        rows,
        len(set(both) - set(empty)),
        tuple(slide for slide in slides if slide not in of_slide),
        tuple(slide for slide in slides if slide not in readers),
        tuple(dict.fromkeys(empty)),
        tuple(name for name in names if name not in counted),
        tuple(sorted({name for one in (*manual, *results) for name in one.strange_types})),
    )


def manual_share(readers: Sequence[Reading], cell_type: str) -> ManualShare | None:
    """A type's mean share by the readers of a slide; `None` where nobody counted a cell."""
    counted = [reading for reading in readers if reading.n]
    if not counted:
        return None
    percents = [reading.percent(cell_type) or 0.0 for reading in counted]
    return ManualShare(
        fmean(percents),
        sum(reading.count(cell_type) for reading in counted),
        sum(reading.n for reading in counted),
        len(counted),
        stdev(percents) if len(percents) > 1 else None,
    )


def _difference(
    slide: str, name: str, readers: Sequence[Reading], results: Reading | None
) -> Difference:
    found = None
    if results is not None and results.n:
        found = share(results.count(name), results.n, results.percent(name))
    return Difference(slide, name, manual_share(readers, name), found)


def _figures(
    name: str, rows: Sequence[Difference], readers: Mapping[str, Sequence[Reading]]
) -> TypeFigures:
    paired = tuple(row for row in rows if row.points is not None)
    pairs = [
        (row.manual.percent, row.results.percent)
        for row in paired
        if row.manual is not None and row.results is not None
    ]
    x, y = np.array(pairs, float).reshape(-1, 2).T
    ratio, by_counting = _counting(paired)
    together = correlation(x, y)
    lines = (deming(x, y, ratio or 1.0), passing_bablok(x, y)) if together else (None, None)
    return TypeFigures(
        name,
        paired,
        float(x.mean()) if len(x) else None,
        float(y.mean()) if len(y) else None,
        together,
        ratio,
        *lines,
        bland_altman(x, y),
        by_counting,
        sum(bool(row.within_counting_error) for row in paired),
        *_between_readers(paired, readers),
        _note(name, x, y, lines),
    )


def _counting(rows: Sequence[Difference]) -> tuple[float | None, float | None]:
    """Ratio of the two counting variances, and the differences' SD that they would make."""
    variances = [row.counting_variance for row in rows]
    known = np.array([one for one in variances if one is not None], float).reshape(-1, 2)
    if not len(known) or not known.any():
        return None, 0.0 if len(known) else None
    manual, results = known.mean(axis=0).tolist()
    return results / manual, math.sqrt(manual + results)


def _between_readers(
    rows: Sequence[Difference], readers: Mapping[str, Sequence[Reading]]
) -> tuple[float | None, float | None]:
    """The readers' SD within a slide, pooled by degrees of freedom, and that by counting alone."""
    squares = by_counting = freedom = 0.0
    for row in rows:
        if row.manual is None or row.manual.sd is None:
            continue
        more = row.manual.n_readers - 1
        p = row.manual.count / row.manual.n
        sizes = [1 / reading.n for reading in readers[row.slide_id] if reading.n]
        squares += more * row.manual.sd**2
        by_counting += more * 1e4 * p * (1 - p) * fmean(sizes)
        freedom += more
    if not freedom:
        return None, None
    return math.sqrt(squares / freedom), math.sqrt(by_counting / freedom)


def _note(name: str, x: Floats, y: Floats, lines: tuple[Line | None, PassingBablok | None]) -> str:
    """Why figures are absent, in words; empty where none is."""
    if len(x) < FEWEST:
        return f"{len(x)} slides: {FEWEST} or more are needed"
    constant = [what for what, one in (("manual", x), ("results", y)) if np.ptp(one) <= 1e-12]
    if constant:
        return f"no {title(name)} line: the same percentage on every slide ({', '.join(constant)})"
    names = ("Deming", "Passing-Bablok")
    absent = [what for what, one in zip(names, lines, strict=True) if not one]
    if absent:
        return f"no {' and '.join(absent)} line: the two do not rise together"
    none = int(((x == 0) & (y == 0)).sum())
    if none > MANY_ZEROS * len(x):
        return f"none seen by either on {none} of {len(x)} slides: lines and correlation say little"
    return ""
