"""`leukodiff review`: a person views, corrects and signs slides in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from leukodiff.core.text import printable

from .errors import Failed
from .options import FILE, FOLDER, classifier_option, detector_option


@click.command()
@click.argument("out", type=FOLDER, metavar="DIR")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to be reached at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="0: any free."
)
@click.option("--record", default="", help="Of the record.  [default: DIR/review.sqlite]")
@click.option(
    "--allow",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder whose files may be analyzed by path; may be repeated.",
)
@click.option("--readers", type=click.IntRange(1, 2), default=1, help="Two read on their own.")
@click.option("--tls-cert", type=FILE, help="Certificate (PEM), for https.")
@click.option("--tls-key", type=FILE, help="The certificate's key (PEM).")
@click.option(
    "--name",
    "names",
    multiple=True,
    help="Name that browsers reach it by, where it is not --host; may be repeated.",
)
@click.option(
    "--behind-proxy", is_flag=True, help="Believe the headers that a proxy before it adds."
)
@click.option("--threads", type=click.IntRange(min=1), help="Cores to use.  [default: all]")
@click.option(
    "--reference", type=FOLDER, help="Its own reference cells.  [default: DIR/reference-cells]"
)
@detector_option
@classifier_option
def review(**chosen: Any) -> None:
    """Open the slides of DIR, which analyze wrote, in a browser: look, correct, sign.

    DIR may be empty, or not there yet: images dropped on the page are analyzed into it. Nothing
    leaves this computer. On an address that others can reach, people log in: see `users`.
    """
    from leukodiff.pipeline.review.service.settings import ReviewSettings
    from leukodiff.pipeline.review.web.serve import serve

    serve(ReviewSettings(**chosen), lambda address: click.echo(f"open {address}"))


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
