"""The gallery's reference cells, static/reference.jpg: six phantom cells of each class, 24 um wide.

    python benchmarks/reference_cells.py

A row a class. Run by hand when the phantom's cells change.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.core.units import CROP_UM
from leukodiff.datasets.phantom import PhantomSettings, Placement, place, render_region

ROWS = (
    "neutrophil",
    "lymphocyte",
    "monocyte",
    "eosinophil",
    "basophil",
    "immature_granulocyte",
    "erythroblast",
    "platelet",
)
"""As REFERENCE_ROWS in static/reference.js."""

COLUMNS = 6

CROP_PX = 112

TARGET = Path(__file__).parents[1] / "pipeline" / "review" / "web" / "static" / "reference.jpg"


def main() -> None:
    """Writes the picture."""
    sheet = np.vstack([np.hstack(_row(number, name)) for number, name in enumerate(ROWS)])
    cv2.imwrite(str(TARGET), sheet[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])


def _row(number: int, name: str) -> list[NDArray[np.uint8]]:
    um_per_px = CROP_UM / CROP_PX
    white = [] if name == "platelet" else [name] * (4 * COLUMNS)
    settings = PhantomSettings(2000, 1600, um_per_px, seed=300 + number)
    placement = place(settings, white)
    return [
        _crop(settings, placement, index) for index in _inside(settings, placement, name)[:COLUMNS]
    ]


def _inside(settings: PhantomSettings, placement: Placement, name: str) -> list[int]:
    across, down = settings.width_um - CROP_UM / 2, settings.height_um - CROP_UM / 2
    return [
        i
        for i, cell_type in enumerate(placement.cell_types)
        if cell_type == name
        and CROP_UM / 2 < placement.x_um[i] < across
        and CROP_UM / 2 < placement.y_um[i] < down
    ]


def _crop(settings: PhantomSettings, placement: Placement, index: int) -> NDArray[np.uint8]:
    left, top = (
        round((center - CROP_UM / 2) / settings.um_per_px)
        for center in (placement.x_um[index], placement.y_um[index])
    )
    return render_region(settings, placement, left, top, CROP_PX, CROP_PX)


if __name__ == "__main__":
    main()
