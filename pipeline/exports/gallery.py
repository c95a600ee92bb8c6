"""The cells that a report shows, in sections: what a healthy adult lacks comes first."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from leukodiff.datasets.vocabulary import UNIDENTIFIED, CellType
from leukodiff.pipeline.report.cells import ATYPICAL, DISPLAY_ORDER, Cell
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.report.texts import Texts

from .formatting import readable

SHORT_ID_CHARACTERS = 11
"""Longest cell id that is shown whole."""


SHOWN_FIRST = (ATYPICAL.name, "immature_granulocyte", "erythroblast", UNIDENTIFIED)

_PLACES = {name: place for place, name in enumerate(SHOWN_FIRST)}


@dataclass(frozen=True)
class Thumbnail:
    """A cell's picture (JPEG), its caption, and the address of its field's overlay."""

    cell_id: str
    short_id: str
    leading: str
    note: str
    alt: str
    overlay: str
    jpeg: bytes


@dataclass(frozen=True)
class GallerySection:
    """The pictures of one type, or of the atypical cells; `shown`: their number, `20 of 96`."""

    kind: CellType
    name: str
    shown: str
    thumbnails: tuple[Thumbnail, ...]


def gallery_sections(
    report: SmearReport, crops: Mapping[str, bytes], texts: Texts
) -> tuple[GallerySection, ...]:
    """The abnormal and the unidentified cells, then the others; types without a cell are left out.

    Args:
        report: what was found.
        crops: a JPEG by cell_id for the cells to show.
        texts: the language.
    """
    found = ((kind, report.cells_in_group(kind.name)) for kind in in_order(DISPLAY_ORDER))
    return tuple(_section(report, kind, cells, crops, texts) for kind, cells in found if cells)


def in_order(kinds: tuple[CellType, ...]) -> list[CellType]:
    """Types as they are shown."""
    return sorted(kinds, key=lambda kind: _PLACES.get(kind.name, len(_PLACES)))


def _section(
    report: SmearReport,
    kind: CellType,
    cells: list[Cell],
    crops: Mapping[str, bytes],
    texts: Texts,
) -> GallerySection:
    name = texts(f"cells.{kind.name}")
    pictured = [cell for cell in cells if cell.cell_id in crops]
    shown = str(len(cells))
    if len(pictured) < len(cells):
        shown = texts("gallery.shown", n=len(pictured), all=len(cells))
    pictures = (_thumbnail(report, cell, name, crops[cell.cell_id], texts) for cell in pictured)
    return GallerySection(kind, name, shown, tuple(pictures))


def _thumbnail(report: SmearReport, cell: Cell, name: str, jpeg: bytes, texts: Texts) -> Thumbnail:
    cell_id = readable(cell.cell_id)
    leading = " / ".join(cell.leading(report.class_names))
    return Thumbnail(
        cell_id,
        cell_id if len(cell_id) <= SHORT_ID_CHARACTERS else f"…{cell_id[-SHORT_ID_CHARACTERS:]}",
        leading,
        texts.of(cell.note),
        f"{name}: {leading}, {cell_id}",
        link(report, cell.field_id),
        jpeg,
    )


def link(report: SmearReport, field_id: str) -> str:
    """A field's overlay as an address relative to the report; empty without one."""
    return quote(report.overlays.get(field_id, ""), errors="surrogateescape")
