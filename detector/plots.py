"""Pictures of a detector's figures. Needs the `train` extra."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leukodiff.datasets.vocabulary import BY_NAME


def save_pr_curves(
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    ap50: Mapping[str, float],
    path: Path,
) -> None:
    """Draw precision over recall at IoU 0.5, a line a class, as a PNG."""
    figure = _figure()
    axes = figure.add_subplot()
    for name, (recall, precision) in curves.items():
        if len(recall):
            label = f"{BY_NAME[name].title}, AP {ap50[name]:.3f}"
            axes.plot(recall, precision, color=BY_NAME[name].color, label=label)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(loc="lower left")
    _save(figure, path)


def save_sweep_plot(
    um_per_px: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    milliseconds: Sequence[float],
    path: Path,
) -> None:
    """Draw fractions (0-1) and time a field (ms) over the working scale (um/px), as a PNG."""
    figure = _figure()
    axes = figure.add_subplot()
    for label, values in lines.items():
        axes.plot(um_per_px, values, marker="o", label=label)
    axes.set(xlabel="working scale (um/px); coarser to the right", ylabel="fraction")
    axes.grid(alpha=0.3)
    time = axes.twinx()
    time.plot(um_per_px, milliseconds, color="grey", linestyle="--", label="time a field (ms)")
    time.set(ylabel="ms a field", ylim=(0, None))
    handles = [*axes.lines, *time.lines]
    axes.legend(handles, [str(line.get_label()) for line in handles], loc="lower left")
    _save(figure, path)


def _figure() -> Any:
    # Figures of their own, not pyplot's: nothing global, no display.
    from matplotlib.figure import Figure

    return Figure(figsize=(6.4, 4.8), layout="constrained")


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
