"""Sections of a report: its cells in pictures, and the quality of the smear."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from leukodiff.classifier.facts import CellNote
from leukodiff.datasets.vocabulary import UNIDENTIFIED, CellType
from leukodiff.detector.areas import AreaKind
from leukodiff.pipeline.report.cells import ATYPICAL, DISPLAY_ORDER, Cell
from leukodiff.pipeline.report.fields import LEFT_OUT, FieldResult, ScanReading
from leukodiff.pipeline.report.remarks import Remark
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.report.scale import ScaleSource
from leukodiff.pipeline.report.texts import Texts

from .formatting import DASH, Fact, number, readable

SHORT_ID_CHARACTERS = 11
"""Longest cell id that is shown whole."""

SHOWN_FIRST = (ATYPICAL.name, "immature_granulocyte", "erythroblast", UNIDENTIFIED)
"""Groups that come before the others."""

MAX_LISTED_FIELDS = 400
"""Fields that the report lists; fields.csv has them all."""

SCALE_DECIMALS = 4


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

    `crops`: as `report_view` takes them.
    """
    last = len(SHOWN_FIRST)
    places = {name: place for place, name in enumerate(SHOWN_FIRST)}
    kinds = sorted(DISPLAY_ORDER, key=lambda kind: places.get(kind.name, last))
    sections = []
    for kind in kinds:
        cells = report.cells_in_group(kind.name)
        if not cells:
            continue
        name = texts(f"cells.{kind.name}")
        pictured = [cell for cell in cells if cell.cell_id in crops]
        shown = str(len(cells))
        if len(pictured) < len(cells):
            shown = texts("gallery.shown", n=len(pictured), all=len(cells))
        pictures = [_thumbnail(report, one, name, crops[one.cell_id], texts) for one in pictured]
        sections.append(GallerySection(kind, name, shown, tuple(pictures)))
    return tuple(sections)


def _note(cell: Cell, texts: Texts) -> str:
    """Words of a cell's note; a text that is no code, of a cell that was added, stays as it is."""
    return texts.of(cell.note) if isinstance(cell.note, CellNote) else readable(cell.note)


def _thumbnail(report: SmearReport, cell: Cell, name: str, jpeg: bytes, texts: Texts) -> Thumbnail:
    cell_id = readable(cell.cell_id)
    leading = " / ".join(cell.leading(report.class_names))
    return Thumbnail(
        cell_id,
        cell_id if len(cell_id) <= SHORT_ID_CHARACTERS else f"…{cell_id[-SHORT_ID_CHARACTERS:]}",
        leading,
        _note(cell, texts),
        f"{name}: {leading}, {cell_id}",
        link(report, cell.field_id),
        jpeg,
    )


def link(report: SmearReport, field_id: str) -> str:
    """A field's overlay as an address relative to the report; empty without one."""
    return quote(report.overlays.get(field_id, ""), errors="surrogateescape")


@dataclass(frozen=True)
class FieldRow:
    """A field in the words of a table; `overlay` is the address of its picture, empty without."""

    name: str
    overlay: str
    size: str
    n_wbc: str
    n_rbc: str
    n_platelet: str
    status: str
    kind: str
    reason: str


@dataclass(frozen=True)
class ScanPart:
    """Reading of a scan: in sentences, as a picture (JPEG), and what was left out of it."""

    name: str
    sentences: tuple[str, ...]
    view: bytes | None
    overlay: str
    left_out: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Quality:
    """Quality of a smear in words."""

    facts: tuple[Fact, ...]
    sentences: tuple[str, ...]
    scans: tuple[ScanPart, ...]
    left_out: tuple[FieldRow, ...]
    n_left_out: int
    failed: tuple[FieldRow, ...]
    fields: tuple[FieldRow, ...]
    n_fields: int


def quality(report: SmearReport, views: Mapping[str, bytes], texts: Texts) -> Quality:
    """Quality of a smear in words; `views`: as `report_view` takes them."""
    scans = (
        _scan(report, field_id, reading, views.get(field_id), texts)
        for field_id, reading in report.readings.items()
    )
    left_out, failed, fields = (
        tuple(_row(report, one, texts) for one in some[:MAX_LISTED_FIELDS])
        for some in (report.left_out, report.failures, report.fields)
    )
    return Quality(
        _facts(report, texts),
        _sentences(report, texts),
        tuple(scans),
        left_out,
        len(report.left_out),
        failed,
        fields,
        len(report.fields),
    )


def _scale(report: SmearReport, texts: Texts) -> str:
    """The scale, where it comes from, and what it was measured on."""
    scale = report.scale
    if scale is None:
        return DASH
    um, source = number(scale.um_per_px, SCALE_DECIMALS, texts), texts.of(scale.source)
    text = texts("quality.scale_is", scale=um, source=source)
    if not scale.n_cells:
        return text
    spread = number(scale.spread, 2, texts)
    by_white = scale.source == ScaleSource.WHITE_CELLS
    key = "quality.measured_white" if by_white else "quality.measured"
    return text + "; " + texts(key, n=scale.n_cells, spread=spread)


def _facts(report: SmearReport, texts: Texts) -> tuple[Fact, ...]:
    platelets, red = report.total("n_platelet"), report.total("n_rbc")
    counted = texts("quality.not_beside")
    if platelets is not None and red is not None and not report.readings:
        counted = texts("quality.beside", platelets=platelets, red_cells=red)
    if not report.n_read:
        counted = ""
    unsure = (cell for cell in report.cells if cell.note and not cell.reviewed_as)
    notes = Counter(_note(cell, texts) for cell in unsure).most_common()
    found = {
        "fields": _fields_read(report, texts),
        "scale": _scale(report, texts),
        "not_named": ", ".join(f"{n} {note}" for note, n in notes),
        "other_cells": counted,
    }
    return tuple(Fact(texts(f"quality.{key}"), value) for key, value in found.items() if value)


def _fields_read(report: SmearReport, texts: Texts) -> str:
    """`6 of 9 fields were read; 3 left out (1 empty, 2 thick)`."""
    if report.readings:
        return ""
    kinds = Counter(texts.of(one.kind) for one in report.left_out)
    why = ", ".join(f"{n} {readable(kind)}" for kind, n in kinds.most_common())
    parts = [texts("quality.read", n=report.n_read, all=len(report.fields))]
    if report.left_out:
        parts.append(texts("quality.left_out", n=len(report.left_out), why=why))
    if report.not_read:
        parts.append(texts("quality.not_reached", n=len(report.not_read)))
    if report.failures:
        parts.append(texts("quality.failed", n=len(report.failures)))
    return "; ".join(parts)


def _sentences(report: SmearReport, texts: Texts) -> tuple[str, ...]:
    """The end of reading before the last field, and advice where nothing was read."""
    target = report.provenance.settings.get("target_cells")
    found = report.total("n_wbc")
    if report.readings:
        return ()
    sentences = []
    if report.not_read:
        last, n = readable(report.last_read), len(report.not_read)
        sentences.append(texts("quality.stopped", target=target, last=last, n=n))
    elif isinstance(target, int) and found is not None and found < target:
        sentences.append(texts("quality.fewer", target=target))
    if report.left_out and not report.n_read:
        sentences.append(texts("quality.all_areas"))
    return tuple(sentences)


def _scan(
    report: SmearReport, field_id: str, reading: ScanReading, view: bytes | None, texts: Texts
) -> ScanPart:
    kinds = {AreaKind.USABLE: texts("quality.not_reached_kind")}  # usable, but left out
    left_out = tuple(
        (kinds.get(kind) or texts.of(kind), str(n), texts.of(reason))
        for kind, (reason, n) in reading.left_out.items()
    )
    px = sum(area.size_px for area in reading.areas if area.read)
    area = None if report.um_per_px is None else px * report.um_per_px**2 / 1e6
    share, mm2 = number(100 * reading.share_read, 1, texts), number(area, 2, texts)
    sentences = [
        texts("scan.read", n=reading.n_read, all=len(reading.areas), share=share, mm2=mm2),
        texts("scan.first_look" if reading.first_look else "scan.everywhere"),
    ]
    if reading.reached:
        sentences.append(texts("scan.reached", target=reading.target_cells))
    elif reading.target_cells:
        sentences.append(texts("quality.fewer", target=reading.target_cells))
    return ScanPart(readable(field_id), tuple(sentences), view, link(report, field_id), left_out)


def _row(report: SmearReport, one: FieldResult, texts: Texts) -> FieldRow:
    n_wbc, n_rbc, n_platelet = (
        DASH if count is None else str(count) for count in (one.n_wbc, one.n_rbc, one.n_platelet)
    )
    error = Remark.from_stored(one.error).text(texts) if one.error else ""
    reason = error or texts.of(one.reason)
    return FieldRow(
        readable(one.field_id),
        link(report, one.field_id),
        DASH if one.width is None or one.height is None else f"{one.width} × {one.height}",
        n_wbc,
        n_rbc,
        n_platelet,
        texts(f"status.{one.status}"),
        texts.of(one.kind) if one.status == LEFT_OUT else "",
        readable(reason),
    )
