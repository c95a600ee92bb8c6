"""TXL-PBC: images of PBC at full size with boxes of every white cell, red cell and platelet."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

from .fields import LabeledField
from .layout import (
    BOX_LABELS,
    cleaned,
    image_size,
    labeled_images,
    read_table,
    yolo_to_xyxy,
)
from .pbc import LABELS as PBC_LABELS
from .pbc import UM_PER_PX, pbc_group, pbc_split
from .splits import UNKNOWN
from .vocabulary import WHITE_CELL

SOURCES_CSV = Path(__file__).with_name("txl_pbc_sources.csv")


def load_txl_pbc(root: Path) -> list[LabeledField]:
    """The fields in the split and group of their twin in PBC, which also names the white cell.

    The type is given where the field has one white cell. A field whose twin is not known (a part of
    TXL-PBC comes from BCCD and others) has the group `unknown:NAME` and the split `unknown`, so
    that no one trains or tests on it by mistake.
    """
    return [cleaned(field) for field in read_txl_pbc(root)]


def read_txl_pbc(root: Path) -> list[LabeledField]:
    """The fields with the boxes as they are published."""
    sources = _sources(root)
    return [_read_field(*pair, sources.get(pair[0].name, "")) for pair in labeled_images(root)]


def _sources(root: Path) -> dict[str, str]:
    """Image name -> `class folder/file` in PBC, from the folder's own table or from ours."""
    table = root / "source.csv"
    rows = read_table(table if table.is_file() else SOURCES_CSV, ("image", "pbc_file"))
    return {row["image"]: row["pbc_file"] for row in rows}


def _read_field(path: Path, label_file: Path, pbc_file: str) -> LabeledField:
    xyxy, cell_types = yolo_to_xyxy(label_file, image_size(path), tuple(BOX_LABELS.values()))
    group = f"{UNKNOWN}:{path.stem}"
    field = LabeledField(path, xyxy, cell_types, UNKNOWN, "txl_pbc", group, UM_PER_PX)
    return _as_twin(field, PurePosixPath(pbc_file)) if pbc_file else field


def _as_twin(field: LabeledField, pbc_file: PurePosixPath) -> LabeledField:
    group = pbc_group(pbc_file.stem)
    types = field.cell_types
    if types.count(WHITE_CELL) == 1:
        named = PBC_LABELS[pbc_file.parent.name]
        types = tuple(named if name == WHITE_CELL else name for name in types)
    return replace(field, cell_types=types, group=group, split=pbc_split(group))
