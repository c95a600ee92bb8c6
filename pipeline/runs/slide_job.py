"""One slide on its way through the models: fields in from many threads, a whole folder out."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from leukodiff.core.errors import InputError, LeukodiffError, ModelFileError
from leukodiff.pipeline.analysis import (
    FieldAnalysis,
    FieldPixels,
    ProgressCallback,
    ReadingSettings,
    ScanPixels,
    SlideAnalysis,
    Workers,
)
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.exports.bundle import ReportSettings, report_files
from leukodiff.pipeline.exports.crops import (
    CROPS_ON_SHEET,
    Gallery,
    contact_sheets,
    cut_crop,
    cut_from_scan,
)
from leukodiff.pipeline.exports.drawing import encode_jpeg, shrunk
from leukodiff.pipeline.exports.geojson import cells_geojson
from leukodiff.pipeline.exports.overlay import draw_left_out, draw_overlay, draw_overview
from leukodiff.pipeline.exports.tables import count_rows, slide_row
from leukodiff.pipeline.report.report import (
    DONE,
    FAILED,
    LEFT_OUT,
    Cell,
    Provenance,
    SmearReport,
    one_line,
)
from leukodiff.pipeline.report.serialize import STORED, to_json
from leukodiff.pipeline.slides import Scan
from leukodiff.pipeline.slides.discover import Field, Slide, digest_of, stamp_of

from .observer import NULL_OBSERVER, RunObserver
from .outcomes import Shown, SlideOutcome, failed_slide
from .output import RECORD, OutputError, SlideFolder, log_error

VIEW_PX, VIEW_QUALITY = 1400, 80
"""The overview of a scan as the report holds it: its longer side, and quality of the JPEG."""

Analyze = Callable[[Field], FieldAnalysis]


@dataclass(frozen=True)
class SlideSpec:
    """How every slide of a run is made: the models, the settings, and what they leave behind.

    `made_by` goes into each slide's record: a folder is taken up again only where it is the same,
    and where `report` says the same of the slide.
    """

    models: Models
    provenance: Provenance
    made_by: Mapping[str, Any]
    reading: ReadingSettings
    report: ReportSettings
    crops_per_class: int
    overlays: bool

    def of(self, slide_id: str) -> dict[str, Any]:
        """How a slide is made."""
        return {**self.made_by, "report": self.report.result_affecting(slide_id)}


class SlideJob:
    """A slide being analyzed. `run` may be called from many threads, once for every field.

    `outcome`: what it came to, once its last field has ended or its files can't be written; that
    reason is then `refused`. `is_new`: nobody has taken note of the outcome yet.
    """

    def __init__(
        self,
        slide: Slide,
        folder: SlideFolder,
        making: SlideSpec,
        keeper: RunObserver = NULL_OBSERVER,
    ) -> None:
        self.slide = slide
        self.outcome: SlideOutcome | None = None
        self.refused: OutputError | None = None
        self.is_new = True
        self._folder, self._making, self._keeper = folder, making, keeper
        self._digests: dict[int, str] = {}
        self._models = making.models
        shown = max(CROPS_ON_SHEET if slide.is_scan else 0, making.crops_per_class)
        self._gallery = Gallery(shown)
        self._waiting: dict[str, Shown] = {}
        self._views: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._closed = False
        under_way = partial(keeper.under_way, slide.slide_id)
        untouched = {field for of_slide, field in keeper.failed_items if of_slide == slide.slide_id}
        self._analysis = SlideAnalysis(slide, making.models, making.reading, untouched, under_way)
        self._begun: float | None = None
        self._started = ""

    def run(self, index: int) -> None:
        """Analyzes the field at `index`; the last one to end finishes the slide."""
        self._one(index, self._analyzed)

    def run_scan(self, workers: Workers, tell: ProgressCallback) -> None:
        """Analyzes the slide's one scan on all threads; `tell` hears of it in the calling one."""
        self._one(0, partial(self._scanned, workers=workers, tell=tell))

    def _one(self, index: int, analyze: Analyze) -> None:
        try:
            self._run(index, analyze)
        except OutputError as error:
            with self._lock:
                if self._closed:  # the first reason is the one to tell
                    return
                self.outcome = failed_slide(self.slide, one_line(str(error)))
                self.refused = error
            self.discard()

    def close(self) -> None:
        """Ends the job: a thread that still runs writes nothing any more that is kept."""
        self._closed = True

    def discard(self) -> None:
        """Ends the job, and takes away what an unfinished slide has left on disk."""
        with self._lock:  # a thread that still runs then writes nothing any more
            self._closed = True
            self._folder.discard()

    def _run(self, index: int, analyze: Analyze) -> None:
        with self._lock:
            if self._closed:
                return
            if self._begun is None:
                self._begun = time.monotonic()
                self._started = datetime.now().astimezone().isoformat(timespec="seconds")
                self._folder.start()
            wanted = self._analysis.wants(index)
        field = self.slide.fields[index]
        outcome, digest = self._tried(field, analyze, wanted)
        with self._lock:
            if self._closed:
                return
            self._digests[index] = digest
            for counted in self._analysis.add(index, outcome):
                one = self.slide.fields[counted]
                self._show(one, self._waiting.pop(one.key, Shown()))
            is_last = self._analysis.is_complete
        if is_last:
            with self._keeper.under_way(self.slide.slide_id, ""):
                self.outcome = self._finish()

    def _tried(self, field: Field, analyze: Analyze, wanted: bool) -> tuple[FieldAnalysis, str]:
        """What a field came to, and the checksum of its file."""
        if trouble := self._keeper.failed_items.get((self.slide.slide_id, field.field_id)):
            return FieldAnalysis.failed(field, InputError(trouble)), stamp_of(field)
        if wanted and not field.is_scan:
            self._analysis.prepare()
        with self._keeper.under_way(self.slide.slide_id, field.field_id):
            digest = digest_of(field)
            if wanted and not self._closed:
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
            if self._closed:  # the run was stopped, and its threads with it
                return FieldAnalysis.not_read(field)
            # One odd field must not cost the night's batch: it is listed, and the log has it all.
            log_error(self._folder.out, f"{self.slide.slide_id}/{field.field_id}", error)
            return FieldAnalysis.failed(field, error, f"{type(error).__name__}: ")

    def _analyzed(self, field: Field) -> FieldAnalysis:
        outcome = self._analysis.field(field)
        if isinstance(outcome.pixels, FieldPixels):
            self._shown(field, outcome, outcome.pixels)
        return outcome

    def _shown(self, field: Field, outcome: FieldAnalysis, pixels: FieldPixels) -> None:
        """Shows a field at once; with a target, keeps what to show once the field is to count."""
        image, um_per_px, cells = pixels.image, pixels.um_per_px, outcome.cells
        overlay = None
        if self._making.overlays:
            if outcome.result.status == LEFT_OUT:
                drawn = draw_left_out(image, outcome.result.kind, um_per_px)
            else:
                drawn = draw_overlay(image, cells, pixels.other_cells, um_per_px)
            overlay = encode_jpeg(drawn)
        crops = tuple((cell, partial(cut_crop, image, cell, um_per_px)) for cell in cells)
        if self._analysis.counts_at_once:
            self._show(field, Shown(overlay, crops))
            return
        # Cut now: the field's pixels do not wait.
        crops = tuple((cell, partial(bytes, cut())) for cell, cut in crops)
        self._waiting[field.key] = Shown(overlay, crops)

    def _show(self, field: Field, shown: Shown) -> None:
        if shown.overlay:
            self._folder.write(overlay_name(field), shown.overlay)
        for cell, crop in shown.crops:
            self._gallery.offer(cell, crop)

    def _scanned(self, field: Field, workers: Workers, tell: ProgressCallback) -> FieldAnalysis:
        at_work = partial(self._keeper.under_way, self.slide.slide_id, field.field_id)
        workers = replace(workers, at_work=at_work, waiting=self._keeper.waiting)
        with self._analysis.scan(field, workers, tell) as outcome:
            pixels = outcome.pixels
            if not isinstance(pixels, ScanPixels):
                return outcome
            self._offer(outcome.cells, pixels.scan, pixels.um_per_px, workers)
        if self._making.overlays and outcome.reading:
            view = draw_overview(
                pixels.thumbnail.image,
                outcome.reading,
                outcome.cells,
                pixels.thumbnail.downsample,
                pixels.um_per_px,
            )
            self._folder.write(overlay_name(field), encode_jpeg(view))
            self._views[field.field_id] = encode_jpeg(shrunk(view, VIEW_PX), VIEW_QUALITY)
        return outcome

    def _offer(self, cells: Sequence[Cell], scan: Scan, um_per_px: float, workers: Workers) -> None:
        """Shows the gallery the cells of a scan, each cut from it only if it is kept."""

        def offer(cell: Cell) -> None:
            self._gallery.offer(cell, partial(cut_from_scan, scan, cell, um_per_px))

        for _ in workers.each(offer, cells):
            pass

    def _finish(self) -> SlideOutcome | None:
        outcomes = self._analysis.outcomes()
        report = self._report(outcomes)
        if report.status == FAILED:
            self._folder.discard()
            return self._failed(outcomes)
        row, counts = slide_row(report), tuple(count_rows(report))
        failures = tuple((f.field_id, f.error) for f in report.failures)
        made = self._making.of(self.slide.slide_id)
        record: dict[str, object] = {"made_of": self._made_of(), "made_by": made}
        record |= {"row": row, "counts": counts, "failures": failures}
        record["paths"] = [field.whereabouts for field in self.slide.fields]
        self._write(report, json.dumps(record, indent=1))
        with self._lock:
            if self._closed:
                return None
            self._folder.publish()
        return SlideOutcome(row, counts, failures)

    def _made_of(self) -> list[list[str]]:
        return [[field.field_id, self._digests[i]] for i, field in enumerate(self.slide.fields)]

    def _report(self, outcomes: list[FieldAnalysis]) -> SmearReport:
        seconds = time.monotonic() - (self._begun or 0.0)
        facts, settings = self._models.classifier.metadata, self._making.report
        return SmearReport(
            self.slide.slide_id,
            facts.classes,
            tuple(cell for outcome in outcomes for cell in outcome.cells),
            tuple(outcome.result for outcome in outcomes),
            self._analysis.scale,
            replace(self._making.provenance, started=self._started, seconds=seconds),
            self._overlays(outcomes),
            {o.result.field_id: o.reading for o in outcomes if o.reading},
            facts.calibration.get("atypical_rate"),
            settings.sample_of(self.slide.slide_id),
            settings.counting(self._models.confusion),
        )

    def _overlays(self, outcomes: list[FieldAnalysis]) -> dict[str, str]:
        if not self._making.overlays:
            return {}
        pairs = zip(self.slide.fields, outcomes, strict=True)
        drawn = (DONE, LEFT_OUT)
        return {f.field_id: overlay_name(f) for f, o in pairs if o.result.status in drawn}

    def _write(self, report: SmearReport, record: str) -> None:
        if report.readings:
            for name, sheet in contact_sheets(report, self._gallery.crops()).items():
                self._folder.write(f"gallery/{name}.jpg", sheet)
        crops = self._gallery.crops(self._making.crops_per_class)
        files = report_files(report, crops, self._views, self._making.report)
        for name, content in (*files.items(), (STORED, to_json(report))):
            self._folder.write(name, content)
        self._folder.write("cells.geojson", cells_geojson(report))
        self._folder.write(RECORD, record)

    def _failed(self, outcomes: list[FieldAnalysis]) -> SlideOutcome:
        unreadable = all(outcome.unreadable for outcome in outcomes)
        failures = tuple((o.result.field_id, o.result.error) for o in outcomes)
        reasons = {error for _, error in failures}
        alone = len(outcomes) == 1 or len(reasons) == 1
        reason = failures[0][1] if alone else f"all {len(outcomes)} fields failed"
        return replace(
            failed_slide(self.slide, reason, unreadable),
            failures=failures,
            made_of=self._made_of(),
            made_by=self._making.of(self.slide.slide_id),
        )


def overlay_name(field: Field) -> str:
    """A field's overlay, relative to its slide's folder."""
    return f"overlays/{field.key}.jpg"


def made_by(models: Models, version: str, settings: Mapping[str, object]) -> dict[str, Any]:
    """What two runs must have in common for one to go on where the other stopped."""
    used = [asdict(model) for model in models.used]
    return {"version": version, "models": used, "read": models.how_read, "settings": settings}
