"""What each cell looks like: size, outline, nucleus, chromatin, cytoplasm and granules.

Diameters, nuclei and granules follow Bain, Blood Cells: A Practical Guide, 5th ed. (2015), ch. 3,
for dried films stained by May-Gruenwald-Giemsa.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from .nuclei import NucleusMaker, band, bilobed, horseshoe, kidney, oval, round_nucleus, segmented


@dataclass(frozen=True)
class Granules:
    """Grains of one material: how many to the square um of cell, how large, how visible.

    `over_nucleus` (0-1) is how strongly they show where they lie on the nucleus; `patchiness`
    (0-1) leaves parts of the cytoplasm without grains; `core` (0-1) lightens the middle of a
    grain, as a refractile one looks.
    """

    material: str
    per_um2: float
    radius_um: tuple[float, float]
    strength: float = 1.0
    over_nucleus: float = 0.0
    patchiness: float = 0.0
    core: float = 0.0


@dataclass(frozen=True)
class Chromatin:
    """Nuclear texture: material, grain size (um), contrast, and thickness of the membrane."""

    material: str
    grain_um: float
    contrast: float
    membrane: float = 0.12


@dataclass(frozen=True)
class WhiteCellRecipe:
    """A nucleated cell. `diameter_um` is its mean and standard deviation.

    `roughness` is the outline's wobble as a part of the radius. `nuclei` pairs each form of the
    nucleus with its weight. `rim` darkens the edge of the cytoplasm; `mottle` is its unevenness.
    """

    diameter_um: tuple[float, float]
    roughness: float
    cytoplasm: str
    nuclei: tuple[tuple[NucleusMaker, float], ...]
    chromatin: Chromatin
    granules: tuple[Granules, ...] = ()
    vacuoles: float = 0.0
    rim: float = 0.0
    mottle: float = 0.15


WHITE_CELL_RECIPES: Mapping[str, WhiteCellRecipe] = {
    "neutrophil": WhiteCellRecipe(
        diameter_um=(13.2, 0.7),
        roughness=0.018,
        cytoplasm="pale_cytoplasm",
        nuclei=((segmented, 0.85), (band, 0.15)),
        chromatin=Chromatin("nucleus", 0.8, 0.2),
        granules=(Granules("fine_granule", 2.5, (0.17, 0.05), 0.9),),
        rim=0.5,
    ),
    "lymphocyte": WhiteCellRecipe(
        diameter_um=(9.2, 0.9),
        roughness=0.022,
        cytoplasm="blue_cytoplasm",
        nuclei=((partial(round_nucleus, part=0.87), 1.0),),
        chromatin=Chromatin("dense_nucleus", 0.9, 0.2),
        rim=0.3,
    ),
    "monocyte": WhiteCellRecipe(
        diameter_um=(16.6, 1.0),
        roughness=0.035,
        cytoplasm="grey_cytoplasm",
        nuclei=((kidney, 0.6), (horseshoe, 0.4)),
        chromatin=Chromatin("open_nucleus", 0.55, 0.26, membrane=0.2),
        granules=(Granules("azurophil_granule", 1.0, (0.13, 0.03), 0.25),),
        vacuoles=5.0,
        rim=0.15,
        mottle=0.2,
    ),
    "eosinophil": WhiteCellRecipe(
        diameter_um=(13.4, 0.7),
        roughness=0.018,
        cytoplasm="clear_cytoplasm",
        nuclei=((bilobed, 1.0),),
        chromatin=Chromatin("nucleus", 0.8, 0.2),
        granules=(Granules("eosin_granule", 3.4, (0.40, 0.06), 1.0, 0.05, 0.2, core=0.3),),
    ),
    "basophil": WhiteCellRecipe(
        diameter_um=(11.8, 0.6),
        roughness=0.02,
        cytoplasm="lilac_cytoplasm",
        nuclei=((bilobed, 0.5), (kidney, 0.5)),
        chromatin=Chromatin("open_nucleus", 0.8, 0.2, membrane=0.0),
        granules=(Granules("basophil_granule", 2.0, (0.40, 0.13), 1.0, 0.8, 0.1),),
    ),
    "immature_granulocyte": WhiteCellRecipe(
        diameter_um=(15.2, 1.2),
        roughness=0.025,
        cytoplasm="lilac_cytoplasm",
        nuclei=((partial(oval, part=0.66), 1.0),),
        chromatin=Chromatin("open_nucleus", 0.6, 0.26),
        granules=(Granules("azurophil_granule", 3.5, (0.18, 0.05), 0.8, 0.3, 0.4),),
        mottle=0.25,
    ),
    "erythroblast": WhiteCellRecipe(
        diameter_um=(9.0, 0.7),
        roughness=0.03,
        cytoplasm="polychromatic_cytoplasm",
        nuclei=((partial(round_nucleus, part=0.62), 1.0),),
        chromatin=Chromatin("dense_nucleus", 0.7, 0.15, membrane=0.05),
    ),
}
