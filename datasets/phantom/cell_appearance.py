"""Appearance of each cell type: size, outline, nucleus, chromatin, cytoplasm and granules.

Diameters, nuclei and granules follow Bain, Blood Cells: A Practical Guide, 5th ed. (2015), ch. 3,
for dried films stained by May-Gruenwald-Giemsa.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from .nuclei import (
    NucleusMaker,
    band,
    bilobed,
    horseshoe,
    kidney,
    oval,
    round_nucleus,
    segmented,
)


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
    """Nuclear texture: material, grain size (um), contrast, and how dark the membrane is.

    `edge_um` is how far the nucleus's edge wanders from its smooth form.
    """

    material: str
    grain_um: float
    contrast: float
    membrane: float = 0.12
    edge_um: float = 0.12


@dataclass(frozen=True)
class WhiteCellAppearance:
    """A nucleated cell. `diameter_um` is its mean and standard deviation.

    `roughness` is the outline's wobble as a part of the radius. `nuclei` pairs each form of the
    nucleus with its weight. `rim` darkens the edge of the cytoplasm; `mottle` is its unevenness;
    `ruffle_um` is how far the edge is nibbled inwards.
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
    ruffle_um: float = 0.0


WHITE_CELL_APPEARANCE: Mapping[str, WhiteCellAppearance] = {
    "neutrophil": WhiteCellAppearance(
        diameter_um=(13.4, 0.7),
        roughness=0.018,
        cytoplasm="pale_cytoplasm",
        nuclei=((segmented, 0.85), (band, 0.15)),
        chromatin=Chromatin("nucleus", 0.6, 0.24),
        granules=(Granules("fine_granule", 2.2, (0.13, 0.04), 0.9),),
        rim=0.5,
    ),
    "lymphocyte": WhiteCellAppearance(
        diameter_um=(10.2, 0.9),
        roughness=0.022,
        cytoplasm="blue_cytoplasm",
        nuclei=((partial(round_nucleus, part=0.87), 1.0),),
        chromatin=Chromatin("lymphoid_nucleus", 0.38, 0.09, 0.12, edge_um=0.06),
        rim=0.3,
        mottle=0.3,
        ruffle_um=0.12,
    ),
    "monocyte": WhiteCellAppearance(
        diameter_um=(16.6, 1.0),
        roughness=0.035,
        cytoplasm="grey_cytoplasm",
        nuclei=((kidney, 0.6), (horseshoe, 0.4)),
        chromatin=Chromatin("open_nucleus", 0.38, 0.18, membrane=0.3),
        granules=(Granules("azurophil_granule", 1.0, (0.12, 0.03), 0.2),),
        vacuoles=6.0,
        rim=0.15,
        mottle=0.3,
        ruffle_um=0.1,
    ),
    "eosinophil": WhiteCellAppearance(
        diameter_um=(13.4, 0.7),
        roughness=0.018,
        cytoplasm="clear_cytoplasm",
        nuclei=((bilobed, 1.0),),
        chromatin=Chromatin("nucleus", 0.6, 0.24),
        granules=(Granules("eosin_granule", 3.6, (0.38, 0.06), 1.0, 0.05, 0.15, core=0.4),),
    ),
    "basophil": WhiteCellAppearance(
        diameter_um=(12.2, 0.7),
        roughness=0.02,
        cytoplasm="lilac_cytoplasm",
        nuclei=((bilobed, 0.5), (kidney, 0.5)),
        chromatin=Chromatin("nucleus", 0.6, 0.25, membrane=0.0),
        granules=(Granules("basophil_granule", 2.8, (0.31, 0.10), 1.0, 0.8, 0.2),),
    ),
    "immature_granulocyte": WhiteCellAppearance(
        diameter_um=(15.2, 1.2),
        roughness=0.025,
        cytoplasm="lilac_cytoplasm",
        nuclei=((partial(oval, part=0.72), 1.0),),
        chromatin=Chromatin("open_nucleus", 0.45, 0.32),
        granules=(Granules("azurophil_granule", 3.0, (0.15, 0.04), 0.8, 0.35, 0.4),),
        mottle=0.25,
    ),
    "erythroblast": WhiteCellAppearance(
        diameter_um=(9.5, 0.8),
        roughness=0.03,
        cytoplasm="polychromatic_cytoplasm",
        nuclei=((partial(round_nucleus, part=0.62), 1.0),),
        chromatin=Chromatin("dense_nucleus", 0.7, 0.09, 0.05, edge_um=0.03),
    ),
}
