"""The report a person reads: one HTML file that needs nothing beside it."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from leukodiff.datasets.vocabulary import BY_NAME, CellType

from ..differential import BESIDE, COUNTED, DifferentialRow
from ..reference import ReferenceRange, flag
from ..report import SHELVES, Cell, ScanReading, SmearReport

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parents[1] / "templates"
SHORT_ID = 11
MOST_FIELDS = 400
"""How many fields the report lists; fields.csv has them all."""


@dataclass(frozen=True)
class TypeRow:
    """One line of the differential as shown."""

    kind: CellType
    row: DifferentialRow
    usual: ReferenceRange | None
    flag: str


@dataclass(frozen=True)
class Thumbnail:
    """A cell with its picture (a data URI), what links to it, and its two likeliest classes."""

    cell: Cell
    picture: str
    overlay: str
    leading: str

    @property
    def short_id(self) -> str:
        """The end of the cell's id, where ids differ."""
        text = self.cell.cell_id
        return text if len(text) <= SHORT_ID else f"…{text[-SHORT_ID:]}"


@dataclass(frozen=True)
class Shelf:
    """The cells on show of one type, or of the atypical ones, out of `total`."""

    kind: CellType
    total: int
    thumbnails: tuple[Thumbnail, ...]


def report_html(
    report: SmearReport, crops: Mapping[str, bytes], views: Mapping[str, bytes] | None = None
) -> str:
    """A slide's report.

    Args:
        report: what was found.
        crops: a JPEG by cell_id for the cells to show.
        views: a JPEG by field_id of the scans: their overviews.
    """
    text = report_template().render(
        report=report,
        found=report.differential,
        counted=_type_rows(report, COUNTED),
        beside=_type_rows(report, BESIDE),
        shelves=_shelves(report, crops),
        fields=report.fields[:MOST_FIELDS],
        most_fields=MOST_FIELDS,
        link=lambda field: _link(report, field.field_id),
        link_to=lambda field_id: _link(report, field_id),
        mm2=lambda reading: f"{_mm2(report, reading):.2f}",
        scale=_scale,
        top=_axis_top(report),
        views={field_id: _data_uri(jpeg) for field_id, jpeg in (views or {}).items()},
    )
    # A file name may hold bytes that are no text; they are shown escaped, not lost.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _type_rows(report: SmearReport, names: Sequence[str]) -> list[TypeRow]:
    rows = []
    for row in report.differential.rows:
        if row.cell_type in names:
            usual = report.ranges.get(row.cell_type)
            text = flag(row, usual) if usual else ""
            rows.append(TypeRow(BY_NAME[row.cell_type], row, usual, text))
    return rows


def _shelves(report: SmearReport, crops: Mapping[str, bytes]) -> list[Shelf]:
    """The atypical cells, then by class what healthy adults lack and what they have."""
    shelves = []
    for kind in SHELVES:
        if cells := report.on_shelf(kind.name):
            shown = [cell for cell in cells if cell.cell_id in crops]
            pictures = tuple(_thumbnail(report, cell, crops[cell.cell_id]) for cell in shown)
            shelves.append(Shelf(kind, len(cells), pictures))
    return shelves


def _thumbnail(report: SmearReport, cell: Cell, jpeg: bytes) -> Thumbnail:
    overlay = _link(report, cell.field_id)
    leading = " / ".join(cell.leading(report.class_names))
    return Thumbnail(cell, _data_uri(jpeg), overlay, leading)


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _link(report: SmearReport, field_id: str) -> str:
    return quote(report.overlays.get(field_id, ""), errors="surrogateescape")


def _mm2(report: SmearReport, reading: ScanReading) -> float:
    """How much of the glass was read, mm2."""
    read = sum(area.size_px for area in reading.areas if area.read)
    return read * (report.um_per_px or 0.0) ** 2 / 1e6


def _axis_top(report: SmearReport) -> float:
    """Where the graph's axis ends, percent: the next ten above every interval and range."""
    tops = [row.percent_high or 0.0 for row in report.differential.rows]
    tops += [usual.high for usual in report.ranges.values()]
    return float(min(100, -(-max(tops) // 10) * 10))


def _scale(percent: float, top: float, length: float) -> str:
    """A percentage as a length in the graph."""
    return f"{min(percent, top) / top * length:.1f}"


@cache
def report_template() -> "Template":
    """The report's template, read once."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # takes a tenth of a second

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
