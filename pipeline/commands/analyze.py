"""`leukodiff analyze`: smears in, differential counts and reports out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leukodiff.runtime.errors import InputError

from .errors import Failed, WrongUsage
from .options import (
    Place,
    classifier_option,
    detector_option,
    engine_options,
    report_options,
    report_settings,
)

if TYPE_CHECKING:
    from leukodiff.pipeline.analyze import AnalyzeSettings, RunSummary

COLUMNS = {
    "slide": "slide_id",
    "status": "status",
    "fields": "n_fields",
    "cells": "n_cells",
    "um/px": "um_per_px",
    "s": "seconds",
    "flags": "flags",
}

SHOWN = 30
"""How many slides, and how many failures, a terminal shows."""


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=Place(), metavar="INPUT...")
@click.option("--out", type=Place(), required=True, help="Folder for the results.")
@click.option("--per-image", is_flag=True, help="Make every image a slide of its own.")
@click.option(
    "--um-per-px",
    type=float,
    help="Scale of the images.  [default: from the file, else from the red cells]",
)
@click.option("--overwrite", is_flag=True, help="Make slides anew that were made otherwise.")
@click.option(
    "--no-overlays", is_flag=True, help="Draw no pictures of the fields: faster, smaller."
)
@click.option("--target-cells", type=click.IntRange(min=1), help="Stop at so many white cells.")
@click.option(
    "--full-pass", is_flag=True, help="Scans: detect everywhere, without a first look: slower."
)
@click.option(
    "--all-areas", is_flag=True, help="Read empty, thick and blurred fields and areas too."
)
@click.option(
    "--cluster",
    is_flag=False,
    flag_value="auto",
    metavar="[ADDRESS]",
    help="Run on a Ray cluster: the one at hand, HOST:PORT, or `local`.",
)
@report_options
@detector_option
@classifier_option
@engine_options
def analyze(
    inputs: tuple[Path | str, ...],
    out: Path | str,
    no_overlays: bool,
    cluster: str | None,
    **chosen: Any,
) -> None:
    """Find, name and count the white cells of each INPUT.

    A file is one slide: an image, or a scan of a whole smear. A folder of images is one slide, each
    image a field; a folder of scans is a slide per scan, a folder of folders one per sub-folder.
    Started again, it skips the slides that are whole.

    Exit status: 0 all slides done, 1 some failed, 2 wrong usage or unreadable input.
    """
    from leukodiff.pipeline.analyze import AnalyzeSettings

    report = report_settings(chosen)
    settings = AnalyzeSettings(overlays=not no_overlays, report=report, **chosen)
    summary = run(inputs, out, settings, cluster)
    show_summary(summary)
    sys.exit(summary.exit_status)


def run(
    inputs: Sequence[Path | str],
    out: Path | str,
    settings: AnalyzeSettings,
    cluster: str | None = None,
) -> RunSummary:
    """Analyze behind a progress bar, on the cluster at an address where there is one.

    An output that can't be written from the start is wrong usage; one that fails later leaves some
    slides done and some not.
    """
    from leukodiff.pipeline.console import progress_bar
    from leukodiff.pipeline.output import OutputError

    before = _last_changed(out)
    with progress_bar("steps") as advance:
        try:
            if cluster:
                return _on_cluster(inputs, out, settings, cluster, advance)
            return _here(inputs, out, settings, advance)
        except OutputError as error:
            begun = _last_changed(out) != before
            raise (Failed if begun else WrongUsage)(error) from error


def _here(
    inputs: Sequence[Path | str], out: Path | str, settings: AnalyzeSettings, advance: Any
) -> RunSummary:
    from leukodiff.pipeline.analyze import analyze as start

    return start([_on_disk(one) for one in inputs], _on_disk(out), settings, advance)


def _on_cluster(
    inputs: Sequence[Path | str],
    out: Path | str,
    settings: AnalyzeSettings,
    address: str,
    advance: Any,
) -> RunSummary:
    from leukodiff.pipeline.cluster import ClusterSettings
    from leukodiff.pipeline.cluster.run import analyze_on_cluster

    where = ClusterSettings(address, settings.threads or 1)
    return analyze_on_cluster(inputs, out, settings, where, advance)


def _on_disk(place: Path | str) -> Path:
    if isinstance(place, str):
        raise InputError(f"{place}: a URL needs --cluster (--cluster=local on one machine)")
    return place


def _last_changed(out: Path | str) -> int | None:
    path = Path(out) / "run.json"
    return path.stat().st_mtime_ns if path.is_file() else None


def show_summary(summary: RunSummary) -> None:
    """A row a slide, what failed, and where to look."""
    from leukodiff.pipeline.console import printable, show_table

    rows = [[row.get(column) for column in COLUMNS.values()] for row in summary.rows[:SHOWN]]
    show_table("", list(COLUMNS), rows)
    _show_rest(len(summary.slides) - SHOWN, "slides")
    for failure in summary.failures[:SHOWN]:
        where = "/".join(filter(None, (failure["slide_id"], failure["field_id"])))
        click.echo(printable(f"failed: {where}: {failure['error']}"), err=True)
    _show_rest(len(summary.failures) - SHOWN, "failures")
    if summary.interrupted:
        click.echo("stopped; the slides in the table are whole, start it again to go on", err=True)
    skipped = sum(one.skipped for one in summary.slides)
    before = f" ({skipped} of {len(summary.slides)} slides were whole already)" if skipped else ""
    click.echo(f"results in {click.format_filename(str(summary.out))}{before}")


def _show_rest(n: int, what: str) -> None:
    if n > 0:
        click.echo(f"... and {n} more {what}: see slides.csv")
