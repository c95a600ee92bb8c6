"""Quality of a smear: what was read, what was left out and why, and the scale."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from leukodiff.detector.areas import AreaKind
from leukodiff.pipeline.report.fields import LEFT_OUT, FieldResult, ScanReading
from leukodiff.pipeline.report.remarks import Remark
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.report.texts import Texts

from .formatting import DASH, Fact, number, readable
from .gallery import link

MAX_LISTED_FIELDS = 400
"""Fields that the report lists; fields.csv has them all."""

SCALE_DECIMALS = 4


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
    """Quality of a smear in words.

    Args:
        report: what was found.
        views: a JPEG by field_id of the scans: their overviews.
        texts: the language.
    """
    scans = (
        _scan(report, field_id, reading, views.get(field_id), texts)
        for field_id, reading in report.readings.items()
    )
    return Quality(
        _facts(report, texts),
        _sentences(report, texts),
        tuple(scans),
        _rows(report, report.left_out, texts),
        len(report.left_out),
        _rows(report, report.failures, texts),
        _rows(report, report.fields, texts),
        len(report.fields),
    )


def scale_text(report: SmearReport, texts: Texts) -> str:
    """The scale, where it comes from, and what it was measured on."""
    scale = report.scale
    if scale is None:
        return DASH
    text = texts(
        "quality.scale_is",
        scale=number(scale.um_per_px, SCALE_DECIMALS, texts),
        source=texts.of(scale.source),
    )
    if not scale.n_cells:
        return text
    spread = number(scale.spread, 2, texts)
    return text + "; " + texts("quality.measured", n=scale.n_cells, spread=spread)


def _facts(report: SmearReport, texts: Texts) -> tuple[Fact, ...]:
    platelets, red = report.total("n_platelet"), report.total("n_rbc")
    counted = texts("quality.not_beside")
    if platelets is not None and red is not None and not report.readings:
        counted = texts("quality.beside", platelets=platelets, red_cells=red)
    if not report.n_read:
        counted = ""
    found = [
        Fact(texts("quality.fields"), _fields_read(report, texts)),
        Fact(texts("quality.scale"), scale_text(report, texts)),
        Fact(texts("quality.not_named"), _not_named(report, texts)),
        Fact(texts("quality.other_cells"), counted),
    ]
    return tuple(fact for fact in found if fact.value)


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


def _not_named(report: SmearReport, texts: Texts) -> str:
    """Reasons for unnamed cells, `3 out of focus, 1 not sure enough`; empty without any."""
    shown = [cell for cell in report.cells if cell.note and not cell.reviewed_as]
    notes = Counter(texts.of(cell.note) for cell in shown)
    return ", ".join(f"{n} {note}" for note, n in notes.most_common())


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
    left_out = tuple(
        (_kind(kind, texts), str(n), texts.of(reason))
        for kind, (reason, n) in reading.left_out.items()
    )
    overlay = link(report, field_id)
    sentences = _scan_sentences(report, reading, texts)
    return ScanPart(readable(field_id), sentences, view, overlay, left_out)


def _kind(kind: AreaKind, texts: Texts) -> str:
    """An area's kind; a usable one that was left out was not reached."""
    return texts("quality.not_reached_kind") if kind == AreaKind.USABLE else texts.of(kind)


def _scan_sentences(report: SmearReport, reading: ScanReading, texts: Texts) -> tuple[str, ...]:
    share, mm2 = number(100 * reading.share_read, 1, texts), number(_mm2(report, reading), 2, texts)
    sentences = [
        texts("scan.read", n=reading.n_read, all=len(reading.areas), share=share, mm2=mm2),
        texts("scan.first_look" if reading.first_look else "scan.everywhere"),
    ]
    if reading.reached:
        sentences.append(texts("scan.reached", target=reading.target_cells))
    elif reading.target_cells:
        sentences.append(texts("quality.fewer", target=reading.target_cells))
    return tuple(sentences)


def _mm2(report: SmearReport, reading: ScanReading) -> float | None:
    """Area that was read, mm2; `None` without a scale."""
    if report.um_per_px is None:
        return None
    read = sum(area.size_px for area in reading.areas if area.read)
    return read * report.um_per_px**2 / 1e6


def _rows(
    report: SmearReport, fields: tuple[FieldResult, ...], texts: Texts
) -> tuple[FieldRow, ...]:
    return tuple(_row(report, one, texts) for one in fields[:MAX_LISTED_FIELDS])


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
