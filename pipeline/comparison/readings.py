"""A reading: one count of one slide, by a machine or a person, and the names of its cell types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leukodiff.datasets.vocabulary import BY_NAME, CELL_TYPES, UNIDENTIFIED, WHITE_CELL

Box = tuple[float, float, float, float]

UNNAMED = frozenset({UNIDENTIFIED, WHITE_CELL})
"""Names of a cell that nobody has named."""

ALIASES: dict[str, str] = {
    "band": "neutrophil",
    "band neutrophil": "neutrophil",
    "poly": "neutrophil",
    "seg": "neutrophil",
    "segmented": "neutrophil",
    "segmented neutrophil": "neutrophil",
    "stab": "neutrophil",
    "atypical lymphocyte": "lymphocyte",
    "reactive lymphocyte": "lymphocyte",
    "variant lymphocyte": "lymphocyte",
    "metamyelocyte": "immature_granulocyte",
    "myelocyte": "immature_granulocyte",
    "promyelocyte": "immature_granulocyte",
    "nucleated red cell": "erythroblast",
    "normoblast": "erythroblast",
}
"""The rows of a manual count (CLSI H20-A2) that are one type here: their counts are added."""

SUMS = frozenset({"total", "sum", "all", "n cells", "wbc total", "total wbc"})
"""Names of a table's sum, which is no cell type."""

_KNOWN = (
    {t.name.replace("_", " "): t.name for t in CELL_TYPES}
    | {t.abbreviation.lower(): t.name for t in CELL_TYPES if t.abbreviation.isalpha()}
    | ALIASES
)


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
        """Its slide, or its file where that is not known."""
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
    """The number of cells that make up the 100 %."""
    return sum(count for name, count in counts.items() if in_differential(name))


def type_of(text: str) -> str:
    """The vocabulary's name for what a table says, whatever its case, plural or underscores.

    A name that the vocabulary does not have, such as `blast`, stays a type of its own.
    """
    plain = " ".join(text.replace("_", " ").replace("-", " ").lower().split())
    for one in (plain, plain.removesuffix("s")):
        if one in _KNOWN:
            return _KNOWN[one]
    return plain.replace(" ", "_")


def in_differential(cell_type: str) -> bool:
    """True for a type that is part of the 100 %; one that the vocabulary lacks is."""
    return cell_type not in BY_NAME or BY_NAME[cell_type].counts_in_differential


def title(cell_type: str) -> str:
    """A type as a person writes it."""
    return cell_type.replace("_", " ")


def in_order(cell_types: set[str]) -> list[str]:
    """Types in the vocabulary's order, those it lacks behind them by name."""
    known = [name for name in BY_NAME if name in cell_types]
    return known + sorted(cell_types - set(known))
