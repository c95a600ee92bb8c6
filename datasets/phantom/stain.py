"""Optical densities of a May-Gruenwald-Giemsa stain, as two kinds of camera see them."""

from collections.abc import Mapping
from dataclasses import dataclass

Density = tuple[float, float, float]
"""Optical density (-log10 of transmittance) in the camera's red, green and blue."""


@dataclass(frozen=True)
class Stain:
    """A look: the empty glass in grey levels 0-255 (RGB), and the density of each material.

    A red cell's density is the one at its thickest; that of a cytoplasm or nucleus its mean.
    """

    background: tuple[int, int, int]
    red_cell: Density
    materials: Mapping[str, Density]
    chromatin_contrast: float = 1.0
    blur: float = 1.0


# The densities are read off public pictures of stained cells: those of the automated analyser in
# Acevedo et al., Data in Brief 2020 (PBC), and those of the field camera behind BCCD.
STAINS: Mapping[str, Stain] = {
    "analyser": Stain(
        background=(253, 229, 204),
        red_cell=(0.108, 0.158, 0.092),
        materials={
            "nucleus": (0.53, 0.84, 0.2),
            "dense_nucleus": (0.58, 0.94, 0.22),
            "lymphoid_nucleus": (0.52, 0.83, 0.2),
            "open_nucleus": (0.43, 0.71, 0.165),
            "pale_cytoplasm": (0.08, 0.125, 0.055),
            "blue_cytoplasm": (0.37, 0.37, 0.09),
            "grey_cytoplasm": (0.18, 0.225, 0.065),
            "polychromatic_cytoplasm": (0.165, 0.21, 0.085),
            "lilac_cytoplasm": (0.15, 0.22, 0.06),
            "clear_cytoplasm": (0.10, 0.16, 0.04),
            "fine_granule": (0.13, 0.25, 0.085),
            "azurophil_granule": (0.4, 0.72, 0.17),
            "eosin_granule": (0.145, 0.42, 0.31),
            "basophil_granule": (0.58, 1, 0.235),
            "platelet_granule": (0.36, 0.56, 0.14),
        },
    ),
    "camera": Stain(
        background=(204, 206, 202),
        red_cell=(0.072, 0.148, 0.125),
        materials={
            "nucleus": (0.30, 0.36, 0.03),
            "dense_nucleus": (0.35, 0.42, 0.05),
            "lymphoid_nucleus": (0.33, 0.4, 0.04),
            "open_nucleus": (0.22, 0.32, 0.00),
            "pale_cytoplasm": (0.045, 0.11, 0.01),
            "blue_cytoplasm": (0.18, 0.14, 0.02),
            "grey_cytoplasm": (0.10, 0.12, 0.01),
            "polychromatic_cytoplasm": (0.12, 0.13, 0.04),
            "lilac_cytoplasm": (0.06, 0.12, 0.00),
            "clear_cytoplasm": (0.04, 0.09, 0.01),
            "fine_granule": (0.075, 0.14, 0.03),
            "azurophil_granule": (0.12, 0.22, 0.01),
            "eosin_granule": (0.05, 0.26, 0.13),
            "basophil_granule": (0.42, 0.64, 0.09),
            "platelet_granule": (0.17, 0.20, 0.01),
        },
        chromatin_contrast=0.8,
        blur=1.6,
    ),
}
