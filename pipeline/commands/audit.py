"""`leukodiff audit`: is the record of the reviews as it was written?"""

from __future__ import annotations

from pathlib import Path

import click

from leukodiff.core.text import printable

from .errors import Failed
from .options import FOLDER


@click.group()
def audit() -> None:
    """Check the record of who reviewed what."""


@audit.command()
@click.argument("folder", type=FOLDER, default=Path())
@click.option(
    "--record",
    "url",
    help="The record, where it is elsewhere: sqlite:///PATH or postgresql://USER@HOST/NAME.",
)
@click.option("--head", "noted", help="A head noted before (NUMBER:HASH): the record goes on it.")
def verify(folder: Path, url: str | None, noted: str | None) -> None:
    """Find events that were changed, lost, inserted or put in another order.

    FOLDER is what `review` was given. One line a fault. Exit status 0: the record is whole, 1: it
    is not, 2: it can't be read. Note the head that is printed somewhere else: who can write to the
    database could make all of it anew, and only a head noted elsewhere (--head) tells.
    """
    from leukodiff.pipeline.review.record import RECORD_FILE, Head, Record

    expected = Head.read(noted) if noted else None
    with Record(url or f"sqlite:///{folder / RECORD_FILE}", make=False) as record:
        faults = record.verify(expected)
        head = None if faults else record.head()
    for fault in faults:
        click.echo(printable(str(fault)))
    if faults:
        raise Failed(f"the record is not whole: faults found: {len(faults)}")
    click.echo(f"the record is whole; its head is {head}")
