"""One slide on its way through the models: fields in from many threads, a whole folder out."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from leukodiff.core.errors import InputError, LeukodiffError, ModelFileError
from leukodiff.pipeline.analysis import (
    FieldAnalysis,
    FieldPixels,
    ProgressCallback,
    ScanPixels,
    SlideAnalysis,
    Workers,
)
from leukodiff.pipeline.report.fields import FAILED, one_line
from leukodiff.pipeline.slides.discover import Field, Slide
from leukodiff.pipeline.slides.fingerprint import digest_of, stamp_of

from .observer import NULL_OBSERVER, RunObserver
from .outcomes import SlideOutcome, failed_slide
from .output import OutputError, SlideFolder, log_error
from .slide_writer import SlideSpec, SlideWriter

Analyze = Callable[[Field], FieldAnalysis]


class SlideJob:
    """A slide being analyzed and written. `run` may be called from many threads, once a field.

    `outcome`: set once its last field has ended or its files can't be written; that reason is then
    `refused`. `is_unreported`: nobody has taken note of the outcome yet.
    """

    def __init__(
        self,
        slide: Slide,
        folder: SlideFolder,
        spec: SlideSpec,
        observer: RunObserver = NULL_OBSERVER,
    ) -> None:
        self.slide = slide
        self.outcome: SlideOutcome | None = None
        self.refused: OutputError | None = None
        self.is_unreported = True
        self._observer = observer
        self._writer = SlideWriter(slide, folder, spec)
        under_way = partial(observer.under_way, slide.slide_id)
        untouched = {name for of_slide, name in observer.failed_items if of_slide == slide.slide_id}
        self._analysis = SlideAnalysis(slide, spec.models, spec.reading, untouched, under_way)
        self._digests: dict[int, str] = {}
        self._lock = threading.Lock()
        self._is_begun = self._is_closed = False

    def run(self, index: int) -> None:
        """Analyzes the field at `index`; the last one to end finishes the slide."""
        self._run(index, self._field)

    def run_scan(self, workers: Workers, on_progress: ProgressCallback) -> None:
        """Analyzes the one scan on all threads; `on_progress` is called in the calling one."""
        self._run(0, partial(self._scan, workers=workers, on_progress=on_progress))

    def close(self) -> None:
        """Ends the job: a thread that still runs writes nothing any more that is kept."""
        self._is_closed = True

    def discard(self) -> None:
        """Ends the job, and takes away what an unfinished slide has left on disk."""
        with self._lock:  # a thread that still runs then writes nothing any more
            self._is_closed = True
            self._writer.folder.discard()

    def _run(self, index: int, analyze: Analyze) -> None:
        try:
            if self._add(index, analyze):
                with self._observer.under_way(self.slide.slide_id, ""):
                    self.outcome = self._finish()
        except OutputError as error:
            with self._lock:
                if self._is_closed:  # the first reason is the one to report
                    return
                self.outcome = failed_slide(self.slide, one_line(str(error)))
                self.refused = error
            self.discard()

    def _add(self, index: int, analyze: Analyze) -> bool:
        """Analyzes one more field; True where it was the last."""
        with self._lock:
            if self._is_closed:
                return False
            if not self._is_begun:
                self._is_begun = True
                self._writer.start()
            wanted = self._analysis.wants(index)
        outcome, digest = self._attempt(self.slide.fields[index], analyze, wanted)
        with self._lock:
            if self._is_closed:
                return False
            self._digests[index] = digest
            for counted in self._analysis.add(index, outcome):
                self._writer.count(self.slide.fields[counted])
            return self._analysis.is_complete

    def _finish(self) -> SlideOutcome | None:
        inputs = [[one.field_id, self._digests[i]] for i, one in enumerate(self.slide.fields)]
        outcome = self._writer.finish(self._analysis.outcomes(), self._analysis.scale, inputs)
        if outcome.status != FAILED:
            with self._lock:
                if self._is_closed:
                    return None
                self._writer.folder.publish()
        return outcome

    def _attempt(self, field: Field, analyze: Analyze, wanted: bool) -> tuple[FieldAnalysis, str]:
        """Outcome of a field, and the checksum of its file."""
        if reason := self._observer.failed_items.get((self.slide.slide_id, field.field_id)):
            return FieldAnalysis.failed(field, InputError(reason)), stamp_of(field)
        if wanted and not field.is_scan:
            self._analysis.prepare()
        with self._observer.under_way(self.slide.slide_id, field.field_id):
            digest = digest_of(field)
            if wanted and not self._is_closed:
                return self._outcome(field, analyze), digest
        return FieldAnalysis.not_read(field), digest

    def _outcome(self, field: Field, analyze: Analyze) -> FieldAnalysis:
        try:
            return analyze(field)
        except (OutputError, ModelFileError):  # no other field would fare better
            raise
        except LeukodiffError as error:
            return FieldAnalysis.failed(field, error)
        except Exception as error:
            if self._is_closed:  # the run was stopped, and its threads with it
                return FieldAnalysis.not_read(field)
            # One odd field must not cost the night's batch: it is listed, and the log has it all.
            where = f"{self.slide.slide_id}/{field.field_id}"
            log_error(self._writer.folder.out, where, error)
            return FieldAnalysis.failed(field, error, f"{type(error).__name__}: ")

    def _field(self, field: Field) -> FieldAnalysis:
        outcome = self._analysis.field(field)
        if isinstance(outcome.pixels, FieldPixels):
            self._writer.draw(field, outcome, outcome.pixels, self._analysis.counts_at_once)
        return outcome

    def _scan(self, field: Field, workers: Workers, on_progress: ProgressCallback) -> FieldAnalysis:
        at_work = partial(self._observer.under_way, self.slide.slide_id, field.field_id)
        workers = replace(workers, at_work=at_work, waiting=self._observer.waiting)
        with self._analysis.scan(field, workers, on_progress) as outcome:
            if isinstance(pixels := outcome.pixels, ScanPixels):
                self._writer.cut_from_scan(outcome.cells, pixels, workers)
        if isinstance(pixels, ScanPixels):
            self._writer.draw_scan(field, outcome, pixels)
        return outcome
