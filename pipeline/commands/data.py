"""`leukodiff data`: the public data sets, where they lie, and what is wrong in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukodiff.core.text import printable

from .options import FOLDER, out_option

if TYPE_CHECKING:
    from .console import Advance

_root = click.option(
    "--root", type=FOLDER, help="Folder of this data set.  [default: under $LEUKODIFF_DATA]"
)


@click.group()
def data() -> None:
    """List, fetch and check the public data sets."""


@data.command("list")
def list_datasets() -> None:
    """Every data set: license, labels, where it comes from, whether it is at hand."""
    from leukodiff.datasets.registry import data_root, describe_datasets

    from .console import show_table

    rows = describe_datasets()
    columns = ("name", "title", "labels", "um_per_px", "licence", "fetch", "folder")
    show_table(f"data under {data_root()}", columns, [[row[c] for c in columns] for row in rows])
    for row in rows:
        click.echo(f"{row['name']}: {row['citation']}. {row['address']}")


@data.command("fetch")
@click.argument("name")
@_root
def fetch_dataset(name: str, root: Path | None) -> None:
    """Download the data set NAME; offline, say how to place its files by hand."""
    from leukodiff.datasets.fetch import fetch

    click.echo(f"{name} is in {fetch(name, root)}")


@data.command("check")
@click.argument("names", nargs=-1, metavar="[NAME[=FOLDER]]...")
@_root
def check_datasets(names: tuple[str, ...], root: Path | None) -> None:
    """Counts, broken boxes, unreadable files and duplicates of each NAME, or of all at hand.

    Of several it also says what they share. table=FOLDER is your own.

    Exit status: 0 looked over, whatever was found; 2 when a data set holds nothing to look at.
    """
    from leukodiff.core.errors import DataError
    from leukodiff.datasets.check import check
    from leukodiff.datasets.check_text import between_text, check_text

    from .console import progress_bar

    if root and len(names) != 1:
        raise click.BadParameter(
            "the folder of which data set? give its NAME too", param_hint="--root"
        )
    reports, refused = [], []
    for text in names or _at_hand():
        one, _, folder = text.partition("=")
        with progress_bar("images") as advance:
            try:
                where = Path(folder) if folder else root
                reports.append(check(one, where, _reporter(advance, one)))
            except DataError as error:
                refused.append(str(error))
                continue
        click.echo(check_text(reports[-1]))
    if len(reports) > 1:
        click.echo(between_text(reports))
    if refused:
        raise DataError("; ".join(refused))


@data.command("from-reviews")
@click.argument("folders", nargs=-1, required=True, type=FOLDER, metavar="DIR...")
@out_option("New folder: images, cells.csv, provenance.json.")
@click.option("--record", default="", help="The record's address, where it is not in DIR.")
def from_reviews(folders: tuple[Path, ...], out: Path, record: str) -> None:
    """Turn the signed slides of reviews into a training set for `train classifier`.

    DIR is what `review` was given. Only signed slides count, and of them the cells that a person
    named or looked at. Splits are by slide. Then: train classifier --data table=FOLDER.
    """
    from leukodiff.pipeline.review.service.training_set import make_training_set

    from .console import show_table

    if record and len(folders) > 1:
        raise click.UsageError("--record is that of one DIR; give one")
    made = make_training_set(folders, out, record)
    for line in made.left_out:
        click.echo(f"left out: {printable(line)}")
    rows = [[split, name, str(n)] for (split, name), n in sorted(made.cells.items())]
    show_table("", ["split", "cell_type", "cells"], rows)
    click.echo(
        f"{out}: {made.cells.total()} cells of {made.slides} signed slides, of which a person "
        f"named {made.corrected} otherwise and added {made.added}"
    )
    if not any(split == "val" for split, _ in made.cells):
        click.echo("one slide has no val split: train with another data set beside it (--data)")


def _at_hand() -> list[str]:
    from leukodiff.core.errors import DataError
    from leukodiff.datasets.registry import data_root, describe_datasets

    names = [row["name"] for row in describe_datasets() if row["folder"]]
    if not names:
        raise DataError(f"{data_root()}: no data set here; `leukodiff data list` names them")
    return names


def _reporter(advance: Advance | None, name: str) -> Callable[[int, int], None] | None:
    if advance is None:
        return None
    return lambda done, total: advance(done, total, name)
