"""The report as a PDF to file: A4, from the same contents as the HTML, set by reportlab."""

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from io import BytesIO
from typing import Any

from PIL import Image as PILImage
from PIL import UnidentifiedImageError
from reportlab import rl_config
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Frame,
    HRFlowable,
    Image,
    PageTemplate,
    Spacer,
)

from leukodiff.pipeline.report.cells import ATYPICAL
from leukodiff.pipeline.report.flags import Level
from leukodiff.pipeline.report.report import SmearReport

from .formatting import Fact
from .pdf_elements import (
    BODY_PT,
    BOLD,
    CHIP_PT,
    CROP_PT,
    INK,
    LINE,
    MARGIN_PT,
    REGULAR,
    RULE,
    SMALL_PT,
    SOFT,
    TINY_PT,
    WIDTH_MM,
    WIDTH_PT,
    FootedCanvas,
    Typeface,
    boxed,
    chip,
    count_graph,
    grid,
    interval_axis,
    interval_bar,
    scale_bar,
    typeface,
)
from .report_view import Finding, ReportOptions, ReportView, report_view
from .sections import FieldRow, GallerySection, Thumbnail
from .values import TOO_FEW, FlagText, ValueRow

TOP_PT = 13 * mm

BOTTOM_PT = 17 * mm

VIEW_HEIGHT_PT = 120 * mm
"""Greatest height of a scan's overview."""

WARN = "#7a3e00"

LOUD = "#9b0020"

MAX_CAPTION_CHARACTERS = 300
"""Of a cell's note: a row of pictures must fit a page."""

PICTURES_PER_ROW = 7

Flowables = list[Any]

_one_at_a_time = threading.Lock()


def report_pdf(
    report: SmearReport,
    crops: Mapping[str, bytes],
    views: Mapping[str, bytes] | None = None,
    options: ReportOptions | None = None,
) -> bytes:
    """A slide's report as a PDF, from what `report_view` takes; crops are embedded as they are."""
    view = report_view(report, crops, views or {}, options or ReportOptions())
    parts = (_head, _differential, _findings, _numbers, _signature, _cells, _quality)
    with _one_at_a_time:  # reportlab's fonts and settings belong to the whole process
        face = typeface()
        story = [flowable for part in parts for flowable in part(face, view)]
        story += [face.heading(view.texts("heading.provenance")), *_facts(face, view.provenance)]
        story += [face.note(view.texts("report.escaped"))] if face.lacked else []
        return _built(story, face, view)


def _built(story: Flowables, face: Typeface, view: ReportView) -> bytes:
    rl_config.useA85 = 0  # a JPEG is embedded byte by byte, not as a quarter more of text
    file, t = BytesIO(), view.texts
    document = BaseDocTemplate(
        file,
        pagesize=A4,
        title=f"{view.slide}: {t('report.title')}",
        author=f"leukodiff {view.version}",
        subject=f"{t('report.use')} {t('report.verify')}",
        creator="leukodiff",
        lang=t.language,
    )
    height = A4[1] - TOP_PT - BOTTOM_PT
    frame = Frame(MARGIN_PT, BOTTOM_PT, WIDTH_PT, height, *[0] * 4)
    document.addPageTemplates(PageTemplate(frames=[frame]))
    document.build(story, canvasmaker=partial(FootedCanvas, foot=partial(_draw_foot, face, view)))
    return file.getvalue()


def _draw_foot(face: Typeface, view: ReportView, canvas: Any, number: int, total: int) -> None:
    t, use = view.texts, face.fit(view.texts("report.use"))
    y, right, middle = BOTTOM_PT - 5 * mm, MARGIN_PT + WIDTH_PT, MARGIN_PT + WIDTH_PT - 45 * mm
    canvas.setStrokeColor(RULE)
    canvas.setLineWidth(0.4)
    canvas.line(MARGIN_PT, y + 3.4 * mm, right, y + 3.4 * mm)
    canvas.setFillColor(SOFT)
    canvas.setFont(REGULAR, TINY_PT)
    room = middle - MARGIN_PT - 3 * mm - stringWidth(use, REGULAR, TINY_PT) / 2
    name = rest = face.fit(f"{view.slide} · {view.made}" if view.made else view.slide)[:200]
    while stringWidth(name, REGULAR, TINY_PT) > room:
        rest = rest[:-1]
        name = f"{rest}…"
    canvas.drawString(MARGIN_PT, y, name)
    canvas.drawCentredString(middle, y, use)
    canvas.drawRightString(right, y, face.fit(t("report.page", page=number, pages=total)))


def _head(face: Typeface, view: ReportView) -> Flowables:
    t = view.texts
    few = [face.text(view.too_few, 9, bold=True)] if view.too_few else []
    return [
        face.text(t("report.title"), 14, bold=True),
        face.text(f"{t('report.use')} {t('report.verify')}", SMALL_PT, bold=True, color=WARN),
        HRFlowable("100%", 1.2, color=INK, spaceBefore=1.2 * mm, spaceAfter=1.2 * mm),
        *_facts_grid(face, view.identity, bold=True),
        HRFlowable("100%", 0.5, color=LINE, spaceBefore=0.8 * mm, spaceAfter=0.8 * mm),
        *_facts_grid(face, view.basis, bold=False),
        Spacer(0, 1 * mm),
        *([boxed(few, INK, 0.3, framed=True)] if few else []),
        *(_finding(face, view, one) for one in view.critical),
    ]


def _facts_grid(face: Typeface, facts: Sequence[Fact], bold: bool) -> Flowables:
    """Facts in four columns, label above value."""
    cells: list[Any] = [
        [face.text(fact.label, SMALL_PT, color=SOFT), face.text(fact.value, 9.2, bold=bold)]
        for fact in facts
    ]
    cells += [""] * (-len(cells) % 4)
    rows = [cells[i : i + 4] for i in range(0, len(cells), 4)]
    top = ("VALIGN", (0, 0), (-1, -1), "TOP")
    return [grid(rows, [WIDTH_MM / 4] * 4, [top])] if rows else []


def _finding(face: Typeface, view: ReportView, one: Finding) -> Any:
    """A flag: a critical one in a frame with the word before it."""
    t, loud, colon = view.texts, one.level == Level.CRITICAL, view.texts("report.colon")
    title = f"{t('finding.critical').upper()}{colon}{one.text}" if loud else one.text
    color, size = (LOUD, 10) if loud else (WARN, BODY_PT)
    line = face.span(title, color, size=size) + face.span(colon + one.detail, bold=False)
    content = [face.marked_up(line, BODY_PT)]
    content += [face.text(one.settle)] if one.settle else []
    content += [face.text(one.hint, SMALL_PT, color=SOFT)] if one.hint else []
    return boxed(content, color, 3 if loud else 0.4, framed=loud)


def _findings(face: Typeface, view: ReportView) -> Flowables:
    t = view.texts
    return [
        face.heading(t("heading.findings")),
        *(_finding(face, view, one) for one in view.flagged),
        *([face.text(t("finding.none"))] if view.n and not view.findings else []),
        *(face.text(remark, bullet="•", leftIndent=4 * mm) for remark in view.remarks),
    ]


def _differential(face: Typeface, view: ReportView) -> Flowables:
    """The differential with its bars, the sum with the axis, and cells outside the percentages."""
    t, corrected = view.texts, view.has_corrected
    names = ["type", "", "count", "percent", "interval", "drawn", "reference_percent", "flag"]
    widths = [11.0, 39, 15, 13, 24, 0, 20, 27]
    if corrected:
        names.insert(7, "corrected")
        widths = [11.0, 33, 14, 10, 20, 0, 18, 25, 21]
    widths[5] = WIDTH_MM - sum(widths)
    bar, bold = widths[5] * mm, partial(face.text, bold=True, alignment=TA_RIGHT)
    rows = [
        [
            *(chip(row.kind), row.name, row.count, bold(row.percent), row.interval),
            *(interval_bar(row.bar, bar), row.reference),
            *([face.text(row.corrected, SMALL_PT, alignment=TA_RIGHT)] if corrected else []),
            _flag(face, row.flag),
        ]
        for row in view.shares
    ]
    total = len(rows) + 1
    counted = face.text(t("row.counted"), bold=True)
    sums = [counted, "", bold(str(view.n)), bold("100" if view.n else "–"), ""]
    rows.append([*sums, interval_axis(bar) if view.n else "", *[""] * (len(widths) - 6)])
    for one in view.other_cells:
        outside = face.text(t("row.beside"), color=SOFT)
        rows.append([chip(one.kind), one.name, str(one.count), outside, *[""] * (len(widths) - 4)])
    commands = [
        ("RIGHTPADDING", (5, 0), (5, -1), 0),
        ("TOPPADDING", (0, 1), (-1, -1), 0.5 * mm),
        ("BOTTOMPADDING", (0, 1), (-1, -1), 0.5 * mm),
        *(("SPAN", (0, row), (1, row)) for row in (0, total)),
        *(("SPAN", (3, row), (-1, row)) for row in range(total + 1, len(rows) + 1)),
        ("LEFTPADDING", (3, total + 1), (3, -1), 2 * mm),
    ]
    right = {2, 3, 4, 6, 7} if corrected else {2, 3, 4, 6}
    heads = [t(f"column.{name}") if name else "" for name in names]
    drawn = ["drawn", *(["drawn_corrected"] if corrected else []), "axis"]
    notes = [" ".join(t(f"note.{key}") for key in drawn)] if view.n else []
    notes += [" ".join(view.notes), *([view.corrected] if view.corrected else [])]
    return [
        face.heading(t("heading.differential")),
        face.table(heads, rows, widths, right, commands=commands, last_ruled=total - 1),
        *map(face.note, notes),
    ]


def _flag(face: Typeface, flag: FlagText) -> Any:
    if flag.level == TOO_FEW:
        return face.text(flag.text, SMALL_PT, color=SOFT)
    critical = flag.level == Level.CRITICAL
    text = flag.text.upper() if critical else flag.text
    return face.text(text, SMALL_PT, bold=True, color=LOUD if critical else WARN)


def _numbers(face: Typeface, view: ReportView) -> Flowables:
    """Every other table of numbers, and the graph."""
    t = view.texts
    story = _unidentified(face, view) if view.n and view.n_unidentified else []
    tables = {"blood": view.blood, "ratios": view.ratios, "estimates": view.estimates}
    for key, rows in tables.items():
        if rows:
            table = _values(face, view, rows, held=key != "estimates")
            story += [face.heading(t(f"heading.{key}")), table, face.note(t(f"note.{key}"))]
    if view.n:
        graph = count_graph(view.graph, WIDTH_PT, face.fit)
        story += [face.heading(t("heading.graph")), graph, face.note(t("note.graph"))]
    return story


def _unidentified(face: Typeface, view: ReportView) -> Flowables:
    """Bounds of each share if none, and if all, of the unidentified cells were of its type."""
    t, n, types = view.texts, view.n_unidentified, len(view.shares)
    rows = [
        [t("row.as_counted"), *(row.percent for row in view.shares)],
        [t("row.moved"), *(row.unidentified_bounds for row in view.shares)],
    ]
    heads = ["", *(row.name for row in view.shares)]
    widths = [44.0, *[(WIDTH_MM - 44) / types] * types]
    return [
        face.heading(t("heading.unidentified"), size=9.2),
        face.table(heads, rows, widths, range(1, types + 1), SMALL_PT),
        face.note(t("note.unidentified", n=n, all=view.n + n)),
    ]


def _values(face: Typeface, view: ReportView, rows: Sequence[ValueRow], held: bool) -> Any:
    """A table of values; `held` against reference ranges."""
    widths = (58, 18, 26, 34, 18, 28) if held else (58, 18, 26, 80)
    names = ("what", "value", "interval", "unit", "reference", "flag")[: len(widths)]
    body = [
        [
            *(
                row.name,
                face.text(row.value, bold=True, alignment=TA_RIGHT),
                row.interval,
                row.unit,
            ),
            *([row.reference, _flag(face, row.flag)] if held else []),
        ]
        for row in rows
    ]
    inset = [("LEFTPADDING", (i, 0), (i, -1), 3 * mm) for i in (3, 5) if i < len(widths)]
    heads = [view.texts(f"column.{name}") for name in names]
    return face.table(heads, body, widths, {1, 2, 4}, commands=inset)


def _signature(face: Typeface, view: ReportView) -> Flowables:
    """A frame with lines to write on."""
    t = view.texts
    name, date, signature, comment = (
        face.text(t(f"signature.{key}"), SMALL_PT, color=SOFT)
        for key in ("name", "date", "signature", "comment")
    )
    title = [face.text(t("heading.signature"), 10, bold=True), face.text(t("signature.verified"))]
    rows = [
        ["", title, *[""] * 5],
        ["", name, "", date, "", signature, ""],
        [""] * 7,
        ["", comment, *[""] * 5],
    ]
    commands = [
        ("BOX", (0, 0), (-1, -1), 0.6, RULE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, 0), 1.6 * mm),
        *(("SPAN", (1, row), (-1, row)) for row in (0, 3)),
        *(("LINEBELOW", (column, 2), (column, 2), 0.6, RULE) for column in (1, 3, 5)),
    ]
    heights = [height * mm for height in (11, 6, 5, 18)]
    options = {"rowHeights": heights, "splitByRow": 0, "splitInRow": 0, "spaceBefore": 5 * mm}
    return [grid(rows, (4, 61, 5, 30, 5, 68, 9), commands, **options)]


def _cells(face: Typeface, view: ReportView) -> Flowables:
    t = view.texts
    heading = face.heading(t("heading.cells"))
    if not view.gallery:
        return [heading, face.text(f"{t('note.none')}.")]
    atypical = view.gallery[0].kind.name == ATYPICAL.name
    note = t("gallery.note") + (f" {t('gallery.atypical')}" if atypical else "")
    sections = (one for section in view.gallery for one in _section(face, view, section))
    return [heading, face.note(note, keepWithNext=1), *sections]


def _section(face: Typeface, view: ReportView, section: GallerySection) -> Flowables:
    """A type's pictures, row by row, the first with its title and scale bar."""
    t, size, pictures = view.texts, 9.2, section.thumbnails
    cells = [chip(section.kind)]
    widths = [CHIP_PT + 2 * mm]
    for text, bold in ((section.name, True), (section.shown, False)):
        cells.append(face.text(text, size, bold=bold, color=INK if bold else SOFT))
        width = stringWidth(face.fit(text), BOLD if bold else REGULAR, size)
        widths.append(width + (4.5 if bold else 7) * mm)
    if pictures:
        cells += [scale_bar(10), face.text(t("gallery.scale", um=10), SMALL_PT, color=SOFT)]
        widths += [cells[-2].width + 3.5 * mm, 25 * mm]
    title = grid([cells], [width / mm for width in widths], spaceBefore=2 * mm)
    title.keepWithNext = bool(pictures)
    rows = (pictures[i : i + PICTURES_PER_ROW] for i in range(0, len(pictures), PICTURES_PER_ROW))
    return [title, *(_picture_row(face, row, t("report.no_picture")) for row in rows)]


def _picture_row(face: Typeface, thumbnails: Sequence[Thumbnail], no_picture: str) -> Any:
    """A row of cells, which stays together, with likeliest classes, note and number of each."""
    missing = partial(face.text, no_picture, TINY_PT, color=SOFT, alignment=TA_CENTER)
    small = partial(face.span, bold=False, size=TINY_PT)
    gap = (WIDTH_PT - PICTURES_PER_ROW * CROP_PT) / (PICTURES_PER_ROW - 1)
    rows: list[list[Any]] = [[], []]
    commands: list[tuple[Any, ...]] = [
        ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ("VALIGN", (0, 1), (-1, 1), "TOP"),
    ]
    for i, one in enumerate(thumbnails):
        rows[0] += [_picture(one.jpeg, CROP_PT, CROP_PT) or missing(), ""]
        note = [small(one.note[:MAX_CAPTION_CHARACTERS], WARN)] if one.note else []
        caption = [one.leading.replace(" / ", "<br/>"), *note, small(one.short_id, SOFT)]
        rows[1] += [face.marked_up("<br/>".join(caption), TINY_PT, bold=True), ""]
        commands.append(("BOX", (2 * i, 0), (2 * i, 0), 0.4, "#bdbdbd"))
        commands.append(("BACKGROUND", (2 * i, 0), (2 * i, 0), "#f2f2f2"))
    widths = [CROP_PT / mm, gap / mm] * len(thumbnails)
    options = {"rowHeights": [CROP_PT, None], "splitByRow": 0, "splitInRow": 0}
    return grid(rows, widths, commands, 0, spaceAfter=2 * mm, **options)


def _picture(jpeg: bytes, width: float, height: float) -> Any | None:
    """A JPEG as large as fits, embedded as it is; `None` of what can't be read."""
    try:
        with PILImage.open(BytesIO(jpeg), formats=["JPEG"]) as image:
            scale = min(width / image.width, height / image.height)
            size = image.width * scale, image.height * scale
    except (UnidentifiedImageError, OSError, ValueError):
        return None
    return Image(BytesIO(jpeg), *size, hAlign="LEFT")


def _quality(face: Typeface, view: ReportView) -> Flowables:
    t, found = view.texts, view.quality
    story = [face.heading(t("heading.quality")), *_facts(face, found.facts)]
    story += map(face.text, found.sentences)
    for scan in found.scans:
        story.append(face.heading(t("heading.scan") + t("report.colon") + scan.name, size=9.2))
        story.append(face.text(" ".join(scan.sentences), spaceAfter=2 * mm))
        if picture := scan.view and _picture(scan.view, WIDTH_PT, VIEW_HEIGHT_PT):
            story += [picture, Spacer(0, 2 * mm)]
        heads = [t(key) for key in ("heading.areas", "column.number", "column.reason")]
        table = face.table(heads, scan.left_out, (50, 25, WIDTH_MM - 75), {1})
        story += [table] if scan.left_out else []
    story += _fields(face, view, "left_out", found.left_out, {"name": 66, "kind": 30, "reason": 86})
    story += _fields(face, view, "failed", found.failed, {"name": 86, "reason": 96})
    return [*story, face.note(t("quality.in_file"))]


def _fields(
    face: Typeface, view: ReportView, key: str, fields: Sequence[FieldRow], widths: dict[str, int]
) -> Flowables:
    """Fields under a heading; `widths` of the columns, mm."""
    if not fields:
        return []
    t, title = view.texts, face.heading(view.texts(f"heading.{key}"), size=9.2, keepWithNext=0)
    rows = [[getattr(one, name) for name in widths] for one in fields]
    heads = [t("column.field" if name == "name" else f"column.{name}") for name in widths]
    return [CondPageBreak(30 * mm), title, face.table(heads, rows, [*widths.values()])]


def _facts(face: Typeface, facts: Sequence[Fact]) -> Flowables:
    """Facts in rows, label before value."""
    rows = [
        [face.text(fact.label, SMALL_PT, color=SOFT), face.text(fact.value, SMALL_PT)]
        for fact in facts
    ]
    lines = ("LINEBELOW", (0, 0), (-1, -1), 0.5, LINE)
    return [grid(rows, (38, WIDTH_MM - 38), [lines])] if rows else []
