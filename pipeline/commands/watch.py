"""`leukodiff watch`: a scanner's folder in, results as they come."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from leukodiff.core.text import printable

from .options import FOLDER, analysis_options, out_option, report_settings


@click.command()
@click.argument("folder", type=FOLDER, metavar="IN")
@out_option("Folder for the results.")
@click.option(
    "--settle",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="A slide that has not changed for so long is whole.",
)
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--http", "port", type=click.IntRange(0, 65535), help="Serve /healthz and /metrics.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where --http listens.")
@analysis_options
def watch(
    folder: Path, out: Path, settle: float, every: float, port: int | None, host: str, **chosen: Any
) -> None:
    """Analyze slides as a scanner writes them to the folder IN.

    A slide is taken when its files have not changed for a while and can be opened. Stopped and
    started again, it goes on: slides that are whole in the results are passed over.
    """
    from leukodiff.pipeline.runs.analyze import AnalyzeSettings
    from leukodiff.pipeline.runs.watch.monitoring import served
    from leukodiff.pipeline.runs.watch.watch import Watch, WatchSettings

    def log(text: str) -> None:
        click.echo(printable(text), err=True)

    timeout, no_overlays = chosen.pop("field_timeout"), chosen.pop("no_overlays")
    report = report_settings(chosen)
    analysis = AnalyzeSettings(overlays=not no_overlays, report=report, **chosen)
    watcher = Watch(WatchSettings(folder, out, analysis, settle, every, timeout), log)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: watcher.stop())
    with ExitStack() as stack:
        if port is not None:
            listening = served(host, port, watcher.health, watcher.metrics.text)
            log(f"/healthz and /metrics on http://{host}:{stack.enter_context(listening)}")
        log(f"watching {folder}")
        watcher.go()
    log("stopped")
