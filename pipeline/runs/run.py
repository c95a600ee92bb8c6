"""State of a run: outcomes of its slides, and its files beside the slides' folders."""

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version as version_of
from json import dumps
from pathlib import Path
from secrets import token_hex

from leukodiff.core.cpu import cores
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.exports.tables import COUNT_COLUMNS, SLIDE_COLUMNS, Row, to_csv
from leukodiff.pipeline.report.fields import FAILED
from leukodiff.pipeline.report.report import Provenance
from leukodiff.pipeline.slides.discover import Slide, natural, passed_over

from .observer import NULL_OBSERVER, RunObserver
from .outcomes import RunSummary, SlideOutcome, note_failure
from .output import OutputError, SlideFolder, prepare, standing_records, write_whole
from .resume import Plan, plan
from .settings import AnalyzeSettings
from .signals import SIGNAL_GRACE_S, defer_signals
from .slide_job import SlideJob
from .slide_writer import SlideSpec

RUN = "run.json"

ROOM = 1 << 20
"""Bytes that must fit on the disk after a slide could not be written, or the run ends."""


def slide_spec(settings: AnalyzeSettings, models: Models) -> SlideSpec:
    """Specification of every slide of a run."""
    number = version_of("leukodiff")
    fingerprint = {
        "version": number,
        "models": [asdict(model) for model in models.used],
        "read": models.how_read,
        "settings": settings.result_affecting,
    }
    return SlideSpec(
        models=models,
        provenance=Provenance(number, models.used, settings.result_affecting),
        fingerprint=fingerprint,
        reading=settings.reading,
        report=settings.report,
        crops_per_class=settings.crops_per_class,
        overlays=settings.overlays,
    )


@dataclass
class Run:
    """One run over some slides into `out`. Of one thread alone.

    Settled when it ends: `outcomes` by slide_id, and the tables and `run.json` on disk.
    `attempt`: tells its half-made folders from those of a run that was stopped, a thread of which
    may go on.
    """

    slides: Sequence[Slide]
    out: Path
    settings: AnalyzeSettings
    models: Models
    observer: RunObserver = NULL_OBSERVER
    outcomes: dict[str, SlideOutcome] = field(default_factory=dict)
    summary: RunSummary | None = None
    started: datetime = field(default_factory=lambda: datetime.now().astimezone())
    begun: float = field(default_factory=time.monotonic)
    attempt: str = field(default_factory=lambda: token_hex(4))

    def plan(self) -> Plan:
        """Plan of what is to be done; from here on `run.json` stands and says `running`.

        Raises:
            InputError: some slides stand in `out` that were made otherwise.
            OutputError: something else is in the way, or nothing can be written.
        """
        found = self._planned()
        self._remark()
        write_whole(self.out / RUN, self._run_json("running"))
        for outcome in found.settled.values():
            self.add(outcome)
        return found

    def _planned(self) -> Plan:
        spec = slide_spec(self.settings, self.models)
        return plan(self.slides, self.out, spec, self.settings, self.observer)

    def _remark(self) -> None:
        """Reports what is passed over, once: not again when a process has died."""
        observer = self.observer
        if observer.on_remark and not (observer.failed_items or observer.suspects):
            for line in filter(None, map(passed_over, self.slides)):
                observer.on_remark(line)

    def jobs(self, slides: Sequence[Slide]) -> Iterator[SlideJob]:
        """A job for each slide, made when its turn comes, so that none waits in memory."""
        spec = slide_spec(self.settings, self.models)
        for slide in slides:
            folder = SlideFolder(self.out, slide.slide_id, self.attempt)
            yield SlideJob(slide, folder, spec, self.observer)

    def collect(self, job: SlideJob) -> None:
        """Takes note of a slide that has ended.

        Raises:
            OutputError: its files could not be written, and no other's could be.
        """
        if job.outcome is None:
            return
        if job.refused is not None:
            try:
                prepare(self.out, ROOM)
            except OutputError:
                self.outcomes[job.slide.slide_id] = job.outcome
                raise job.refused from None
        self.add(job.outcome)

    def add(self, outcome: SlideOutcome) -> None:
        """Takes note of the outcome of a slide."""
        self.outcomes[outcome.record.slide_id] = outcome
        if outcome.status == FAILED and outcome.record.inputs is not None and not outcome.skipped:
            note_failure(self.out, outcome)
        if self.observer.on_slide:
            self.observer.on_slide(outcome)

    @contextmanager
    def going(self) -> Iterator[None]:
        """Whatever ends the work within, the run's tables and `run.json` are written after it.

        Ctrl-C ends it, and the summary says `interrupted`; another one then changes nothing.
        """
        try:
            yield
        except KeyboardInterrupt:
            self._ended("interrupted")
        except BaseException:
            with suppress(OutputError):  # the first error is the one to tell
                self._ended("failed")
            raise
        else:
            self._ended("finished")

    def _ended(self, status: str) -> None:
        """Closes the run, whatever Ctrl-C comes meanwhile: the work has ended as it has."""
        begun = time.monotonic()
        try:
            with defer_signals():
                self.write_files(status)
        except KeyboardInterrupt:
            if time.monotonic() > begun + SIGNAL_GRACE_S:  # something hangs
                raise
            with defer_signals():  # it came before anybody was deaf to it
                self.write_files(status)

    def write_files(self, status: str) -> None:
        """Writes the run's own files, each that can be, and sets the summary."""
        summary = self.summary = self._summary(status == "interrupted")
        rows, counts = _tables(self.out, summary)
        refused = []
        for name, content in (
            ("slides.csv", to_csv(SLIDE_COLUMNS, rows)),
            ("counts.csv", to_csv(COUNT_COLUMNS, counts)),
            (RUN, self._run_json(status, summary)),
        ):
            try:
                write_whole(self.out / name, content)
            except OutputError as error:
                refused.append(error)
        if refused:
            raise refused[0]

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
            "host": {
                "name": platform.node(),
                "system": platform.platform(),
                "python": platform.python_version(),
                "cores": cores(),
            },
            "start": self.started.isoformat(timespec="seconds"),
            "end": ended if summary else None,
            "failures": summary.failures if summary else [],
        }
        return dumps(run, indent=2) + "\n"


def _tables(out: Path, summary: RunSummary) -> tuple[list[Row], list[Row]]:
    """The rows of slides.csv and counts.csv: every slide that stands in `out`, and this run's."""
    ours = {slide.record.slide_id: slide for slide in summary.slides}
    finished = {slide_id for slide_id, slide in ours.items() if slide.status != FAILED}
    earlier = standing_records(out, besides=finished)
    rows: dict[str, Row] = {slide_id: record.row for slide_id, record in earlier.items()}
    counts: dict[str, Sequence[Row]] = {i: record.counts for i, record in earlier.items()}
    for slide_id, slide in ours.items():
        row = dict(slide.row)
        if slide_id in earlier:
            row["error"] = f"{row['error']} (the result of an earlier run stands)"
        rows[slide_id] = row
        counts.setdefault(slide_id, slide.record.counts)
    order = sorted(rows, key=natural)
    return [rows[i] for i in order], [row for i in order for row in counts.get(i, ())]


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return str(value) if isinstance(value, Path) else value
