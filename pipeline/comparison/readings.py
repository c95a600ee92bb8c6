"""A reading: one count of one slide, by a machine or a person, with its cells where known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leukodiff.datasets.vocabulary import BY_NAME, UNIDENTIFIED, WHITE_CELL

from .names import in_differential

Box = tuple[float, float, float, float]

UNNAMED = frozenset({UNIDENTIFIED, WHITE_CELL})
"""What a cell is called that nobody has named."""


@dataclass(frozen=True)
class ReadCell:
    """A cell and what the reader calls it; `box` is x_min, y_min, x_max, y_max in px of its field.

    `by_person` where the name is `reviewed_as`.
    """

    field_id: str
    cell_id: str
    cell_type: str
    box: Box | None = None
    by_person: bool = False


@dataclass(frozen=True)
class Reading:
    """One count of a slide: `n` cells make up the 100 %.

    `counts` has all types, also those outside the 100 %. `percents` (0-100) are the shares where
    the table gave shares: the counts are then rounded to whole cells. `cells` is `None` for a count
    without a list of cells.
    """

    path: Path
    slide_id: str
    counts: Mapping[str, int]
    n: int
    reader: str = ""
    percents: Mapping[str, float] = field(default_factory=dict)
    cells: tuple[ReadCell, ...] | None = None

    @classmethod
    def of_cells(cls, path: Path, slide_id: str, cells: Sequence[ReadCell]) -> Reading:
        """The count of a list of cells."""
        counts = Counter(cell.cell_type for cell in cells)
        return cls(path, slide_id, counts, n_of(counts), cells=tuple(cells))

    @property
    def name(self) -> str:
        """What to call it: its slide, or its file where that does not say."""
        return self.slide_id or self.path.name

    def count(self, cell_type: str) -> int:
        """Cells of a type; 0 where the table does not have it."""
        return self.counts.get(cell_type, 0)

    def percent(self, cell_type: str) -> float | None:
        """A type's share of the `n`, 0-100; `None` of no cells."""
        if cell_type in self.percents:
            return self.percents[cell_type]
        return 100 * self.count(cell_type) / self.n if self.n else None

    @property
    def types(self) -> set[str]:
        """The types that make up the 100 % and that the table has, counted or not."""
        return {name for name in self.counts if in_differential(name)}

    @property
    def strange_types(self) -> set[str]:
        """The types that leukodiff's vocabulary does not have."""
        return {name for name in self.counts if name not in BY_NAME}


def n_of(counts: Mapping[str, int]) -> int:
    """How many cells make up the 100 %."""
    return sum(count for name, count in counts.items() if in_differential(name))
