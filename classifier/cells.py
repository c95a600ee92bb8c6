"""Labeled fields in, crops with labels out: what the classifier learns from and is judged on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.errors import DataError
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.images import read_rgb

from .augmentation import MARGIN
from .crops import CropSettings, cut_crops
from .infer import widths_um


@dataclass(frozen=True)
class LabeledCells:
    """Crops (N, S, S, 3) uint8 RGB, their class index (N,), the source and the width of each.

    `width_um` (N,) is that of the labeled box, um.
    """

    crops: NDArray[np.uint8]
    class_id: NDArray[np.int64]
    source: tuple[str, ...]
    width_um: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.class_id)


def wide(settings: CropSettings) -> CropSettings:
    """The crop that training augments: the same scale, `MARGIN` times the side."""
    return replace(
        settings,
        window_um=settings.window_um * MARGIN,
        size_px=round(settings.size_px * MARGIN),
    )


def labeled_cells(
    fields: Iterable[LabeledField], classes: Sequence[str], settings: CropSettings
) -> LabeledCells:
    """Cuts every cell whose type is one of `classes`; other boxes are left out."""
    crops, class_id, source, width_um = [], [], [], []
    for field in fields:
        wanted = [i for i, name in enumerate(field.cell_types) if name in classes]
        if not wanted:
            continue
        if field.um_per_px is None:
            raise DataError(f"{field.path}: its scale (um/px) is unknown; give the dataset one")
        cells = field.keep(wanted)
        crops.append(cut_crops(read_rgb(field.path), cells.xyxy, field.um_per_px, settings))
        class_id += [classes.index(name) for name in cells.cell_types]
        source += [field.source] * len(wanted)
        width_um.append(widths_um(cells.xyxy, field.um_per_px))
    if not crops:
        raise DataError("no labeled cell of the classes asked for in the datasets given")
    return LabeledCells(
        np.concatenate(crops),
        np.array(class_id, np.int64),
        tuple(source),
        np.concatenate(width_um),
    )
