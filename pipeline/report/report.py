"""The report of a smear, which every export is made from."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from leukodiff.core.intervals import binomial_at_least

from .cells import ATYPICAL, DOUBTFUL_BELOW, Cell
from .differential import COUNTED, Differential, differential
from .fields import (
    DONE,
    FAILED,
    INCOMPLETE,
    LEFT_OUT,
    NOT_READ,
    FieldResult,
    ScanReading,
)
from .measurements import COUNTED_SO, Measurement, estimates, measurements
from .reference_ranges import Profile, adult
from .remarks import Remark
from .sample import Sample
from .scale import SlideScale
from .statistics import Confusion, Estimate, cells_needed, corrected_shares

FEW_CELLS = 100
"""Fewer white cells than this make a differential that is flagged as small.

A manual differential counts 100 to 200 cells (CLSI H20-A2, 2007)."""

ENOUGH_TO_CORRECT = 20
"""Of fewer cells a corrected share says more of what was assumed than of the smear."""

RARE = 0.01
"""A slide is flagged where chance would give so many atypical cells less often than this, 0-1."""


@dataclass(frozen=True)
class ModelUsed:
    """A model that had a part in a report."""

    kind: str
    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """The origin of a report. Times are ISO 8601 with their offset."""

    version: str
    models: tuple[ModelUsed, ...]
    settings: Mapping[str, object]
    started: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class CountingOptions:
    """Options by which cells become numbers.

    `interval` is one of `statistics.METHODS`. `profile` has the reference ranges. `confusion` has
    the classifier's names of validation cells, `None` where they are unknown. `precision` is wanted
    of every share, plus or minus so many percentage points, `None` where none is.
    """

    interval: str = "exact"
    profile: Profile = field(default_factory=adult)
    confusion: Confusion | None = None
    precision: float | None = None


@dataclass(frozen=True, kw_only=True)
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
        """The cells of a display group, the surest (of atypical ones the most atypical) first."""
        cells = [cell for cell in self.cells if cell.display_group == name]
        if name == ATYPICAL.name:
            return sorted(cells, key=lambda cell: -(cell.atypical or 0.0))
        return sorted(cells, key=lambda cell: -cell.confidence)

    @property
    def um_per_px(self) -> float | None:
        """The scale of its fields."""
        return self.scale.um_per_px if self.scale else None

    @property
    def um_per_px_source(self) -> str:
        """Source of its scale: `metadata`, `user`, `red cells` or `white cells`; else empty."""
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
        named = Counter(cell.cell_type for cell in self.cells)
        return corrected_shares(named, self.counting.confusion, COUNTED)

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
        """The measurements outside their reference ranges."""
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
            *self._doubtful(),
            *([self.atypical_remark] if self.atypical_remark else []),
            *([Remark("failed", n=len(self.failures), all=n_all)] if self.failures else []),
            *([self.left_out_remark] if self.left_out else []),
            *([Remark("not_read", n=len(self.not_read), all=n_all)] if self.not_read else []),
            *self._wanted_cells(),
            *self._without_range(),
            *(self.scale.warnings if self.scale else ()),
        )

    def _doubtful(self) -> list[Remark]:
        """The named cells that are to be looked at first."""
        n = sum(cell.is_doubtful for cell in self.cells)
        return [Remark("doubtful", n=n, percent=round(100 * DOUBTFUL_BELOW))] if n else []

    def _wanted_cells(self) -> list[Remark]:
        """The cells that every share would need to be as close as it is wanted, by its interval."""
        points, found = self.counting.precision, self.differential
        if points is None or not found.n:
            return []
        shares = [found.count(name) / found.n for name in COUNTED]
        needed = [cells_needed(share, points / 100) for share in shares]
        wanted = f"{points:g}"
        if None in needed:
            return [Remark("precision_beyond", points=wanted)]
        most = max(n or 0 for n in needed)
        if most <= found.n:
            return [Remark("precision_reached", points=wanted, n=found.n)]
        return [Remark("precision", points=wanted, n=most, more=most - found.n)]

    def _without_range(self) -> list[Remark]:
        profile = self.counting.profile
        ranges = {one.analyte for one in profile.ranges}
        held = {one.analyte for one in profile.ranges if one.holds_for(self.sample)}
        lacking = [name for name in (*COUNTED, "white_cell") if name in ranges - held]
        return [Remark("no_range", analytes=tuple(lacking))] if lacking else []

    @property
    def atypical_remark(self) -> Remark | None:
        """The remark on a slide with more atypical cells than chance gives."""
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
        """The number of fields left out and why, `2 of 80 fields left out: 2 out of focus`."""
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
        """The number of fields that were read."""
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
