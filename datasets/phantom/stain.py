"""Optical densities of Romanowsky stains: two cameras on one recipe, and two other recipes."""

from collections.abc import Mapping
from dataclasses import dataclass

Density = tuple[float, float, float]
"""Optical density (-log10 of transmittance) in the camera's red, green and blue."""


@dataclass(frozen=True)
class Stain:
    """A look: the empty glass in gray levels 0-255 (RGB), and the density of each material.

    A red cell's density is the one at its thickest; that of a cytoplasm or nucleus its mean.
    """

    background: tuple[int, int, int]
    red_cell: Density
    materials: Mapping[str, Density]
    chromatin_contrast: float = 1.0
    blur: float = 1.0


# The densities are read off public pictures of stained cells: those of the automated analyzer in
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
            "precipitate": (0.85, 1.05, 0.42),
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
            "precipitate": (0.62, 0.74, 0.34),
        },
        chromatin_contrast=0.8,
        blur=1.6,
    ),
    # Giemsa long and alkaline (pH 7.2): azure dominates, red cells turn gray-blue.
    "giemsa": Stain(
        background=(226, 232, 240),
        red_cell=(0.15, 0.168, 0.095),
        materials={
            "nucleus": (0.62, 0.66, 0.17),
            "dense_nucleus": (0.7, 0.76, 0.2),
            "lymphoid_nucleus": (0.63, 0.66, 0.17),
            "open_nucleus": (0.5, 0.55, 0.13),
            "pale_cytoplasm": (0.12, 0.13, 0.04),
            "blue_cytoplasm": (0.46, 0.33, 0.07),
            "grey_cytoplasm": (0.25, 0.22, 0.06),
            "polychromatic_cytoplasm": (0.25, 0.22, 0.08),
            "lilac_cytoplasm": (0.19, 0.22, 0.05),
            "clear_cytoplasm": (0.14, 0.15, 0.04),
            "fine_granule": (0.18, 0.23, 0.06),
            "azurophil_granule": (0.46, 0.6, 0.12),
            "eosin_granule": (0.2, 0.4, 0.24),
            "basophil_granule": (0.72, 0.86, 0.2),
            "platelet_granule": (0.4, 0.47, 0.1),
            "precipitate": (0.9, 0.95, 0.4),
        },
        chromatin_contrast=0.9,
        blur=1.2,
    ),
    # Stained short and acid (pH 6.4): eosin dominates, nuclei are pale.
    "pale": Stain(
        background=(244, 236, 236),
        red_cell=(0.03, 0.13, 0.088),
        materials={
            "nucleus": (0.27, 0.42, 0.14),
            "dense_nucleus": (0.33, 0.5, 0.17),
            "lymphoid_nucleus": (0.28, 0.42, 0.13),
            "open_nucleus": (0.21, 0.34, 0.11),
            "pale_cytoplasm": (0.035, 0.085, 0.04),
            "blue_cytoplasm": (0.15, 0.17, 0.05),
            "grey_cytoplasm": (0.085, 0.12, 0.045),
            "polychromatic_cytoplasm": (0.09, 0.14, 0.06),
            "lilac_cytoplasm": (0.06, 0.12, 0.04),
            "clear_cytoplasm": (0.04, 0.09, 0.035),
            "fine_granule": (0.05, 0.14, 0.06),
            "azurophil_granule": (0.18, 0.36, 0.11),
            "eosin_granule": (0.06, 0.32, 0.26),
            "basophil_granule": (0.36, 0.6, 0.18),
            "platelet_granule": (0.17, 0.29, 0.09),
            "precipitate": (0.6, 0.85, 0.4),
        },
        chromatin_contrast=0.9,
    ),
}
