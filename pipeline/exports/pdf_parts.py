"""What a report's PDF draws: bars, the graph, pictures of cells, boxes of facts."""

from collections.abc import Sequence
from functools import partial
from io import BytesIO
from typing import Any

from leukodiff.core.units import CROP_UM
from leukodiff.datasets.vocabulary import CellType

from .colors import text_color_on
from .formatting import Fact
from .gallery import GallerySection, Thumbnail
from .pdf_page import (
    INK,
    LEADING,
    LINE,
    MM,
    RULE,
    SMALL,
    SOFT,
    TINY,
    WARN,
    WIDTH,
    Block,
    Pages,
    Text,
    Typeface,
    line_block,
    stack,
    words,
)
from .values import AXIS_TICKS, CountBar, CountGraph, IntervalBar, on_axis

USUAL, LIMIT, ALLOWED = "#dcdcdc", "#767676", "#5c5c5c"

CROP = 24 * MM
"""A picture's side: 24 um at 1000 times."""

PITCH, PER_ROW = (WIDTH + 2 * MM) / 7, 7
AXIS_PAD = 2 * MM
CHIP = 9.5 * MM


def chip(kind: CellType) -> Block:
    """A type's abbreviation on its color."""
    height = 9.0

    def draw(canvas: Any, x: float, y: float) -> None:
        canvas.setFillColor(kind.color)
        canvas.roundRect(x, y - height, CHIP, height, 1.5, stroke=0, fill=1)
        canvas.setFillColor(text_color_on(kind.color))
        one = Text("", TINY, bold=True)
        canvas.setFont(one.font, one.size)
        canvas.drawCentredString(x + CHIP / 2, y - height + 2, kind.abbreviation)

    return Block(height, draw)


def interval_bar(bar: IntervalBar | None, width: float) -> Block:
    """An interval over its reference range; the corrected share below it."""
    height = 14.0

    def draw(canvas: Any, x: float, y: float) -> None:
        if bar is None:
            return
        at = partial(_on_axis, x, width)
        if bar.reference:
            low, high = at(bar.reference[0]), at(bar.reference[1])
            canvas.setFillColor(USUAL)
            canvas.rect(low, y - height, high - low, height, stroke=0, fill=1)
            canvas.setStrokeColor(LIMIT)
            canvas.setLineWidth(0.6)
            for place in (low, high):
                canvas.line(place, y, place, y - height)
        middle = y - (4.5 if bar.corrected else height / 2)
        _whisker(canvas, at(bar.low), at(bar.high), middle, 1.0, INK)
        canvas.setFillColor(INK)
        canvas.circle(at(bar.value), middle, 1.9, stroke=0, fill=1)
        if bar.corrected:
            below = y - 10.5
            _whisker(canvas, at(bar.corrected.low), at(bar.corrected.high), below, 0.6, ALLOWED)
            _diamond(canvas, at(bar.corrected.value), below)

    return Block(height, draw)


def interval_axis(width: float) -> Block:
    """The axis of the interval bars."""

    def draw(canvas: Any, x: float, y: float) -> None:
        at = partial(_on_axis, x, width)
        canvas.setStrokeColor(LIMIT)
        canvas.setLineWidth(0.6)
        canvas.line(at(0), y, at(100), y)
        canvas.setFillColor(SOFT)
        one = Text("", 6.6)
        canvas.setFont(one.font, one.size)
        for tick in AXIS_TICKS:
            canvas.line(at(tick), y, at(tick), y - 2.5)
            canvas.drawCentredString(at(tick), y - 9, str(tick))

    return Block(10, draw)


def _on_axis(x: float, width: float, percent: float) -> float:
    return x + AXIS_PAD + (width - 2 * AXIS_PAD) * on_axis(percent)


def _whisker(
    canvas: Any, low: float, high: float, y: float, weight: float, color: str, end: float = 2.2
) -> None:
    canvas.setStrokeColor(color)
    canvas.setLineWidth(weight)
    canvas.line(low, y, high, y)
    for place in (low, high):
        canvas.line(place, y - end, place, y + end)


def _diamond(canvas: Any, x: float, y: float, size: float = 2.6) -> None:
    path = canvas.beginPath()
    path.moveTo(x, y + size)
    for dx, dy in ((size, 0), (0, -size), (-size, 0)):
        path.lineTo(x + dx, y + dy)
    path.close()
    canvas.setFillColor("#ffffff")
    canvas.setStrokeColor(INK)
    canvas.setLineWidth(0.8)
    canvas.drawPath(path, stroke=1, fill=1)


def count_graph(graph: CountGraph, face: Typeface) -> Block:
    """Cells of each type as bars with whiskers."""
    pitch, names, numbers = 13.5, 42 * MM, 12 * MM
    length = WIDTH - names - numbers
    height = pitch * len(graph.bars) + 10

    def draw(canvas: Any, x: float, y: float) -> None:
        left, bottom = x + names, y - pitch * len(graph.bars)
        one = Text("", 6.6)
        for tick in graph.ticks:
            place = left + length * graph.place(tick)
            canvas.setStrokeColor(LINE)
            canvas.setLineWidth(0.4)
            canvas.line(place, y, place, bottom)
            canvas.setFillColor(SOFT)
            canvas.setFont(one.font, one.size)
            canvas.drawCentredString(place, bottom - 8, str(tick))
        for number, bar in enumerate(graph.bars):
            top = y - number * pitch
            _count_bar(canvas, bar, graph, (left, top, length, pitch))
            line_block(face.fit(bar.name), Text("")).draw(canvas, x, top - 1.5)
            words(face, Text(str(bar.count), bold=True), numbers, "right").draw(
                canvas, left + length, top - 1.5
            )
        canvas.setStrokeColor(LIMIT)
        canvas.setLineWidth(0.6)
        canvas.line(left, y, left, bottom)

    return Block(height, draw)


def _count_bar(
    canvas: Any, bar: CountBar, graph: CountGraph, box: tuple[float, float, float, float]
) -> None:
    left, top, length, pitch = box
    middle, thick = top - pitch / 2, pitch * 0.58
    width = length * graph.place(bar.count)
    if bar.interval is None:
        if bar.count:
            canvas.setDash(3, 2)
            canvas.setStrokeColor(bar.kind.color)
            canvas.setLineWidth(1)
            canvas.rect(left, middle - thick / 2, width, thick, stroke=1, fill=0)
            canvas.setDash()
        return
    canvas.setFillColor(bar.kind.color)
    canvas.rect(left, middle - thick / 2, width, thick, stroke=0, fill=1)
    low, high = (left + length * graph.place(end) for end in bar.interval)
    _whisker(canvas, low, high, middle, 2.8, "#ffffff")
    _whisker(canvas, low, high, middle, 1.0, INK)


def facts_grid(face: Typeface, facts: Sequence[Fact], bold: bool, columns: int = 4) -> list[Block]:
    """Facts side by side, label above value, a block a row."""
    width = WIDTH / columns
    made = [
        stack(
            [
                words(face, Text(fact.label, SMALL, color=SOFT), width - 2 * MM),
                words(face, Text(fact.value, 9.2, bold), width - 2 * MM),
            ]
        )
        for fact in facts
    ]
    rows = (made[i : i + columns] for i in range(0, len(made), columns))
    return [_side_by_side(row, width, gap=1.4 * MM) for row in rows]


def _side_by_side(blocks: Sequence[Block], pitch: float, gap: float) -> Block:
    def draw(canvas: Any, x: float, y: float) -> None:
        for number, block in enumerate(blocks):
            block.draw(canvas, x + number * pitch, y)

    return Block(max(block.height for block in blocks) + gap, draw)


def boxed(block: Block, color: str, left: float = 0.8, around: bool = True) -> Block:
    """A block with a bar at its left and, `around`, a frame."""
    pad = 1.8 * MM if around else 0.4 * MM
    height = block.height + 2 * pad

    def draw(canvas: Any, x: float, y: float) -> None:
        canvas.setFillColor(color)
        canvas.rect(x, y - height, left, height, stroke=0, fill=1)
        if around:
            canvas.setStrokeColor(color)
            canvas.setLineWidth(1)
            canvas.rect(x, y - height, WIDTH, height, stroke=1, fill=0)
        block.draw(canvas, x + left + 2.5 * MM, y - pad)

    return Block(height + 1.2 * MM, draw)


def rule(color: str = LINE, weight: float = 0.5, gap: float = 1.6 * MM) -> Block:
    """A line over the whole width."""

    def draw(canvas: Any, x: float, y: float) -> None:
        canvas.setStrokeColor(color)
        canvas.setLineWidth(weight)
        canvas.line(x, y - gap / 2, x + WIDTH, y - gap / 2)

    return Block(gap, draw)


def signature(face: Typeface, title: Sequence[Text], labels: Sequence[str], comment: str) -> Block:
    """A frame with lines to write on."""
    height, inner = 40 * MM, WIDTH - 8 * MM
    shares = (0.38, 0.2, 0.42)

    def draw(canvas: Any, x: float, y: float) -> None:
        canvas.setStrokeColor(RULE)
        canvas.setLineWidth(0.6)
        canvas.rect(x, y - height, WIDTH, height, stroke=1, fill=0)
        left = x + 4 * MM
        stack([words(face, one, inner) for one in title]).draw(canvas, left, y - 2 * MM)
        place = left
        for label, share in zip(labels, shares, strict=True):
            words(face, Text(label, SMALL, color=SOFT), inner * share).draw(
                canvas, place, y - 11.5 * MM
            )
            canvas.line(place, y - 22 * MM, place + inner * share - 5 * MM, y - 22 * MM)
            place += inner * share
        words(face, Text(comment, SMALL, color=SOFT), inner).draw(canvas, left, y - 24 * MM)

    return Block(height, draw)


def gallery(pages: Pages, shelf: GallerySection, bar: str, no_picture: str) -> None:
    """A shelf's pictures, row by row, the first with its title and scale bar."""
    title = _shelf_title(pages.face, shelf, bar)
    cells = [_thumbnail(pages.face, one, no_picture) for one in shelf.thumbnails]
    rows = [
        _side_by_side(cells[i : i + PER_ROW], PITCH, gap=2 * MM)
        for i in range(0, len(cells), PER_ROW)
    ]
    pages.gap(3 * MM)
    pages.add(stack([title, *rows[:1]]))
    for row in rows[1:]:
        pages.add(row)


def _shelf_title(face: Typeface, shelf: GallerySection, bar: str) -> Block:
    name = Text(face.fit(shelf.name), 9.2, bold=True)
    shown = Text(face.fit(shelf.shown), 9.2, color=SOFT)

    def draw(canvas: Any, x: float, y: float) -> None:
        chip(shelf.kind).draw(canvas, x, y - 0.8)
        place = x + CHIP + 2 * MM
        for one in (name, shown):
            line_block(one.text, one).draw(canvas, place, y)
            place += face.width(one.text, one) + 2 * MM
        if shelf.thumbnails:
            place += 4 * MM
            length = CROP * 10 / CROP_UM
            canvas.setStrokeColor(INK)
            canvas.setLineWidth(1)
            canvas.lines(
                [
                    (place, y - 9, place + length, y - 9),
                    (place, y - 9, place, y - 5),
                    (place + length, y - 9, place + length, y - 5),
                ]
            )
            line_block(face.fit(bar), Text("", SMALL, color=SOFT)).draw(
                canvas, place + length + 1.5 * MM, y - 1.5
            )

    return Block(9.2 * LEADING + 1.5 * MM, draw)


def _thumbnail(face: Typeface, one: Thumbnail, no_picture: str) -> Block:
    said = [
        *(Text(part, TINY, bold=True) for part in one.leading.split(" / ")),
        *([Text(one.note, TINY, color=WARN)] if one.note else []),
        Text(one.short_id, TINY, color=SOFT),
    ]
    caption = stack([words(face, text, CROP) for text in said])
    missing = words(face, Text(no_picture, TINY, color=SOFT), CROP, "center")

    def draw(canvas: Any, x: float, y: float) -> None:
        canvas.setFillColor("#f2f2f2")
        canvas.rect(x, y - CROP, CROP, CROP, stroke=0, fill=1)
        if not picture(canvas, one.jpeg, (x, y - CROP, CROP, CROP)):
            missing.draw(canvas, x, y - CROP / 2)
        canvas.setStrokeColor("#bdbdbd")
        canvas.setLineWidth(0.4)
        canvas.rect(x, y - CROP, CROP, CROP, stroke=1, fill=0)
        caption.draw(canvas, x, y - CROP - 1)

    return Block(CROP + 1 + caption.height, draw)


def view(jpeg: bytes, most: float) -> Block | None:
    """A picture as wide as the page and at most so high; `None` of one that can't be read."""
    size = jpeg_size(jpeg)
    if size is None:
        return None
    scale = min(WIDTH / size[0], most / size[1])
    width, height = size[0] * scale, size[1] * scale

    def draw(canvas: Any, x: float, y: float) -> None:
        picture(canvas, jpeg, (x, y - height, width, height))
        canvas.setStrokeColor(RULE)
        canvas.setLineWidth(0.4)
        canvas.rect(x, y - height, width, height, stroke=1, fill=0)

    return Block(height + 2 * MM, draw)


def picture(canvas: Any, jpeg: bytes, box: tuple[float, float, float, float]) -> bool:
    """Puts a JPEG into a PDF as it is; whether it is one."""
    from reportlab.lib.utils import ImageReader

    if jpeg_size(jpeg) is None:
        return False
    canvas.drawImage(ImageReader(BytesIO(jpeg)), *box)
    return True


def jpeg_size(jpeg: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG, px; `None` of what is none."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(jpeg), formats=["JPEG"]) as image:
            return image.size
    except (UnidentifiedImageError, OSError, ValueError):
        return None


def title_line(face: Typeface, title: Text, colon: str, rest: Text, width: float) -> Block:
    """A title and what follows it: on one line where both fit, else below each other."""
    first, second = face.fit(title.text), face.fit(colon + rest.text)
    start = face.width(first, title)
    if start + face.width(second, rest) > width:
        return stack([words(face, title, width), words(face, rest, width)])

    def draw(canvas: Any, x: float, y: float) -> None:
        line_block(first, title).draw(canvas, x, y)
        line_block(second, rest).draw(canvas, x + start, y - (title.size - rest.size))

    return Block(title.size * LEADING, draw)
