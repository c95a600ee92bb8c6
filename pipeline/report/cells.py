"""A cell of a smear as a report has it, and the groups in which cells are shown."""

from collections.abc import Sequence
from dataclasses import dataclass

from leukodiff.classifier.facts import UNKNOWN, CellFacts, CellNote
from leukodiff.datasets.vocabulary import BY_NAME, CELL_TYPES, UNIDENTIFIED, CellType

ATYPICAL = CellType("atypical", "!", "unknown", False, "#b3003b")
"""Display group of cells that are unlike every class; no type that a cell could be counted as."""

_FIRST = ("immature_granulocyte", "erythroblast", UNIDENTIFIED)
DISPLAY_ORDER = (
    ATYPICAL,
    *(BY_NAME[name] for name in _FIRST),
    *(kind for kind in CELL_TYPES if kind.name not in _FIRST),
)
"""Order in which cells are shown: first those that a smear of a healthy adult does not have."""

DOUBTFUL_BELOW = 0.8
"""Confidence, 0-1, below which a cell that is named is to be looked at first."""

BOX_DECIMALS = 1
PROBABILITY_DECIMALS = 4


@dataclass(frozen=True)
class Cell:
    """A white cell, or another nucleated cell that the classifier named: one row of cells.csv.

    The box is in px of the field at full resolution, rounded to 0.1. `detection_confidence` is the
    detector's, `confidence` the classifier's, both 0-1; `probabilities` are in the order of the
    report's `class_names`. A person's edit sets `reviewed_as` and never `cell_type`.

    `facts` are its measures. `note` is the reason that the classifier does not name it.
    `atypical` is its distance from every class, `None` where the model does not tell; it
    `is_atypical` above the threshold of its smear, whether it is named or not.
    """

    field_id: str
    cell_id: str
    x_min: float
    y_min: float
    x_max: float
    y_max: float
    detection_confidence: float
    cell_type: str
    confidence: float
    probabilities: tuple[float, ...]
    reviewed_as: str | None = None
    facts: CellFacts = UNKNOWN
    note: CellNote = CellNote.NONE
    atypical: float | None = None
    is_atypical: bool = False

    @property
    def counted_as(self) -> str:
        """The type that counts: a person's where there is one."""
        return self.reviewed_as or self.cell_type

    @property
    def is_doubtful(self) -> bool:
        """Named by the machine, and to be looked at first: not sure enough, or atypical."""
        if self.reviewed_as or self.cell_type == UNIDENTIFIED:
            return False
        return self.is_atypical or self.confidence < DOUBTFUL_BELOW

    @property
    def display_group(self) -> str:
        """The group it is shown in: its type, or the atypical cells until a person names it."""
        return ATYPICAL.name if self.is_atypical and not self.reviewed_as else self.counted_as

    @property
    def percent(self) -> int:
        """The confidence in whole percent, rounded down: 99.7 % sure is not 100 %."""
        return int(100 * self.confidence)

    def leading(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """Its two likeliest classes in words, the likelier first: `NEU 97%`, `MON 2%`."""
        likeliest = sorted(zip(self.probabilities, class_names, strict=True), reverse=True)[:2]
        return tuple(f"{BY_NAME[name].abbreviation} {int(100 * p)}%" for p, name in likeliest)

    @property
    def is_white(self) -> bool:
        """True for a white cell, named or not."""
        name = self.counted_as
        return name == UNIDENTIFIED or BY_NAME[name].counts_in_differential
