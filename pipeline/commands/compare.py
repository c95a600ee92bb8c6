"""Comparisons of counts: `leukodiff compare` of two, `leukodiff evaluate counts` of two methods.

Two counts: is their difference more than chance? Two methods, leukodiff and manual counts: how far
do they agree over many slides?
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukodiff.core.errors import InputError
from leukodiff.core.text import printable

from .options import FILE, FOLDER, json_option, out_option

if TYPE_CHECKING:
    from leukodiff.pipeline.comparison.bland_altman import BlandAltman
    from leukodiff.pipeline.comparison.cells import CellAgreement
    from leukodiff.pipeline.comparison.counts import CountComparison, TypeComparison
    from leukodiff.pipeline.comparison.methods import MethodComparison, TypeFigures
    from leukodiff.pipeline.comparison.readings import Reading
    from leukodiff.pipeline.comparison.regression import Line

_EITHER = click.Path(path_type=Path)

_MAX_SHOWN_SLIDES = 10
"""Types are shown slide by slide up to so many slides."""

_MAX_NAMED_SLIDES = 5
"""Slides that only one side has are named up to so many."""


@click.command()
@click.argument("a", type=_EITHER)
@click.argument("b", type=_EITHER)
@click.option(
    "--as-classified",
    type=click.Choice(["a", "b", "both"]),
    help="Take what the machine said on this side, not what a person made of it.",
)
@click.option("--out", type=FOLDER, help="Folder for the tables (CSV).")
@click.option("--csv", "csv_file", type=FILE, help="Write the types' table here (CSV).")
@json_option
def compare(
    a: Path,
    b: Path,
    as_classified: str | None,
    out: Path | None,
    csv_file: Path | None,
    json_file: Path | None,
) -> None:
    """Compare two counts A and B: do they differ beyond counting error?

    A and B are slides' folders in the output of analyze, or CSV files of counts (slide_id,
    cell_type, count). Of two folders also how far they agree on the cells both read. What a person
    corrected counts. `compare DIR DIR --as-classified a` sets the machine against the person.
    """
    from leukodiff.pipeline.comparison import tables
    from leukodiff.pipeline.comparison.cells import compare_cells
    from leukodiff.pipeline.comparison.counts import compare_counts
    from leukodiff.pipeline.comparison.reading_files import read_readings

    sides = [
        read_readings(path, as_classified in (side, "both")) for path, side in ((a, "a"), (b, "b"))
    ]
    if a.resolve() == b.resolve() and as_classified not in ("a", "b"):
        _note("A and B are the same; `--as-classified a` sets the machine against the person")
    compared: list[tuple[CountComparison, CellAgreement | None]] = []
    for one, other in _pairs(a, b, *sides):
        with_cells = one.cells is not None and other.cells is not None
        cells = compare_cells(one.cells or (), other.cells or ()) if with_cells else None
        compared.append((compare_counts(one, other), cells))
    _show(compared)
    texts = {
        "counts_compared.csv": tables.compared_csv(compared),
        "slides_compared.csv": tables.overall_csv(compared),
    }
    if any(cells for _, cells in compared):
        texts |= {
            "agreement.csv": tables.agreement_csv(compared),
            "confusion.csv": tables.confusion_csv(compared),
            "cells_compared.csv": tables.pairs_csv(compared),
        }
    files = {out / name: text for name, text in texts.items()} if out else {}
    if csv_file:
        files[csv_file] = texts["counts_compared.csv"]
    if json_file:
        files[json_file] = json.dumps(tables.compared_json(compared), indent=2) + "\n"
    write_files(files)


def write_files(files: dict[Path, str]) -> None:
    """Write text files, their folders too, each whole or not at all."""
    from leukodiff.pipeline.runs.output import write_whole, writing

    for path, text in files.items():
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)


def one_reader(path: Path, readings: Sequence[Reading]) -> dict[str, Reading]:
    """Readings by slide, each by one reader.

    Raises:
        InputError: a slide has several.
    """
    found = {reading.slide_id: reading for reading in readings}
    if len(found) < len(readings):
        raise InputError(
            f"{path}: several readers of one slide; give each reader a file, or use "
            "`evaluate counts --manual` for their mean"
        )
    return found


def _pairs(
    path_a: Path, path_b: Path, in_a: Sequence[Reading], in_b: Sequence[Reading]
) -> list[tuple[Reading, Reading]]:
    """Pairs to compare: one slide with one slide, else slides of the same slide_id."""
    a, b = one_reader(path_a, in_a), one_reader(path_b, in_b)
    if len(a) == len(b) == 1:
        return [(in_a[0], in_b[0])]
    both = [slide for slide in a if slide in b]
    if not both:
        raise InputError(f"{path_b}: no slide_id of {path_a} in it; slides are matched by slide_id")
    for name, mine, other in (("A", a, b), ("B", b, a)):
        alone = [slide for slide in mine if slide not in other]
        if alone:
            more = ", ..." if len(alone) > _MAX_NAMED_SLIDES else ""
            named = ", ".join(alone[:_MAX_NAMED_SLIDES])
            _note(f"only in {name}, left out: {named}{more}")
    return [(a[slide], b[slide]) for slide in both]


def _show(compared: Sequence[tuple[CountComparison, CellAgreement | None]]) -> None:
    from leukodiff.pipeline.comparison import formatting as words

    from .console import show_table

    for found, cells in compared if len(compared) <= _MAX_SHOWN_SLIDES else ():
        click.echo(printable(f"A: {_called(found.a)}"))
        click.echo(printable(f"B: {_called(found.b)}"))
        show_table("", _HEADER, [_row(one) for one in found.types] + _uncounted_rows(found))
        lines = words.count_sentences(found)
        lines += words.agreement_sentences(cells, found.a, found.b) if cells else []
        lines += words.strange_sentence(sorted(found.a.strange_types | found.b.strange_types))
        for line in lines:
            click.echo(printable(line))
        if cells and cells.types:
            _show_agreement(cells)
        click.echo()
    if len(compared) > 1:
        _show_slides([found for found, _ in compared])


_HEADER = ("type", "A", "% (95 %)", "B", "% (95 %)", "B - A, points (95 %)", "p", "p, Holm", "")


def _row(one: TypeComparison) -> tuple[object, ...]:
    from leukodiff.pipeline.comparison.formatting import p_text
    from leukodiff.pipeline.comparison.readings import title

    return (
        title(one.cell_type),
        one.a.count,
        _range(one.a.percent, one.a.low, one.a.high),
        one.b.count,
        _range(one.b.percent, one.b.low, one.b.high),
        _range(one.difference, one.difference_low, one.difference_high, sign="+"),
        p_text(one.p),
        p_text(one.p_holm),
        "beyond chance" if one.beyond_chance else "",
    )


def _uncounted_rows(found: CountComparison) -> list[tuple[object, ...]]:
    """Rows of the cells that are outside the 100 %."""
    from leukodiff.pipeline.comparison.readings import in_order, title

    names = (set(found.a.counts) | set(found.b.counts)) - {one.cell_type for one in found.types}
    return [
        (title(name), found.a.counts.get(name), "", found.b.counts.get(name), *[""] * 5)
        for name in in_order(names)
        if found.a.count(name) or found.b.count(name)
    ]


def _show_agreement(cells: CellAgreement) -> None:
    from leukodiff.pipeline.comparison.formatting import p_text
    from leukodiff.pipeline.comparison.readings import in_order, title

    from .console import show_table

    shares = [
        (title(t.cell_type), t.n_a, t.n_b, t.both, _percent(t.agreement), p_text(t.p))
        for t in cells.types
    ]
    columns = ("type", "A says", "B says", "both say", "%", "p")
    show_table("agreement on each type", columns, shares)
    if cells.agreed < len(cells.pairs):
        table = cells.confusion
        down, across = (in_order({pair[i] for pair in table}) for i in (0, 1))
        rows = [(title(a), *(table[a, b] or "" for b in across)) for a in down]
        show_table("A down, B across", ("A says", *map(title, across)), rows)


def _show_slides(compared: Sequence[CountComparison]) -> None:
    from leukodiff.pipeline.comparison.formatting import p_text
    from leukodiff.pipeline.comparison.readings import title

    from .console import show_table

    rows = [
        (
            found.a.name,
            found.a.n,
            found.b.n,
            p_text(found.overall.p if found.overall else None),
            ", ".join(title(one.cell_type) for one in found.beyond_chance),
        )
        for found in compared
    ]
    show_table("", ("slide", "A", "B", "p, all types", "beyond counting error"), rows)
    beyond = sum(bool(found.beyond_chance) for found in compared)
    click.echo(f"{beyond} of {len(compared)} slides differ beyond counting error in some type.")


def _called(reading: Reading) -> str:
    return f"{reading.name}, {reading.n} cells ({reading.path})"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _range(value: float | None, low: float | None, high: float | None, sign: str = "") -> str:
    if value is None or low is None or high is None:
        return ""
    return f"{value:{sign}z.1f} ({low:{sign}z.1f} to {high:{sign}z.1f})"


def _note(text: str) -> None:

    click.echo(printable(text), err=True)


@click.command("counts")
@click.argument("results", type=FOLDER)
@click.option(
    "--manual",
    type=FILE,
    required=True,
    help="Manual counts (CSV): slide_id, cell_type, count; several readers by a column reader.",
)
@out_option("Folder for tables and pictures.")
@json_option
def evaluate_counts(results: Path, manual: Path, out: Path, json_file: Path | None) -> None:
    """Compare the counts in RESULTS, a folder analyze wrote, with manual counts of its slides.

    Per type: correlation, Deming and Passing-Bablok regression, Bland-Altman, and how many slides
    lie within counting error (after CLSI H20-A2 and EP09). Pictures need matplotlib.
    """
    from leukodiff.pipeline.comparison import tables
    from leukodiff.pipeline.comparison.methods import compare_methods
    from leukodiff.pipeline.comparison.reading_files import read_counts, read_readings, read_table

    counted = read_counts(read_table(manual))
    machine = one_reader(results, read_readings(results))
    found = compare_methods(counted, list(machine.values()))
    if not any(row.manual and row.results for row in found.differences):
        raise InputError(
            f"{manual}: no slide with cells that {results} has too; slides are matched by slide_id"
        )
    _show_methods(found)
    files = {
        out / "method_comparison.csv": tables.methods_csv(found),
        out / "differences.csv": tables.differences_csv(found),
    }
    if json_file:
        files[json_file] = json.dumps(tables.methods_json(found), indent=2) + "\n"
    write_files(files)
    _draw(found, out)


def _draw(found: MethodComparison, out: Path) -> None:
    """Draws the pictures if matplotlib is installed."""
    from leukodiff.pipeline.comparison.plots import draw_methods
    from leukodiff.pipeline.runs.output import writing

    try:
        with writing(out):
            draw_methods(found, out)
    except ModuleNotFoundError as error:
        click.echo(
            f"no pictures: {error.name} is not installed; install leukodiff with its `train` extra",
            err=True,
        )


_METHOD_COLUMNS = (
    "type",
    "slides",
    "manual",
    "results",
    "bias",
    "limits of agreement",
    "r",
    "Deming",
    "Passing-Bablok",
    "within",
)


def _show_methods(found: MethodComparison) -> None:
    from leukodiff.pipeline.comparison.formatting import method_sentences

    from .console import show_table

    title = f"{found.n_slides} slides; percent and points; slopes; in brackets the 95 % interval"
    show_table(title, _METHOD_COLUMNS, [_method_row(one) for one in found.types])
    click.echo("within: slides whose difference is no more than counting error explains")
    for line in method_sentences(found):
        click.echo(printable(line))


def _method_row(one: TypeFigures) -> tuple[object, ...]:
    from leukodiff.pipeline.comparison.readings import title

    return (
        title(one.cell_type),
        one.n,
        _fixed(one.manual_mean),
        _fixed(one.results_mean),
        *_bias(one.bland_altman),
        f"{one.correlation.pearson:.3f}" if one.correlation else "",
        _slope(one.deming),
        _slope(one.passing_bablok),
        f"{one.within} of {one.n}",
    )


def _fixed(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _bias(found: BlandAltman | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    return (
        f"{found.bias:+.1f} ({found.bias_low:+.1f} to {found.bias_high:+.1f})",
        f"{found.lower:+.1f} to {found.upper:+.1f}",
    )


def _slope(line: Line | None) -> str:
    if line is None:
        return ""
    limits = (f"{one:.2f}" if one is not None else "?" for one in (line.slope_low, line.slope_high))
    return f"{line.slope:.2f} ({' to '.join(limits)})"
