"""Fields of a slide and areas of a scan: those that were read, and the reasons for the others."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from leukodiff.detector.areas import AreaKind

DONE = "done"

INCOMPLETE = "incomplete"
"""Status of a slide of which some fields failed."""

FAILED = "failed"

LEFT_OUT = "left_out"
"""Status of a field that is not fit to be read."""

NOT_READ = "not_read"
"""Status of a field that was not reached: there were cells enough before it."""


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
        """Its size, px."""
        return (self.x_max - self.x_min) * (self.y_max - self.y_min)


@dataclass(frozen=True)
class ScanReading:
    """The way in which a scan was read.

    `first_look`: only round what may be a nucleated cell, else everywhere. `reached`: reading
    stopped because `target_cells` white cells were found.
    """

    areas: tuple[Area, ...]
    first_look: bool
    target_cells: int | None = None
    reached: bool = False

    @property
    def share_read(self) -> float:
        """The share of the scan that was read, 0-1."""
        whole = sum(area.size_px for area in self.areas)
        return sum(area.size_px for area in self.areas if area.read) / whole if whole else 0.0

    @property
    def n_read(self) -> int:
        """The number of areas that were read."""
        return sum(area.read for area in self.areas)

    @property
    def left_out(self) -> Mapping[AreaKind, tuple[Reason, int]]:
        """The reason for and the number of the areas that were not read, by kind."""
        kinds = Counter((area.kind, area.reason) for area in self.areas if not area.read)
        return {kind: (reason, n) for (kind, reason), n in kinds.most_common()}


def one_line(text: str) -> str:
    """A reason as it stands in a table: without line breaks."""
    return re.sub(r"\s+", " ", text).strip()
