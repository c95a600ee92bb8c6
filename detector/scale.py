"""The scale of a slide from its own red cells, else from its white cells."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.boxes import area
from leukodiff.core.units import RED_CELL_UM
from leukodiff.datasets.vocabulary import WHITE_CELL

from .candidates import window_side
from .detections import Detections
from .infer import Detector
from .letterbox import Image
from .red_cells import outlined_diameters

RED_CELL = "red_cell"
"""The detector's class of red cells."""

OUTLINED_UM = 7.35
"""Diameter (um) measured on the outline of a red cell of `RED_CELL_UM`: on phantoms, whose truth is
known, the round, free ones that are measured come out 1 to 2.5 % small."""

ENOUGH_OUTLINES = 12
"""Number of clear outlines from which on they set the scale, not the boxes: how wide a box is drawn
differs from labeler to labeler, and a detector has learned from several."""

WHITE_CELL_BOX_UM = 15.0
"""Side (um, root of the area) of the detector's box of a white cell, the median of five data sets'
medians: Chula 14.3, TXL-PBC 15.0, PBC 15.0, BCCD 15.9, Raabin 17.1 (about 190 to 240 cells each, at
their nominal scales; people's own boxes are 3 to 5 % narrower)."""

CONTRADICTED = 1.6
"""White cells overrule fewer than `ENOUGH_OUTLINES` red cells that differ by more than this factor:
eight lymphocytes of PBC alone, which are small, differ from the truth by up to 1.46."""

SCALES_UM_PER_PX = tuple(float(scale) for scale in np.geomspace(0.03, 1.0, 11))
"""Scales (um/px) that are tried where nothing is known; neighbors differ by a factor of 1.42."""

PROBE_PX = 288
"""Largest side (px at working scale) of a probe, cut from the middle of a field."""

MIN_CELLS = 4
"""With fewer whole red cells there is no estimate; a BCCD field alone has four to nine."""

MIN_CONFIDENCE = 0.4
CONSISTENT = 1.25
"""A scale holds when the cells found with it say the same scale within this factor."""

CLOSE = 1.06
"""A reading at a scale within this factor of its own answer is not taken again."""


@dataclass(frozen=True)
class ScaleEstimate:
    """A scale, and how sure it is.

    `spread` is the interquartile range of the cells' diameters over their median: 0.1-0.2 of red
    cells on a good smear; `n_cells` is how many were measured; `measured_on` is their class.
    """

    um_per_px: float
    spread: float
    n_cells: int
    measured_on: str = RED_CELL


@dataclass(frozen=True)
class _Ruler:
    class_name: str
    box_um: float


@dataclass(frozen=True)
class _Reading:
    assumed: float
    diameters_px: NDArray[np.float64]
    support: float
    ruler: _Ruler
    boxed: tuple[tuple[Image, NDArray[np.float32]], ...] = ()

    @property
    def um_per_px(self) -> float:
        return self.ruler.box_um / float(np.median(self.diameters_px))

    @property
    def holds(self) -> bool:
        return self._within(CONSISTENT)

    @property
    def close(self) -> bool:
        return self._within(CLOSE)

    def _within(self, factor: float) -> bool:
        if not len(self.diameters_px):
            return False
        return 1 / factor <= self.um_per_px / self.assumed <= factor


_Item = TypeVar("_Item")
_Read = Callable[[Sequence[Image], float, int], _Reading]
_Probe = tuple[Image, bool]
_Boxed = tuple[Image, Detections]


def estimate_um_per_px(
    detector: Detector,
    images: Sequence[Image],
    guess_um_per_px: float | None = None,
    *,
    max_fields: int = 8,
    probes: int = 16,
    threads: int = 1,
) -> ScaleEstimate | None:
    """The scale at which the red cells that are found measure 7.5 um, else the white cells theirs.

    Every one of `SCALES_UM_PER_PX` is tried on the first two fields. Of those that hold (the cells
    found at it measure as they should) the one with the most and surest cells is kept, and refined
    on up to `max_fields`. A good `guess_um_per_px`, as of the last slide, spares the others when it
    holds. White cells are measured only where red cells are too few: an analyzer's pictures of one
    cell each. `None` when those are too few, too.

    Args:
        detector: must find `red_cell`; `white_cell` for pictures without red cells.
        images: fields of one slide, (H, W, 3) uint8 RGB.
        guess_um_per_px: the scale to try first.
        max_fields: how many fields to measure.
        probes: how many places to measure in all, where fields are large enough for several.
        threads: how many calls of the detector at a time.
    """
    chosen = _spaced(images, max_fields)
    if not chosen:
        return None
    with ThreadPoolExecutor(threads) as pool:
        read = partial(_read, detector, pool)
        each = max(1, probes // len(chosen))
        red = _by_red_cells(partial(read, _red_ruler(detector)), chosen, guess_um_per_px, each)
        if len(chosen) < MIN_CELLS or (red and red.n_cells >= ENOUGH_OUTLINES):
            return red
        white = _by_white_cells(partial(read, _WHITE_RULER), chosen, guess_um_per_px, each)
    return white if red is None or (white and _contradict(red, white)) else red


def _red_ruler(detector: Detector) -> _Ruler:
    ratio = float(detector.metadata.calibration.get("red_cell_box_ratio", 1.0))
    return _Ruler(RED_CELL, RED_CELL_UM * ratio)


_WHITE_RULER = _Ruler(WHITE_CELL, WHITE_CELL_BOX_UM)


def _contradict(red: ScaleEstimate, white: ScaleEstimate) -> bool:
    return not 1 / CONTRADICTED <= white.um_per_px / red.um_per_px <= CONTRADICTED


def _by_red_cells(
    read: _Read, images: Sequence[Image], guess: float | None, each: int
) -> ScaleEstimate | None:
    found = _read_at_best(read, images, images[:2], guess, each)
    if found is None:
        return None
    return _by_outlines(found) or _estimate(found.diameters_px, found.ruler)


def _by_white_cells(
    read: _Read, images: Sequence[Image], guess: float | None, each: int
) -> ScaleEstimate | None:
    # All pictures are searched, not two: each has a cell or none.
    found = _read_at_best(read, images, images, guess, each)
    return _estimate(found.diameters_px, found.ruler) if found else None


def _read_at_best(
    read: _Read,
    images: Sequence[Image],
    searched: Sequence[Image],
    guess: float | None,
    each: int,
) -> _Reading | None:
    """The reading at its own answer; `None` where that does not hold or has too few cells."""
    found = _best([read(images, guess, each)]) if guess else None
    if found is None:
        start = _best([read(searched, scale, 1) for scale in SCALES_UM_PER_PX])
        if start is None:
            return None
        found = read(images, start.um_per_px, each)
    if not found.close and len(found.diameters_px):
        found = read(images, found.um_per_px, each)
    return found if len(found.diameters_px) >= MIN_CELLS and found.holds else None


def _by_outlines(found: _Reading) -> ScaleEstimate | None:
    diameters = np.concatenate([outlined_diameters(*boxed) for boxed in found.boxed])
    clear = diameters[~np.isnan(diameters)]
    ruler = _Ruler(RED_CELL, OUTLINED_UM)
    return _estimate(clear, ruler) if len(clear) >= ENOUGH_OUTLINES else None


def _estimate(diameters_px: NDArray[np.float64], ruler: _Ruler) -> ScaleEstimate:
    low, middle, high = np.percentile(diameters_px, [25, 50, 75])
    spread = float((high - low) / middle)
    return ScaleEstimate(float(ruler.box_um / middle), spread, len(diameters_px), ruler.class_name)


def _spaced(items: Sequence[_Item], n: int) -> list[_Item]:
    # Spread over the slide, so that one odd corner does not set the scale.
    chosen = np.unique(np.linspace(0, len(items) - 1, min(n, len(items))).round().astype(int))
    return [items[int(i)] for i in chosen]


def _best(readings: Sequence[_Reading]) -> _Reading | None:
    good = [one for one in readings if len(one.diameters_px) >= MIN_CELLS / 2 and one.holds]
    return max(good, key=lambda one: one.support, default=None)


def _read(
    detector: Detector,
    pool: ThreadPoolExecutor,
    ruler: _Ruler,
    images: Sequence[Image],
    assumed: float,
    each: int,
) -> _Reading:
    """Reading of up to `each` probes of each image."""
    diameters, confidence, boxed = [np.zeros(0)], [np.zeros(0)], []
    probes = [one for i in images for one in _probes(i, detector.um_per_px, assumed, each)]
    detect = partial(_whole_cells, detector, ruler.class_name, assumed)
    for probe, cells in (
        one for some in pool.map(detect, _alike(probes, detector)) for one in some
    ):
        diameters.append(np.sqrt(area(cells.xyxy)).astype(np.float64))
        confidence.append(cells.confidence.astype(np.float64))
        boxed.append((probe, cells.xyxy))
    support = float(np.concatenate(confidence).sum())
    return _Reading(assumed, np.concatenate(diameters), support, ruler, tuple(boxed))


def _probes(image: Image, um_per_px: float, assumed: float, most: int) -> list[_Probe]:
    """Squares of an image, spread over it, and whether gray has to be laid round each.

    None is needed where there is more of the image on all sides. Such a square is as large as the
    windows of a scan, whose shape the engine has to learn anyway.
    """
    side = round(window_side(um_per_px) * um_per_px / assumed)
    height, width = image.shape[:2]
    if min(height, width) <= side:
        return [(_square(image, round(PROBE_PX * um_per_px / assumed)), True)]
    rows, columns = (length // side for length in (height, width))
    if most == 1 or rows * columns == 1:
        return [(_square(image, side), False)]
    cells = [((c + 0.5) / columns, (r + 0.5) / rows) for r in range(rows) for c in range(columns)]
    return [(_square(image, side, *cell), False) for cell in _spaced(cells, most)]


def _alike(probes: Sequence[_Probe], detector: Detector) -> Iterator[tuple[list[Image], bool]]:
    """Probes that one call of the detector can take."""
    for (_, framed), group in groupby(probes, key=lambda one: (one[0].shape, one[1])):
        images = [image for image, _ in group]
        for start in range(0, len(images), detector.batch):
            yield images[start : start + detector.batch], framed


def _whole_cells(
    detector: Detector, class_name: str, assumed: float, probes: tuple[list[Image], bool]
) -> list[_Boxed]:
    """Each probe with the cells of a class that are whole in it."""
    images, framed = probes
    least = dict.fromkeys(detector.metadata.classes, MIN_CONFIDENCE)
    found = [
        cells.of(class_name)
        for cells in detector.detect_many(images, assumed, least, framed=framed)
    ]
    pairs = zip(images, found, strict=True)
    return [(image, cells.select(_whole(cells.xyxy, image))) for image, cells in pairs]


def _square(image: Image, side: int, x: float = 0.5, y: float = 0.5) -> Image:
    """A square round a place (0-1 across and down), as far as the image has it."""
    height, width = image.shape[:2]
    left, top = max(0, int(x * width - side / 2)), max(0, int(y * height - side / 2))
    return image[top : top + side, left : left + side]


def _whole(xyxy: NDArray[np.float32], image: Image) -> NDArray[np.bool_]:
    # A cell that touches the probe's edge (to 1 % of its side) is cut, and would measure small.
    height, width = image.shape[:2]
    slack = 0.01 * max(height, width)
    inside = (xyxy[:, 0] > slack) & (xyxy[:, 1] > slack)
    return np.asarray(inside & (xyxy[:, 2] < width - slack) & (xyxy[:, 3] < height - slack))
