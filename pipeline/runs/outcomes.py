"""What fields and slides came to, in a run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from leukodiff.pipeline.report.report import FAILED, Cell
from leukodiff.pipeline.slides.discover import Slide

Crops = tuple[tuple[Cell, Callable[[], bytes]], ...]
"""Each cell of a field, and what cuts it out of the field (a JPEG)."""


@dataclass(frozen=True)
class Shown:
    """What a person is to be shown of a field: its overlay (JPEG) and its cells."""

    overlay: bytes | None = None
    crops: Crops = ()


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
