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
from leukodiff.pipeline.report.report import Area, ScanReading
from leukodiff.pipeline.report.scale import SlideScale, resolve_scale
from leukodiff.pipeline.slides import Scan

from .candidates import Candidates, any_meet, middles
from .initial_scale import rough_um_per_px
from .models import Models
from .scan_cells import Cells
from .survey import (
    PROBE_PX,
    PROBE_UM,
    AreaGrid,
    Picture,
    areas_of,
    probes,
    thumbnail,
    without_blurred,
)
from .thread_pool import Workers
from .windows import ScanContext, WindowResult, batches, own_px

FIRST_BATCH_AREAS, LAP_GROWTH = 12, 0.25
"""Areas that are read before the cells are first counted against the target; a later lap is so much
of what was read before, and no smaller."""

ProgressCallback = Callable[[float, str], None]
"""Called with the share that is done, 0-1, and what is at hand."""

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class ReadingSettings:
    """How a slide is read.

    `um_per_px`: its scale, when known better than the file does. `target_cells`: stop when so many
    white cells are found. `full_pass`: detect everywhere in a scan, without a first look.
    `all_areas`: read those areas and fields too that are empty, thick or out of focus.
    """

    um_per_px: float | None = None
    target_cells: int | None = None
    full_pass: bool = False
    all_areas: bool = False


@dataclass(frozen=True)
class ScanFound:
    """What was found in a scan, in px of it.

    `white` are its white cells in reading order, `named` what they are. `beside`: how many there
    are of the other classes; empty where the detector did not look everywhere.
    """

    scale: SlideScale
    picture: Picture
    reading: ScanReading
    white: Detections
    named: Predictions
    beside: dict[str, int]


def read_scan(
    scan: Scan, models: Models, how: ReadingSettings, workers: Workers, tell: ProgressCallback
) -> ScanFound:
    """Finds and names the white cells of a scan; memory does not grow with its size.

    Args:
        scan: open until this returns.
        models: detector and classifier.
        how: the settings.
        workers: the threads it is read by.
        tell: hears how far it has come, in the calling thread.

    Raises:
        ScaleUnknownError: the scale is neither known nor to be measured.
        InputError: the scan can't be read any more.
    """
    tell(0.0, "survey")
    picture = thumbnail(scan, workers)

    def measure(guess: float | None) -> ScaleEstimate | None:
        pieces = probes(scan, picture, guess, workers)
        rough = guess or rough_um_per_px(pieces)
        if not guess and rough and rough * PROBE_PX < PROBE_UM:  # few cells in pieces so small
            pieces = probes(scan, picture, rough, workers)
        return models.estimate_um_per_px(pieces, rough, probes=len(pieces))

    scale = resolve_scale(how.um_per_px, scan.um_per_px, measure, scan.warnings)
    grid = areas_of(scan, picture, scale.um_per_px)
    if not how.all_areas:
        grid = without_blurred(scan, grid, scale.um_per_px, workers)
    tour = _ScanAnalyzer(ScanContext(scan, scale.um_per_px, models), grid, how, workers, tell)
    white, named = tour.go()
    return ScanFound(scale, picture, tour.reading(white), white, named, tour.beside)


@dataclass
class _ScanAnalyzer:
    """The way over a scan: areas in, cells out, lap by lap where there is a target.

    `read`: the areas read so far. `beside`: how many cells of the other classes.
    """

    glass: ScanContext
    grid: AreaGrid
    how: ReadingSettings
    workers: Workers
    tell: ProgressCallback
    read: list[int] = field(default_factory=list)
    reached: bool = False
    beside: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._areas = self._in_order()
        self._cells = Cells(self.glass, whole_windows=not self.how.full_pass)
        self._tiles_seen: set[int] = set()
        scan, um_per_px = self.glass.scan, self.glass.um_per_px
        self._candidates = Candidates(scan, self.grid, um_per_px, self.workers)

    def go(self) -> tuple[Detections, Predictions]:
        """The white cells and their names."""
        for lap in self._laps():
            if self.how.full_pass:
                self._look_everywhere(lap)
            else:
                self._look_round_candidates(lap)
            self.read += lap.tolist()
            if self._has_enough():
                break
        if len(self.read) < len(self._areas):
            self.beside = {}
        white = self._white()
        return white, self._cells.named(white)

    def reading(self, white: Detections) -> ScanReading:
        """What of the scan was read, and how."""
        areas, read = self.grid.areas, set(self.read)
        cells = np.bincount(self.grid.index_of(middles(white.xyxy)), minlength=len(areas))
        boxes = areas.xyxy.round().astype(int).tolist()
        rows = zip(boxes, areas.kind, areas.coverage.tolist(), cells.tolist(), strict=True)
        return ScanReading(
            tuple(
                Area(x0, y0, x1, y1, kind, coverage, i in read, n)
                for i, ((x0, y0, x1, y1), kind, coverage, n) in enumerate(rows)
            ),
            first_look=not self.how.full_pass,
            target_cells=self.how.target_cells,
            reached=self.reached,
        )

    def _in_order(self) -> Indices:
        """The areas to read, the monolayer first."""
        order = monolayer_order(self.grid.areas)
        if not self.how.all_areas:
            return order
        return np.concatenate([order, np.flatnonzero(~self.grid.areas.usable)])

    def _laps(self) -> Iterator[Indices]:
        if self.how.target_cells is None:
            yield self._areas
            return
        start = 0
        while start < len(self._areas):
            end = start + max(FIRST_BATCH_AREAS, round(LAP_GROWTH * start))
            yield self._areas[start:end]
            start = end

    def _has_enough(self) -> bool:
        target = self.how.target_cells
        if target is not None:
            named = self._cells.named(self._white())
            found = sum(
                name == UNIDENTIFIED or BY_NAME[name].counts_in_differential
                for name in named.cell_types
            )
            self.reached = found >= target
        return self.reached

    def _white(self) -> Detections:
        """The white cells whose middle lies in an area that was read."""
        white = self._cells.white()
        areas = self.grid.index_of(middles(white.xyxy))
        return white.select(np.isin(areas, self.read))

    def _look_round_candidates(self, lap: Indices) -> None:
        self._tell(lap, 0, "first look")
        windows = self.glass.windows(self._candidates.of(lap))
        done, at_once = 0, self.glass.models.detector.batch
        looks = self.workers.over_scan(self.glass.look, list(batches(windows, at_once)))
        for seen in looks:
            self._cells.add(seen)
            done += len(seen)
            self._tell(lap, done / len(windows), f"{done} of {len(windows)} windows")

    def _look_everywhere(self, lap: Indices) -> None:
        tiles = self.glass.tiles()
        chosen = self._tiles_of(lap, tiles)
        own = own_px(tiles)
        windows = [[tuple(tiles[i].tolist())] for i in chosen]
        looks = self.workers.over_scan(self.glass.look, windows)
        for done, (index, seen) in enumerate(zip(chosen, looks, strict=True), start=1):
            self._cells.add(seen)
            self._count(seen[0], own(index))
            self._tell(lap, done / len(chosen), f"{done} of {len(chosen)} tiles")
        self._tiles_seen |= set(chosen)

    def _tell(self, lap: Indices, share: float, what: str) -> None:
        self.tell((len(self.read) + len(lap) * share) / max(1, len(self._areas)), what)

    def _tiles_of(self, lap: Indices, tiles: Indices) -> list[int]:
        """The tiles in which an area of this lap lies, and that no earlier lap has looked at."""
        areas = self.grid.areas.xyxy[lap]
        return [
            i
            for i, tile in enumerate(tiles.tolist())
            if i not in self._tiles_seen and any_meet(areas, tile)
        ]

    def _count(self, seen: WindowResult, own: Sequence[float]) -> None:
        """Red cells and platelets, each by the tile and the area that its middle lies in."""
        middle = middles(seen.beside.xyxy)
        mine = ((middle >= own[:2]) & (middle < own[2:])).all(axis=1)
        mine &= np.isin(self.grid.index_of(middle), self._areas)
        for i, name in enumerate(seen.beside.class_names):
            found = int(np.sum(mine & (seen.beside.class_id == i)))
            self.beside[name] = self.beside.get(name, 0) + found
