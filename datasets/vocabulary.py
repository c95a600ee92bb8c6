"""The one list of cell types that every room uses, with the facts that go with each."""

from dataclasses import dataclass

UNIDENTIFIED = "unidentified"
"""Type of a cell that the classifier does not name."""

WHITE_CELL = "white_cell"
"""A white cell whose type is not known: the detector's class, and a label without a type."""


@dataclass(frozen=True)
class CellType:
    """A kind of blood cell.

    `color` is `#rrggbb`, taken from the Okabe-Ito palette or near it so that the color-blind can
    tell the classes apart (Okabe and Ito, Color Universal Design, 2008).
    """

    name: str
    abbreviation: str
    lineage: str
    counts_in_differential: bool
    color: str

    @property
    def title(self) -> str:
        """The name as a person writes it: `immature granulocyte`."""
        return self.name.replace("_", " ")


CELL_TYPES: tuple[CellType, ...] = (
    CellType("neutrophil", "NEU", "granulocytic", True, "#0072b2"),
    CellType("lymphocyte", "LYM", "lymphoid", True, "#009e73"),
    CellType("monocyte", "MON", "monocytic", True, "#e69f00"),
    CellType("eosinophil", "EOS", "granulocytic", True, "#d55e00"),
    CellType("basophil", "BAS", "granulocytic", True, "#6a3d9a"),
    CellType("immature_granulocyte", "IG", "granulocytic", True, "#cc79a7"),
    CellType("erythroblast", "NRBC", "erythroid", False, "#7f4f24"),
    CellType("platelet", "PLT", "megakaryocytic", False, "#56b4e9"),
    CellType("red_cell", "RBC", "erythroid", False, "#b0413e"),
    CellType(WHITE_CELL, "WBC", "leukocyte", False, "#333333"),
    CellType(UNIDENTIFIED, "?", "unknown", False, "#666666"),
)

BY_NAME: dict[str, CellType] = {cell_type.name: cell_type for cell_type in CELL_TYPES}

FIVE_PART: tuple[str, ...] = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")
"""The five white cells of a normal differential."""

CLASSIFIER_CLASSES: tuple[str, ...] = (
    *FIVE_PART,
    "immature_granulocyte",
    "erythroblast",
    "platelet",
)
"""The eight classes of PBC, in the order the shipped classifier was trained with."""

DETECTOR_CLASSES: tuple[str, ...] = (WHITE_CELL, "red_cell", "platelet")
"""The three classes of BCCD, in the order the shipped detector was trained with."""


def is_white(name: str) -> bool:
    """True if a label is a white cell for the detector: a type of the differential, or untyped."""
    return name == WHITE_CELL or BY_NAME[name].counts_in_differential
