"""The elements of a report's PDF: typeface, text, tables, and the drawings next to the numbers."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from font_source_sans_pro import font_directory
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, LongTable, Paragraph

from leukodiff.core.units import CROP_UM
from leukodiff.datasets.vocabulary import CellType

from .formatting import text_color_on
from .values import AXIS_TICKS, CountBar, CountGraph, IntervalBar, on_axis

MARGIN_PT = 14 * mm

WIDTH_PT = A4[0] - 2 * MARGIN_PT
"""Width of the text."""

WIDTH_MM = WIDTH_PT / mm

BODY_PT = 9.4

SMALL_PT = 8.6

TINY_PT = 7.9

TICK_PT = 6.6

LEADING = 1.28
"""Height of a line, in heights of its letters."""

INK = "#1b1b1b"
SOFT = "#595959"
LINE = "#d9d9d9"
RULE = "#8c8c8c"
LIMIT = "#767676"
RANGE = "#dcdcdc"
CORRECTED = "#5c5c5c"

REGULAR = "leukodiff-regular"
BOLD = "leukodiff-bold"

FONT_FILES = {REGULAR: "SourceSansPro-Regular.ttf", BOLD: "SourceSansPro-Semibold.ttf"}
"""The typeface: Source Sans, which has Latin, Greek and Cyrillic; reportlab's own Vera lacks
letters of Polish, Czech or Turkish names. It is embedded as far as it is used."""

SUBSTITUTES = str.maketrans({"\u202f": "\u00a0", "\u2011": "-"})
"""Substitutes for letters that the typeface lacks."""

CHIP_PT = 9.5 * mm

CROP_PT = 24 * mm
"""A picture's side: 24 um at 1000 times."""

AXIS_PADDING_PT = 2 * mm

BAR_PITCH_PT = 13.5
"""Height of a row of the graph."""


@dataclass
class Typeface:
    """Sets text in the embedded typeface; `lacked` are the letters that could not be shown."""

    known: frozenset[int]
    lacked: set[str] = field(default_factory=set)

    def fit(self, text: str) -> str:
        """A text with every letter that the typeface lacks shown by its number."""
        found = text.translate(SUBSTITUTES)
        lacking = {letter for letter in found if ord(letter) not in self.known}
        self.lacked |= lacking
        for letter in lacking:
            found = found.replace(letter, letter.encode("unicode_escape").decode("ascii"))
        return found

    def span(self, text: str, color: str = INK, bold: bool = True, size: float = BODY_PT) -> str:
        """A part of a paragraph, as markup for `marked_up`."""
        font = BOLD if bold else REGULAR
        return f'<font name="{font}" color="{color}" size="{size}">{escape(self.fit(text))}</font>'

    def text(self, text: str, size: float = BODY_PT, **style: Any) -> Any:
        """A paragraph: `bold`, `color`, `bullet`, and fields of reportlab's style."""
        return self.marked_up(escape(self.fit(text)), size, **style)

    def marked_up(
        self,
        markup: str,
        size: float,
        bold: bool = False,
        color: str = INK,
        bullet: str | None = None,
        **style: Any,
    ) -> Any:
        """A paragraph of spans."""
        font = BOLD if bold else REGULAR
        made = ParagraphStyle(
            font,
            fontName=font,
            fontSize=size,
            leading=size * LEADING,
            textColor=color,
            bulletFontName=REGULAR,
            **style,
        )
        return Paragraph(markup, made, bullet)

    def note(self, text: str, **style: Any) -> Any:
        """A paragraph on how something is to be read."""
        return self.text(text, TINY_PT, color=SOFT, spaceBefore=0.8 * mm, **style)

    def heading(self, text: str, size: float = 10.5, **style: Any) -> Any:
        """A heading that stays with what follows."""
        before = 4 * mm if size > 10 else 3 * mm
        style = {"spaceBefore": before, "spaceAfter": 1 * mm, "keepWithNext": 1} | style
        return self.text(text, size, bold=True, **style)

    def table(
        self,
        heads: Sequence[str],
        rows: Iterable[Sequence[Any]],
        widths_mm: Sequence[float],
        right: Collection[int] = (),
        size: float = BODY_PT,
        commands: Iterable[tuple[Any, ...]] = (),
        last_ruled: int = -1,
    ) -> Any:
        """A table with repeated column heads and a rule below each row to `last_ruled`.

        Texts become paragraphs, aligned to the right in the columns of `right`.
        """
        sides = [TA_RIGHT if i in right else TA_LEFT for i in range(len(widths_mm))]
        head = [
            self.text(text, SMALL_PT, bold=True, color=SOFT, alignment=side) if text else ""
            for text, side in zip(heads, sides, strict=True)
        ]
        body = [
            [
                self.text(cell, size, alignment=side) if cell and isinstance(cell, str) else cell
                for cell, side in zip(row, sides, strict=True)
            ]
            for row in rows
        ]
        lines = [
            ("LINEBELOW", (0, 0), (-1, last_ruled), 0.5, LINE),
            ("LINEBELOW", (0, 0), (-1, 0), 0.5, RULE),
        ]
        return grid([head, *body], widths_mm, [*lines, *commands], repeatRows=1)


def typeface() -> Typeface:
    """Registers the typeface with reportlab, once."""
    known = set(pdfmetrics.getRegisteredFontNames())
    for name, file in FONT_FILES.items():
        if name not in known:
            pdfmetrics.registerFont(TTFont(name, Path(font_directory) / file))
    faces = [pdfmetrics.getFont(name).face.charToGlyph for name in FONT_FILES]
    return Typeface(frozenset(faces[0]) & frozenset(faces[1]))


def grid(
    rows: Sequence[Sequence[Any]],
    widths_mm: Sequence[float],
    commands: Iterable[tuple[Any, ...]] = (),
    padding: float = 0.7 * mm,
    **options: Any,
) -> Any:
    """Flowables in rows and columns; a row that is too long for a page is split."""
    style = [
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2 * mm),
        ("TOPPADDING", (0, 0), (-1, -1), padding),
        ("BOTTOMPADDING", (0, 0), (-1, -1), padding),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        *commands,
    ]
    widths = [width * mm for width in widths_mm]
    return LongTable(rows, widths, style=style, **{"splitInRow": 1, "hAlign": "LEFT"} | options)


def boxed(content: list[Any], color: str, bar_mm: float, framed: bool) -> Any:
    """Content right of a bar of a color and, where `framed`, in a frame."""
    commands: list[tuple[Any, ...]] = [
        ("BACKGROUND", (0, 0), (0, 0), color),
        ("LEFTPADDING", (1, 0), (1, 0), 2.5 * mm),
    ]
    commands += [("BOX", (0, 0), (-1, -1), 1, color)] if framed else []
    padding = 1.8 * mm if framed else 0.4 * mm
    widths = (bar_mm, WIDTH_MM - bar_mm)
    return grid([["", content]], widths, commands, padding, spaceAfter=1.2 * mm)


class FootedCanvas(Canvas):  # type: ignore[misc]
    """Draws the pages' feet when all pages are there, so that each has their number."""

    def __init__(self, *args: Any, foot: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._foot, self._states = foot, list[dict[str, Any]]()

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        """Keeps a page for later."""
        self._states.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Writes all pages."""
        states = self._states
        for number, state in enumerate(states, start=1):
            self.__dict__.update(state)
            self._foot(self, number, len(states))
            super().showPage()
        super().save()


class Drawing(Flowable):  # type: ignore[misc]
    """A drawing of a fixed size, pt; `paint` draws it with its lower left corner at the origin."""

    def __init__(self, width: float, height: float, paint: Callable[[Any], None]) -> None:
        super().__init__()
        self.width, self.height, self.paint = width, height, paint

    def draw(self) -> None:
        """Paints on the canvas that reportlab has moved to the drawing's place."""
        self.paint(self.canv)


def _pen(canvas: Any, color: str, width: float) -> None:
    canvas.setStrokeColor(color)
    canvas.setLineWidth(width)


def _letters(canvas: Any, color: str, font: str, size: float) -> None:
    canvas.setFillColor(color)
    canvas.setFont(font, size)


def chip(kind: CellType) -> Drawing:
    """A type's abbreviation on its color."""

    def paint(canvas: Any) -> None:
        canvas.setFillColor(kind.color)
        canvas.roundRect(0, 0, CHIP_PT, 9, 1.5, stroke=0, fill=1)
        _letters(canvas, text_color_on(kind.color), BOLD, TINY_PT)
        canvas.drawCentredString(CHIP_PT / 2, 2, kind.abbreviation)

    return Drawing(CHIP_PT, 9, paint)


def interval_bar(bar: IntervalBar | None, width: float) -> Drawing:
    """An interval over its reference range; the corrected share below it."""
    height = 14.0

    def paint(canvas: Any) -> None:
        if bar is None:
            return
        at = partial(_place, width)
        if bar.reference:
            low, high = map(at, bar.reference)
            canvas.setFillColor(RANGE)
            canvas.rect(low, 0, high - low, height, stroke=0, fill=1)
            _pen(canvas, LIMIT, 0.6)
            canvas.lines([(low, 0, low, height), (high, 0, high, height)])
        middle = height - 4.5 if bar.corrected else height / 2
        _whisker(canvas, at(bar.share.low), at(bar.share.high), middle, 1.0, INK)
        canvas.setFillColor(INK)
        canvas.circle(at(bar.share.value), middle, 1.9, stroke=0, fill=1)
        if bar.corrected:
            _whisker(canvas, at(bar.corrected.low), at(bar.corrected.high), 3.5, 0.6, CORRECTED)
            _diamond(canvas, at(bar.corrected.value), 3.5)

    return Drawing(width, height, paint)


def interval_axis(width: float) -> Drawing:
    """The axis of the interval bars."""

    def paint(canvas: Any) -> None:
        places = [_place(width, tick) for tick in AXIS_TICKS]
        _pen(canvas, LIMIT, 0.6)
        canvas.line(places[0], 10, places[-1], 10)
        _letters(canvas, SOFT, REGULAR, TICK_PT)
        for place, tick in zip(places, AXIS_TICKS, strict=True):
            canvas.line(place, 10, place, 7.5)
            canvas.drawCentredString(place, 1, str(tick))

    return Drawing(width, 10, paint)


def _place(width: float, percent: float) -> float:
    return float(AXIS_PADDING_PT + (width - 2 * AXIS_PADDING_PT) * on_axis(percent))


def _whisker(canvas: Any, low: float, high: float, y: float, weight: float, color: str) -> None:
    _pen(canvas, color, weight)
    ends = [(place, y - 2.2, place, y + 2.2) for place in (low, high)]
    canvas.lines([(low, y, high, y), *ends])


def _diamond(canvas: Any, x: float, y: float) -> None:
    path, size = canvas.beginPath(), 2.6
    path.moveTo(x, y + size)
    for dx, dy in ((size, 0), (0, -size), (-size, 0)):
        path.lineTo(x + dx, y + dy)
    path.close()
    canvas.setFillColor("#ffffff")
    _pen(canvas, INK, 0.8)
    canvas.drawPath(path, stroke=1, fill=1)


def count_graph(graph: CountGraph, width: float, fit: Callable[[str], str]) -> Drawing:
    """Cells of each type as bars with whiskers; `fit` makes names printable."""
    left, numbers = 42 * mm, 12 * mm
    length = width - left - numbers
    height = BAR_PITCH_PT * len(graph.bars) + 10

    def paint(canvas: Any) -> None:
        _pen(canvas, LINE, 0.4)
        _letters(canvas, SOFT, REGULAR, TICK_PT)
        for tick in graph.ticks:
            place = left + length * graph.place(tick)
            canvas.line(place, height, place, 10)
            canvas.drawCentredString(place, 2, str(tick))
        for number, bar in enumerate(graph.bars):
            middle = height - (number + 0.5) * BAR_PITCH_PT
            _count_bar(canvas, bar, graph, left, length, middle)
            _letters(canvas, INK, REGULAR, BODY_PT)
            canvas.drawString(0, middle - 4, fit(bar.name))
            canvas.setFont(BOLD, BODY_PT)
            canvas.drawRightString(width, middle - 4, str(bar.count))
        _pen(canvas, LIMIT, 0.6)
        canvas.line(left, height, left, 10)

    return Drawing(width, height, paint)


def _count_bar(
    canvas: Any, bar: CountBar, graph: CountGraph, left: float, length: float, middle: float
) -> None:
    thickness = BAR_PITCH_PT * 0.58
    box = left, middle - thickness / 2, length * graph.place(bar.count), thickness
    if bar.interval:
        canvas.setFillColor(bar.kind.color)
        canvas.rect(*box, stroke=0, fill=1)
        low, high = (left + length * graph.place(end) for end in bar.interval)
        _whisker(canvas, low, high, middle, 2.8, "#ffffff")
        _whisker(canvas, low, high, middle, 1.0, INK)
    elif bar.count:
        canvas.setDash(3, 2)
        _pen(canvas, bar.kind.color, 1)
        canvas.rect(*box, stroke=1, fill=0)
        canvas.setDash()


def scale_bar(um: float) -> Drawing:
    """A bar of a length on a picture's scale."""
    length = CROP_PT * um / CROP_UM

    def paint(canvas: Any) -> None:
        _pen(canvas, INK, 1)
        canvas.lines([(0, 0, length, 0), (0, 0, 0, 4), (length, 0, length, 4)])

    return Drawing(length, 4, paint)
