"""DeepAPL: single cells of 106 patients with acute leukemia, as an analyzer exported them."""

from collections.abc import Mapping
from pathlib import Path

from leukodiff.core.errors import DataError

from .fields import LabeledField
from .layout import IMAGE_SUFFIXES, whole_image
from .splits import TEST
from .vocabulary import WHITE_CELL

LABELS: Mapping[str, str] = {
    "Band neutrophils": "neutrophil",
    "Segmented neutrophils": "neutrophil",
    "Lymphocyte": "lymphocyte",
    "Monocyte": "monocyte",
    "Eosinophils": "eosinophil",
    "Basophil": "basophil",
    "Promyelocyte": "immature_granulocyte",
    "Myelocyte": "immature_granulocyte",
    "Metamyelocyte": "immature_granulocyte",
    "Erythroblast": "erythroblast",
    "Giant thrombocyte": "platelet",
}
"""The analyzer's folders that are types of ours. Every other one but those of `NO_CELL` is a
`white_cell`: blasts, variant lymphocytes, plasma cells, smudge cells, unidentified."""

NO_CELL = frozenset({"Artifact", "Artefact", "Thrombocyte aggregation", "Empty"})


def load_deep_apl(root: Path) -> list[LabeledField]:
    """Each image of the signed slides as a field with one box that covers it, all `test`.

    The group is the patient. No scale is published.

    Raises:
        DataError: there is no folder `Signed slides` with images in it.
    """
    paths = sorted(
        path
        for path in root.rglob("Signed slides/*/*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.parent.name not in NO_CELL
    )
    if not paths:
        raise DataError(f"{root}: expected folders 'Patient_*/Signed slides' of DeepAPL")
    return [_read_image(path) for path in paths]


def _read_image(path: Path) -> LabeledField:
    name = LABELS.get(path.parent.name, WHITE_CELL)
    return LabeledField(path, whole_image(path), (name,), TEST, "deep_apl", path.parents[2].name)
