"""`leukodiff evaluate counts`: leukodiff's counts against manual counts of many slides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .compare import one_reader, write_files
from .options import FILE, FOLDER, json_option, out_option

if TYPE_CHECKING:
    from leukodiff.pipeline.comparison.bland_altman import BlandAltman
    from leukodiff.pipeline.comparison.methods import MethodComparison, TypeFigures
    from leukodiff.pipeline.comparison.regression import Line


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
    _require_slides(found, manual, results)
    _show(found)
    files = {
        out / "method_comparison.csv": tables.methods_csv(found),
        out / "differences.csv": tables.differences_csv(found),
    }
    if json_file:
        files[json_file] = json.dumps(tables.methods_json(found), indent=2) + "\n"
    write_files(files)
    _draw(found, out)


def _require_slides(found: MethodComparison, manual: Path, results: Path) -> None:
    from leukodiff.core.errors import InputError

    if not any(row.manual and row.results for row in found.differences):
        raise InputError(
            f"{manual}: no slide with cells that {results} has too; slides are matched by slide_id"
        )


def _draw(found: MethodComparison, out: Path) -> None:
    """Pictures, where there is what draws them."""
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


_HEADER = (
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


def _show(found: MethodComparison) -> None:
    from leukodiff.core.text import printable
    from leukodiff.pipeline.comparison.formatting import method_sentences

    from .console import show_table

    title = f"{found.n_slides} slides; percent and points; slopes; in brackets the 95 % interval"
    show_table(title, _HEADER, [_row(one) for one in found.types])
    click.echo("within: slides whose difference is no more than counting error explains")
    for line in method_sentences(found):
        click.echo(printable(line))


def _row(one: TypeFigures) -> tuple[object, ...]:
    from leukodiff.pipeline.comparison.names import title

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
