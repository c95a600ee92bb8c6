"""Files of one slide: overlays, crops, tables, reports and record."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from leukodiff.pipeline.analysis import (
    FieldAnalysis,
    FieldPixels,
    ReadingSettings,
    ScanPixels,
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
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.fields import DONE, FAILED, LEFT_OUT
from leukodiff.pipeline.report.report import Provenance, SmearReport
from leukodiff.pipeline.report.scale import SlideScale
from leukodiff.pipeline.report.serialize import STORED, to_json
from leukodiff.pipeline.slides.discover import Field, Slide

from .outcomes import SlideOutcome, failed_slide
from .output import RECORD, Inputs, SlideFolder, SlideRecord

VIEW_PX = 1400
"""Longer side of the overview of a scan in the report."""

VIEW_QUALITY = 80
"""JPEG quality of that overview."""

Crops = tuple[tuple[Cell, Callable[[], bytes]], ...]
"""Each cell of a field, and what cuts it out of the field (a JPEG)."""


@dataclass(frozen=True)
class SlideSpec:
    """Specification of every slide of a run: the models, the settings, and what is written.

    `fingerprint` goes into each slide's record: a folder is taken up again only where it is the
    same, and where `report` affects the slide in the same way.
    """

    models: Models
    provenance: Provenance
    fingerprint: Mapping[str, Any]
    reading: ReadingSettings
    report: ReportSettings
    crops_per_class: int
    overlays: bool

    def fingerprint_of(self, slide_id: str) -> dict[str, Any]:
        """Models and settings that decide what is written of one slide."""
        return {**self.fingerprint, "report": self.report.result_affecting(slide_id)}


@dataclass(frozen=True)
class Pictures:
    """Pictures of a field: its overlay (JPEG) and the crops of its cells."""

    overlay: bytes | None = None
    crops: Crops = ()


@dataclass
class SlideWriter:
    """Writes the files of one slide, into `folder`.

    `draw` and `draw_scan` may be called from many threads at once.
    """

    slide: Slide
    folder: SlideFolder
    spec: SlideSpec
    _views: dict[str, bytes] = field(default_factory=dict)
    _waiting: dict[str, Pictures] = field(default_factory=dict)
    _began: float = 0.0
    _started: str = ""

    def __post_init__(self) -> None:
        on_sheets = CROPS_ON_SHEET if self.slide.is_scan else 0
        self._gallery = Gallery(max(on_sheets, self.spec.crops_per_class))

    def start(self) -> None:
        """Makes the folder, and notes the time."""
        self._began = time.monotonic()
        self._started = datetime.now().astimezone().isoformat(timespec="seconds")
        self.folder.start()

    def draw(
        self, field: Field, outcome: FieldAnalysis, pixels: FieldPixels, at_once: bool
    ) -> None:
        """Draws a field; written `at_once`, or kept until `count` says that the field counts."""
        image, um_per_px, cells = pixels.image, pixels.um_per_px, outcome.cells
        overlay = None
        if self.spec.overlays:
            if outcome.result.status == LEFT_OUT:
                drawn = draw_left_out(image, outcome.result.kind, um_per_px)
            else:
                drawn = draw_overlay(image, cells, pixels.other_cells, um_per_px)
            overlay = encode_jpeg(drawn)
        crops: Crops = tuple((cell, partial(cut_crop, image, cell, um_per_px)) for cell in cells)
        if at_once:
            self._keep(field, Pictures(overlay, crops))
            return
        # Cut now: the field's pixels do not wait.
        crops = tuple((cell, partial(bytes, cut())) for cell, cut in crops)
        self._waiting[field.key] = Pictures(overlay, crops)

    def count(self, field: Field) -> None:
        """Writes what waited for a field to count."""
        self._keep(field, self._waiting.pop(field.key, Pictures()))

    def _keep(self, field: Field, pictures: Pictures) -> None:
        if pictures.overlay:
            self.folder.write(overlay_name(field), pictures.overlay)
        for cell, crop in pictures.crops:
            self._gallery.offer(cell, crop)

    def cut_from_scan(self, cells: Sequence[Cell], pixels: ScanPixels, workers: Workers) -> None:
        """Offers the cells of a scan to the gallery, each cut from it only if it is kept."""

        def offer(cell: Cell) -> None:
            self._gallery.offer(cell, partial(cut_from_scan, pixels.scan, cell, pixels.um_per_px))

        for _ in workers.each(offer, cells):
            pass

    def draw_scan(self, field: Field, outcome: FieldAnalysis, pixels: ScanPixels) -> None:
        """Draws the overview of a scan."""
        if not self.spec.overlays or outcome.reading is None:
            return
        thumbnail = pixels.thumbnail
        view = draw_overview(
            thumbnail.image,
            outcome.reading,
            outcome.cells,
            thumbnail.downsample,
            pixels.um_per_px,
        )
        self.folder.write(overlay_name(field), encode_jpeg(view))
        self._views[field.field_id] = encode_jpeg(shrunk(view, VIEW_PX), VIEW_QUALITY)

    def finish(
        self, outcomes: Sequence[FieldAnalysis], scale: SlideScale | None, inputs: Inputs
    ) -> SlideOutcome:
        """Writes tables, reports and record; of a slide that failed nothing is left."""
        report = self._report(outcomes, scale)
        if report.status == FAILED:
            self.folder.discard()
            return self._failed(outcomes, inputs)
        record = SlideRecord(
            slide_row(report),
            tuple(count_rows(report)),
            tuple((one.field_id, one.error) for one in report.failures),
            inputs,
            self.spec.fingerprint_of(self.slide.slide_id),
            tuple(one.whereabouts for one in self.slide.fields),
        )
        if report.readings:
            for name, sheet in contact_sheets(report, self._gallery.crops()).items():
                self.folder.write(f"gallery/{name}.jpg", sheet)
        crops = self._gallery.crops(self.spec.crops_per_class)
        files = report_files(report, crops, self._views, self.spec.report)
        for name, content in (*files.items(), (STORED, to_json(report))):
            self.folder.write(name, content)
        self.folder.write("cells.geojson", cells_geojson(report))
        self.folder.write(RECORD, record.to_json())
        return SlideOutcome(record)

    def _report(self, outcomes: Sequence[FieldAnalysis], scale: SlideScale | None) -> SmearReport:
        seconds = time.monotonic() - self._began
        facts, settings = self.spec.models.classifier.metadata, self.spec.report
        overlays = {}
        if self.spec.overlays:
            pairs = zip(self.slide.fields, outcomes, strict=True)
            drawn = [one for one, outcome in pairs if outcome.result.status in (DONE, LEFT_OUT)]
            overlays = {one.field_id: overlay_name(one) for one in drawn}
        return SmearReport(
            slide_id=self.slide.slide_id,
            class_names=facts.classes,
            cells=tuple(cell for outcome in outcomes for cell in outcome.cells),
            fields=tuple(outcome.result for outcome in outcomes),
            scale=scale,
            provenance=replace(self.spec.provenance, started=self._started, seconds=seconds),
            overlays=overlays,
            readings={one.result.field_id: one.reading for one in outcomes if one.reading},
            atypical_rate=facts.calibration.get("atypical_rate"),
            sample=settings.sample_of(self.slide.slide_id),
            counting=settings.counting(self.spec.models.confusion),
        )

    def _failed(self, outcomes: Sequence[FieldAnalysis], inputs: Inputs) -> SlideOutcome:
        failures = tuple((one.result.field_id, one.result.error) for one in outcomes)
        is_one_reason = len({error for _, error in failures}) == 1
        reason = failures[0][1] if is_one_reason else f"all {len(outcomes)} fields failed"
        failed = failed_slide(self.slide, reason, all(one.unreadable for one in outcomes))
        fingerprint = self.spec.fingerprint_of(self.slide.slide_id)
        record = replace(failed.record, failures=failures, inputs=inputs, fingerprint=fingerprint)
        return replace(failed, record=record)


def overlay_name(field: Field) -> str:
    """A field's overlay, relative to its slide's folder."""
    return f"overlays/{field.key}.jpg"
