"""Plan of a run: slides to be done, and slides that are settled from the start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from leukodiff.core.errors import InputError
from leukodiff.pipeline.report.fields import DONE
from leukodiff.pipeline.slides.discover import Slide
from leukodiff.pipeline.slides.fingerprint import has_inputs, stamp_of

from .observer import NULL_OBSERVER, RunObserver
from .outcomes import SlideOutcome, failed_slide, noted_failures
from .output import Inputs, SlideFolder, SlideRecord
from .settings import AnalyzeSettings
from .slide_writer import SlideSpec

IsSame = Callable[[Slide, Inputs | None], bool]
"""True where a slide's files are still those of a record."""


@dataclass(frozen=True)
class Plan:
    """The slides `to_do`, in order; the outcomes of the others, by slide_id."""

    to_do: list[Slide] = field(default_factory=list)
    settled: dict[str, SlideOutcome] = field(default_factory=dict)


def plan(
    slides: Sequence[Slide],
    out: Path,
    spec: SlideSpec,
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
    sorting = _Sorting(out, spec, settings, observer, is_same or has_inputs)
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
        shown, n_more = ", ".join(made_otherwise[:3]), len(made_otherwise) - 3
        more = f" and {n_more} more" if n_more > 0 else ""
        verb = "was" if len(made_otherwise) == 1 else "were"
        raise InputError(
            f"{out}: {shown}{more} {verb} made from other files, by other models or "
            "with other settings; choose another --out, or --overwrite"
        )
    return found


def given_up(slide: Slide, reason: str, spec: SlideSpec) -> SlideOutcome:
    """A slide that is known to keep a process for ever, or to kill it: its files are not read."""
    failed = failed_slide(slide, reason)
    inputs = [[field.field_id, stamp_of(field)] for field in slide.fields]
    fingerprint = spec.fingerprint_of(slide.slide_id)
    return replace(failed, record=replace(failed.record, inputs=inputs, fingerprint=fingerprint))


@dataclass
class _Sorting:
    """What is known before a run of the slides that stand in its output."""

    out: Path
    spec: SlideSpec
    settings: AnalyzeSettings
    observer: RunObserver
    is_same: IsSame

    def __post_init__(self) -> None:
        again = self.settings.overwrite or self.settings.retry_failed
        self._failed = {} if again else noted_failures(self.out)

    def settled(self, slide: Slide) -> SlideOutcome | None:
        """Outcome of a slide for which nothing is to be done."""
        if slide.problem:
            return failed_slide(slide, slide.problem, unreadable=True)
        if reason := self.observer.failed_items.get((slide.slide_id, "")):
            return given_up(slide, reason, self.spec)
        noted = self._failed.get(slide.slide_id)
        standing = self._standing(slide)
        return standing or (noted if noted and self._is_same(slide, noted.record) else None)

    def in_the_way(self, slide: Slide) -> bool:
        """True where a slide stands there whole that was made otherwise."""
        return bool((record := self._record(slide)) and record.status == DONE)

    def _standing(self, slide: Slide) -> SlideOutcome | None:
        record = self._record(slide)
        if record is None or not self._is_same(slide, record):
            return None
        if record.status != DONE and self.settings.retry_failed:
            return None
        return SlideOutcome(record, skipped=True)

    def _record(self, slide: Slide) -> SlideRecord | None:
        record = SlideFolder(self.out, slide.slide_id).record()
        return None if self.settings.overwrite else record

    def _is_same(self, slide: Slide, record: SlideRecord) -> bool:
        if record.fingerprint != self.spec.fingerprint_of(slide.slide_id):
            return False
        with self.observer.under_way(slide.slide_id, ""):
            return self.is_same(slide, record.inputs)
