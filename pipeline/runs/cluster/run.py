"""A run on a cluster: planned here, done by workers on its nodes, its tables written here."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from leukodiff.core.errors import InputError
from leukodiff.pipeline.analysis.models import Models, load_models
from leukodiff.pipeline.report.fields import one_line
from leukodiff.pipeline.slides.discover import Field, Slide, find_slides
from leukodiff.runtime.metadata import metadata_path

from ..crash_log import named, no_answer
from ..lock import held
from ..observer import NULL_OBSERVER, RunObserver
from ..outcomes import FAILED_SLIDES, RunSummary, failed_slide
from ..output import ERROR_LOG, Inputs, SlideFolder, SlideRecord, writing
from ..resume import Plan, given_up, plan
from ..run import RUN, Run, slide_spec
from ..scheduler import OnProgress, steps
from ..settings import AnalyzeSettings, ClusterSettings, WorkerConfig
from ..signals import defer_signals
from .connect import connected
from .remote_paths import at
from .stores import OutputStore, output_store
from .watchdog import TimedOut
from .worker import SlideResult
from .worker_pool import GivenUp, Work, WorkerPool

log = logging.getLogger("leukodiff")

TABLES = ("slides.csv", "counts.csv")


def analyze_on_cluster(
    inputs: Sequence[Path | str],
    out: Path | str,
    settings: AnalyzeSettings | None = None,
    on_progress: OnProgress | None = None,
    cluster: ClusterSettings | None = None,
    observer: RunObserver = NULL_OBSERVER,
) -> RunSummary:
    """As `analyze`, on the nodes of a Ray cluster; inputs and output may be URLs (`s3://...`).

    Paths must mean the same on every node. What a node was doing when it died is done by another;
    a field that costs three workers has failed, or the slide where it is no one field.

    Raises:
        InputError: as `analyze`; there is no such cluster, or none of its nodes is fit for the run.
        OutputError: the output can't be written.
        ModelFileError: a model file is missing or damaged.
    """
    settings, cluster = settings or AnalyzeSettings(), cluster or ClusterSettings()
    place = at(out)
    slides = find_slides([at(one) for one in inputs], settings.per_image, leave_out=place)
    settings.report.check([slide.slide_id for slide in slides])
    store = output_store(place)
    models = load_models(settings.detector, settings.classifier, settings.engine, 1)
    config = worker_config(settings, cluster, store, models)
    with connected(cluster.address), prepared(store):
        run = ClusterRun(
            slides, store.tables, settings, models, observer, store=store, config=config
        )
        try:
            to_do = run.plan().to_do
            with run.going():
                run.work(to_do, on_progress)
        finally:
            with defer_signals():
                run.close()
    assert run.summary is not None  # noqa: S101  # `going` has set it
    return replace(run.summary, out=place)


@contextmanager
def prepared(store: OutputStore) -> Iterator[None]:
    """The output, ready to be written to; nothing but results is left there afterwards."""
    try:
        store.prepare()
        with held(store.tables):
            yield
    finally:
        with defer_signals():
            store.tidy()


def worker_config(
    settings: AnalyzeSettings, cluster: ClusterSettings, store: OutputStore, models: Models
) -> WorkerConfig:
    """Settings of the workers of a run.

    Raises:
        ModelFileError: a model file can't be read.
    """
    chosen = {"detector": settings.detector, "classifier": settings.classifier}
    return WorkerConfig(
        settings=settings,
        out=store.out,
        run_marker=store.run_marker,
        models=models.used,
        how_read=models.how_read,
        files={
            kind: {one.name: one.read_bytes() for one in (path, metadata_path(path))}
            for kind, path in chosen.items()
            if path
        },
        threads=cluster.threads,
        share_from=cluster.share_from,
        limit_s=cluster.field_timeout_s,
        version=version_of("leukodiff"),
    )


@dataclass
class ClusterRun(Run):
    """One run on a cluster; `out` is the folder here where its tables are made."""

    store: OutputStore = field(kw_only=True)
    config: WorkerConfig = field(kw_only=True)

    def __post_init__(self) -> None:
        self._pool = WorkerPool(self.config, self.config.threads)
        self._searches: dict[str, _FieldSearch] = {}

    def close(self) -> None:
        """Ends the workers."""
        self._pool.close()

    def plan(self) -> Plan:
        """As that of one machine."""
        found = super().plan()
        self.store.publish(RUN)
        return found

    def _planned(self) -> Plan:
        """The workers read the files of what stands: the plan is made anew with their answers."""
        answers, asked = _Answers(), True
        while asked:
            spec = slide_spec(self.settings, self.models)
            found = plan(self.slides, self.out, spec, self.settings, self.observer, answers.is_same)
            asked = bool(answers.open)
            self._answer(answers)
        return found

    def _answer(self, answers: "_Answers") -> None:
        asked = [Work("is_same", one) for one in answers.taken()]
        for work, same in self._pool.each(asked, more=True):
            slide, inputs = work.args
            if isinstance(same, TimedOut):
                failed = {(slide.slide_id, ""): self._notify_timeout(slide, same)}
                known = {**self.observer.failed_items, **failed}
                self.observer = replace(self.observer, failed_items=known)
                continue
            if isinstance(same, GivenUp):
                raise InputError(f"{slide.path}: {same.reason}")
            answers.give(slide, inputs, same)

    def work(self, slides: Sequence[Slide], on_progress: OnProgress | None) -> None:
        """Has the workers do the slides.

        Raises:
            KeyboardInterrupt: Ctrl-C has stopped them; none of them does anything any more.
        """
        try:
            self._work(slides, on_progress)
        except KeyboardInterrupt:
            with defer_signals():
                self._stop()
            raise

    def _work(self, slides: Sequence[Slide], on_progress: OnProgress | None) -> None:
        folders = {one.slide_id: SlideFolder(self.out, one.slide_id) for one in slides}
        todo = [Work("analyze", (one, folders[one.slide_id].record(), {})) for one in slides]
        total, done = sum(steps(one) * len(one.fields) for one in slides), 0
        for work, result in self._pool.each(todo):
            settled = self._settled(work, result)
            if settled is None:
                continue
            slide, made = settled
            self._collect(slide, made)
            done += steps(slide) * len(slide.fields)
            if on_progress:
                on_progress(done, total, slide.slide_id)

    def _settled(self, work: Work, result: Any) -> tuple[Slide, SlideResult | GivenUp] | None:
        """A slide with its outcome; `None` where more is to be done for it."""
        slide = work.args[0]
        if work.method == "try_field":
            return self._field_tried(slide, result)
        if isinstance(result, TimedOut):
            return self._without(work, result)
        if isinstance(result, GivenUp) and result.died and len(slide.fields) > 1:
            return self._search(work, result)
        return slide, result

    def _without(self, work: Work, hung: TimedOut) -> tuple[Slide, SlideResult] | None:
        """Has a slide done without the field that hung; where none did, it has failed."""
        slide, record, before = work.args
        reason = self._notify_timeout(slide, hung)
        if not hung.field_id:
            made = SlideResult(
                given_up(slide, reason, slide_spec(self.settings, self.models)), "no node"
            )
            return slide, made
        self._pool.add(Work("analyze", (slide, record, {**before, hung.field_id: reason})))
        return None

    def _search(self, work: Work, result: GivenUp) -> tuple[Slide, GivenUp] | None:
        """Has the fields of a slide that costs workers tried.

        One after the other: where a node goes down with one, no other of them has failed.
        """
        slide, record, before = work.args
        left = [one for one in slide.fields if one.field_id not in before]
        if not left:
            return slide, result
        log.warning(
            "%s", one_line(f"{slide.slide_id}: {result.reason}; trying its fields one by one")
        )
        self._searches[slide.slide_id] = search = _FieldSearch(slide, record, before, result, left)
        self._pool.add(search.next())
        return None

    def _field_tried(self, slide: Slide, result: Any) -> tuple[Slide, GivenUp] | None:
        """Notes the end of a field; after the last the slide is done without those that failed."""
        search, field_id = self._searches[slide.slide_id], slide.fields[0].field_id
        if isinstance(result, TimedOut):
            search.failed_items[field_id] = self._notify_timeout(slide, TimedOut(field_id))
        elif isinstance(result, GivenUp) and result.died:
            search.failed_items[field_id] = result.reason
            what = named((slide.slide_id, field_id))
            log.warning("%s", one_line(f"{what}: {result.reason}; going on with the rest"))
        if search.left:
            self._pool.add(search.next())
            return None
        del self._searches[slide.slide_id]
        if not search.failed_items:
            return search.slide, search.given_up
        failed_items = {**search.before, **search.failed_items}
        self._pool.add(Work("analyze", (search.slide, search.record, failed_items)))
        return None

    def _notify_timeout(self, slide: Slide, hung: TimedOut) -> str:
        """Logs what hung; the reason why it has failed."""
        reason = no_answer(self.config.limit_s)
        what = named((slide.slide_id, hung.field_id))
        log.warning("%s", one_line(f"{what}: {reason}; going on with the rest"))
        return reason

    def _stop(self) -> None:
        """Ends the workers; slides that they have just brought count, half of one is taken away."""
        for work, made in self._pool.stop():
            if isinstance(made, SlideResult):
                self._collect(work.args[0], made)
            else:
                self.store.discard(work.args[0].slide_id)

    def _collect(self, slide: Slide, made: SlideResult | GivenUp) -> None:
        if isinstance(made, GivenUp):
            made = SlideResult(failed_slide(slide, made.reason), "no node")
        log.info("%s: %s on %s", slide.slide_id, made.outcome.status, made.node)
        if made.record:
            self.store.keep_record(slide.slide_id, made.record)
        if made.log:
            with writing(self.out / ERROR_LOG), (self.out / ERROR_LOG).open("a") as file:
                file.write(made.log)
            self.store.publish(ERROR_LOG)
        self.add(made.outcome)

    def write_files(self, status: str) -> None:
        """As that of one machine, and publishes them."""
        super().write_files(status)
        for name in (*TABLES, FAILED_SLIDES, RUN):
            if (self.out / name).is_file():
                self.store.publish(name)


@dataclass
class _FieldSearch:
    """Search for the fields of a slide that cost workers: `left` are still to be tried.

    `before`: those that are known already; `given_up`: the outcome where none is found.
    """

    slide: Slide
    record: SlideRecord | None
    before: Mapping[str, str]
    given_up: GivenUp
    left: list[Field]
    failed_items: dict[str, str] = field(default_factory=dict)

    def next(self) -> Work:
        """The trial of one more field."""
        return Work("try_field", (replace(self.slide, fields=(self.left.pop(0),)),))


@dataclass
class _Answers:
    """Answers to which slides are made of the files that records name; believed until known."""

    open: list[tuple[Slide, Inputs | None]] = field(default_factory=list)
    _known: dict[str, bool] = field(default_factory=dict)

    def is_same(self, slide: Slide, inputs: Inputs | None) -> bool:
        """The answer, where it is known; what is not is kept as a question."""
        key = _key(slide, inputs)
        if key not in self._known:
            self.open.append((slide, inputs))
        return self._known.get(key, True)

    def taken(self) -> list[tuple[Slide, Inputs | None]]:
        """The questions, which then are no longer open."""
        asked, self.open = self.open, []
        return asked

    def give(self, slide: Slide, inputs: Inputs | None, same: bool) -> None:
        """Takes an answer."""
        self._known[_key(slide, inputs)] = same


def _key(slide: Slide, inputs: Inputs | None) -> str:
    return json.dumps([slide.slide_id, inputs])
