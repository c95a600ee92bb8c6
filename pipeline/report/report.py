"""What was found in a smear: the one thing that every export is made from."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from leukodiff.classifier.facts import UNKNOWN, CellFacts, CellNote
from leukodiff.core.intervals import binomial_at_least
from leukodiff.datasets.vocabulary import BY_NAME, CELL_TYPES, UNIDENTIFIED, CellType
from leukodiff.detector.areas import AreaKind

from .differential import COUNTED, Differential, differential
from .measurements import COUNTED_SO, Measurement, estimates, measurements
from .profiles import Profile, adult
from .remarks import Remark
from .sample import Sample
from .scale import SlideScale
from .statistics import Confusion, Estimate, cells_needed, corrected_shares

DONE, INCOMPLETE, FAILED = "done", "incomplete", "failed"
"""Of a field: done or failed. Of a slide: incomplete when some of its fields failed."""

LEFT_OUT, NOT_READ = "left_out", "not_read"
"""Of a field: not fit to be read, or there were cells enough before it."""


class Reason(StrEnum):
    """Reason not to read a field or an area; its value is the English of tables."""

    NONE = ""
    EMPTY = "no cells, or outside the smear"
    THICK = "cells lie upon each other"
    OUT_OF_FOCUS = "out of focus"
    ENOUGH = "enough cells were found before"


REASONS: Mapping[AreaKind, Reason] = {
    AreaKind.NOT_JUDGED: Reason.NONE,
    AreaKind.USABLE: Reason.NONE,
    AreaKind.EMPTY: Reason.EMPTY,
    AreaKind.THICK: Reason.THICK,
    AreaKind.OUT_OF_FOCUS: Reason.OUT_OF_FOCUS,
}

ATYPICAL = CellType("atypical", "!", "unknown", False, "#b3003b")
"""The shelf of cells that are unlike every class; no type that a cell could be counted as."""

_FIRST = ("immature_granulocyte", "erythroblast", UNIDENTIFIED)
DISPLAY_ORDER = (
    ATYPICAL,
    *(BY_NAME[name] for name in _FIRST),
    *(kind for kind in CELL_TYPES if kind.name not in _FIRST),
)
"""In which order cells are shown: first those that a smear of a healthy adult does not have."""

FEW_CELLS = 100
"""Fewer white cells than this make a differential that is flagged as small.

A manual differential counts 100 to 200 cells (CLSI H20-A2, 2007)."""

ENOUGH_TO_CORRECT = 20
"""Of fewer cells a corrected share says more of what was assumed than of the smear."""

RARE = 0.01
"""A slide is flagged where chance would give so many atypical cells less often than this, 0-1."""

BOX_DECIMALS = 1
PROBABILITY_DECIMALS = 4


@dataclass(frozen=True)
class Cell:
    """A white cell, or another nucleated cell that the classifier named: one row of cells.csv.

    The box is in px of the field at full resolution, rounded to 0.1. `detection_confidence` is the
    detector's, `confidence` the classifier's, both 0-1; `probabilities` are in the order of the
    report's `class_names`. A person's edit sets `reviewed_as` and never `cell_type`.

    `facts` are its measures. `note` is the reason that the classifier does not name it.
    `atypical` says how unlike every class it is, `None` where the model does not tell; it
    `is_atypical` above the model's threshold.
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
    def shelf(self) -> str:
        """Where it is shown: with its type, or with the atypical cells until a person names it."""
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
        """Whether it is a white cell, named or not."""
        name = self.counted_as
        return name == UNIDENTIFIED or BY_NAME[name].counts_in_differential


@dataclass(frozen=True)
class FieldResult:
    """One row of fields.csv; sizes in px. A failed field has no counts and says why in `error`.

    `kind` says what the field is fit for; a whole scan is not judged, its areas are.
    """

    field_id: str
    width: int | None = None
    height: int | None = None
    n_wbc: int | None = None
    n_rbc: int | None = None
    n_platelet: int | None = None
    status: str = DONE
    error: str = ""
    kind: AreaKind = AreaKind.NOT_JUDGED

    @property
    def reason(self) -> Reason:
        """The reason that it was not read, or what speaks against it."""
        return Reason.ENOUGH if self.status == NOT_READ else REASONS[self.kind]


@dataclass(frozen=True)
class Area:
    """A part of a scan, px of it: a row of areas.csv.

    `kind` says what it is fit for; `coverage` is how much of it is under cells, 0-1. `read`: it was
    looked at; `n_cells` were found in it.
    """

    x_min: int
    y_min: int
    x_max: int
    y_max: int
    kind: AreaKind
    coverage: float
    read: bool
    n_cells: int

    @property
    def reason(self) -> Reason:
        """The reason that it was left out or not reached, or what speaks against it."""
        unread = Reason.NONE if self.read else Reason.ENOUGH
        return REASONS[self.kind] or unread

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
    def left_out(self) -> Mapping[AreaKind, tuple[Reason, int]]:
        """The reason for and the number of the areas that were not read, by kind."""
        kinds = Counter((area.kind, area.reason) for area in self.areas if not area.read)
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
class CountingOptions:
    """How cells become numbers.

    `interval` is one of `statistics.METHODS`. `profile` has the reference ranges. `confusion` is
    how often the classifier calls what what, `None` where nobody has measured it. `precision` is
    how close every share is wanted, plus or minus so many percentage points, `None` where nobody
    asks.
    """

    interval: str = "exact"
    profile: Profile = field(default_factory=adult)
    confusion: Confusion | None = None
    precision: float | None = None


@dataclass(frozen=True)
class SmearReport:
    """A slide's fields and cells, with what follows from them.

    `class_names` are the classifier's classes, in the order of every cell's probabilities.
    `overlays` maps a field_id to its picture, relative to the slide's folder, and `readings` the
    scans among the fields to how they were read. `scale` is `None` where every field failed.
    `atypical_rate` is the share of ordinary cells that the classifier takes for atypical, 0-1,
    `None` where it does not tell. `sample` is what is known of the blood, `counting` how the cells
    become numbers.
    """

    slide_id: str
    class_names: tuple[str, ...]
    cells: tuple[Cell, ...]
    fields: tuple[FieldResult, ...]
    scale: SlideScale | None
    provenance: Provenance
    overlays: Mapping[str, str] = field(default_factory=dict)
    readings: Mapping[str, ScanReading] = field(default_factory=dict)
    atypical_rate: float | None = None
    sample: Sample = field(default_factory=Sample)
    counting: CountingOptions = field(default_factory=CountingOptions)

    def cells_in_group(self, name: str) -> list[Cell]:
        """The cells of a shelf, the surest first; the most atypical of the atypical ones."""
        cells = [cell for cell in self.cells if cell.shelf == name]
        if name == ATYPICAL.name:
            return sorted(cells, key=lambda cell: -(cell.atypical or 0.0))
        return sorted(cells, key=lambda cell: -cell.confidence)

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
        return differential([cell.counted_as for cell in self.cells], self.counting.interval)

    @cached_property
    def corrected(self) -> Mapping[str, Estimate] | None:
        """Each share (percent) with the classifier's own errors allowed for.

        `None` where its errors are not known, below `ENOUGH_TO_CORRECT` cells, and once a person
        has named cells: the errors that were measured are the machine's.
        """
        few = self.differential.n < ENOUGH_TO_CORRECT
        if few or self.counting.confusion is None or any(cell.reviewed_as for cell in self.cells):
            return None
        said = Counter(cell.cell_type for cell in self.cells)
        return corrected_shares(said, self.counting.confusion, COUNTED)

    @cached_property
    def measurements(self) -> tuple[Measurement, ...]:
        """Everything it says in numbers, with ranges and flags."""
        counts = {name: self.total(name) for name in ("n_wbc", "n_rbc", "n_platelet")}
        n_fields = 0 if self.readings else self.n_read
        return (
            *measurements(self.differential, self.corrected, self.sample, self.counting.profile),
            *estimates(counts["n_wbc"], counts["n_rbc"], counts["n_platelet"], n_fields),
        )

    def measured(self, analyte: str, unit: str, kind: str = COUNTED_SO) -> Measurement | None:
        """One of the measurements, `None` without it."""
        wanted = (analyte, unit, kind)
        found = (m for m in self.measurements if (m.analyte, m.unit, m.kind) == wanted)
        return next(found, None)

    @property
    def flags(self) -> tuple[Measurement, ...]:
        """What lies outside its reference range."""
        return tuple(one for one in self.measurements if one.flag)

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """Flags and what else a reader must know before using the report."""
        found, n_all = self.differential, len(self.fields)
        some = {
            "erythroblasts": found.count("erythroblast"),
            "unidentified": found.n_unidentified,
        }
        return (
            *(Remark.of_flag(one) for one in self.flags),
            *([Remark("few_cells", n=found.n, enough=FEW_CELLS)] if found.n < FEW_CELLS else []),
            *(Remark(code, n=n) for code, n in some.items() if n),
            *([self.atypical_remark] if self.atypical_remark else []),
            *([Remark("failed", n=len(self.failures), all=n_all)] if self.failures else []),
            *([self.left_out_remark] if self.left_out else []),
            *([Remark("not_read", n=len(self.not_read), all=n_all)] if self.not_read else []),
            *self._wanted_cells(),
            *self._without_range(),
            *(self.scale.warnings if self.scale else ()),
        )

    def _wanted_cells(self) -> list[Remark]:
        """How many cells every share would need to be as close as it is wanted, by its interval."""
        points, found = self.counting.precision, self.differential
        if points is None or not found.n:
            return []
        shares = [found.count(name) / found.n for name in COUNTED]
        needed = [cells_needed(share, points / 100) for share in shares]
        told = f"{points:g}"
        if None in needed:
            return [Remark("precision_beyond", points=told)]
        most = max(n or 0 for n in needed)
        if most <= found.n:
            return [Remark("precision_reached", points=told, n=found.n)]
        return [Remark("precision", points=told, n=most, more=most - found.n)]

    def _without_range(self) -> list[Remark]:
        profile = self.counting.profile
        ranges = {one.analyte for one in profile.ranges}
        held = {one.analyte for one in profile.ranges if one.holds_for(self.sample)}
        lacking = [name for name in (*COUNTED, "white_cell") if name in ranges - held]
        return [Remark("no_range", analytes=tuple(lacking))] if lacking else []

    @property
    def atypical_remark(self) -> Remark | None:
        """What is said of the slide where more cells are atypical than chance gives."""
        judged = [c for c in self.cells if c.atypical is not None and not c.facts.note]
        found = sum(cell.is_atypical for cell in judged)
        if not found or self.atypical_rate is None:
            return None
        if binomial_at_least(found, len(judged), self.atypical_rate) >= RARE:
            return None
        return Remark("atypical", n=found, judged=len(judged))

    @property
    def failures(self) -> tuple[FieldResult, ...]:
        """The fields that could not be analyzed."""
        return tuple(f for f in self.fields if f.status == FAILED)

    @property
    def left_out(self) -> tuple[FieldResult, ...]:
        """The fields that are empty, too thick or out of focus, and so were not read."""
        return tuple(f for f in self.fields if f.status == LEFT_OUT)

    @property
    def left_out_remark(self) -> Remark:
        """How many fields were left out and why, `2 of 80 fields left out: 2 out of focus`."""
        kinds = Counter(f.kind for f in self.left_out).most_common()
        code = "left_out" if self.n_read else "nothing_read"
        return Remark(code, n=len(self.left_out), all=len(self.fields), why=tuple(kinds))

    @property
    def not_read(self) -> tuple[FieldResult, ...]:
        """The fields that come after those in which enough cells were found."""
        return tuple(f for f in self.fields if f.status == NOT_READ)

    @property
    def last_read(self) -> str:
        """The last field before those that were not read."""
        before = [f.field_id for f in self.fields if f.status != NOT_READ]
        return before[-1] if before else ""

    @property
    def n_read(self) -> int:
        """How many fields were read."""
        return sum(f.status == DONE for f in self.fields)

    @property
    def status(self) -> str:
        """`done`, `incomplete` when some fields failed, `failed` when all did."""
        if not self.failures:
            return DONE
        return FAILED if len(self.failures) == len(self.fields) else INCOMPLETE

    def total(self, column: str) -> int | None:
        """The sum of `n_wbc`, `n_rbc` or `n_platelet` over the fields; `None` if one didn't count.

        Fields that were not read count for nothing.
        """
        counts = [getattr(f, column) for f in self.fields if f.status == DONE]
        return None if None in counts else sum(counts)


def one_line(text: str) -> str:
    """A reason as it stands in a table: no line breaks."""
    return re.sub(r"\s+", " ", text).strip()
