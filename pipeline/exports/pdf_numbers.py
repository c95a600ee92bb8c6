"""The numbers of a report's PDF: the differential, what follows from it, and the graph."""

from collections.abc import Sequence

from . import pdf_parts as parts
from .pdf_page import (
    LOUD,
    MM,
    SMALL,
    SOFT,
    TINY,
    WARN,
    WIDTH,
    Block,
    Cell,
    Column,
    Pages,
    Text,
    row_block,
    words,
)
from .report_view import ReportView
from .values import CRITICAL, TOO_FEW, FlagText, ValueRow


def differential(pages: Pages, said: ReportView) -> None:
    """Sets the differential with its bars."""
    t, face = said.texts, pages.face
    pages.heading(t("heading.differential"), 60 * MM)
    columns = _share_columns(said)
    names = ("count", "percent", "interval", "drawn", "reference_percent")
    first = words(face, label(t("column.type")), 40 * MM)
    head: list[Cell] = [first, label(""), *(label(t(f"column.{one}")) for one in names)]
    head += [label(t("column.corrected"))] if said.has_corrected else []
    head.append(label(t("column.flag")))
    pages.table(columns, head, [*_share_rows(pages, said, columns), *_below(pages, said, columns)])
    told = [
        t("note.drawn"),
        t("note.drawn_corrected") if said.has_corrected else "",
        t("note.axis"),
    ]
    pages.gap(1 * MM)
    if said.n:
        note(pages, " ".join(one for one in told if one))
    note(pages, " ".join(said.notes))
    if said.corrected:
        note(pages, said.corrected)


def _share_columns(said: ReportView) -> list[Column]:
    """Chip, name, count, %, interval, bar, reference, corrected, flag."""
    if said.has_corrected:
        widths = [11.0, 33, 14, 10, 20, 0, 18, 25, 21]
    else:
        widths = [11.0, 39, 15, 13, 24, 0, 20, 27]
    widths[5] = WIDTH / MM - sum(widths)
    left = (0, 1, 5, len(widths) - 1)
    return [Column(w * MM, "left" if i in left else "right") for i, w in enumerate(widths)]


def _share_rows(pages: Pages, said: ReportView, columns: Sequence[Column]) -> list[Block]:
    rows = []
    for row in said.shares:
        cells: list[Cell] = [
            parts.chip(row.kind),
            Text(row.name),
            Text(row.count),
            Text(row.percent, bold=True),
            Text(row.interval),
            parts.interval_bar(row.bar, columns[5].width),
            Text(row.reference),
            *([Text(row.corrected, SMALL)] if said.has_corrected else []),
            _flag(row.flag),
        ]
        rows.append(row_block(pages.face, columns, cells, pad=0.5 * MM))
    return rows


def _below(pages: Pages, said: ReportView, columns: Sequence[Column]) -> list[Block]:
    """The sum with the axis, and what is not in the percentages."""
    t, face = said.texts, pages.face
    first = Column(columns[0].width + columns[1].width)
    last = Column(sum(column.width for column in columns[6:]))
    hundred = "100" if said.n else "–"
    axis = parts.interval_axis(columns[5].width) if said.n else Block(0, lambda *_: None)
    total = row_block(
        face,
        [first, *columns[2:6], last],
        [
            Text(t("row.counted"), bold=True),
            Text(str(said.n), bold=True),
            Text(hundred, bold=True),
            Text(""),
            axis,
            Text(""),
        ],
        rule="",
        pad=0.4 * MM,
    )
    rest = Column(sum(column.width for column in columns[3:]))
    beside = [
        row_block(
            face,
            [*columns[:3], rest],
            [
                parts.chip(one.kind),
                Text(one.name),
                Text(str(one.count)),
                Text(f"  {t('row.beside')}", color=SOFT),
            ],
            rule="",
            pad=0.5 * MM,
        )
        for one in said.other_cells
    ]
    return [total, *beside]


def numbers(pages: Pages, said: ReportView) -> None:
    """Sets every other table of numbers, and the graph."""
    t = said.texts
    if said.n and said.n_unidentified:
        _moved(pages, said)
    for key, rows, held in (
        ("blood", said.blood, True),
        ("ratios", said.ratios, True),
        ("estimates", said.estimates, False),
    ):
        if rows:
            pages.heading(t(f"heading.{key}"))
            _values(pages, said, rows, held)
            note(pages, t(f"note.{key}"))
    if said.n:
        graph = parts.count_graph(said.graph, pages.face)
        pages.heading(t("heading.graph"), graph.height + 9 * MM)
        pages.add(graph)
        note(pages, t("note.graph"))


def _moved(pages: Pages, said: ReportView) -> None:
    t, face = said.texts, pages.face
    pages.heading(t("heading.unidentified"), size=9.2)
    first = 44 * MM
    each = (WIDTH - first) / len(said.shares)
    columns = [Column(first), *(Column(each, "right") for _ in said.shares)]
    head = [label(""), *(label(row.name) for row in said.shares)]
    counted = [Text(t("row.as_counted"), SMALL), *(Text(row.percent, SMALL) for row in said.shares)]
    moved = [
        Text(t("row.moved"), SMALL),
        *(Text(row.unidentified_bounds, SMALL) for row in said.shares),
    ]
    pages.table(columns, head, [row_block(face, columns, one) for one in (counted, moved)])
    n, whole = said.n_unidentified, said.n + said.n_unidentified
    note(pages, t("note.unidentified", n=n, all=whole))


def _values(pages: Pages, said: ReportView, rows: Sequence[ValueRow], held: bool) -> None:
    t, face = said.texts, pages.face
    widths = (58, 18, 26, 34, 18, 28) if held else (58, 18, 26, 80)
    names = ("what", "value", "interval", "unit", "reference", "flag")[: len(widths)]
    left = ("what", "unit", "flag")
    columns = [
        Column(width * MM, *(("left", 3 * MM) if name in left[1:] else ("right",)))
        for name, width in zip(names, widths, strict=True)
    ]
    columns[0] = Column(widths[0] * MM)
    made = []
    for row in rows:
        cells = [Text(row.name), Text(row.value, bold=True), Text(row.interval), Text(row.unit)]
        cells += [Text(row.reference), _flag(row.flag)] if held else []
        made.append(row_block(face, columns, cells, pad=0.7 * MM))
    pages.table(columns, [label(t(f"column.{name}")) for name in names], made)


def note(pages: Pages, text: str) -> None:
    """Sets how something is to be read."""
    pages.gap(0.8 * MM)
    pages.paragraph(Text(text, TINY, color=SOFT))


def label(text: str) -> Text:
    """The head of a column."""
    return Text(text, SMALL, bold=True, color=SOFT)


def _flag(one: FlagText) -> Text:
    if one.level == TOO_FEW:
        return Text(one.text, SMALL, color=SOFT)
    color = LOUD if one.level == CRITICAL else WARN
    text = one.text.upper() if one.level == CRITICAL else one.text
    return Text(text, SMALL, bold=True, color=color)
