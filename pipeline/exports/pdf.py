"""The report as a PDF to file: A4, from the same contents as the HTML."""

import threading
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from leukodiff.pipeline.report.report import SmearReport

from . import pdf_parts as parts
from .pdf_numbers import differential, label, note, numbers
from .pdf_page import (
    BODY,
    BOTTOM,
    INK,
    LOUD,
    MARGIN,
    MM,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    RULE,
    SMALL,
    SOFT,
    TINY,
    WARN,
    WIDTH,
    Block,
    Column,
    Pages,
    Text,
    row_block,
    stack,
    typeface,
    words,
)
from .quality import FieldRow
from .report_view import Finding, ReportOptions, ReportView, report_view
from .values import CRITICAL

VIEW_HEIGHT = 120 * MM

_one_at_a_time = threading.Lock()


def report_pdf(
    report: SmearReport,
    crops: Mapping[str, bytes],
    views: Mapping[str, bytes] | None = None,
    options: ReportOptions | None = None,
) -> bytes:
    """A slide's report as a PDF.

    Args:
        report: what was found.
        crops: a JPEG by cell_id for the cells to show; they are embedded as they are.
        views: a JPEG by field_id of the scans: their overviews.
        options: its language and parts; English with hints when `None`.
    """
    said = report_view(report, crops, views or {}, options or ReportOptions())
    with _one_at_a_time:  # reportlab's fonts and settings are everybody's
        pages = Pages(typeface())
        for part in (_head, differential, _findings, numbers, _sign, _cells, _quality, _made):
            part(pages, said)
        return _drawn(pages, said)


def _head(pages: Pages, said: ReportView) -> None:
    t, face = said.texts, pages.face
    pages.add(words(face, Text(t("report.title"), 14, bold=True), WIDTH))
    use = f"{t('report.use')} {t('report.verify')}"
    pages.add(words(face, Text(use, 8.6, bold=True, color=WARN), WIDTH))
    pages.add(parts.rule(INK, 1.2, 2.4 * MM))
    for block in parts.facts_grid(face, said.identity, bold=True):
        pages.add(block)
    pages.add(parts.rule())
    for block in parts.facts_grid(face, said.basis, bold=False):
        pages.add(block)
    pages.gap(1 * MM)
    if said.too_few:
        told = words(face, Text(said.too_few, 9, bold=True), WIDTH - 7 * MM)
        pages.add(parts.boxed(told, INK))
    for one in said.critical:
        pages.add(_finding(pages, said, one))


def _findings(pages: Pages, said: ReportView) -> None:
    t = said.texts
    pages.heading(t("heading.findings"))
    for one in said.flagged:
        pages.add(_finding(pages, said, one))
    if said.n and not said.findings:
        pages.paragraph(Text(t("finding.none")))
    for remark in said.remarks:
        told = words(pages.face, Text(remark), WIDTH - 4 * MM)
        pages.add(
            row_block(
                pages.face,
                [Column(4 * MM), Column(WIDTH - 4 * MM)],
                [Text("•"), told],
                "",
                0.2 * MM,
            )
        )


def _finding(pages: Pages, said: ReportView, one: Finding) -> Block:
    """A flag: a critical one in a frame with the word before it."""
    face, width = pages.face, WIDTH - 7 * MM
    loud = one.level == CRITICAL
    color = LOUD if loud else WARN
    colon = said.texts("report.colon")
    critical = said.texts("finding.critical").upper() + colon
    title = critical + one.text if loud else one.text
    lines = [
        parts.title_line(
            face,
            Text(title, 10 if loud else BODY, bold=True, color=color),
            colon,
            Text(one.detail),
            width,
        ),
        *([words(face, Text(one.settle), width)] if one.settle else []),
        *([words(face, Text(one.hint, SMALL, color=SOFT), width)] if one.hint else []),
    ]
    return parts.boxed(stack(lines), color, left=3 * MM if loud else 1.2, around=loud)


def _sign(pages: Pages, said: ReportView) -> None:
    t = said.texts
    title = [Text(t("heading.signature"), 10, bold=True), Text(t("signature.verified"))]
    labels = [t(f"signature.{key}") for key in ("name", "date", "signature")]
    pages.gap(5 * MM)
    pages.add(parts.signature(pages.face, title, labels, t("signature.comment")))


def _cells(pages: Pages, said: ReportView) -> None:
    t = said.texts
    pages.heading(t("heading.cells"), 50 * MM if said.gallery else 8 * MM)
    if not said.gallery:
        pages.paragraph(Text(f"{t('note.none')}."))
        return
    atypical = said.gallery[0].kind.name == "atypical"
    note(pages, t("gallery.note") + (f" {t('gallery.atypical')}" if atypical else ""))
    for shelf in said.gallery:
        parts.gallery(pages, shelf, t("gallery.scale", um=10), t("report.no_picture"))


def _quality(pages: Pages, said: ReportView) -> None:
    t, found = said.texts, said.quality
    pages.heading(t("heading.quality"))
    _facts(pages, [(fact.label, fact.value) for fact in found.facts])
    for sentence in found.sentences:
        pages.paragraph(Text(sentence))
    for scan in found.scans:
        pages.heading(t("heading.scan") + t("report.colon") + scan.name, size=9.2)
        pages.paragraph(Text(" ".join(scan.sentences)))
        block = parts.view(scan.view, VIEW_HEIGHT) if scan.view else None
        if block:
            pages.gap(2 * MM)
            pages.add(block)
        _left_out(pages, said, scan.left_out)
    _fields(pages, said, t("heading.left_out"), found.left_out, with_kind=True)
    _fields(pages, said, t("heading.failed"), found.failed, with_kind=False)
    note(pages, t("quality.in_file"))


def _left_out(pages: Pages, said: ReportView, rows: Sequence[tuple[str, str, str]]) -> None:
    if not rows:
        return
    t, face = said.texts, pages.face
    columns = [Column(50 * MM), Column(25 * MM, "right"), Column(WIDTH - 75 * MM)]
    head = [label(t(f"column.{key}")) for key in ("number", "reason")]
    made = [row_block(face, columns, [Text(one) for one in row], pad=0.6 * MM) for row in rows]
    pages.table(columns, [label(t("heading.areas")), *head], made)


def _fields(
    pages: Pages, said: ReportView, title: str, rows: Sequence[FieldRow], with_kind: bool
) -> None:
    if not rows:
        return
    t, face = said.texts, pages.face
    pages.heading(title, size=9.2)
    widths = (66, 30, 86) if with_kind else (86, 96)
    columns = [Column(width * MM) for width in widths]
    keys = ("field", "kind", "reason") if with_kind else ("field", "reason")
    made = []
    for row in rows:
        cells = [Text(row.name), *([Text(row.kind)] if with_kind else []), Text(row.reason)]
        made.append(row_block(face, columns, cells, pad=0.6 * MM))
    pages.table(columns, [label(t(f"column.{key}")) for key in keys], made)


def _made(pages: Pages, said: ReportView) -> None:
    t = said.texts
    pages.heading(t("heading.provenance"))
    _facts(pages, [(fact.label, fact.value) for fact in said.provenance])
    if pages.face.lacked:
        pages.gap(2 * MM)
        note(pages, t("report.escaped"))


def _facts(pages: Pages, facts: Sequence[tuple[str, str]]) -> None:
    columns = [Column(38 * MM), Column(WIDTH - 38 * MM)]
    for name, value in facts:
        cells = [Text(name, SMALL, color=SOFT), Text(value, SMALL)]
        pages.add(row_block(pages.face, columns, cells, pad=0.7 * MM))


def _drawn(pages: Pages, said: ReportView) -> bytes:
    """The pages as a PDF, each with its foot."""
    from reportlab import rl_config
    from reportlab.pdfgen.canvas import Canvas

    rl_config.useA85 = 0  # a JPEG is embedded byte by byte, not as a quarter more of text
    file, t = BytesIO(), said.texts
    canvas = Canvas(file, (PAGE_WIDTH, PAGE_HEIGHT), pageCompression=1, lang=t.language)
    canvas.setTitle(f"{said.slide}: {t('report.title')}")
    canvas.setAuthor(f"leukodiff {said.version}")
    canvas.setSubject(f"{t('report.use')} {t('report.verify')}")
    canvas.setCreator("leukodiff")
    for number, page in enumerate(pages.pages, start=1):
        for y, block in page:
            block.draw(canvas, MARGIN, y)
        _foot(canvas, pages, said, number)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def _foot(canvas: Any, pages: Pages, said: ReportView, number: int) -> None:
    t, face = said.texts, pages.face
    one = Text("", TINY, color=SOFT)
    numbers = face.fit(t("report.page", page=number, pages=len(pages.pages)))
    use = face.fit(t("report.use"))
    y = BOTTOM - 5 * MM
    canvas.setStrokeColor(RULE)
    canvas.setLineWidth(0.4)
    canvas.line(MARGIN, y + 3.4 * MM, MARGIN + WIDTH, y + 3.4 * MM)
    room = WIDTH - face.width(f"{numbers}  {use}", one) - 14 * MM
    name, *rest = face.wrap(
        Text(f"{said.slide} · {said.made}" if said.made else said.slide, TINY), room
    )
    canvas.setFillColor(SOFT)
    canvas.setFont(one.font, one.size)
    canvas.drawString(MARGIN, y, f"{name}…" if rest else name)
    canvas.drawCentredString(MARGIN + WIDTH - 45 * MM, y, use)
    canvas.drawRightString(MARGIN + WIDTH, y, numbers)
