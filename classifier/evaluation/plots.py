"""Pictures of an evaluation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def draw_confusion(counts: pd.DataFrame, path: Path) -> None:
    """Draws a confusion matrix: counts written in, colored by the share of the true class."""
    values = counts.to_numpy()
    share = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    figure = _figure(1.5 + 0.8 * len(counts), 1.2 + 0.7 * len(counts))
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), n in np.ndenumerate(values):
        color = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(n), ha="center", va="center", color=color)
    names = [str(name).replace("_", " ") for name in counts.columns]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="named", ylabel="true")
    figure.savefig(path, dpi=110)


def draw_reliability(bins: Sequence[tuple[float, float, float]], path: Path) -> None:
    """Draws share right against confidence; a dot's size is its share of the cells."""
    figure = _figure(4.5, 4.5)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    if bins:
        confidence, right, share = np.array(bins).T
        axes.scatter(confidence, right, s=20 + 600 * share, alpha=0.7)
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1.03), ylim=(0, 1.03))
    figure.savefig(path, dpi=110)


def draw_risk_coverage(
    curves: Mapping[str, Sequence[tuple[float, float, float]]], path: Path
) -> None:
    """Draws, for each name, the share right of the named cells over the share left unidentified."""
    figure = _figure(5.2, 4.2)
    axes = figure.add_subplot()
    for name, rows in curves.items():
        if rows:
            _, unidentified, right = np.array(rows).T
            axes.plot(100 * unidentified, 100 * right, label=name)
    axes.set(xlabel="left unidentified, %", ylabel="right of the named, %", xlim=(0, 100))
    axes.set_ylim(top=100.5)
    axes.grid(alpha=0.3)
    if len(curves) > 1:
        axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)


def _figure(width: float, height: float) -> Any:
    # Figures of their own, not pyplot's: nothing global, no display.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
