"""Fields that teach a detector what is no white cell: phantoms with precipitate, clumps, dirt."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.phantom import PhantomSettings, render_smear
from leukodiff.datasets.phantom.stain import STAINS
from leukodiff.datasets.splits import TRAIN

SIDE_UM = 54.0
"""Side of such a field: a window of the trainer's."""

SCALES_UM_PER_PX = (0.08, 0.27)
"""From a 100x objective's camera to a 40x scanner."""

WITHOUT_WHITE_CELLS = 0.5
"""Share of the fields that hold no white cell; the others hold one or two."""


def hard_negatives(folder: Path, n: int, seed: int) -> list[LabeledField]:
    """Renders `n` phantom fields into `folder`, each another stain, scale, density and dirt.

    Stain precipitate, platelet clumps and dirt are drawn and not labeled. Half of the fields hold
    white cells too, or a phantom's look alone would say that there is none. Smudge cells are not
    drawn: a bare nucleus that is taught to be nothing costs pale neutrophils, and a smudge that is
    found is left unnamed by the classifier.
    """
    return [field for number in range(n) for field in _one(folder, number, seed)]


def _one(folder: Path, number: int, seed: int) -> Iterator[LabeledField]:
    rng = np.random.default_rng([seed, 21, number])
    um_per_px = float(np.exp(rng.uniform(*np.log(SCALES_UM_PER_PX))))
    side = round(SIDE_UM / um_per_px)
    none = rng.random() < WITHOUT_WHITE_CELLS
    settings = PhantomSettings(
        width=side,
        height=side,
        um_per_px=um_per_px,
        seed=int(rng.integers(2**31)),
        n_white=0 if none else int(rng.integers(1, 3)),
        red_cells_per_mm2=float(rng.uniform(500, 9000)),
        platelets_per_mm2=float(rng.uniform(100, 900)),
        red_cell_scatter=float(rng.uniform(0.4, 1.0)),
        platelet_clumps=int(rng.integers(0, 3)),
        precipitate=int(rng.integers(0, 3)),
        dirt=int(rng.integers(0, 4)),
        cut_white_cells=True,
        stain=str(rng.choice(sorted(STAINS))),
        stain_strength=float(rng.uniform(0.7, 1.3)),
        blur_um=float(rng.uniform(0.08, 0.3)),
        noise=float(rng.uniform(0.5, 3.0)),
    )
    for field in render_smear(folder / f"{number:04d}", settings, n_fields=1):
        yield replace(field, split=TRAIN, um_per_px=um_per_px)
