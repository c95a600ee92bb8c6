"""Named cells -> a differential count with its uncertainty."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leukodiff.datasets.vocabulary import BY_NAME, CELL_TYPES, UNIDENTIFIED
from leukodiff.runtime.intervals import clopper_pearson

COUNTED = tuple(t.name for t in CELL_TYPES if t.counts_in_differential)
"""The types that make up the 100 %."""

BESIDE = ("erythroblast", UNIDENTIFIED)
"""The types that are always reported and stay out of the percentages."""


@dataclass(frozen=True)
class DifferentialRow:
    """One cell type's share.

    `percent`, `percent_low` and `percent_high` are 0-100, the latter two the 95 % interval; all are
    `None` for a type outside the differential, and where no cell was counted.
    """

    cell_type: str
    count: int
    percent: float | None = None
    percent_low: float | None = None
    percent_high: float | None = None


@dataclass(frozen=True)
class Differential:
    """A differential count: `rows` by cell type, `n` cells that make up the 100 %."""

    rows: tuple[DifferentialRow, ...]
    n: int

    def count(self, cell_type: str) -> int:
        """How many cells of a type; 0 for a type without a row."""
        return next((row.count for row in self.rows if row.cell_type == cell_type), 0)

    @property
    def n_unidentified(self) -> int:
        """White cells that were found and not named."""
        return self.count(UNIDENTIFIED)

    @property
    def erythroblasts_per_100_wbc(self) -> float | None:
        """Nucleated red cells for every 100 white cells counted; `None` when none was."""
        return 100 * self.count("erythroblast") / self.n if self.n else None

    @property
    def neutrophil_lymphocyte_ratio(self) -> float | None:
        """Neutrophils over lymphocytes; `None` without lymphocytes."""
        lymphocytes = self.count("lymphocyte")
        return self.count("neutrophil") / lymphocytes if lymphocytes else None


def differential(cell_types: Sequence[str]) -> Differential:
    """Counts cells by type and gives each type's share of the white cells named.

    Erythroblasts, platelets and unidentified cells have a count and no share.

    Args:
        cell_types: a name from the vocabulary for every cell.

    Raises:
        ValueError: a name is not in the vocabulary.
    """
    unknown = sorted(set(cell_types) - set(BY_NAME))
    if unknown:
        raise ValueError(f"not in the vocabulary: {', '.join(unknown)}")
    counts = Counter(cell_types)
    n = sum(counts[name] for name in COUNTED)
    counted = [_share(name, counts[name], n) for name in COUNTED]
    beside = [DifferentialRow(name, counts[name]) for name in BESIDE]
    always = {*COUNTED, *BESIDE}
    others = [DifferentialRow(k, counts[k]) for k in BY_NAME if counts[k] and k not in always]
    return Differential((*counted, *beside, *others), n)


def _share(name: str, count: int, n: int) -> DifferentialRow:
    if not n:
        return DifferentialRow(name, count)
    low, high = np.multiply(clopper_pearson(count, n), 100)
    return DifferentialRow(name, count, 100 * count / n, float(low), float(high))
