"""Measures of a cell, and notes that speak against naming it."""

from dataclasses import dataclass
from enum import StrEnum


class CellNote(StrEnum):
    """Reason not to name a cell; its value is the English of tables and stored reports."""

    NONE = ""
    CUT = "cut by the edge of the field"
    BLURRED = "out of focus"
    OVERLAPPING = "overlaps another white cell"
    DIRT = "dark in every colour, as dirt is"
    ATYPICAL = "unlike any class the classifier learnt"
    UNSURE = "not sure enough"


@dataclass(frozen=True)
class CellFacts:
    """Measures of one cell, each `None` where it is unknown, and what speaks against trusting it.

    `cell_um2` is the area of the cell with its nucleus, `nucleus_um2` that of the nucleus, um2;
    `lobes` how many lobes the nucleus has. `note` is the reason not to name the cell, if any.
    """

    cell_um2: float | None = None
    nucleus_um2: float | None = None
    lobes: int | None = None
    note: CellNote = CellNote.NONE

    @property
    def nucleus_to_cell(self) -> float | None:
        """The nucleus's share of the cell's area, 0-1."""
        if self.cell_um2 is None or self.nucleus_um2 is None:
            return None
        return self.nucleus_um2 / self.cell_um2


UNKNOWN = CellFacts()
"""Facts of a cell that was not measured."""
