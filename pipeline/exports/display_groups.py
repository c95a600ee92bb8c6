"""The cells that a report shows, shelf by shelf: what a healthy adult lacks comes first."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from leukodiff.datasets.vocabulary import UNIDENTIFIED, CellType
from leukodiff.pipeline.report.report import ATYPICAL, DISPLAY_ORDER, Cell, SmearReport
from leukodiff.pipeline.report.texts import Texts

from .formatting import readable

SHORT_ID = 11

CROP_UM = 24.0
"""Side of a picture, um: `gallery.CROP_UM`, which is not imported here because it loads OpenCV."""

FIRST = (ATYPICAL.name, "immature_granulocyte", "erythroblast", UNIDENTIFIED)


@dataclass(frozen=True)
class Thumbnail:
    """A cell on show: its JPEG, the overlay that shows it in its field, and what is said of it."""

    cell_id: str
    short_id: str
    leading: str
    note: str
    alt: str
    overlay: str
    jpeg: bytes


@dataclass(frozen=True)
class Shelf:
    """The cells on show of one type, or of the atypical ones; `shown` says how many of how many."""

    kind: CellType
    name: str
    shown: str
    thumbnails: tuple[Thumbnail, ...]


def shelves(report: SmearReport, crops: Mapping[str, bytes], texts: Texts) -> tuple[Shelf, ...]:
    """The abnormal and the unidentified cells, then the others; types without a cell are left out.

    Args:
        report: what was found.
        crops: a JPEG by cell_id for the cells to show.
        texts: the language.
    """
    found = ((kind, report.cells_in_group(kind.name)) for kind in in_order(DISPLAY_ORDER))
    return tuple(_shelf(report, kind, cells, crops, texts) for kind, cells in found if cells)


def in_order(kinds: tuple[CellType, ...]) -> list[CellType]:
    """Types as they are shown."""
    return sorted(kinds, key=lambda k: FIRST.index(k.name) if k.name in FIRST else len(FIRST))


def _shelf(
    report: SmearReport,
    kind: CellType,
    cells: list[Cell],
    crops: Mapping[str, bytes],
    texts: Texts,
) -> Shelf:
    name = texts(f"cells.{kind.name}")
    there = [cell for cell in cells if cell.cell_id in crops]
    shown = str(len(cells))
    if len(there) < len(cells):
        shown = texts("gallery.shown", n=len(there), all=len(cells))
    pictures = (_thumbnail(report, cell, name, crops[cell.cell_id], texts) for cell in there)
    return Shelf(kind, name, shown, tuple(pictures))


def _thumbnail(report: SmearReport, cell: Cell, name: str, jpeg: bytes, texts: Texts) -> Thumbnail:
    cell_id = readable(cell.cell_id)
    leading = " / ".join(cell.leading(report.class_names))
    return Thumbnail(
        cell_id,
        cell_id if len(cell_id) <= SHORT_ID else f"…{cell_id[-SHORT_ID:]}",
        leading,
        readable(texts.phrase(cell.note)) if cell.note else "",
        f"{name}: {leading}, {cell_id}",
        link(report, cell.field_id),
        jpeg,
    )


def link(report: SmearReport, field_id: str) -> str:
    """A field's overlay as an address relative to the report; empty without one."""
    return quote(report.overlays.get(field_id, ""), errors="surrogateescape")
