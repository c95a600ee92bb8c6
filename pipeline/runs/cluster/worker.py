"""A worker of a cluster: holds the models, takes slides and regions of scans, one by one."""

import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version as version_of
from pathlib import Path
from threading import Lock
from typing import Any

import cv2

from leukodiff.core.errors import InputError
from leukodiff.pipeline.analysis.models import Models, load_models
from leukodiff.pipeline.report.report import FAILED, ModelUsed
from leukodiff.pipeline.slides import Scan, open_scan
from leukodiff.pipeline.slides.discover import Field, Slide, is_made_of

from ..observer import RunObserver
from ..outcomes import SlideOutcome
from ..output import ERROR_LOG, RECORD, SlideFolder
from ..run import slide_spec
from ..settings import AnalyzeSettings
from ..slide_job import SlideJob
from .remote_paths import fetched
from .scratch import Scratch
from .shared_scan import RemoteHelpers, SharingWorkers, unpacked
from .stores import Record, depot
from .watchdog import TimedOut, Watchdog


def node_name() -> str:
    """This machine's name, and what Ray calls the node."""
    import ray

    node_id = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "no node"
    return f"{platform.node()} ({node_id[:8]})"


@dataclass(frozen=True)
class WorkerConfig:
    """What every worker of a run is told.

    `out`: where results go, `mark`: a file that stands there. `models` and `how_read`: those that
    it must have, of this `version` of leukodiff. `files`: the model files that are not the shipped
    ones, by `detector` or `classifier`, each with its metadata's. `threads`: the cores of a worker.
    `share_from`: so many pieces of work of one scan, and more, are shared with others. `limit_s`: a
    field that takes so long hangs, or a scan that does not get on.
    """

    settings: AnalyzeSettings
    out: Path
    mark: Path
    models: tuple[ModelUsed, ...]
    how_read: Mapping[str, Mapping[str, float]]
    files: Mapping[str, Mapping[str, bytes]]
    threads: int
    share_from: int
    limit_s: float
    version: str


@dataclass(frozen=True)
class Made:
    """What came of a slide, and on which node.

    `record`: its record where it has a folder; `log`: what goes into the log of errors.
    """

    outcome: SlideOutcome
    node: str
    record: str = ""
    log: str = ""


class Worker:
    """Runs in a process of its own. Its methods are called one at a time, but for `stop`.

    One that answers `TimedOut` is to be ended.
    """

    def __init__(self, orders: WorkerConfig) -> None:
        self._orders = orders
        self._scan: Scan | None = None
        self._patience = Watchdog(orders.limit_s)
        self._bringing = Lock()

    def ready(self) -> None:
        """Loads the models.

        Raises:
            InputError: this node is not fit for the run: it sees another output or has another
                version or other models.
        """
        orders, here = self._orders, node_name()
        if (number := version_of("leukodiff")) != orders.version:
            raise InputError(
                f"node {here} has leukodiff {number}, the run {orders.version}: "
                "install the same on all nodes"
            )
        if not orders.mark.exists():
            raise InputError(f"node {here} does not see {orders.out}: all nodes must, by that name")
        cv2.setNumThreads(1)
        self._scratch = Scratch()
        try:
            self._start(here)
        except BaseException:
            self._scratch.close()
            raise

    def _start(self, here: str) -> None:
        orders = self._orders
        self._models = self._loaded()
        if (self._models.used, self._models.how_read) != (orders.models, orders.how_read):
            raise InputError(f"node {here} has other models: install the same on all nodes")
        self._making = slide_spec(orders.settings, self._models)
        self._depot = depot(orders.out)

    def is_same(self, slide: Slide, made_of: Sequence[Sequence[str]] | None) -> bool | TimedOut:
        """Whether a slide's files are those told: name and checksum of each."""

        def compare() -> bool:
            with self._patience.progress.under_way(slide.slide_id, ""):
                return is_made_of(slide, made_of)

        return self._patience.wait_for(compare)

    def analyze(
        self, slide: Slide, replaces: Record | None, failed_items: Mapping[str, str]
    ) -> Made | TimedOut:
        """Makes a slide's folder here and brings it where it belongs.

        Fields that are `failed_items` are not touched: they have failed, with the reason.

        Raises:
            OutputError: it can't be brought there.
            InputError: the slide can't be fetched.
        """
        known = {(slide.slide_id, field_id): reason for field_id, reason in failed_items.items()}
        observer = RunObserver(under_way=self._patience.progress.under_way, failed_items=known)
        made = self._patience.wait_for(lambda: self._brought(slide, replaces, observer))
        if isinstance(made, TimedOut):
            self._bringing.acquire(blocking=False)  # should it wake up, it brings nothing
        return made

    def try_out(self, slide: Slide) -> TimedOut | None:
        """Does a slide of one field, only to see what becomes of the worker that does it."""
        observer = RunObserver(under_way=self._patience.progress.under_way)

        def do() -> None:
            with self._made(slide, observer):
                pass

        return self._patience.wait_for(do)

    def _brought(self, slide: Slide, replaces: Record | None, observer: RunObserver) -> Made:
        with self._made(slide, observer) as (outcome, folder):
            log = folder.out / ERROR_LOG
            told = log.read_text(encoding="utf-8") if log.exists() else ""
            if outcome.status == FAILED:
                return Made(outcome, node_name(), log=told)
            with self._bringing, observer.under_way(slide.slide_id, "") as step:
                self._depot.deliver(slide.slide_id, folder.final, replaces, step)
            record = (folder.final / RECORD).read_text(encoding="utf-8")
            return Made(outcome, node_name(), record, told)

    @contextmanager
    def _made(
        self, slide: Slide, observer: RunObserver
    ) -> Iterator[tuple[SlideOutcome, SlideFolder]]:
        """What came of a slide, and its folder on this node, for as long as it is needed."""
        here = self._scratch.path / "slide"
        try:
            ours = fetched(slide, here / "in", observer)
            folder = SlideFolder(here / "out", slide.slide_id)
            folder.out.mkdir(parents=True)
            job = SlideJob(ours, folder, self._making, observer)
            self._run(job, slide.fields[0])
            if job.outcome is None:
                raise AssertionError(f"{slide.slide_id}: not all of its fields have ended")
            yield job.outcome, folder
        finally:
            shutil.rmtree(here, ignore_errors=True)

    def _run(self, job: SlideJob, first: Field) -> None:
        n = self._orders.threads
        with ThreadPoolExecutor(n, thread_name_prefix="leukodiff") as pool:
            if job.slide.is_scan:
                self._run_scan(job, first, pool)
                return
            for ended in [pool.submit(job.run, i) for i in range(len(job.slide.fields))]:
                ended.result()

    def _run_scan(self, job: SlideJob, field: Field, pool: ThreadPoolExecutor) -> None:
        from .scheduler import helper_factory

        helpers = RemoteHelpers(helper_factory(replace(self._orders, threads=1), field))
        try:
            orders = self._orders
            workers = SharingWorkers(
                pool,
                orders.threads,
                helpers=helpers,
                share_from=orders.share_from,
                patience_s=orders.limit_s / 2,
            )
            job.run_scan(workers, lambda share, what: None)
        finally:
            helpers.close()

    def region(self, field: Field, do: bytes, items: Sequence[Any]) -> list[Any]:
        """What another worker's packed piece of work makes of each of some items."""
        if self._scan is None:
            whole = Slide("", field.path, (field,))
            ours = fetched(whole, self._scratch.path / "scan")
            self._scan = open_scan(ours.fields[0].path)
        call = unpacked(do, self._scan, self._models)
        return [call(item) for item in items]

    def stop(self) -> None:
        """Brings nothing more to where results go, once what is on its way there has come."""
        self._bringing.acquire()  # and keeps it
        self.close()

    def close(self) -> None:
        """Leaves nothing on the node."""
        self._scratch.close()

    def _loaded(self) -> Models:
        orders = self._orders
        chosen = {kind: self._written(kind, files) for kind, files in orders.files.items()}
        return load_models(
            chosen.get("detector"),
            chosen.get("classifier"),
            orders.settings.engine,
            orders.threads,
        )

    def _written(self, kind: str, files: Mapping[str, bytes]) -> Path:
        """Writes a model's files here; the path of the model itself, the first of them."""
        folder = self._scratch.path / kind
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder / next(iter(files))
