"""What fields and slides came to, in a run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from leukodiff.detector.areas import AreaKind
from leukodiff.pipeline.report.report import (
    FAILED,
    LEFT_OUT,
    NOT_READ,
    Cell,
    FieldResult,
    ScanReading,
    one_line,
)
from leukodiff.pipeline.slides.discover import Field, Slide

Crops = tuple[tuple[Cell, Callable[[], bytes]], ...]
"""Each cell of a field, and what cuts it out of the field (a JPEG)."""


@dataclass(frozen=True)
class Shown:
    """What a person is to be shown of a field: its overlay (JPEG) and its cells."""

    overlay: bytes | None = None
    crops: Crops = ()


@dataclass(frozen=True)
class FieldOutcome:
    """What one field came to.

    `unreadable`: its file could not be read as an image. `reading`: of a scan, how it was read.
    """

    result: FieldResult
    cells: tuple[Cell, ...] = ()
    unreadable: bool = False
    reading: ScanReading | None = None
    shown: Shown = Shown()


@dataclass(frozen=True)
class SlideOutcome:
    """What one slide came to: its rows of slides.csv and counts.csv, and why fields failed.

    `failures` are (field_id, reason). `unreadable`: no image of it could be read. `skipped`: it was
    whole already, or failed before. `made_of`, `made_by`: of a slide that failed, so that it is not
    tried in vain again; `None` where another try may go otherwise.
    """

    row: Mapping[str, object]
    counts: tuple[Mapping[str, object], ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    unreadable: bool = False
    skipped: bool = False
    made_of: Sequence[Sequence[str]] | None = None
    made_by: Mapping[str, object] | None = None

    @property
    def status(self) -> str:
        """`done`, `incomplete` or `failed`."""
        return str(self.row["status"])


def failed_slide(slide: Slide, reason: str, unreadable: bool = False) -> SlideOutcome:
    """A slide that has no folder, with its reason."""
    row = {
        "slide_id": slide.slide_id,
        "status": FAILED,
        "n_fields": len(slide.fields),
        "error": reason,
    }
    return SlideOutcome(row, failures=(("", reason),), unreadable=unreadable)


def read_field(
    field: Field,
    size: Sequence[int],
    cells: Sequence[Cell],
    beside: Mapping[str, int],
    kind: AreaKind = AreaKind.NOT_JUDGED,
) -> FieldResult:
    """A field whose cells count; what was not counted (`beside` lacks it) stays unknown.

    Args:
        field: the field.
        size: its width and height, px.
        cells: its rows of cells.csv.
        beside: how many cells of the detector's other classes.
        kind: what it is fit for, `NOT_JUDGED` for a scan, whose areas say it.
    """
    platelets = beside.get("platelet")
    named = sum(cell.cell_type == "platelet" for cell in cells)
    return FieldResult(
        field.field_id,
        width=size[0],
        height=size[1],
        n_wbc=sum(cell.is_white for cell in cells),
        n_rbc=beside.get("red_cell"),
        n_platelet=None if platelets is None else platelets + named,
        kind=kind,
    )


def left_out_field(field: Field, size: Sequence[int], kind: AreaKind) -> FieldResult:
    """A field that is not fit to be read; its cells were not counted."""
    return FieldResult(
        field.field_id,
        width=size[0],
        height=size[1],
        status=LEFT_OUT,
        kind=kind,
    )


def not_read_field(field: Field) -> FieldResult:
    """A field that was not looked at, because there were cells enough."""
    return FieldResult(field.field_id, status=NOT_READ)


def failed_field(field: Field, error: Exception, prefix: str = "") -> FieldResult:
    """A field that could not be analyzed, with the reason."""
    reason = one_line(f"{prefix}{error}").removeprefix(f"{field.path}: ")
    return FieldResult(field.field_id, status=FAILED, error=reason)
