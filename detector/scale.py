"""The scale of a slide from its own red cells, the ruler that lies in every field."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .canvas import Image
from .infer import Detector
from .red_cells import outlined_diameters

RED_CELL_UM = 7.5
"""Mean diameter of a red cell on a dried smear (7.2-7.5 um: Bain, Blood Cells, 5th ed., 2015).

A detector's box is wider than the cell by what its labels are: its `red_cell_box_ratio`.
"""

OUTLINED_UM = 7.35
"""What the outline of a red cell of `RED_CELL_UM` measures: on phantoms, where the truth is known,
the round, free ones that are measured come out 1 to 2.5 % small."""

ENOUGH_OUTLINES = 12
"""With so many clear outlines they set the scale, not the boxes: how wide a box is drawn is a habit
of whoever labelled, and a detector takes a different habit from every look it was taught."""

LADDER = tuple(float(scale) for scale in np.geomspace(0.03, 1.0, 11))
"""Scales (um/px) that are tried where nothing is known; neighbours differ by a factor of 1.42."""

PROBE_PX = 288
"""A probe looks at the middle of a field, at most this many px wide and high at working scale."""

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

    `spread` is the interquartile range of the red cells' diameters over their median: 0.1-0.2 on a
    good smear; `n_cells` is how many red cells were measured.
    """

    um_per_px: float
    spread: float
    n_cells: int


@dataclass(frozen=True)
class _Reading:
    assumed: float
    diameters_px: NDArray[np.float64]
    support: float
    box_um: float
    boxed: tuple[tuple[Image, NDArray[np.float32]], ...] = ()

    @property
    def um_per_px(self) -> float:
        return self.box_um / float(np.median(self.diameters_px))

    @property
    def holds(self) -> bool:
        return self._within(CONSISTENT)

    @property
    def close(self) -> bool:
        return self._within(CLOSE)

    def _within(self, factor: float) -> bool:
        return 1 / factor <= self.um_per_px / self.assumed <= factor


def estimate_um_per_px(
    detector: Detector,
    images: Sequence[Image],
    *,
    guess_um_per_px: float | None = None,
    max_fields: int = 8,
) -> ScaleEstimate | None:
    """The scale at which the red cells that are found measure 7.5 um; None when too few are found.

    Every scale of a ladder is tried on the first two fields. Of the ones that hold (the cells found
    with it say it themselves) the one with the most and surest cells is kept, and refined on up to
    `max_fields`. A good `guess_um_per_px`, such as the slide before, spares the ladder when it
    holds.

    Args:
        detector: must find `red_cell`.
        images: fields of one slide, (H, W, 3) uint8 RGB.
        guess_um_per_px: the scale to try first.
        max_fields: how many fields to look at.
    """
    chosen = _spaced(images, max_fields)
    if not chosen:
        return None
    scales = [guess_um_per_px] if guess_um_per_px else []
    start = _best(detector, chosen[:2], scales) or _best(detector, chosen[:2], LADDER)
    if start is None:
        return None
    found = _read(detector, chosen, start.um_per_px)
    if len(found.diameters_px) and not found.close:
        found = _read(detector, chosen, found.um_per_px)
    if len(found.diameters_px) < MIN_CELLS or not found.holds:
        return None
    return _by_outlines(found) or _estimate(found.diameters_px, found.box_um)


def _by_outlines(found: _Reading) -> ScaleEstimate | None:
    diameters = np.concatenate([outlined_diameters(*boxed) for boxed in found.boxed])
    clear = diameters[~np.isnan(diameters)]
    return _estimate(clear, OUTLINED_UM) if len(clear) >= ENOUGH_OUTLINES else None


def _estimate(diameters_px: NDArray[np.float64], mean_um: float) -> ScaleEstimate:
    low, middle, high = np.percentile(diameters_px, [25, 50, 75])
    return ScaleEstimate(float(mean_um / middle), float((high - low) / middle), len(diameters_px))


def _spaced(images: Sequence[Image], n: int) -> list[Image]:
    # Spread over the slide, so that one odd corner does not set the scale.
    chosen = np.unique(np.linspace(0, len(images) - 1, min(n, len(images))).round().astype(int))
    return [images[int(i)] for i in chosen]


def _best(detector: Detector, images: Sequence[Image], scales: Iterable[float]) -> _Reading | None:
    readings = [_read(detector, images, scale) for scale in scales]
    good = [one for one in readings if len(one.diameters_px) >= MIN_CELLS / 2 and one.holds]
    return max(good, key=lambda one: one.support, default=None)


def _read(detector: Detector, images: Sequence[Image], assumed: float) -> _Reading:
    diameters, confidence, boxed = [np.zeros(0)], [np.zeros(0)], []
    least = dict.fromkeys(detector.metadata.classes, MIN_CONFIDENCE)
    for image in images:
        probe = _middle(image, round(PROBE_PX * detector.um_per_px / assumed))
        red = detector.detect(probe, assumed, least).of("red_cell")
        red = red.select(_whole(red.xyxy, probe))
        sides = red.xyxy[:, 2:] - red.xyxy[:, :2]
        diameters.append(np.sqrt(sides[:, 0] * sides[:, 1]).astype(np.float64))
        confidence.append(red.confidence.astype(np.float64))
        boxed.append((probe, red.xyxy))
    ratio = float(detector.metadata.calibration.get("red_cell_box_ratio", 1.0))
    support = float(np.concatenate(confidence).sum())
    box_um = RED_CELL_UM * ratio
    return _Reading(assumed, np.concatenate(diameters), support, box_um, tuple(boxed))


def _middle(image: Image, side: int) -> Image:
    y, x = (max(0, (length - side) // 2) for length in image.shape[:2])
    return image[y : y + side, x : x + side]


def _whole(xyxy: NDArray[np.float32], image: Image) -> NDArray[np.bool_]:
    # A cell that touches the probe's edge (to 1 % of its side) is cut, and would measure small.
    height, width = image.shape[:2]
    slack = 0.01 * max(height, width)
    inside = (xyxy[:, 0] > slack) & (xyxy[:, 1] > slack)
    return np.asarray(inside & (xyxy[:, 2] < width - slack) & (xyxy[:, 3] < height - slack))
