"""What was found in a smear: the one thing that every export is made from."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from leukodiff.datasets.vocabulary import BY_NAME, UNIDENTIFIED

from .differential import Differential, differential
from .reference import Flag, ReferenceRange, adult_ranges, flags, notes
from .scale import SlideScale

DONE, INCOMPLETE, FAILED = "done", "incomplete", "failed"
"""Of a field: done or failed. Of a slide: incomplete when some of its fields failed."""

ENOUGH = "enough cells were found before"
"""Why a usable area was not read."""

BOX_DECIMALS = 1
PROBABILITY_DECIMALS = 4


@dataclass(frozen=True)
class Cell:
    """A white cell, or another nucleated cell that the classifier named: one row of cells.csv.

    The box is in px of the field at full resolution, rounded to 0.1. `detection_confidence` is the
    detector's, `confidence` the classifier's, both 0-1; `probabilities` are in the order of the
    report's `class_names`. A person's edit sets `reviewed_as` and never `cell_type`.
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

    @property
    def counted_as(self) -> str:
        """The type that counts: a person's where there is one."""
        return self.reviewed_as or self.cell_type

    @property
    def percent(self) -> int:
        """The confidence in whole percent, rounded down: 99.7 % sure is not 100 %."""
        return int(100 * self.confidence)

    @property
    def is_white(self) -> bool:
        """Whether it is a white cell, named or not."""
        name = self.counted_as
        return name == UNIDENTIFIED or BY_NAME[name].counts_in_differential


@dataclass(frozen=True)
class FieldResult:
    """One row of fields.csv; sizes in px. A failed field has no counts and says why in `error`."""

    field_id: str
    width: int | None = None
    height: int | None = None
    n_wbc: int | None = None
    n_rbc: int | None = None
    n_platelet: int | None = None
    status: str = DONE
    error: str = ""


@dataclass(frozen=True)
class Area:
    """A part of a scan, px of it: a row of areas.csv.

    `kind` says what it is fit for and `reason` why it is left out; `coverage` is how much of it is
    under cells, 0-1. `read`: it was looked at; `n_cells` were found in it.
    """

    x_min: int
    y_min: int
    x_max: int
    y_max: int
    kind: str
    reason: str
    coverage: float
    read: bool
    n_cells: int

    @property
    def size_px(self) -> int:
        """How large it is, px."""
        return (self.x_max - self.x_min) * (self.y_max - self.y_min)


@dataclass(frozen=True)
class ScanReading:
    """How a scan was read.

    `first_look`: only round what may be a nucleated cell, else everywhere. `reached`: reading
    stopped because `target_cells` white cells were found.
    """

    areas: tuple[Area, ...]
    first_look: bool
    target_cells: int | None = None
    reached: bool = False

    @property
    def share_read(self) -> float:
        """How much of the scan was read, 0-1."""
        whole = sum(area.size_px for area in self.areas)
        return sum(area.size_px for area in self.areas if area.read) / whole if whole else 0.0

    @property
    def n_read(self) -> int:
        """How many areas were read."""
        return sum(area.read for area in self.areas)

    @property
    def left_out(self) -> Mapping[str, tuple[str, int]]:
        """Why and how many areas were not read, by kind."""
        kinds = Counter((a.kind, a.reason or ENOUGH) for a in self.areas if not a.read)
        return {kind: (reason, n) for (kind, reason), n in kinds.most_common()}


@dataclass(frozen=True)
class ModelUsed:
    """A model that had a part in a report."""

    kind: str
    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """How a report came about. Times are ISO 8601 with their offset."""

    version: str
    models: tuple[ModelUsed, ...]
    settings: Mapping[str, object]
    started: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class SmearReport:
    """A slide's fields and cells, with what follows from them.

    `class_names` are the classifier's classes, in the order of every cell's probabilities.
    `overlays` maps a field_id to its picture, relative to the slide's folder, and `readings` the
    scans among the fields to how they were read. `scale` is `None` where every field failed.
    """

    slide_id: str
    class_names: tuple[str, ...]
    cells: tuple[Cell, ...]
    fields: tuple[FieldResult, ...]
    scale: SlideScale | None
    provenance: Provenance
    overlays: Mapping[str, str] = field(default_factory=dict)
    readings: Mapping[str, ScanReading] = field(default_factory=dict)

    @property
    def um_per_px(self) -> float | None:
        """The scale of its fields."""
        return self.scale.um_per_px if self.scale else None

    @property
    def um_per_px_source(self) -> str:
        """Where the scale comes from: `metadata`, `user` or `red cells`."""
        return self.scale.source if self.scale else ""

    @cached_property
    def differential(self) -> Differential:
        """The count of the cells as reviewed, else as classified."""
        return differential([cell.counted_as for cell in self.cells])

    @property
    def ranges(self) -> Mapping[str, ReferenceRange]:
        """The reference ranges the flags are made with."""
        return adult_ranges()

    @property
    def flags(self) -> tuple[Flag, ...]:
        """The cell types outside their range."""
        return flags(self.differential, self.ranges)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Flags and notes in words, for slides.csv."""
        failed = f"{len(self.failures)} of {len(self.fields)} fields failed"
        return (
            *(flag.text for flag in self.flags),
            *notes(self.differential),
            *([failed] if self.failures else []),
            *(self.scale.warnings if self.scale else ()),
        )

    @property
    def failures(self) -> tuple[FieldResult, ...]:
        """The fields that could not be analyzed."""
        return tuple(f for f in self.fields if f.status == FAILED)

    @property
    def status(self) -> str:
        """`done`, `incomplete` when some fields failed, `failed` when all did."""
        if not self.failures:
            return DONE
        return FAILED if len(self.failures) == len(self.fields) else INCOMPLETE

    def total(self, column: str) -> int | None:
        """The sum of `n_wbc`, `n_rbc` or `n_platelet` over the fields; `None` if one didn't count.

        Failed fields count for nothing.
        """
        counts = [getattr(f, column) for f in self.fields if f.status != FAILED]
        return None if None in counts else sum(counts)


def one_line(text: str) -> str:
    """A reason as it stands in a table: no line breaks."""
    return re.sub(r"\s+", " ", text).strip()
