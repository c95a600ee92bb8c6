"""One slide in memory: the pixels of its fields, or of its scan, in; cells out. Writes no file."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from leukodiff.classifier.facts import CellNote
from leukodiff.classifier.ood import REFERENCE_CONFIDENCE, REFERENCE_TYPES, smear_threshold
from leukodiff.classifier.predictions import Predictions
from leukodiff.core.errors import InputError
from leukodiff.datasets.images import Rgb
from leukodiff.detector.areas import AreaKind
from leukodiff.detector.detections import Detections
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.fields import (
    FAILED,
    LEFT_OUT,
    NOT_READ,
    FieldResult,
    ScanReading,
    one_line,
)
from leukodiff.pipeline.report.scale import SlideScale
from leukodiff.pipeline.slides import Scan, open_scan
from leukodiff.pipeline.slides.discover import Field, Slide

from .field import FieldAnalyzer, UnderWay, unobserved
from .models import Models
from .scan import ProgressCallback, ReadingSettings, read_scan
from .survey import Thumbnail
from .thread_pool import Workers

COUNTED_CLASSES = ("red_cell", "platelet")
"""Detector classes that are counted without a type."""


@dataclass(frozen=True, eq=False)
class FieldPixels:
    """Pixels of a field, for its overlay and crops.

    `image`: (H, W, 3) uint8 RGB. `other_cells`: boxes (N, 4), px, of the classes that are counted
    without a type; empty for a field that was left out.
    """

    image: Rgb
    um_per_px: float
    other_cells: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class ScanPixels:
    """Pixels of a scan, for its overview and crops. `scan` is open inside `SlideAnalysis.scan`."""

    scan: Scan
    thumbnail: Thumbnail
    um_per_px: float


@dataclass(frozen=True)
class FieldAnalysis:
    """Outcome of one field.

    `result`: its row of fields.csv. `unreadable`: its file could not be read as an image.
    `reading`: of a scan, which areas were read. `pixels`: what the cells can be drawn on, where the
    field was read or left out; large, and not to be kept.
    """

    result: FieldResult
    cells: tuple[Cell, ...] = ()
    unreadable: bool = False
    reading: ScanReading | None = None
    pixels: FieldPixels | ScanPixels | None = None

    @classmethod
    def read(
        cls,
        field: Field,
        size: Sequence[int],
        cells: tuple[Cell, ...],
        n_other: Mapping[str, int],
        kind: AreaKind = AreaKind.NOT_JUDGED,
    ) -> Self:
        """A field whose cells count; what `n_other` lacks was not counted and stays unknown.

        Args:
            field: the field.
            size: its width and height, px.
            cells: its rows of cells.csv.
            n_other: how many cells of the detector's other classes.
            kind: what it is fit for; `NOT_JUDGED` for a scan, whose areas have kinds of their own.
        """
        n_platelet = n_other.get("platelet")
        if n_platelet is not None:
            n_platelet += sum(cell.cell_type == "platelet" for cell in cells)
        result = FieldResult(
            field.field_id,
            width=size[0],
            height=size[1],
            n_wbc=sum(cell.is_white for cell in cells),
            n_rbc=n_other.get("red_cell"),
            n_platelet=n_platelet,
            kind=kind,
        )
        return cls(result, cells)

    @classmethod
    def left_out(cls, field: Field, size: Sequence[int], kind: AreaKind) -> Self:
        """A field that is not fit to be read, for the reason of its kind: nothing is counted."""
        result = FieldResult(
            field.field_id,
            width=size[0],
            height=size[1],
            status=LEFT_OUT,
            kind=kind,
        )
        return cls(result)

    @classmethod
    def not_read(cls, field: Field) -> Self:
        """A field that was not read, because there were cells enough."""
        return cls(FieldResult(field.field_id, status=NOT_READ))

    @classmethod
    def failed(
        cls, field: Field, error: Exception, prefix: str = "", unreadable: bool = False
    ) -> Self:
        """A field that could not be analyzed, with the reason."""
        reason = one_line(f"{prefix}{error}").removeprefix(f"{field.path}: ")
        return cls(FieldResult(field.field_id, status=FAILED, error=reason), unreadable=unreadable)


@dataclass
class TargetCells:
    """Counts the fields of a slide in their order, up to the one in which the target is reached.

    `target`: white cells wanted, `None` for all there are. `last`: the index of the last field
    that counts, once it is known. Not safe to use from many threads at once.
    """

    target: int | None = None
    last: int | None = None
    _ended: dict[int, int] = field(default_factory=dict)
    _next: int = 0
    _found: int = 0

    def wants(self, index: int) -> bool:
        """The field counts, as far as is known."""
        return self.last is None or index <= self.last

    def ended(self, index: int, n_white: int) -> list[int]:
        """Takes note of a field that ended; gives the fields now known to count, in order."""
        if self.target is None:
            return [index]
        self._ended[index] = n_white
        counted = []
        while self.last is None and self._next in self._ended:
            self._found += self._ended.pop(self._next)
            counted.append(self._next)
            if self._found >= self.target:
                self.last = self._next
            self._next += 1
        return counted


class SlideAnalysis:
    """Analysis of one slide.

    `field` may be called from many threads at once, for every field that `wants` asks for; `scan`
    analyzes the one scan of a slide that is one. Each outcome is given to `add`. A field that
    raises leaves the others as they are. `wants`, `add` and `outcomes` are for one thread at a
    time.
    """

    def __init__(
        self,
        slide: Slide,
        models: Models,
        settings: ReadingSettings,
        untouched: Collection[str] = (),
        under_way: UnderWay = unobserved,
    ) -> None:
        """Nothing is read yet.

        Args:
            slide: its fields or its scan.
            models: detector and classifier.
            settings: how it is read.
            untouched: field_ids that the slide's scale must not be measured on.
            under_way: given a field_id, or nothing for the slide itself, holds while a thread is
                busy with it.
        """
        self.slide = slide
        self._models = models
        self._settings = settings
        safe = [one for one in slide.fields if one.field_id not in untouched]
        self._analyzer = FieldAnalyzer(safe, models, settings, under_way)
        self._target = TargetCells(None if slide.is_scan else settings.target_cells)
        self._ended: dict[int, FieldAnalysis] = {}
        self._scan_scale: SlideScale | None = None

    @property
    def scale(self) -> SlideScale | None:
        """The slide's scale; `None` until it is known."""
        return self._scan_scale or self._analyzer.scale

    @property
    def counts_at_once(self) -> bool:
        """Each field counts as soon as it ends: there is no target of cells."""
        return self._target.target is None

    @property
    def is_complete(self) -> bool:
        """All fields have ended."""
        return len(self._ended) == len(self.slide.fields)

    def wants(self, index: int) -> bool:
        """The field at `index` counts, as far as is known."""
        return self._target.wants(index)

    def add(self, index: int, outcome: FieldAnalysis) -> list[int]:
        """Takes in the outcome of a field; gives the fields now known to count, in order."""
        self._ended[index] = replace(outcome, pixels=None)
        return self._target.ended(index, outcome.result.n_wbc or 0)

    def outcomes(self) -> list[FieldAnalysis]:
        """Outcomes of all fields, in the slide's order; those after the target are not read.

        Their cells are marked as atypical beside the slide's own.
        """
        found = [
            self._ended[i] if self.wants(i) else FieldAnalysis.not_read(one)
            for i, one in enumerate(self.slide.fields)
        ]
        threshold = self._models.classifier.metadata.thresholds.get("atypical")
        return found if threshold is None else _marked_by_slide(found, threshold)

    def prepare(self) -> None:
        """Measures the scale of the slide's fields now, where that can be done."""
        self._analyzer.prepare()

    def field(self, field: Field) -> FieldAnalysis:
        """Reads a field, finds its cells and names them.

        Raises:
            ScaleUnknownError: the scale is neither known nor to be measured.
        """
        try:
            image = field.read()
        except InputError as error:
            return FieldAnalysis.failed(field, error, unreadable=True)
        size = image.shape[1], image.shape[0]
        found = self._analyzer.analyze(image)
        if found.cells is None:
            outcome, other_cells = FieldAnalysis.left_out(field, size, found.kind), {}
        else:
            others = found.cells.other_cells
            other_cells = {name: others.of(name).xyxy for name in COUNTED_CLASSES}
            n_other = {name: len(boxes) for name, boxes in other_cells.items()}
            cells = make_cells(field, found.cells.white, found.cells.predictions)
            outcome = FieldAnalysis.read(field, size, cells, n_other, found.kind)
        return replace(outcome, pixels=FieldPixels(image, found.um_per_px, other_cells))

    @contextmanager
    def scan(
        self, field: Field, workers: Workers, on_progress: ProgressCallback
    ) -> Iterator[FieldAnalysis]:
        """Analyzes a scan on all threads; inside the block its pixels can be read.

        Raises:
            ScaleUnknownError: the scale is neither known nor to be measured.
            InputError: the scan can't be read any more.
        """
        try:
            scan = open_scan(field.path)
        except InputError as error:
            outcome = FieldAnalysis.failed(field, error, unreadable=True)
        else:
            with scan:
                found = read_scan(scan, self._models, self._settings, workers, on_progress)
                self._scan_scale = found.scale
                cells = make_cells(field, found.white, found.predictions)
                size = scan.width, scan.height
                read = FieldAnalysis.read(field, size, cells, found.n_other)
                pixels = ScanPixels(scan, found.thumbnail, found.scale.um_per_px)
                yield replace(read, reading=found.reading, pixels=pixels)
            return
        yield outcome


def _marked_by_slide(found: Sequence[FieldAnalysis], threshold: float) -> list[FieldAnalysis]:
    """The outcomes, a cell atypical where it is so beside the slide's own ordinary cells."""
    reference = [
        cell.atypical
        for outcome in found
        for cell in outcome.cells
        if cell.atypical is not None
        and cell.cell_type in REFERENCE_TYPES
        and cell.confidence >= REFERENCE_CONFIDENCE
    ]
    above = smear_threshold(threshold, reference)

    def marked(cell: Cell) -> Cell:
        far = cell.note == CellNote.ATYPICAL or (cell.atypical or 0.0) > above
        return replace(cell, is_atypical=cell.is_atypical and far)

    return [replace(one, cells=tuple(map(marked, one.cells))) for one in found]


def make_cells(field: Field, white: Detections, predictions: Predictions) -> tuple[Cell, ...]:
    """The rows of cells.csv for one field: boxes to 0.1 px, numbered from 1."""
    boxes = np.round(white.xyxy.astype(np.float64), 1).tolist()
    confidence = predictions.confidence.tolist()
    probabilities = predictions.probabilities.tolist()
    cell_types, notes, facts = predictions.cell_types, predictions.notes, predictions.facts
    atypical, is_atypical = predictions.atypical, predictions.is_atypical.tolist()
    return tuple(
        Cell(
            field.field_id,
            f"{field.key}-{i + 1}",
            x_min,
            y_min,
            x_max,
            y_max,
            detection_confidence=float(white.confidence[i]),
            cell_type=cell_types[i],
            confidence=confidence[i],
            probabilities=tuple(probabilities[i]),
            facts=facts[i],
            note=notes[i],
            atypical=None if atypical is None else float(atypical[i]),
            is_atypical=is_atypical[i],
        )
        for i, (x_min, y_min, x_max, y_max) in enumerate(boxes)
    )
