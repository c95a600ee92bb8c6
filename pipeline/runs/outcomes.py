"""Outcomes of fields, of slides and of a run."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leukodiff.pipeline.report.fields import DONE, FAILED
from leukodiff.pipeline.slides.discover import Slide

from .output import SlideRecord, to_bytes, writing

FAILED_SLIDES = ".failed.jsonl"
"""Beside the run's tables: a line for each slide that failed, for a run that is started again.

The last line of a slide counts.
"""


@dataclass(frozen=True)
class SlideOutcome:
    """Outcome of one slide.

    `record`: its rows, and why fields failed. Of a slide that failed it has inputs and fingerprint
    only where another try would fail too. `unreadable`: no image of it could be read. `skipped`: it
    was whole already, or failed before.
    """

    record: SlideRecord
    unreadable: bool = False
    skipped: bool = False

    @property
    def row(self) -> Mapping[str, Any]:
        """Its row of slides.csv."""
        return self.record.row

    @property
    def status(self) -> str:
        """`done`, `incomplete` or `failed`."""
        return self.record.status


@dataclass(frozen=True)
class RunSummary:
    """Outcome of a run: one outcome a slide, in the order they were found.

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
            {"slide_id": slide.record.slide_id, "field_id": field_id, "error": error}
            for slide in self.slides
            for field_id, error in slide.record.failures
        )


def failed_slide(slide: Slide, reason: str, unreadable: bool = False) -> SlideOutcome:
    """A slide that has no folder, with its reason."""
    row = {
        "slide_id": slide.slide_id,
        "status": FAILED,
        "n_fields": len(slide.fields),
        "error": reason,
    }
    return SlideOutcome(SlideRecord(row, failures=(("", reason),)), unreadable)


def note_failure(out: Path, outcome: SlideOutcome) -> None:
    """Adds a slide that failed to `FAILED_SLIDES`.

    Raises:
        OutputError: the file can't be written.
    """
    record = outcome.record
    values = {
        "row": record.row,
        "failures": record.failures,
        "unreadable": outcome.unreadable,
        "made_of": record.inputs,
        "made_by": record.fingerprint,
    }
    path, line = out / FAILED_SLIDES, json.dumps(values) + "\n"
    with writing(path), path.open("ab", buffering=0) as file:
        file.write(to_bytes(line))  # at once: a run that is killed here leaves a line or none


def noted_failures(out: Path) -> Mapping[str, SlideOutcome]:
    """The failures by slide_id; a line that was cut short is passed over."""
    found: dict[str, SlideOutcome] = {}
    path = out / FAILED_SLIDES
    if not path.is_file():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError, TypeError, KeyError):
            values = json.loads(line)
            record = SlideRecord.of_json({**values, "counts": []})
            found[record.slide_id] = SlideOutcome(record, bool(values["unreadable"]), skipped=True)
    return found
