"""Pages set from top to bottom on reportlab's canvas: lines, rows, what must stay together."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MM = 72 / 25.4
"""Points in a millimeter; every length here is in points."""

PAGE_WIDTH, PAGE_HEIGHT = 210 * MM, 297 * MM
MARGIN, TOP, BOTTOM = 14 * MM, 13 * MM, 17 * MM
WIDTH = PAGE_WIDTH - 2 * MARGIN

INK, SOFT, LINE, RULE = "#1b1b1b", "#595959", "#d9d9d9", "#8c8c8c"
WARN, LOUD = "#7a3e00", "#9b0020"

BODY, SMALL, TINY = 9.4, 8.6, 7.9
"""Sizes of letters."""

LEADING = 1.28
"""A line is so many times as high as its letters."""

REGULAR, BOLD = "leukodiff-regular", "leukodiff-bold"
FILES = {REGULAR: "SourceSansPro-Regular.ttf", BOLD: "SourceSansPro-Semibold.ttf"}
"""The typeface: Source Sans, which has Latin, Greek and Cyrillic; reportlab's own Vera lacks
letters of Polish, Czech or Turkish names. It is embedded as far as it is used."""

SUBSTITUTES = str.maketrans({"\u202f": "\u00a0", "\u2011": "-"})
"""What stands for letters that the typeface lacks."""

MOST_LINES = 30
"""A cell of a table has no more lines: it must fit a page."""

_registering = threading.Lock()

Draw = Callable[[Any, float, float], None]
"""Draws on a canvas, with its left and its top edge at (x, y)."""


@dataclass(frozen=True)
class Block:
    """Something of a height that is not split between pages."""

    height: float
    draw: Draw


@dataclass(frozen=True)
class Text:
    """Words in a cell or a paragraph."""

    text: str
    size: float = BODY
    bold: bool = False
    color: str = INK

    @property
    def font(self) -> str:
        """The name of its font."""
        return BOLD if self.bold else REGULAR


@dataclass(frozen=True)
class Column:
    """A column of a table; `align` is `left`, `right` or `center`, `inset` is room before it."""

    width: float
    align: str = "left"
    inset: float = 0.0


Cell = Text | Block


@dataclass
class Typeface:
    """What can be set in the embedded typeface; `lacked` are the letters that could not."""

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

    def wrap(self, one: Text, width: float) -> list[str]:
        """A text's lines in a width; a word that is longer is cut."""
        lines, line = [], ""
        for word in self.fit(one.text).split(" "):
            longer = f"{line} {word}" if line else word
            if self.width(longer, one) <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            *whole, line = self._cut(word, one, width)
            lines += whole
        return [*lines, line]

    def _cut(self, word: str, one: Text, width: float) -> list[str]:
        parts = [""]
        for letter in word:
            if parts[-1] and self.width(parts[-1] + letter, one) > width:
                parts.append("")
            parts[-1] += letter
        return parts

    @staticmethod
    def width(text: str, like: Text) -> float:
        """How wide a text is in the letters of another."""
        from reportlab.pdfbase.pdfmetrics import stringWidth

        return float(stringWidth(text, like.font, like.size))


@dataclass
class Pages:
    """Pages being set; they are drawn when all are there, so that each knows their number."""

    face: Typeface
    pages: list[list[tuple[float, Block]]] = field(default_factory=lambda: [[]])
    y: float = PAGE_HEIGHT - TOP

    @property
    def room(self) -> float:
        """What is left of the page."""
        return self.y - BOTTOM

    def need(self, height: float) -> None:
        """Begins a new page where there is less room."""
        if height > self.room and self.pages[-1]:
            self.pages.append([])
            self.y = PAGE_HEIGHT - TOP

    def gap(self, height: float) -> None:
        """Leaves room, but not at the top of a page."""
        if self.pages[-1]:
            self.y -= height

    def add(self, block: Block) -> None:
        """Sets a block below the last one."""
        self.need(block.height)
        self.pages[-1].append((self.y, block))
        self.y -= block.height

    def paragraph(self, one: Text, width: float = WIDTH) -> None:
        """Sets words line by line, so that a long paragraph may run over pages."""
        for line in self.face.wrap(one, width):
            self.add(line_block(line, one))

    def heading(self, text: str, follows: float = 20 * MM, size: float = 10.5) -> None:
        """Sets a heading; so much of what `follows` stays on its page."""
        one = Text(text, size, bold=True)
        lines = self.face.wrap(one, WIDTH)
        self.gap(4 * MM if size > BODY + 2 else 3 * MM)
        self.need(len(lines) * size * LEADING + follows)
        for line in lines:
            self.add(line_block(line, one))
        self.gap(1 * MM)

    def table(self, columns: Sequence[Column], head: Sequence[Cell], rows: Sequence[Block]) -> None:
        """Sets rows below a head, which is repeated on every page."""
        top = row_block(self.face, columns, head, rule=RULE)
        self.need(top.height + sum(row.height for row in rows[:2]))
        self.add(top)
        for row in rows:
            if row.height > self.room:
                self.need(row.height)
                self.add(top)
            self.add(row)


def line_block(line: str, one: Text) -> Block:
    """One line of words that fits."""
    height = one.size * LEADING

    def draw(canvas: Any, x: float, y: float) -> None:
        canvas.setFillColor(one.color)
        canvas.setFont(one.font, one.size)
        canvas.drawString(x, y - one.size, line)

    return Block(height, draw)


def stack(blocks: Sequence[Block], gap: float = 0.0) -> Block:
    """Blocks under each other that stay together."""
    height = sum(block.height for block in blocks) + gap * max(0, len(blocks) - 1)

    def draw(canvas: Any, x: float, y: float) -> None:
        for block in blocks:
            block.draw(canvas, x, y)
            y -= block.height + gap

    return Block(height, draw)


def words(face: Typeface, one: Text, width: float, align: str = "left") -> Block:
    """Words in a width, in as many lines as they need."""
    lines = face.wrap(one, width)
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], "…"]
    leading = one.size * LEADING

    def draw(canvas: Any, x: float, y: float) -> None:
        canvas.setFillColor(one.color)
        canvas.setFont(one.font, one.size)
        for line in lines:
            if align == "right":
                canvas.drawRightString(x + width, y - one.size, line)
            elif align == "center":
                canvas.drawCentredString(x + width / 2, y - one.size, line)
            else:
                canvas.drawString(x, y - one.size, line)
            y -= leading

    return Block(len(lines) * leading, draw)


def row_block(
    face: Typeface,
    columns: Sequence[Column],
    cells: Sequence[Cell],
    rule: str = LINE,
    pad: float = 1.0 * MM,
) -> Block:
    """A row of a table with a rule below it (none where `rule` is empty)."""
    inner = [column.width - column.inset - 2 * MM for column in columns]
    blocks = [
        words(face, cell, width, column.align) if isinstance(cell, Text) else cell
        for cell, column, width in zip(cells, columns, inner, strict=True)
    ]
    height = max(block.height for block in blocks) + 2 * pad

    def draw(canvas: Any, x: float, y: float) -> None:
        left = x
        for block, column in zip(blocks, columns, strict=True):
            block.draw(canvas, left + column.inset, y - (height - block.height) / 2)
            left += column.width
        if rule:
            canvas.setStrokeColor(rule)
            canvas.setLineWidth(0.5)
            canvas.line(x, y - height, left, y - height)

    return Block(height, draw)


def typeface() -> Typeface:
    """Registers the typeface with reportlab, once."""
    from font_source_sans_pro import font_directory
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    with _registering:  # a font that two threads register is another one halfway through a page
        known = set(pdfmetrics.getRegisteredFontNames())
        for name, file in FILES.items():
            if name not in known:
                pdfmetrics.registerFont(TTFont(name, Path(font_directory) / file))
    faces = [pdfmetrics.getFont(name).face.charToGlyph for name in FILES]
    return Typeface(frozenset(faces[0]) & frozenset(faces[1]))
