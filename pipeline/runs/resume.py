"""Which slides of a run are to be done, and which are settled from the start."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from leukodiff.core.errors import InputError
from leukodiff.pipeline.report.report import DONE
from leukodiff.pipeline.slides.discover import Slide, is_made_of, stamp_of

from .failures import noted_failures
from .observer import NULL_OBSERVER, RunObserver
from .outcomes import SlideOutcome, failed_slide
from .output import SlideFolder
from .settings import AnalyzeSettings
from .slide_job import SlideSpec

IsSame = Callable[[Slide, Sequence[Sequence[str]] | None], bool]
"""Whether a slide's files are still those told: name and checksum of each."""


@dataclass(frozen=True)
class Plan:
    """The slides `to_do`, in order; the outcomes of the others, by slide_id."""

    to_do: list[Slide] = field(default_factory=list)
    settled: dict[str, SlideOutcome] = field(default_factory=dict)


def plan(
    slides: Sequence[Slide],
    out: Path,
    making: SlideSpec,
    settings: AnalyzeSettings,
    observer: RunObserver = NULL_OBSERVER,
    is_same: IsSame | None = None,
) -> Plan:
    """Sorts slides into failed from the start or before, whole already, and to do.

    `is_same`: tells whether a slide's files are those that a record names; read here when `None`.

    Raises:
        InputError: some stand in `out` that were made otherwise, and are not to be overwritten.
        OutputError: something else stands in a slide's place.
    """
    sorting = _Sorting(out, making, settings, observer, is_same or is_made_of)
    found, made_otherwise = Plan(), []
    for slide in slides:
        outcome = sorting.settled(slide)
        if outcome is not None:
            found.settled[slide.slide_id] = outcome
        elif sorting.in_the_way(slide):
            made_otherwise.append(slide.slide_id)
        else:
            found.to_do.append(slide)
    if made_otherwise:
        raise InputError(
            f"{out}: {_some(made_otherwise)} made from other files, by other models or "
            "with other settings; choose another --out, or --overwrite"
        )
    return found


def given_up(slide: Slide, trouble: str, making: SlideSpec) -> SlideOutcome:
    """A slide that is known to keep a process for ever, or to kill it: its files are not read."""
    made_of = [[field.field_id, stamp_of(field)] for field in slide.fields]
    made_by = making.of(slide.slide_id)
    return replace(failed_slide(slide, trouble), made_of=made_of, made_by=made_by)


@dataclass
class _Sorting:
    """What is known before a run of the slides that stand in its output."""

    out: Path
    making: SlideSpec
    settings: AnalyzeSettings
    observer: RunObserver
    is_same: IsSame

    def __post_init__(self) -> None:
        again = self.settings.overwrite or self.settings.retry_failed
        self._failed = {} if again else noted_failures(self.out)

    def settled(self, slide: Slide) -> SlideOutcome | None:
        """What a slide has come to, where nothing is to be done."""
        if slide.problem:
            return failed_slide(slide, slide.problem, unreadable=True)
        if trouble := self.observer.failed_items.get((slide.slide_id, "")):
            return given_up(slide, trouble, self.making)
        return self._standing(slide) or self._failed_before(slide)

    def in_the_way(self, slide: Slide) -> bool:
        """Whether a slide stands there whole that was made otherwise."""
        return bool((record := self._record(slide)) and record["row"]["status"] == DONE)

    def _standing(self, slide: Slide) -> SlideOutcome | None:
        record = self._record(slide)
        if record is None or not self._made_so(slide, record["made_of"], record["made_by"]):
            return None
        if record["row"]["status"] != DONE and self.settings.retry_failed:
            return None
        failures = tuple((name, reason) for name, reason in record.get("failures", ()))
        return SlideOutcome(record["row"], tuple(record["counts"]), failures, skipped=True)

    def _failed_before(self, slide: Slide) -> SlideOutcome | None:
        noted = self._failed.get(slide.slide_id)
        so = noted and self._made_so(slide, noted.made_of, noted.made_by)
        return noted if so else None

    def _record(self, slide: Slide) -> Mapping[str, Any] | None:
        record = SlideFolder(self.out, slide.slide_id).record()
        return None if self.settings.overwrite else record

    def _made_so(self, slide: Slide, made_of: Any, made_by: Any) -> bool:
        if made_by != self.making.of(slide.slide_id):
            return False
        with self.observer.under_way(slide.slide_id, ""):
            return self.is_same(slide, made_of)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{shown}{more} {'was' if len(names) == 1 else 'were'}"
