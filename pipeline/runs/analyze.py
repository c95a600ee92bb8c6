"""A run: slides in, their folders and the run's tables out, on all the cores there are."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from leukodiff.core.cpu import cores
from leukodiff.core.errors import InputError
from leukodiff.pipeline.analysis.models import Models, load_models
from leukodiff.pipeline.exports.html import report_template
from leukodiff.pipeline.slides import open_scan
from leukodiff.pipeline.slides.discover import Slide, find_slides

from .lock import held
from .observer import NULL_OBSERVER, RunObserver
from .outcomes import RunSummary
from .output import prepare
from .run import Run
from .scheduler import OnProgress, Progress, SlideScheduler
from .settings import AnalyzeSettings

__all__ = [
    "AnalyzeSettings",
    "OnProgress",
    "RunObserver",
    "RunSummary",
    "analyze",
    "analyze_slides",
]


AnyPath: TypeAlias = str | os.PathLike[str]
"""A path as text, or as any path object."""


def analyze(
    inputs: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    settings: AnalyzeSettings | None = None,
    on_progress: OnProgress | None = None,
    models: Models | None = None,
    observer: RunObserver = NULL_OBSERVER,
) -> RunSummary:
    """Analyzes files and folders into an output folder; slides that are whole there are skipped.

    One run at a time may write to a folder; runs to several folders may go on at once, each in a
    thread of its own. Ctrl-C ends a run early: what was finished is kept and listed, and the
    summary says `interrupted`.

    Args:
        inputs: images, scans, folders of images, folders of folders; one or several.
        out: the output folder.
        settings: the defaults when None.
        on_progress: called in the calling thread after each field, and within a scan.
        models: loaded as the settings say when None.
        observer: called for each slide; knows what went wrong before.

    Raises:
        InputError: a path is missing or holds no image, a file of `settings.report` is wrong, or
            `out` holds slides made differently.
        OutputError: the output can't be written, or another run is at it; the slides finished
            before are kept.
        ModelFileError: a model file is missing or damaged.
    """
    settings = settings or AnalyzeSettings()
    out = Path(out)
    paths = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    slides = find_slides([Path(one) for one in paths], settings.per_image, leave_out=out)
    return analyze_slides(slides, out, settings, on_progress, models, observer)


def analyze_slides(
    slides: Sequence[Slide],
    out: Path,
    settings: AnalyzeSettings,
    on_progress: OnProgress | None = None,
    models: Models | None = None,
    observer: RunObserver = NULL_OBSERVER,
) -> RunSummary:
    """The same as `analyze`, of slides that have been found and named."""
    settings.report.check([slide.slide_id for slide in slides])
    prepare(out)
    workers = settings.threads or cores()
    if models is None:
        scans = [slide for slide in slides if slide.is_scan]
        chosen = settings.detector, settings.classifier, settings.engine
        models = load_models(*chosen, workers, bool(scans), settings.prior)
        warm_up(scans, observer)
    run = Run(slides, out, settings, models, observer)
    with held(out):
        to_do = run.plan().to_do
        scheduler = SlideScheduler(workers, Progress.of(to_do, on_progress), run.collect)
        with run.going():  # the suspects come last, each alone
            free = [slide for slide in to_do if slide.slide_id not in observer.suspects]
            suspects = [slide for slide in to_do if slide.slide_id in observer.suspects]
            scheduler.run(run.jobs(free), alone=run.jobs(suspects))
    assert run.summary is not None  # noqa: S101  # `going` has set it
    return run.summary


def warm_up(scans: Sequence[Slide], observer: RunObserver) -> None:
    """Imports what a run needs later, while the engine still compiles the models in its threads.

    Without it the first slide would wait for the report's templates, and the first scan for shapely
    and for what reads its file: of those a scan is opened, but none that is known to hang.
    """
    report_template()
    if not scans:
        return
    import shapely  # noqa: F401

    for slide in scans:
        work = slide.slide_id, slide.fields[0].field_id
        if work in observer.failed_items or (slide.slide_id, "") in observer.failed_items:
            continue
        # What is wrong with it is reported when its turn comes.
        with observer.under_way(*work), suppress(InputError):
            open_scan(slide.path).close()
        return
