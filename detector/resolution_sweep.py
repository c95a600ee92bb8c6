"""Sweep over working scales: the cells that a coarser one costs a detector, the time it saves."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.layout import image_size
from leukodiff.datasets.vocabulary import WHITE_CELL

from .evaluate import evaluate_detector
from .infer import Detector


@dataclass(frozen=True)
class ScalePoint:
    """A detector at one working scale: its figures (0-1) and the median time it takes a field.

    `canvas_px` is the longer side of the canvas that the first field is detected on.
    """

    um_per_px: float
    canvas_px: int
    map50: float
    white_cell_ap50: float
    white_cell_recall: float
    white_cell_precision: float
    red_cell_ap50: float
    platelet_ap50: float
    milliseconds: float


def resolution_sweep(
    detectors: Sequence[Detector], fields: Sequence[LabeledField], out: Path | None = None
) -> list[ScalePoint]:
    """Evaluate detectors, finest working scale first; with `out`, save the table and its picture.

    Give one detector a scale, each trained at its own; or one set of weights through
    `detector.at_scale(...)`, which shows what they withstand rather than what the scale allows.
    """
    points = [_scale_point(one, fields) for one in sorted(detectors, key=lambda one: one.um_per_px)]
    if out is not None:
        save_sweep(points, out)
    return points


def save_sweep(points: Sequence[ScalePoint], out: Path) -> None:
    """Write `ladder.csv` and `ladder.png` into a folder."""
    import pandas as pd

    from .plots import save_sweep_plot

    out.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame([asdict(point) for point in points])
    table.to_csv(out / "ladder.csv", index=False, float_format="%.4f")
    names = ("white_cell_recall", "white_cell_ap50", "map50")
    lines = {name.replace("_", " "): [getattr(r, name) for r in points] for name in names}
    scales = [point.um_per_px for point in points]
    save_sweep_plot(scales, lines, [point.milliseconds for point in points], out / "ladder.png")


def _scale_point(detector: Detector, fields: Sequence[LabeledField]) -> ScalePoint:
    evaluation = evaluate_detector(detector, fields)
    white = evaluation.of(WHITE_CELL)
    first = fields[0]
    scale = first.um_per_px or detector.um_per_px
    return ScalePoint(
        um_per_px=detector.um_per_px,
        canvas_px=detector.canvas_px(*image_size(first.path), scale),
        map50=evaluation.map50,
        white_cell_ap50=white.ap50,
        white_cell_recall=white.recall,
        white_cell_precision=white.precision,
        red_cell_ap50=evaluation.of("red_cell").ap50,
        platelet_ap50=evaluation.of("platelet").ap50,
        milliseconds=_milliseconds_a_field(detector, fields[:20]),
    )


def _milliseconds_a_field(detector: Detector, fields: Sequence[LabeledField]) -> float:
    seconds = []
    for field in fields:
        image = read_rgb(field.path)
        began = time.perf_counter()
        detector.detect(image, field.um_per_px or detector.um_per_px)
        seconds.append(time.perf_counter() - began)
    return round(float(np.median(seconds)) * 1000, 2)
