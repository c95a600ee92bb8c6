"""Terminal output: tables and a progress bar."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from leukodiff.core.text import printable

Advance = Callable[[int, int, str], None]
"""Called with what is done, what there is in all, and a word on what is at hand."""

Line = Callable[[str], None]
"""Prints a line."""

PIPE_COLUMNS = 160
"""Width of a table that is written to no terminal."""


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; columns of numbers stand to the right, an absent value is blank."""
    table = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )
    for i, column in enumerate(columns):
        table.add_column(
            column, justify="right" if _is_numbers([row[i] for row in rows]) else "left"
        )
    for row in rows:
        table.add_row(*(Text("" if value is None else printable(str(value))) for value in row))
    console = Console()
    wide = Console(width=PIPE_COLUMNS) if not console.is_terminal else console
    wide.print(table)


@contextmanager
def progress_bar(unit: str) -> Iterator[Advance | None]:
    """A bar with rate and time left on stderr; `None` where that is no terminal."""
    with bar_and_lines(unit) as (advance, _):
        yield advance


@contextmanager
def bar_and_lines(unit: str) -> Iterator[tuple[Advance | None, Line]]:
    """A bar as `progress_bar` has it, and what prints a line on stderr, above the bar."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)

    def line(text: str) -> None:
        console.print(Text(printable(text)))

    if not console.is_terminal:
        yield None, line
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def advance(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=printable(what))

        yield advance, line


class _Rate(ProgressColumn):
    """How many of a unit are done in a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """The rate, blank until there is one."""
        return Text(f"{task.speed:.1f} {self._unit}/s" if task.speed else "")


def _is_numbers(values: Sequence[object]) -> bool:
    texts = [str(value).rstrip("%") for value in values if value not in (None, "")]
    return bool(texts) and all(text.replace(".", "", 1).lstrip("-").isdigit() for text in texts)
