"""`leukodiff analyze`: smears in, differential counts and reports out."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leukodiff.core.errors import InputError
from leukodiff.core.text import printable

from .errors import Failed, Program, WrongUsage
from .options import Place, analysis_options, report_settings

if TYPE_CHECKING:
    from leukodiff.pipeline.runs.analyze import RunSummary
    from leukodiff.pipeline.runs.child_process import ProgressPipe
    from leukodiff.pipeline.runs.crash_log import CrashLog
    from leukodiff.pipeline.runs.outcomes import SlideOutcome

    Watcher = tuple[ProgressPipe, CrashLog]

COLUMNS = {
    "slide": "slide_id",
    "status": "status",
    "fields": "n_fields",
    "cells": "n_cells",
    "um/px": "um_per_px",
    "s": "seconds",
    "flags": "flags",
}

MAX_SHOWN = 30
"""Slides, and failures, that a terminal shows."""


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=Place(path_type=Path), metavar="INPUT...")
@click.option(
    "--out",
    type=Place(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the results.",
)
@click.option(
    "--cluster",
    is_flag=False,
    flag_value="auto",
    metavar="[ADDRESS]",
    help="Run on a Ray cluster: the one at hand, HOST:PORT, or `local`.",
)
@analysis_options
def analyze(
    inputs: tuple[Path | str, ...],
    out: Path | str,
    no_overlays: bool,
    field_timeout: float,
    cluster: str | None,
    **chosen: Any,
) -> None:
    """Find, name and count the white cells of each INPUT.

    A file is one slide: an image, or a scan of a whole smear. A folder of images is one slide, each
    image a field; a folder of scans is a slide per scan, a folder of folders one per sub-folder.
    Started again, it skips the slides that are whole.

    Exit status: 0 all slides done, 1 some failed, 2 wrong usage or unreadable input.
    """
    watcher = _supervised(math.inf if cluster else field_timeout)
    from leukodiff.pipeline.runs.analyze import AnalyzeSettings
    from leukodiff.pipeline.runs.analyze import analyze as analyze_here

    report = report_settings(chosen)
    settings = AnalyzeSettings(overlays=not no_overlays, report=report, **chosen)
    if cluster:
        from leukodiff.pipeline.runs.cluster import ClusterSettings
        from leukodiff.pipeline.runs.cluster.run import analyze_on_cluster

        nodes = ClusterSettings(cluster, settings.threads or 1, field_timeout_s=field_timeout)
        start = partial(analyze_on_cluster, inputs, out, settings, cluster=nodes)
    else:
        start = partial(analyze_here, [_on_disk(one) for one in inputs], _on_disk(out), settings)
    summary = run(start, out, watcher)
    show_summary(summary)
    sys.exit(summary.exit_status)


def _supervised(limit_s: float) -> Watcher | None:
    """From here on in a process of its own, where that can be: before anything large is loaded."""
    from leukodiff.pipeline.runs.child_process import go_on_in_child

    if click.get_current_context().find_object(Program) is None:
        return None
    return go_on_in_child(limit_s, lambda text: click.echo(text, err=True))


def run(
    start: Callable[..., RunSummary], out: Path | str, watcher: Watcher | None = None
) -> RunSummary:
    """Runs `start` behind a progress bar, with a line for each slide that ends.

    An output (`out`) that can't be written from the start is wrong usage; one that fails later
    leaves some slides done and some not.
    """
    from leukodiff.pipeline.runs.observer import RunObserver
    from leukodiff.pipeline.runs.output import OutputError

    from .console import bar_and_lines

    before = _last_changed(out)
    with bar_and_lines("steps") as (advance, line):

        def on_slide(slide: SlideOutcome) -> None:
            if not slide.skipped:
                line(slide_line(slide))

        observer = RunObserver(on_slide, on_remark=line)
        if watcher:
            pipe, log = watcher
            known = log.failed_items, log.suspects
            observer = RunObserver(on_slide, pipe.under_way, *known, line)
        try:
            return start(on_progress=advance, observer=observer)
        except OutputError as error:
            begun = _last_changed(out) != before
            raise (Failed if begun else WrongUsage)(error) from error


def slide_line(slide: SlideOutcome) -> str:
    """Outcome of a slide in a line: `smear 12: done, 153 cells, 3.2 s`."""
    row = slide.row
    words = [slide.status]
    if row.get("n_cells") is not None:
        words += [f"{row['n_cells']} cells", f"{row['seconds']} s"]
    if row.get("error"):
        words.append(str(row["error"]))
    return f"{row['slide_id']}: {', '.join(words)}"


def _on_disk(place: Path | str) -> Path:
    if isinstance(place, str):
        raise InputError(f"{place}: a URL needs --cluster (--cluster=local on one machine)")
    return place


def _last_changed(out: Path | str) -> int | None:
    path = Path(out) / "run.json"
    return path.stat().st_mtime_ns if path.is_file() else None


def show_summary(summary: RunSummary) -> None:
    """A row a slide, what failed, and where to look."""
    from .console import show_table

    rows = [[row.get(column) for column in COLUMNS.values()] for row in summary.rows[:MAX_SHOWN]]
    show_table("", list(COLUMNS), rows)
    _show_rest(len(summary.slides) - MAX_SHOWN, "slides")
    failures = _unprinted(summary)
    for failure in failures[:MAX_SHOWN]:
        where = "/".join(filter(None, (failure["slide_id"], failure["field_id"])))
        click.echo(printable(f"failed: {where}: {failure['error']}"), err=True)
    _show_rest(len(failures) - MAX_SHOWN, "failures")
    if summary.interrupted:
        click.echo("stopped; the slides in the table are whole, start it again to go on", err=True)
    skipped = sum(one.skipped and one.status == "done" for one in summary.slides)
    before = f" ({skipped} of {len(summary.slides)} slides were whole already)" if skipped else ""
    failed = sum(one.skipped and one.status != "done" for one in summary.slides)
    if failed:
        click.echo(f"{failed} failed before and were not tried again: --retry-failed", err=True)
    click.echo(f"results in {click.format_filename(str(summary.out))}{before}")


def _unprinted(summary: RunSummary) -> Sequence[Mapping[str, str]]:
    """The failures to list: of a lone slide those that its own line, just above, does not have."""
    if len(summary.slides) != 1 or summary.slides[0].skipped:
        return summary.failures
    printed = str(summary.rows[0].get("error") or "")
    return [one for one in summary.failures if one["error"] not in printed]


def _show_rest(n: int, what: str) -> None:
    if n > 0:
        click.echo(f"... and {n} more {what}: see slides.csv")
