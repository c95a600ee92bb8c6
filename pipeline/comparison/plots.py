"""Pictures of a method comparison: one of each cell type. Needs matplotlib (the `train` extra)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from .methods import MethodComparison, TypeFigures
from .readings import title

BLUE = "#0072b2"
"""As `ORANGE` of Okabe and Ito 2008; lines differ in their dashes too."""

ORANGE = "#d55e00"

GRAY = "#666666"

DPI = 110

POINTS = 200
"""Of a curve."""

LEGEND: dict[str, Any] = {
    "loc": "upper center",
    "bbox_to_anchor": (0.5, -0.12),
    "ncols": 2,
    "fontsize": 8,
    "frameon": False,
}
"""Below the axes, where it hides no slide."""


def draw_methods(found: MethodComparison, out: Path) -> list[Path]:
    """A picture for each type that at least one slide has on both sides; returns the files.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    drawn = []
    for one in found.types:
        if one.n:
            path = out / f"{re.sub(r'[^A-Za-z0-9_-]+', '_', one.cell_type)}.png"
            _draw(one, path)
            drawn.append(path)
    return drawn


def _draw(one: TypeFigures, path: Path) -> None:
    # A figure of its own, not pyplot's: nothing global, no display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = [
        (row.manual.percent, row.results.percent or 0.0, bool(row.within_counting_error))
        for row in one.differences
        if row.manual and row.results
    ]
    x, y, within = np.array(rows, float).T
    within = within.astype(bool)
    _scatter(left, one, x, y, within)
    _bland_altman(right, one, x, y, within)
    figure.suptitle(f"{title(one.cell_type)}, {one.n} slides".capitalize())
    figure.savefig(path, dpi=DPI)


def _scatter(axes: Any, one: TypeFigures, x: Any, y: Any, within: Any) -> None:
    top = 1.08 * max(float(x.max()), float(y.max()), 1.0)
    along = np.linspace(0, top, POINTS)
    axes.plot(along, along, color=GRAY, linewidth=1, linestyle=":", label="the same")
    off = _counting_width(one, along)
    axes.fill_between(
        along, along - off, along + off, color=GRAY, alpha=0.15, label="counting error, 95 %"
    )
    for line, name, color, dashes in (
        (one.deming, "Deming", BLUE, "-"),
        (one.passing_bablok, "Passing-Bablok", ORANGE, "--"),
    ):
        if line:
            label = f"{name}: {line.intercept:.1f} + {line.slope:.2f} x"
            axes.plot(along, line.intercept + line.slope * along, dashes, color=color, label=label)
    _dots(axes, x, y, within)
    axes.set(xlabel="manual, %", ylabel="leukodiff, %", xlim=(0, top), ylim=(0, top))
    axes.set_aspect("equal")
    axes.legend(**LEGEND)


def _bland_altman(axes: Any, one: TypeFigures, x: Any, y: Any, within: Any) -> None:
    mean, gap = (x + y) / 2, y - x
    right = 1.08 * max(float(mean.max()), 1.0)
    along = np.linspace(0, right, POINTS)
    off = _counting_width(one, along)
    axes.fill_between(along, -off, off, color=GRAY, alpha=0.15, label="counting error, 95 %")
    axes.axhline(0, color=GRAY, linewidth=1, linestyle=":")
    found = one.bland_altman
    if found:
        axes.axhline(found.bias, color=BLUE, label=f"bias {found.bias:.2f}")
        axes.axhspan(found.bias_low, found.bias_high, color=BLUE, alpha=0.12)
        limits = f"limits of agreement {found.lower:.1f} to {found.upper:.1f}"
        axes.axhline(found.lower, color=ORANGE, linestyle="--", label=limits)
        axes.axhline(found.upper, color=ORANGE, linestyle="--")
        axes.axhspan(found.lower_low, found.lower_high, color=ORANGE, alpha=0.08)
        axes.axhspan(found.upper_low, found.upper_high, color=ORANGE, alpha=0.08)
    _dots(axes, mean, gap, within)
    high = float(np.abs([*gap, found.lower if found else 0, found.upper if found else 0]).max())
    reach = 1.2 * max(high, 1.0)
    axes.set(xlabel="mean of both, %", ylabel="leukodiff - manual, points", xlim=(0, right))
    axes.set_ylim(-reach, reach)
    axes.legend(**LEGEND)


def _dots(axes: Any, x: Any, y: Any, within: Any) -> None:
    for which, marker, label in ((within, "o", "within"), (~within, "x", "beyond")):
        if which.any():
            name = f"{label} counting error: {int(which.sum())}"
            axes.scatter(x[which], y[which], s=22, marker=marker, color="black", label=name)


def _counting_width(one: TypeFigures, percent: Any) -> Any:
    """Half the width of Rümke's limits at each percentage, points, for the median cells counted."""
    sizes = [(row.manual.n, row.results.n) for row in one.differences if row.manual and row.results]
    manual, results = np.median(np.array(sizes, float), axis=0)
    share = np.clip(percent / 100, 0, 1)
    return 196 * np.sqrt(share * (1 - share) * (1 / manual + 1 / results))
