"""Settings of a phantom smear: size, scale, density, differential and optics."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leukodiff.core.errors import InputError

from .cell_appearance import WHITE_CELL_APPEARANCE
from .stain import STAINS, Stain

ADULT_DIFFERENTIAL: Mapping[str, float] = {
    "neutrophil": 58.0,
    "lymphocyte": 30.0,
    "monocyte": 7.0,
    "eosinophil": 3.5,
    "basophil": 1.5,
}
"""Percent of white cells near the middle of the adult ranges (Bain, Blood Cells, 5th ed. 2015)."""


@dataclass(frozen=True)
class PhantomSettings:
    """One field of a phantom smear; the knobs are physical, so a scale changes no cell.

    Attributes:
        width: of the field, px.
        height: of the field, px.
        um_per_px: the scale; 0.1 is a 100x objective, 0.25 a 40x scan.
        seed: everything random follows from it.
        n_white: white cells in the field, each wholly inside unless `cut_white_cells`.
        differential: weight of each white (or nucleated) cell type; need not sum to 1.
        red_cells_per_mm2: density; a readable monolayer has 4,000 to 8,000.
        platelets_per_mm2: density; about one platelet to 15-20 red cells is normal.
        red_cell_scatter: 0 a regular lattice without overlaps, 1 loose and overlapping.
        smudge_cells: bare, smeared nuclei in the field.
        platelet_clumps: heaps of 5 to 40 platelets in the field.
        precipitate: clusters of dark stain granules in the field.
        dirt: particles, fibers and out-of-focus dust in the field, taken together.
        cut_white_cells: let the edge of the field cut white cells.
        min_visible: the part of a cell's box (0-1) that must lie in the field to be labeled.
        stain: name of a look in `STAINS`.
        stain_strength: factor on every optical density.
        blur_um: standard deviation of the point spread, um.
        defocus_um: further blur, as `blur_um`, of the parts that lie out of focus; 0 is none.
        sharpen: strength of the camera's unsharp mask (0 none).
        noise: standard deviation of the camera's noise at the background, gray levels.
        vignette: how much darker the corners are (0-1).
        cast: how much the background drifts in color over the field (0-1).
    """

    width: int = 1280
    height: int = 960
    um_per_px: float = 0.1
    seed: int = 0
    n_white: int = 4
    differential: Mapping[str, float] = field(default_factory=lambda: dict(ADULT_DIFFERENTIAL))
    red_cells_per_mm2: float = 6500.0
    platelets_per_mm2: float = 350.0
    red_cell_scatter: float = 0.75
    smudge_cells: int = 0
    platelet_clumps: int = 0
    precipitate: int = 0
    dirt: int = 0
    cut_white_cells: bool = False
    min_visible: float = 0.25
    stain: str = "analyser"
    stain_strength: float = 1.0
    blur_um: float = 0.09
    defocus_um: float = 0.0
    sharpen: float = 0.35
    noise: float = 1.8
    vignette: float = 0.03
    cast: float = 0.006

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1 or not self.um_per_px > 0:
            raise InputError(
                "a phantom needs a size of at least 1 x 1 px and um_per_px above 0, got "
                f"{self.width} x {self.height} px at {self.um_per_px} um/px"
            )
        densities = self.red_cells_per_mm2, self.platelets_per_mm2
        if min(self.n_white, *densities, *self.artifact_counts) < 0:
            raise InputError("a phantom's counts and densities can't be negative")
        if not self.defocus_um >= 0:
            raise InputError(f"a phantom's defocus_um is at least 0, not {self.defocus_um}")
        if self.stain not in STAINS:
            raise InputError(f"unknown stain {self.stain!r}; there are {', '.join(STAINS)}")
        check_differential(self.differential)

    @property
    def width_um(self) -> float:
        """Of the field, um."""
        return self.width * self.um_per_px

    @property
    def height_um(self) -> float:
        """Of the field, um."""
        return self.height * self.um_per_px

    @property
    def artifact_counts(self) -> tuple[int, int, int, int]:
        """Smudge cells, platelet clumps, clusters of precipitate, and pieces of dirt."""
        return self.smudge_cells, self.platelet_clumps, self.precipitate, self.dirt

    @property
    def stain_colors(self) -> Stain:
        """The stain by its name."""
        return STAINS[self.stain]


def check_differential(differential: Mapping[str, float]) -> None:
    """Raise InputError unless every type can be drawn and the weights are usable."""
    unknown = [name for name in differential if name not in WHITE_CELL_APPEARANCE]
    if unknown:
        raise InputError(
            f"the phantom can't draw {', '.join(unknown)}; "
            f"it draws {', '.join(WHITE_CELL_APPEARANCE)}"
        )
    if min(differential.values(), default=0) < 0 or sum(differential.values()) <= 0:
        raise InputError("a differential needs weights of at least 0 with a sum above 0")


def allot(differential: Mapping[str, float], n: int) -> dict[str, int]:
    """Whole cells for each type, `n` in all, by the largest remainder (Hamilton's method).

    Ties go to the type named first.
    """
    check_differential(differential)
    total = sum(differential.values())
    shares = {name: n * weight / total for name, weight in differential.items()}
    counts = {name: int(share) for name, share in shares.items()}
    # Rounded, so that float dust does not decide between equal remainders.
    by_remainder = sorted(shares, key=lambda name: -round(shares[name] - counts[name], 9))
    for name in by_remainder[: n - sum(counts.values())]:
        counts[name] += 1
    return counts
