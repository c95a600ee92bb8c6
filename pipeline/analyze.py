"""A run: slides in, their folders and the run's tables out, on all the cores there are."""

import platform
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version as version_of
from json import dumps
from pathlib import Path
from threading import Thread

from leukodiff.runtime.errors import InputError
from leukodiff.runtime.machine import cores

from .callable_module import make_callable
from .exports.html import report_template
from .exports.tables import COUNT_COLUMNS, Row, slides_csv, to_csv
from .given import AnyPath, as_paths
from .models import Models, load_models
from .opencv_threads import one_opencv_thread
from .outcomes import SlideOutcome, failed_slide
from .output import OutputError, SlideFolder, prepare, standing_records, write_whole
from .reading import ReadingSettings, Tell, Workers
from .report import DONE, FAILED, Provenance
from .reporting import ReportSettings
from .scans import open_scan
from .slide_job import Making, SlideJob, made_by
from .slides import Slide, find_slides, fingerprint, natural

RUN = "run.json"


@dataclass(frozen=True)
class AnalyzeSettings:
    """How to analyze.

    `um_per_px`: scale of every field, told from the red cells when `None`. `per_image`: every image
    is a slide of its own. `engine`: `openvino` or `onnxruntime`. `threads`: how many fields at a
    time, one a core when `None`. `detector`, `classifier`: model files, the shipped ones when
    `None`. `overlays`: draw them. `crops_per_class`: cells on show in the report. `overwrite`:
    replace slides that were made from other files, by other models or with other settings.

    `report`: what the report says and how.

    `target_cells`: stop a slide at so many white cells. `all_areas`: read the fields and areas that
    are empty, thick or out of focus too. Of scans alone: `full_pass`: detect everywhere, without a
    first look.
    """

    um_per_px: float | None = None
    per_image: bool = False
    engine: str = "openvino"
    threads: int | None = None
    detector: Path | None = None
    classifier: Path | None = None
    overlays: bool = True
    crops_per_class: int = 24
    overwrite: bool = False
    target_cells: int | None = None
    full_pass: bool = False
    all_areas: bool = False
    report: ReportSettings = field(default_factory=ReportSettings)

    def __post_init__(self) -> None:
        if self.um_per_px is not None and not 0.001 <= self.um_per_px < 100:
            raise InputError(f"um/px must be from 0.001 to below 100, not {self.um_per_px}")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"at least one thread is needed, not {self.threads}")
        if self.target_cells is not None and self.target_cells < 1:
            raise InputError(f"at least one cell must be wanted, not {self.target_cells}")

    @property
    def reading(self) -> ReadingSettings:
        """How fields and scans are read."""
        return ReadingSettings(self.um_per_px, self.target_cells, self.full_pass, self.all_areas)

    @property
    def that_matter(self) -> dict[str, object]:
        """The settings that change what is found; the models are named beside them."""
        return {"engine": self.engine, **asdict(self.reading)}


@dataclass(frozen=True)
class RunSummary:
    """What a run came to: one outcome a slide, in the order they were found.

    `interrupted`: Ctrl-C stopped it, and the slides that were not finished are not in `slides`.
    """

    out: Path
    slides: tuple[SlideOutcome, ...]
    seconds: float
    interrupted: bool = False

    @property
    def rows(self) -> tuple[Mapping[str, object], ...]:
        """The rows of slides.csv."""
        return tuple(slide.row for slide in self.slides)

    @property
    def exit_status(self) -> int:
        """0 when every slide is done; 2 when nothing at all could be read; else 1."""
        if self.slides and all(slide.unreadable for slide in self.slides):
            return 2
        return int(self.interrupted or any(slide.status != DONE for slide in self.slides))

    @property
    def failures(self) -> tuple[Mapping[str, str], ...]:
        """Every failure: slide_id, field_id (empty for the slide itself) and error."""
        return tuple(
            {"slide_id": str(slide.row["slide_id"]), "field_id": field_id, "error": error}
            for slide in self.slides
            for field_id, error in slide.failures
        )


SCAN_STEPS = 100
"""A scan counts for so many fields in the progress of a run."""

OnProgress = Callable[[int, int, str], None]
"""Called with the steps done, the steps to do in all, and what is at hand."""


def analyze(
    inputs: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    settings: AnalyzeSettings | None = None,
    on_progress: OnProgress | None = None,
    models: Models | None = None,
) -> RunSummary:
    """Analyzes files and folders into an output folder; slides that are whole there are skipped.

    One run at a time may write to a folder; runs to several folders may go on at once, each in a
    thread of its own. Ctrl-C ends a run early: what was finished is kept and
    listed, and the summary says `interrupted`.

    Args:
        inputs: images, scans, folders of images, folders of folders; one or several.
        out: the output folder.
        settings: the defaults when None.
        on_progress: called in the calling thread after each field, and within a scan.
        models: loaded as the settings say when None.

    Raises:
        InputError: a path is missing or holds no image, a file of `settings.report` is wrong, or
            `out` holds slides made differently.
        OutputError: the output can't be written; the slides finished before are kept.
        ModelFileError: a model file is missing or damaged.
    """
    settings = settings or AnalyzeSettings()
    out = Path(out)
    slides = find_slides(as_paths(inputs), settings.per_image, leave_out=out)
    settings.report.check([slide.slide_id for slide in slides])
    prepare(out)
    workers = settings.threads or cores()
    models = models or _loaded(slides, settings, workers)
    return _Run(slides, out, settings, models).go(workers, on_progress)


def _loaded(slides: Sequence[Slide], settings: AnalyzeSettings, workers: int) -> Models:
    """The models; while the engine compiles them, what is needed later is imported."""
    scans = [slide.path for slide in slides if slide.is_scan]
    models = load_models(
        settings.detector, settings.classifier, settings.engine, workers, for_scans=bool(scans)
    )
    report_template()
    if scans:
        import shapely  # noqa: F401

        with suppress(InputError):  # it is told when its turn comes
            open_scan(scans[0]).close()
    return models


@dataclass
class _Run:
    """The state of one run: jobs still to do, outcomes by slide_id."""

    slides: Sequence[Slide]
    out: Path
    settings: AnalyzeSettings
    models: Models
    jobs: list[SlideJob] = field(default_factory=list)
    outcomes: dict[str, SlideOutcome] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now().astimezone())
    begun: float = field(default_factory=time.monotonic)

    def go(self, workers: int, on_progress: OnProgress | None) -> RunSummary:
        making = self._making()
        self._plan(making)
        write_whole(self.out / RUN, self._run_json("running"))
        try:
            with one_opencv_thread():
                self._work(workers, on_progress)
        except KeyboardInterrupt:
            return self._close("interrupted")
        except BaseException:
            with suppress(OutputError):  # the first error is the one to tell
                self._close("failed")
            raise
        return self._close("finished")

    def _making(self) -> Making:
        number = version_of("leukodiff")
        settings = self.settings
        return Making(
            models=self.models,
            provenance=Provenance(number, self.models.used, settings.that_matter),
            made_by=made_by(self.models, number, settings.that_matter),
            reading=settings.reading,
            report=settings.report,
            crops_per_class=settings.crops_per_class,
            overlays=settings.overlays,
        )

    def _plan(self, making: Making) -> None:
        """Sorts the slides into failed from the start, whole already, and to do."""
        made_otherwise = []
        for slide in self.slides:
            folder, files = SlideFolder(self.out, slide.slide_id), fingerprint(slide)
            record = folder.record()
            if slide.problem:
                self.outcomes[slide.slide_id] = failed_slide(slide, slide.problem, unreadable=True)
            elif record is None or self.settings.overwrite or record["row"]["status"] != DONE:
                self.jobs.append(SlideJob(slide, folder, making, files))
            elif (record["made_of"], record["made_by"]) != (files, making.of(slide.slide_id)):
                made_otherwise.append(slide.slide_id)
            else:
                outcome = SlideOutcome(record["row"], tuple(record["counts"]), skipped=True)
                self.outcomes[slide.slide_id] = outcome
        if made_otherwise:
            raise InputError(
                f"{self.out}: {_some(made_otherwise)} made from other files, by other models or "
                "with other settings; choose another --out, or --overwrite"
            )

    def _work(self, workers: int, on_progress: OnProgress | None) -> None:
        """Keeps every core busy across slides, with few fields under way at any time."""
        pool = ThreadPoolExecutor(workers, thread_name_prefix="leukodiff")
        window: deque[tuple[SlideJob, Future[None]]] = deque()
        progress = _Progress.of(self.jobs, on_progress)
        try:
            for job in self.jobs:
                if job.slide.is_scan:  # all threads go over it, beside the fields under way
                    job.run_scan(Workers(pool, workers), progress.within(job.slide.slide_id))
                    self._collected(job, progress)
                    continue
                for index in range(len(job.slide.fields)):
                    window.append((job, pool.submit(job.run, index)))
                    if len(window) > 2 * workers:
                        self._collect(*window.popleft(), progress)
            while window:
                self._collect(*window.popleft(), progress)
        finally:
            try:
                pool.shutdown(wait=True, cancel_futures=True)
            finally:  # a second Ctrl-C does not wait for what is under way
                self._discard()

    def _discard(self) -> None:
        """Clears up after unfinished slides, on a thread that no Ctrl-C reaches."""
        clearing = Thread(target=self._discard_all)
        clearing.start()
        clearing.join()

    def _discard_all(self) -> None:
        for job in self.jobs:
            job.discard()

    def _collect(self, job: SlideJob, done: Future[None], progress: "_Progress") -> None:
        done.result()
        self._collected(job, progress)

    def _collected(self, job: SlideJob, progress: "_Progress") -> None:
        if job.outcome is not None:
            self.outcomes[job.slide.slide_id] = job.outcome
        progress.ended(job.slide)

    def _close(self, status: str) -> RunSummary:
        """Writes the run's own files, each that can be, and says what it came to."""
        for job in self.jobs:
            if job.outcome is not None:
                self.outcomes[job.slide.slide_id] = job.outcome
        summary = self._summary(status == "interrupted")
        rows, counts = _tables(self.out, summary)
        refused = []
        for name, content in (
            ("slides.csv", slides_csv(rows)),
            ("counts.csv", to_csv(COUNT_COLUMNS, counts)),
            (RUN, self._run_json(status, summary)),
        ):
            try:
                write_whole(self.out / name, content)
            except OutputError as error:
                refused.append(error)
        if refused:
            raise refused[0]
        return summary

    def _summary(self, interrupted: bool) -> RunSummary:
        ids = (slide.slide_id for slide in self.slides)
        outcomes = tuple(self.outcomes[i] for i in ids if i in self.outcomes)
        return RunSummary(self.out, outcomes, time.monotonic() - self.begun, interrupted)

    def _run_json(self, status: str, summary: RunSummary | None = None) -> str:
        ended = datetime.now().astimezone().isoformat(timespec="seconds")
        run = {
            "version": version_of("leukodiff"),
            "status": status,
            "models": [asdict(model) for model in self.models.used],
            "settings": _plain(asdict(self.settings)),
            "inputs": [str(slide.path) for slide in self.slides],
            "host": _host(),
            "start": self.started.isoformat(timespec="seconds"),
            "end": ended if summary else None,
            "failures": summary.failures if summary else [],
        }
        return dumps(run, indent=2) + "\n"


@dataclass
class _Progress:
    """How far a run has come: a field is one step, a scan `SCAN_STEPS`."""

    total: int
    on_progress: OnProgress | None
    done: int = 0

    @classmethod
    def of(cls, jobs: Sequence[SlideJob], on_progress: OnProgress | None) -> "_Progress":
        slides = [job.slide for job in jobs]
        return cls(sum(_steps(s) * len(s.fields) for s in slides), on_progress)

    def ended(self, slide: Slide) -> None:
        self.done += _steps(slide)
        self._say(self.done, slide.slide_id)

    def within(self, slide_id: str) -> Tell:
        def tell(share: float, what: str) -> None:
            self._say(self.done + int(share * (SCAN_STEPS - 1)), f"{slide_id}: {what}")

        return tell

    def _say(self, done: int, what: str) -> None:
        if self.on_progress:
            self.on_progress(done, self.total, what)


def _steps(slide: Slide) -> int:
    return SCAN_STEPS if slide.is_scan else 1


def _tables(out: Path, summary: RunSummary) -> tuple[list[Row], list[Row]]:
    """The rows of slides.csv and counts.csv: every slide that stands in `out`, and this run's."""
    ours = {str(slide.row["slide_id"]): slide for slide in summary.slides}
    finished = {slide_id for slide_id, slide in ours.items() if slide.status != FAILED}
    earlier = standing_records(out, besides=finished)
    rows: dict[str, Row] = {slide_id: record["row"] for slide_id, record in earlier.items()}
    counts: dict[str, Sequence[Row]] = {i: record["counts"] for i, record in earlier.items()}
    for slide_id, slide in ours.items():
        row = dict(slide.row)
        if slide_id in earlier:
            row["error"] = f"{row['error']} (the result of an earlier run stands)"
        rows[slide_id] = row
        counts.setdefault(slide_id, slide.counts)
    order = sorted(rows, key=natural)
    return [rows[i] for i in order], [row for i in order for row in counts.get(i, ())]


def _host() -> dict[str, object]:
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": cores(),
    }


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return str(value) if isinstance(value, Path) else value


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{shown}{more} {'was' if len(names) == 1 else 'were'}"


make_callable(__name__)
