"""What a run came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from leukodiff.pipeline.report.report import DONE

from .outcomes import SlideOutcome


@dataclass(frozen=True)
class RunSummary:
    """What a run came to: one outcome a slide, in the order they were found.

    `interrupted`: Ctrl-C stopped it, and the slides that were not finished are not in `slides`.
    """

    out: Path
    slides: tuple[SlideOutcome, ...]
    seconds: float
    interrupted: bool = False

    @property
    def rows(self) -> tuple[Mapping[str, object], ...]:
        """The rows of slides.csv."""
        return tuple(slide.row for slide in self.slides)

    @property
    def exit_status(self) -> int:
        """0 when every slide is done; 2 when nothing at all could be read; else 1."""
        if self.slides and all(slide.unreadable for slide in self.slides):
            return 2
        return int(self.interrupted or any(slide.status != DONE for slide in self.slides))

    @property
    def failures(self) -> tuple[Mapping[str, str], ...]:
        """Every failure: slide_id, field_id (empty for the slide itself) and error."""
        return tuple(
            {"slide_id": str(slide.row["slide_id"]), "field_id": field_id, "error": error}
            for slide in self.slides
            for field_id, error in slide.failures
        )
