"""The process that analyzes for `watch` and for a review's queue: a request in, messages out.

Its messages, beside those of the work that is under way: `slide` (some values of its row),
`progress` (steps done, steps in all, what is at hand), `finished` (slide_ids, errors, and whether
it was interrupted) and `error` (why nothing could be done as it was asked).
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count
from pathlib import Path

from leukodiff.core.errors import LeukodiffError
from leukodiff.pipeline.report.fields import FAILED
from leukodiff.pipeline.slides.discover import RESERVED_NAMES, Slide
from leukodiff.pipeline.slides.fingerprint import has_inputs

from .analyze import AnalyzeSettings, RunSummary, analyze, analyze_slides
from .child_process import STOPPED, ProgressPipe, connect_to_parent
from .observer import RunObserver
from .outcomes import SlideOutcome
from .output import OutputError, SlideFolder, prepare

WRONG_USAGE = 2
"""Exit status where nothing could be done as it was asked."""


@dataclass(frozen=True)
class RunRequest:
    """Request to analyze `inputs`, as the command line has them, or `slides` into `out`.

    `slides`: each gets a name that is free in `out`; one that was analyzed before all of its files
    were there is analyzed again.
    """

    out: Path
    settings: AnalyzeSettings
    inputs: tuple[Path, ...] = ()
    slides: tuple[Slide, ...] = ()

    def run(self, observer: RunObserver, pipe: ProgressPipe) -> Iterator[RunSummary]:
        """Runs, one after the other, which together do what is asked."""
        if not self.slides:
            progress = partial(pipe.send, "progress")
            yield analyze(self.inputs, self.out, self.settings, progress, observer=observer)
            return
        prepare(self.out)
        slides = unique_names(self.slides, self.out)
        observer = replace(observer, on_slide=_slide_sender(slides, pipe))
        changed = {slide.slide_id for slide in slides if _is_changed(slide, self.out)}
        for again in (False, True):
            part = [slide for slide in slides if (slide.slide_id in changed) == again]
            settings = replace(self.settings, overwrite=again or self.settings.overwrite)
            if part:
                yield analyze_slides(part, self.out, settings, observer=observer)


def _slide_sender(slides: list[Slide], pipe: ProgressPipe) -> Callable[[SlideOutcome], None]:
    paths = {slide.slide_id: str(slide.path) for slide in slides}

    def send(slide: SlideOutcome) -> None:
        columns = ("slide_id", "status", "n_cells", "error", "seconds")
        values = {name: slide.row.get(name) for name in columns}
        path = paths[slide.record.slide_id]
        pipe.send("slide", values | {"skipped": slide.skipped, "path": path})

    return send


def _is_changed(slide: Slide, out: Path) -> bool:
    """Whether a slide stands in `out` that was made before all of its files were there."""
    record = SlideFolder(out, slide.slide_id).record()
    return record is not None and not has_inputs(slide, record.inputs)


def unique_names(slides: Sequence[Slide], out: Path) -> list[Slide]:
    """The slides, each by a name that no other slide has in `out` or among them.

    A slide that stands in `out` keeps its name: it has the same in every run.
    """
    taken: set[str] = set()
    return [_named(slide, out, taken) for slide in slides]


def _named(slide: Slide, out: Path, taken: set[str]) -> Slide:
    paths = [str(field.path.resolve()) for field in slide.fields]
    for name in _candidates(slide):
        if name.casefold() in taken or name in RESERVED_NAMES:
            continue
        if (standing := _paths_of(out, name)) is None or set(standing) & set(paths):
            taken.add(name.casefold())
            return replace(slide, slide_id=name)
    raise AssertionError("there is no end to the names")


def _candidates(slide: Slide) -> Iterable[str]:
    stem = slide.path.resolve().stem if slide.is_scan else slide.slide_id
    numbered = (f"{stem}-{i}" for i in count(2))
    return chain([stem], numbered)


def _paths_of(out: Path, name: str) -> Sequence[str] | None:
    """The files that the slide of this name was made of; `None` where there is no such slide."""
    try:
        record = SlideFolder(out, name).record()
    except OutputError:
        return ()  # something else stands there
    return None if record is None else record.paths


def main() -> int:
    """Analyzes what the parent requests; the exit status."""
    (request, crash_log), pipe = connect_to_parent()
    known = crash_log.failed_items, crash_log.suspects
    observer = RunObserver(None, pipe.under_way, *known)
    try:
        summaries = list(request.run(observer, pipe))
    except LeukodiffError as error:
        pipe.send("error", str(error))
        return WRONG_USAGE
    rows = [row for one in summaries for row in one.rows]
    slides = [str(row["slide_id"]) for row in rows if row["status"] != FAILED]
    errors = [failure["error"] for one in summaries for failure in one.failures]
    pipe.send("finished", slides, errors, any(one.interrupted for one in summaries))
    return int(any(one.exit_status for one in summaries))


if __name__ == "__main__":
    try:
        ended_with = main()
    except KeyboardInterrupt:
        ended_with = STOPPED
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended_with)  # a thread that hangs does not hold up the end
