"""What people call cell types in their tables -> the names of the vocabulary."""

from leukodiff.datasets.vocabulary import BY_NAME, CELL_TYPES

ALIASES: dict[str, str] = {
    "band": "neutrophil",
    "band neutrophil": "neutrophil",
    "poly": "neutrophil",
    "seg": "neutrophil",
    "segmented": "neutrophil",
    "segmented neutrophil": "neutrophil",
    "stab": "neutrophil",
    "atypical lymphocyte": "lymphocyte",
    "reactive lymphocyte": "lymphocyte",
    "variant lymphocyte": "lymphocyte",
    "metamyelocyte": "immature_granulocyte",
    "myelocyte": "immature_granulocyte",
    "promyelocyte": "immature_granulocyte",
    "nucleated red cell": "erythroblast",
    "normoblast": "erythroblast",
}
"""The rows of a manual count (CLSI H20-A2) that are one type here: their counts are added."""

SUMS = frozenset({"total", "sum", "all", "n cells", "wbc total", "total wbc"})
"""What a table calls its sum, which is no cell type."""

_KNOWN = (
    {t.name.replace("_", " "): t.name for t in CELL_TYPES}
    | {t.abbreviation.lower(): t.name for t in CELL_TYPES if t.abbreviation.isalpha()}
    | ALIASES
)


def type_of(text: str) -> str:
    """The vocabulary's name for what a table says, whatever its case, plural or underscores.

    A name that the vocabulary does not have, such as `blast`, stays a type of its own.
    """
    plain = " ".join(text.replace("_", " ").replace("-", " ").lower().split())
    for one in (plain, plain.removesuffix("s")):
        if one in _KNOWN:
            return _KNOWN[one]
    return plain.replace(" ", "_")


def in_differential(cell_type: str) -> bool:
    """Whether a type is part of the 100 %; one that the vocabulary lacks is."""
    return cell_type not in BY_NAME or BY_NAME[cell_type].counts_in_differential


def title(cell_type: str) -> str:
    """A type as a person writes it."""
    return cell_type.replace("_", " ")


def in_order(cell_types: set[str]) -> list[str]:
    """Types in the vocabulary's order, those it lacks behind them by name."""
    known = [name for name in BY_NAME if name in cell_types]
    return known + sorted(cell_types - set(known))
