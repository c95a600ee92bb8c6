"""One slide on its way through the models: fields in from many threads, a whole folder out."""

import json
import logging
import threading
import time
from collections.abc import Mapping
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
from .exports.tables import cells_csv, count_rows, counts_csv, fields_csv, slide_row
from .gallery import Gallery, cut_crop
from .models import Models
from .output import RECORD, OutputError, SlideFolder
from .report import FAILED, Cell, FieldResult, Provenance, SmearReport, one_line
from .slides import Field, Slide

Rgb = NDArray[np.uint8]

FIELDS_FOR_SCALE = 8
"""How many fields, spread over a slide, its scale is read from."""

NO_SCALE = (
    "its scale can't be told: too few red cells were found to measure; give it with --um-per-px"
)
FROM_USER, FROM_RED_CELLS = "user", "red cells"

_log = logging.getLogger(__name__)


class ScaleUnknownError(LeukodiffError):
    """A slide's um/px is neither given nor to be told from its red cells."""


@dataclass(frozen=True)
class FieldOutcome:
    """What one field came to. `unreadable`: its file could not be read as an image."""

    result: FieldResult
    cells: tuple[Cell, ...] = ()
    unreadable: bool = False


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
    um_per_px: float | None
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
        self._gallery = Gallery(making.crops_per_class)
        self._fields: dict[int, FieldOutcome] = {}
        self._lock = threading.Lock()
        self._scale_lock = threading.Lock()
        self._um_per_px = making.um_per_px
        self._scale_is_known = making.um_per_px is not None
        self._begun: float | None = None
        self._started = ""

    def run(self, index: int) -> None:
        """Analyzes the field at `index`; the last one to end finishes the slide.

        Raises:
            OutputError: a file can't be written; that ends the run, not just the field.
        """
        with self._lock:
            if self._begun is None:
                self._begun = time.monotonic()
                self._started = datetime.now().astimezone().isoformat(timespec="seconds")
                self._folder.start()
        outcome = self._outcome(self.slide.fields[index])
        with self._lock:
            self._fields[index] = outcome
            is_last = len(self._fields) == len(self.slide.fields)
        if is_last:
            self.outcome = self._finish()
            # A run keeps its jobs to the end: not their pictures and cells.
            self._gallery, self._fields = Gallery(0), {}

    def discard(self) -> None:
        """Takes away what an unfinished slide has left on disk."""
        if self.outcome is None:
            self._folder.discard()

    def _outcome(self, field: Field) -> FieldOutcome:
        try:
            image = field.read()
        except InputError as error:
            return FieldOutcome(_failed(field, error), unreadable=True)
        try:
            return self._analyzed(field, image)
        except OutputError:
            raise
        except LeukodiffError as error:
            return FieldOutcome(_failed(field, error))
        except Exception as error:
            # One odd field must not cost the night's batch: it is listed, and the log has it all.
            _log.exception("%s: %s", self.slide.slide_id, field.field_id)
            return FieldOutcome(_failed(field, error, f"{type(error).__name__}: "))

    def _analyzed(self, field: Field, image: Rgb) -> FieldOutcome:
        um_per_px = self._scale()
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
        named_platelets = sum(cell.cell_type == "platelet" for cell in cells)
        result = FieldResult(
            field.field_id,
            width=image.shape[1],
            height=image.shape[0],
            n_wbc=sum(cell.is_white for cell in cells),
            n_rbc=len(beside["red_cell"]),
            n_platelet=len(beside["platelet"]) + named_platelets,
        )
        return FieldOutcome(result, cells)

    def _scale(self) -> float:
        """The slide's um/px; the first field to ask reads it off the red cells of a few."""
        with self._scale_lock:
            if not self._scale_is_known:
                self._um_per_px = self._models.estimate_um_per_px(self._fields_for_scale())
                self._scale_is_known = True
        if self._um_per_px is None:
            raise ScaleUnknownError(NO_SCALE)
        return self._um_per_px

    def _fields_for_scale(self) -> list[Rgb]:
        n = len(self.slide.fields)
        chosen = np.unique(np.linspace(0, n - 1, min(n, FIELDS_FOR_SCALE)).round().astype(int))
        images = []
        for i in chosen.tolist():
            try:
                images.append(self.slide.fields[i].read())
            except InputError:  # it is listed when its own turn comes
                continue
        return images

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
            self._um_per_px,
            FROM_USER if self._making.um_per_px is not None else FROM_RED_CELLS,
            replace(self._making.provenance, started=self._started, seconds=seconds),
            self._overlays(outcomes),
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
        self._folder.write("report.html", report_html(report, self._gallery.crops()))
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


def _failed(field: Field, error: Exception, prefix: str = "") -> FieldResult:
    reason = one_line(f"{prefix}{error}").removeprefix(f"{field.path}: ")
    return FieldResult(field.field_id, status=FAILED, error=reason)
