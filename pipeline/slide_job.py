"""One slide on its way through the models: fields in from many threads, a whole folder out."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leukodiff.classifier.predictions import Predictions
from leukodiff.datasets.vocabulary import WHITE_CELL
from leukodiff.detector.detections import Detections
from leukodiff.runtime.errors import InputError, LeukodiffError

from .exports.geojson import cells_geojson
from .exports.html import report_html
from .exports.overlay import draw_overlay, encode_jpeg
from .exports.overview import draw_overview, shrunk
from .exports.sheets import contact_sheets
from .exports.tables import areas_csv, cells_csv, count_rows, counts_csv, fields_csv, slide_row
from .gallery import CROPS_ON_SHEET, Gallery, cut_crop, cut_from_scan
from .models import Models
from .output import RECORD, OutputError, SlideFolder, log_error
from .reading import ReadingSettings, Tell, Workers, read_scan
from .report import FAILED, Cell, FieldResult, Provenance, ScanReading, SmearReport, one_line
from .scale import ScaleUnknownError, SlideScale, agreed, settle_scale
from .scans import Scan, open_scan
from .slides import Field, Slide

Rgb = NDArray[np.uint8]

FIELDS_FOR_SCALE = 8
"""How many fields, spread over a slide, its scale is read from."""

VIEW_PX, VIEW_QUALITY = 1400, 80
"""The overview of a scan as the report holds it: its longer side, and quality of the JPEG."""


@dataclass(frozen=True)
class FieldOutcome:
    """What one field came to.

    `unreadable`: its file could not be read as an image. `reading`: of a scan, how it was read.
    """

    result: FieldResult
    cells: tuple[Cell, ...] = ()
    unreadable: bool = False
    reading: ScanReading | None = None


Analyze = Callable[[Field], FieldOutcome]


@dataclass(frozen=True)
class SlideOutcome:
    """What one slide came to: its rows of slides.csv and counts.csv, and why fields failed.

    `failures` are (field_id, reason). `unreadable`: no image of it could be read. `skipped`: it was
    whole already.
    """

    row: Mapping[str, object]
    counts: tuple[Mapping[str, object], ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    unreadable: bool = False
    skipped: bool = False

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


@dataclass(frozen=True)
class Making:
    """How every slide of a run is made: the models, the settings, and what they leave behind.

    `made_by` goes into each slide's record: a folder is taken up again only where it is the same.
    """

    models: Models
    provenance: Provenance
    made_by: Mapping[str, Any]
    reading: ReadingSettings
    crops_per_class: int
    overlays: bool


class SlideJob:
    """A slide being analyzed. `run` may be called from many threads, once for every field."""

    def __init__(
        self, slide: Slide, folder: SlideFolder, making: Making, files: list[list[str]]
    ) -> None:
        self.slide = slide
        self.outcome: SlideOutcome | None = None
        self._folder, self._making, self._files = folder, making, files
        self._models = making.models
        shown = max(CROPS_ON_SHEET if slide.is_scan else 0, making.crops_per_class)
        self._gallery = Gallery(shown)
        self._fields: dict[int, FieldOutcome] = {}
        self._views: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._scale_lock = threading.Lock()
        self._scale: SlideScale | None = None
        self._no_scale: ScaleUnknownError | None = None
        self._begun: float | None = None
        self._started = ""

    def run(self, index: int) -> None:
        """Analyzes the field at `index`; the last one to end finishes the slide.

        Raises:
            OutputError: a file can't be written; that ends the run, and the slide has failed.
        """
        self._one(index, self._analyzed)

    def run_scan(self, workers: Workers, tell: Tell) -> None:
        """Analyzes the slide's one scan on all threads; `tell` hears of it in the calling one.

        Raises:
            OutputError: a file can't be written; that ends the run, and the slide has failed.
        """
        self._one(0, partial(self._scanned, workers=workers, tell=tell))

    def _one(self, index: int, analyze: Analyze) -> None:
        try:
            self._run(index, analyze)
        except OutputError as error:
            with self._lock:  # the first reason is the one to tell
                self.outcome = self.outcome or failed_slide(self.slide, one_line(str(error)))
            raise

    def discard(self) -> None:
        """Takes away what an unfinished slide has left on disk."""
        self._folder.discard()

    def _run(self, index: int, analyze: Analyze) -> None:
        with self._lock:
            if self._begun is None:
                self._begun = time.monotonic()
                self._started = datetime.now().astimezone().isoformat(timespec="seconds")
                self._folder.start()
        outcome = self._outcome(self.slide.fields[index], analyze)
        with self._lock:
            self._fields[index] = outcome
            is_last = len(self._fields) == len(self.slide.fields)
        if is_last:
            self.outcome = self._finish()
            # A run keeps its jobs to the end: not their pictures and cells.
            self._gallery, self._fields = Gallery(0), {}

    def _outcome(self, field: Field, analyze: Analyze) -> FieldOutcome:
        try:
            return analyze(field)
        except OutputError:
            raise
        except LeukodiffError as error:
            return FieldOutcome(_failed(field, error))
        except Exception as error:
            # One odd field must not cost the night's batch: it is listed, and the log has it all.
            log_error(self._folder.out, f"{self.slide.slide_id}/{field.field_id}", error)
            return FieldOutcome(_failed(field, error, f"{type(error).__name__}: "))

    def _analyzed(self, field: Field) -> FieldOutcome:
        try:
            image = field.read()
        except InputError as error:
            return FieldOutcome(_failed(field, error), unreadable=True)
        um_per_px = self._scale_of_fields().um_per_px
        found = self._models.detector.detect(image, um_per_px)
        white = in_reading_order(found.of(WHITE_CELL))
        named = self._models.classifier.classify(image, white.xyxy, um_per_px)
        cells = make_cells(field, white, named)
        beside = {name: found.of(name).xyxy for name in ("red_cell", "platelet")}
        if self._making.overlays:
            picture = encode_jpeg(draw_overlay(image, cells, beside, um_per_px))
            self._folder.write(overlay_name(field), picture)
        for cell in cells:
            self._gallery.offer(cell, partial(cut_crop, image, cell, um_per_px))
        counted = {name: len(boxes) for name, boxes in beside.items()}
        return FieldOutcome(_result(field, image.shape[1::-1], cells, counted), cells)

    def _scanned(self, field: Field, workers: Workers, tell: Tell) -> FieldOutcome:
        try:
            scan = open_scan(field.path)
        except InputError as error:
            return FieldOutcome(_failed(field, error), unreadable=True)
        with scan:
            found = read_scan(scan, self._models, self._making.reading, workers, tell)
            self._scale = found.scale
            cells = make_cells(field, found.white, found.named)
            self._offer(cells, scan, found.scale.um_per_px, workers)
            result = _result(field, (scan.width, scan.height), cells, found.beside)
        if self._making.overlays:
            view = draw_overview(
                found.picture.image,
                found.reading,
                cells,
                found.picture.downsample,
                found.scale.um_per_px,
            )
            self._folder.write(overlay_name(field), encode_jpeg(view))
            self._views[field.field_id] = encode_jpeg(shrunk(view, VIEW_PX), VIEW_QUALITY)
        return FieldOutcome(result, cells, reading=found.reading)

    def _offer(self, cells: Sequence[Cell], scan: Scan, um_per_px: float, workers: Workers) -> None:
        """Shows the gallery the cells of a scan, each cut from it only if it is kept."""

        def offer(cell: Cell) -> None:
            self._gallery.offer(cell, partial(cut_from_scan, scan, cell, um_per_px))

        for _ in workers.each(offer, cells):
            pass

    def _scale_of_fields(self) -> SlideScale:
        """The slide's scale; the first field to ask reads it off the red cells of a few."""
        with self._scale_lock:
            if self._no_scale:
                raise self._no_scale
            if self._scale is None:
                try:
                    self._scale = self._settled(self._fields_for_scale())
                except ScaleUnknownError as error:
                    self._no_scale = error
                    raise
        return self._scale

    def _settled(self, chosen: Sequence[Field]) -> SlideScale:
        given = self._making.reading.um_per_px
        known, warnings = (None, ()) if given else _metadata_scale(chosen)
        return settle_scale(
            given,
            known,
            lambda guess: self._models.estimate_um_per_px(_readable(chosen), guess),
            warnings,
        )

    def _fields_for_scale(self) -> list[Field]:
        n = len(self.slide.fields)
        chosen = np.unique(np.linspace(0, n - 1, min(n, FIELDS_FOR_SCALE)).round().astype(int))
        return [self.slide.fields[i] for i in chosen.tolist()]

    def _finish(self) -> SlideOutcome:
        outcomes = [self._fields[i] for i in range(len(self.slide.fields))]
        report = self._report(outcomes)
        if report.status == FAILED:
            self._folder.discard()
            return self._failed(outcomes)
        row, counts = slide_row(report), tuple(count_rows(report))
        failures = tuple((f.field_id, f.error) for f in report.failures)
        record: dict[str, object] = {"made_of": self._files, "made_by": self._making.made_by}
        record |= {"row": row, "counts": counts, "failures": failures}
        self._write(report, json.dumps(record, indent=1))
        self._folder.publish()
        return SlideOutcome(row, counts, failures)

    def _report(self, outcomes: list[FieldOutcome]) -> SmearReport:
        seconds = time.monotonic() - (self._begun or 0.0)
        return SmearReport(
            self.slide.slide_id,
            self._models.classifier.metadata.classes,
            tuple(cell for outcome in outcomes for cell in outcome.cells),
            tuple(outcome.result for outcome in outcomes),
            self._scale,
            replace(self._making.provenance, started=self._started, seconds=seconds),
            self._overlays(outcomes),
            {o.result.field_id: o.reading for o in outcomes if o.reading},
        )

    def _overlays(self, outcomes: list[FieldOutcome]) -> dict[str, str]:
        if not self._making.overlays:
            return {}
        pairs = zip(self.slide.fields, outcomes, strict=True)
        return {f.field_id: overlay_name(f) for f, o in pairs if o.result.status != FAILED}

    def _write(self, report: SmearReport, record: str) -> None:
        self._folder.write("cells.csv", cells_csv(report))
        self._folder.write("fields.csv", fields_csv(report))
        self._folder.write("counts.csv", counts_csv([report]))
        self._folder.write("cells.geojson", cells_geojson(report))
        if report.readings:
            self._folder.write("areas.csv", areas_csv(report))
            for name, sheet in contact_sheets(report, self._gallery.crops()).items():
                self._folder.write(f"gallery/{name}.jpg", sheet)
        crops = self._gallery.crops(self._making.crops_per_class)
        self._folder.write("report.html", report_html(report, crops, self._views))
        self._folder.write(RECORD, record)

    def _failed(self, outcomes: list[FieldOutcome]) -> SlideOutcome:
        unreadable = all(outcome.unreadable for outcome in outcomes)
        failures = tuple((o.result.field_id, o.result.error) for o in outcomes)
        reasons = {error for _, error in failures}
        alone = len(outcomes) == 1 or len(reasons) == 1
        reason = failures[0][1] if alone else f"all {len(outcomes)} fields failed"
        return replace(failed_slide(self.slide, reason, unreadable), failures=failures)


def in_reading_order(found: Detections) -> Detections:
    """Detections from top to bottom, so that cells are numbered alike whatever their confidence."""
    return found.select(np.lexsort((found.xyxy[:, 0], found.xyxy[:, 1])))


def make_cells(field: Field, white: Detections, named: Predictions) -> tuple[Cell, ...]:
    """The rows of cells.csv for one field: boxes to 0.1 px, numbered from 1."""
    boxes = np.round(white.xyxy.astype(np.float64), 1).tolist()
    rows = zip(
        boxes,
        white.confidence.tolist(),
        named.cell_types,
        named.confidence.tolist(),
        named.probabilities.tolist(),
        strict=True,
    )
    return tuple(
        Cell(field.field_id, f"{field.key}-{i}", x0, y0, x1, y1, found, kind, sure, tuple(chances))
        for i, ((x0, y0, x1, y1), found, kind, sure, chances) in enumerate(rows, start=1)
    )


def overlay_name(field: Field) -> str:
    """A field's overlay, relative to its slide's folder."""
    return f"overlays/{field.key}.jpg"


def made_by(models: Models, version: str, settings: Mapping[str, object]) -> dict[str, Any]:
    """What two runs must have in common for one to go on where the other stopped."""
    return {"version": version, "models": [asdict(m) for m in models.used], "settings": settings}


def _result(
    field: Field, size: tuple[int, ...], cells: Sequence[Cell], beside: Mapping[str, int]
) -> FieldResult:
    """A field's row; what was not counted (`beside` lacks it) stays unknown."""
    platelets = beside.get("platelet")
    named = sum(cell.cell_type == "platelet" for cell in cells)
    return FieldResult(
        field.field_id,
        width=size[0],
        height=size[1],
        n_wbc=sum(cell.is_white for cell in cells),
        n_rbc=beside.get("red_cell"),
        n_platelet=None if platelets is None else platelets + named,
    )


def _metadata_scale(fields: Sequence[Field]) -> tuple[float | None, tuple[str, ...]]:
    found, warnings = [], dict[str, None]()
    for field in fields:
        try:
            um_per_px, refused = field.metadata_scale()
        except InputError:  # it is listed when its own turn comes
            continue
        found.append(um_per_px)
        warnings |= dict.fromkeys(refused)
    return agreed(found), tuple(warnings)


def _readable(fields: Sequence[Field]) -> list[Rgb]:
    images = []
    for field in fields:
        try:
            images.append(field.read())
        except InputError:  # it is listed when its own turn comes
            continue
    return images


def _failed(field: Field, error: Exception, prefix: str = "") -> FieldResult:
    reason = one_line(f"{prefix}{error}").removeprefix(f"{field.path}: ")
    return FieldResult(field.field_id, status=FAILED, error=reason)
