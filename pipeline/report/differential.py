"""Named cells -> a differential count with its uncertainty."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from leukodiff.datasets.vocabulary import BY_NAME, CELL_TYPES, UNIDENTIFIED

from .statistics import Estimate, intervals, per_hundred, ratio, with_unidentified

COUNTED = tuple(t.name for t in CELL_TYPES if t.counts_in_differential)
"""The types that make up the 100 %."""

UNCOUNTED = ("erythroblast", UNIDENTIFIED)
"""The types that are always reported and stay out of the percentages."""


@dataclass(frozen=True)
class DifferentialRow:
    """One cell type's share.

    `percent`, `percent_low` and `percent_high` are 0-100, the latter two the 95 % interval; all are
    `None` for a type outside the differential, and where no cell was counted. `unidentified_bounds`
    are the percentage if none, and if all, of the unidentified cells were of this type.
    """

    cell_type: str
    count: int
    percent: float | None = None
    percent_low: float | None = None
    percent_high: float | None = None
    unidentified_bounds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Differential:
    """A differential count: `rows` by cell type, `n` cells that make up the 100 %."""

    rows: tuple[DifferentialRow, ...]
    n: int

    def count(self, cell_type: str) -> int:
        """The number of cells of a type; 0 for a type without a row."""
        return next((row.count for row in self.rows if row.cell_type == cell_type), 0)

    @property
    def n_unidentified(self) -> int:
        """White cells that were found and not named."""
        return self.count(UNIDENTIFIED)

    @property
    def erythroblasts_per_100_wbc(self) -> Estimate | None:
        """Nucleated red cells for every 100 white cells counted; `None` when none was."""
        return per_hundred(self.count("erythroblast"), self.n)

    @property
    def neutrophil_lymphocyte_ratio(self) -> Estimate | None:
        """Neutrophils over lymphocytes; `None` without lymphocytes."""
        return ratio(self.count("neutrophil"), self.count("lymphocyte"))


def differential(cell_types: Sequence[str], method: str = "exact") -> Differential:
    """Counts cells by type and gives each type's share of the white cells named.

    Erythroblasts, platelets and unidentified cells have a count and no share.

    Args:
        cell_types: a name from the vocabulary for every cell.
        method: of the intervals, one of `statistics.METHODS`.

    Raises:
        ValueError: a name is not in the vocabulary.
    """
    unknown = sorted(set(cell_types) - set(BY_NAME))
    if unknown:
        raise ValueError(f"not in the vocabulary: {', '.join(unknown)}")
    counts = Counter(cell_types)
    n = sum(counts[name] for name in COUNTED)
    sure = intervals([counts[name] for name in COUNTED], method)
    counted = [
        _share(name, counts[name], n, interval, counts[UNIDENTIFIED])
        for name, interval in zip(COUNTED, sure, strict=True)
    ]
    uncounted = [DifferentialRow(name, counts[name]) for name in UNCOUNTED]
    always = {*COUNTED, *UNCOUNTED}
    others = [DifferentialRow(k, counts[k]) for k in BY_NAME if counts[k] and k not in always]
    return Differential((*counted, *uncounted, *others), n)


def _share(
    name: str, count: int, n: int, interval: tuple[float, float] | None, unidentified: int
) -> DifferentialRow:
    bounds = with_unidentified(count, n, unidentified)
    if interval is None:
        return DifferentialRow(name, count, unidentified_bounds=bounds)
    low, high = interval
    return DifferentialRow(name, count, 100 * count / n, 100 * low, 100 * high, bounds)
