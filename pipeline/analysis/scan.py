"""A scan from end to end: its areas, its scale, its white cells and their names."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from leukodiff.classifier.predictions import Predictions
from leukodiff.datasets.vocabulary import BY_NAME, UNIDENTIFIED
from leukodiff.detector.areas import monolayer_order
from leukodiff.detector.detections import Detections
from leukodiff.detector.scale import ScaleEstimate
from leukodiff.pipeline.report.fields import Area, ScanReading
from leukodiff.pipeline.report.scale import SlideScale, resolve_scale
from leukodiff.pipeline.slides import Scan

from .candidates import Candidates, any_meet, middles
from .models import Models
from .survey import (
    SAMPLE_PX,
    SAMPLE_UM,
    AreaGrid,
    Thumbnail,
    areas_of,
    initial_scale,
    scale_samples,
    thumbnail_of,
    without_blurred,
)
from .thread_pool import Workers
from .windows import ScanCells, ScanContext, WindowResult, batches, own_px

FIRST_BATCH_AREAS = 12
"""Areas that are read before the cells are first counted against the target."""

BATCH_GROWTH = 0.25
"""A later batch is so much of what was read before, and no smaller than the first."""

ProgressCallback = Callable[[float, str], None]
"""Called with the share that is done, 0-1, and what is at hand."""

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class ReadingSettings:
    """Settings by which a slide is read.

    `um_per_px`: its scale, when known better than the file does. `target_cells`: stop when so many
    white cells are found. `full_pass`: detect everywhere in a scan, without a search for
    candidates. `all_areas`: read those areas and fields too that are empty, thick or out of focus.
    """

    um_per_px: float | None = None
    target_cells: int | None = None
    full_pass: bool = False
    all_areas: bool = False


@dataclass(frozen=True)
class ScanFound:
    """Cells of a scan, in px of it.

    `white`: its white cells in reading order, with their `predictions`. `n_other`: the number of
    cells of the other classes; empty where the detector did not run everywhere.
    """

    scale: SlideScale
    thumbnail: Thumbnail
    reading: ScanReading
    white: Detections
    predictions: Predictions
    n_other: dict[str, int]


def read_scan(
    scan: Scan,
    models: Models,
    settings: ReadingSettings,
    workers: Workers,
    on_progress: ProgressCallback,
) -> ScanFound:
    """Finds and names the white cells of a scan; memory does not grow with its size.

    Args:
        scan: open until this returns.
        models: detector and classifier.
        settings: how it is read.
        workers: the threads it is read by.
        on_progress: called in the calling thread.

    Raises:
        ScaleUnknownError: the scale is neither known nor to be measured.
        InputError: the scan can't be read any more.
    """
    on_progress(0.0, "survey")
    thumbnail = thumbnail_of(scan, workers)

    def measure(guess: float | None) -> ScaleEstimate | None:
        samples = scale_samples(scan, thumbnail, guess, workers)
        initial = guess or initial_scale(samples)
        if not guess and initial and initial * SAMPLE_PX < SAMPLE_UM:  # few cells in so little
            samples = scale_samples(scan, thumbnail, initial, workers)
        return models.estimate_um_per_px(samples, initial, probes=len(samples))

    scale = resolve_scale(settings.um_per_px, scan.um_per_px, measure, scan.warnings)
    grid = areas_of(scan, thumbnail, scale.um_per_px)
    if not settings.all_areas:
        grid = without_blurred(scan, grid, scale.um_per_px, workers)
    context = ScanContext(scan, scale.um_per_px, models)
    analyzer = ScanAnalyzer(context, grid, settings, workers, on_progress)
    white, predictions = analyzer.run()
    reading = analyzer.reading(white)
    return ScanFound(scale, thumbnail, reading, white, predictions, analyzer.n_other)


@dataclass
class ScanAnalyzer:
    """Analyzer of the areas of a scan, batch by batch where there is a target.

    `read`: the areas read so far. `reached`: the target is. `n_other`: the number of cells of the
    other classes.
    """

    context: ScanContext
    grid: AreaGrid
    settings: ReadingSettings
    workers: Workers
    on_progress: ProgressCallback
    read: list[int] = field(default_factory=list)
    reached: bool = False
    n_other: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        order = monolayer_order(self.grid.areas)
        unusable = np.flatnonzero(~self.grid.areas.usable)
        self._areas = np.concatenate([order, unusable]) if self.settings.all_areas else order
        self._cells = ScanCells(self.context, whole_windows=not self.settings.full_pass)
        self._tiles_read: set[int] = set()
        scan, um_per_px = self.context.scan, self.context.um_per_px
        self._candidates = Candidates(scan, self.grid, um_per_px, self.workers)

    def run(self) -> tuple[Detections, Predictions]:
        """The white cells and their predictions."""
        detect = self._everywhere if self.settings.full_pass else self._around_candidates
        for batch in self._batches():
            detect(batch)
            self.read += batch.tolist()
            if self._is_enough():
                break
        if len(self.read) < len(self._areas):
            self.n_other = {}
        white = self._white()
        return white, self._cells.predictions(white)

    def reading(self, white: Detections) -> ScanReading:
        """The areas of the scan, and how they were read."""
        areas, read = self.grid.areas, set(self.read)
        cells = np.bincount(self.grid.index_of(middles(white.xyxy)), minlength=len(areas))
        boxes = areas.xyxy.round().astype(int).tolist()
        rows = zip(boxes, areas.kind, areas.coverage.tolist(), cells.tolist(), strict=True)
        return ScanReading(
            tuple(
                Area(x0, y0, x1, y1, kind, coverage, i in read, n)
                for i, ((x0, y0, x1, y1), kind, coverage, n) in enumerate(rows)
            ),
            first_look=not self.settings.full_pass,
            target_cells=self.settings.target_cells,
            reached=self.reached,
        )

    def _batches(self) -> Iterator[Indices]:
        """The areas, the monolayer first."""
        if self.settings.target_cells is None:
            yield self._areas
            return
        start = 0
        while start < len(self._areas):
            end = start + max(FIRST_BATCH_AREAS, round(BATCH_GROWTH * start))
            yield self._areas[start:end]
            start = end

    def _is_enough(self) -> bool:
        target = self.settings.target_cells
        if target is not None:
            predictions = self._cells.predictions(self._white())
            found = sum(
                name == UNIDENTIFIED or BY_NAME[name].counts_in_differential
                for name in predictions.cell_types
            )
            self.reached = found >= target
        return self.reached

    def _white(self) -> Detections:
        """The white cells whose middle lies in an area that was read."""
        white = self._cells.white()
        areas = self.grid.index_of(middles(white.xyxy))
        return white.select(np.isin(areas, self.read))

    def _around_candidates(self, batch: Indices) -> None:
        self._report(batch, 0, "first look")
        windows = self.context.windows(self._candidates.of(batch))
        grouped = list(batches(windows, self.context.models.detector.batch))
        done = 0
        for results in self.workers.over_scan(self.context.detect, grouped):
            self._cells.add(results)
            done += len(results)
            self._report(batch, done / len(windows), f"{done} of {len(windows)} windows")

    def _everywhere(self, batch: Indices) -> None:
        tiles = self.context.tiles()
        areas = self.grid.areas.xyxy[batch]
        chosen = [
            i
            for i, tile in enumerate(tiles.tolist())
            if i not in self._tiles_read and any_meet(areas, tile)
        ]
        own = own_px(tiles)
        windows = [[tuple(tiles[i].tolist())] for i in chosen]
        found = self.workers.over_scan(self.context.detect, windows)
        for done, (index, results) in enumerate(zip(chosen, found, strict=True), start=1):
            self._cells.add(results)
            self._count(results[0], own(index))
            self._report(batch, done / len(chosen), f"{done} of {len(chosen)} tiles")
        self._tiles_read |= set(chosen)

    def _report(self, batch: Indices, share: float, text: str) -> None:
        done = (len(self.read) + len(batch) * share) / max(1, len(self._areas))
        self.on_progress(done, text)

    def _count(self, result: WindowResult, own: Sequence[float]) -> None:
        """Red cells and platelets, each by the tile and the area that its middle lies in."""
        others = result.other_cells
        middle = middles(others.xyxy)
        mine = ((middle >= own[:2]) & (middle < own[2:])).all(axis=1)
        mine &= np.isin(self.grid.index_of(middle), self._areas)
        for i, name in enumerate(others.class_names):
            found = int(np.sum(mine & (others.class_id == i)))
            self.n_other[name] = self.n_other.get(name, 0) + found
