"""A run: slides in, their folders and the run's tables out, on all the cores there are."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from leukodiff.core.cpu import cores
from leukodiff.core.errors import InputError
from leukodiff.pipeline.analysis.models import Models, load_models
from leukodiff.pipeline.exports.html import report_template
from leukodiff.pipeline.slides import open_scan
from leukodiff.pipeline.slides.discover import Slide, find_slides

from .lock import held
from .observer import NULL_OBSERVER, RunObserver
from .output import prepare
from .paths import AnyPath, as_paths
from .progress import OnProgress, Progress
from .run import Run
from .scheduler import Crew
from .settings import AnalyzeSettings
from .summary import RunSummary

__all__ = [
    "AnalyzeSettings",
    "OnProgress",
    "RunObserver",
    "RunSummary",
    "analyze",
    "analyze_slides",
]


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
    slides = find_slides(as_paths(inputs), settings.per_image, leave_out=out)
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
    run = Run(
        slides, out, settings, models or _loaded(slides, settings, workers, observer), observer
    )
    with held(out):
        to_do = run.plan().to_do
        crew = Crew(workers, Progress.of(to_do, on_progress), run.take)
        with run.going():
            crew.work(*(run.jobs(part) for part in _suspects_last(to_do, observer)))
    assert run.summary is not None  # noqa: S101  # `going` has set it
    return run.summary


def _suspects_last(
    slides: Sequence[Slide], observer: RunObserver
) -> tuple[list[Slide], list[Slide]]:
    alone = observer.suspects
    free = [slide for slide in slides if slide.slide_id not in alone]
    return free, [slide for slide in slides if slide.slide_id in alone]


def _loaded(
    slides: Sequence[Slide], settings: AnalyzeSettings, workers: int, observer: RunObserver
) -> Models:
    """The models; while the engine compiles them, what is needed later is imported."""
    scans = [slide for slide in slides if slide.is_scan]
    models = load_models(
        settings.detector, settings.classifier, settings.engine, workers, for_scans=bool(scans)
    )
    report_template()
    if scans:
        import shapely  # noqa: F401

        _open_first(scans, observer)
    return models


def _open_first(scans: Sequence[Slide], observer: RunObserver) -> None:
    """Opens a scan, so that what reads such files is imported; not one that is known to hang."""
    works = {(slide.slide_id, slide.fields[0].field_id): slide for slide in scans}
    for work, slide in works.items():
        if work not in observer.failed_items and (slide.slide_id, "") not in observer.failed_items:
            # What is wrong with it is told when its turn comes.
            with observer.under_way(*work), suppress(InputError):
                open_scan(slide.path).close()
            return
