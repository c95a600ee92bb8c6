"""A worker of a cluster: holds the models, takes slides and regions of scans, one by one."""

import fcntl
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version as version_of
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from threading import Lock
from typing import IO, Any, cast

import cv2

from leukodiff.core.errors import InputError
from leukodiff.pipeline.analysis.models import Models, load_models
from leukodiff.pipeline.report.fields import FAILED
from leukodiff.pipeline.slides import Scan, open_scan
from leukodiff.pipeline.slides.discover import Field, Slide
from leukodiff.pipeline.slides.fingerprint import has_inputs

from ..observer import RunObserver
from ..outcomes import SlideOutcome
from ..output import ERROR_LOG, RECORD, Inputs, SlideFolder, SlideRecord
from ..run import slide_spec
from ..settings import WorkerConfig
from ..slide_job import SlideJob
from .connect import call_ray, close_actors, start_actor
from .remote_paths import fetched
from .shared_scan import RemoteHelper, RemoteHelpers, SharingWorkers, unpacked
from .stores import output_store
from .watchdog import TimedOut, Watchdog


def node_name() -> str:
    """This machine's name, and what Ray calls the node."""
    import ray

    node_id = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "no node"
    return f"{platform.node()} ({node_id[:8]})"


@dataclass(frozen=True)
class SlideResult:
    """Outcome of a slide, and the node that it was done on.

    `record`: its record where it has a folder; `log`: what goes into the log of errors.
    """

    outcome: SlideOutcome
    node: str
    record: str = ""
    log: str = ""


SCRATCH_PREFIX = "leukodiff-worker-"
SCRATCH_LOCK = "in-use"


class Scratch:
    """A worker's own folder on its node: it goes with it, or the next worker takes it away."""

    def __init__(self) -> None:
        _clear_up_after_the_dead()
        made = Path(mkdtemp(prefix=".leukodiff-"))
        self._lock = (made / SCRATCH_LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)  # the kernel lets go of it, however we end
        self.path = made.rename(
            made.with_name(f"{SCRATCH_PREFIX}{made.name.removeprefix('.leukodiff-')}")
        )

    def close(self) -> None:
        """Takes it away."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _clear_up_after_the_dead() -> None:
    for folder in Path(gettempdir()).glob(f"{SCRATCH_PREFIX}*"):
        try:
            with (folder / SCRATCH_LOCK).open("w") as lock:
                if _free(lock):
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another user's, or it is just being made or taken away
            continue


def _free(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Worker:
    """Runs in a process of its own. Its methods are called one at a time, but for `stop`.

    One that answers `TimedOut` is to be ended.
    """

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._scan: Scan | None = None
        self._watchdog = Watchdog(config.limit_s)
        self._delivering = Lock()

    def ready(self) -> None:
        """Loads the models.

        Raises:
            InputError: this node is not fit for the run: it sees another output or has another
                version or other models.
        """
        config, here = self._config, node_name()
        if (number := version_of("leukodiff")) != config.version:
            raise InputError(
                f"node {here} has leukodiff {number}, the run {config.version}: "
                "install the same on all nodes"
            )
        if not config.run_marker.exists():
            raise InputError(f"node {here} does not see {config.out}: all nodes must, by that name")
        cv2.setNumThreads(1)
        self.scratch = Scratch()
        try:
            self._start(here)
        except BaseException:
            self.scratch.close()
            raise

    def _start(self, here: str) -> None:
        config = self._config
        self._models = self._loaded()
        if (self._models.used, self._models.how_read) != (config.models, config.how_read):
            raise InputError(f"node {here} has other models: install the same on all nodes")
        self._spec = slide_spec(config.settings, self._models)
        self._store = output_store(config.out)

    def is_same(self, slide: Slide, inputs: Inputs | None) -> bool | TimedOut:
        """True where a slide's files are those of a record."""

        def compare() -> bool:
            with self._watchdog.progress.under_way(slide.slide_id, ""):
                return has_inputs(slide, inputs)

        return self._watchdog.wait_for(compare)

    def analyze(
        self, slide: Slide, replaces: SlideRecord | None, failed_items: Mapping[str, str]
    ) -> SlideResult | TimedOut:
        """Makes a slide's folder here and delivers it.

        Fields that are `failed_items` are not touched: they have failed, with the reason.

        Raises:
            OutputError: it can't be brought there.
            InputError: the slide can't be fetched.
        """
        known = {(slide.slide_id, field_id): reason for field_id, reason in failed_items.items()}
        observer = RunObserver(under_way=self._watchdog.progress.under_way, failed_items=known)
        made = self._watchdog.wait_for(lambda: self._delivered(slide, replaces, observer))
        if isinstance(made, TimedOut):
            self._delivering.acquire(blocking=False)  # should it wake up, it brings nothing
        return made

    def try_field(self, slide: Slide) -> TimedOut | None:
        """Does a slide of one field, only to learn whether its worker survives it."""
        observer = RunObserver(under_way=self._watchdog.progress.under_way)

        def do() -> None:
            with self._made(slide, observer):
                pass

        return self._watchdog.wait_for(do)

    def _delivered(
        self, slide: Slide, replaces: SlideRecord | None, observer: RunObserver
    ) -> SlideResult:
        with self._made(slide, observer) as (outcome, folder):
            log = folder.out / ERROR_LOG
            text = log.read_text(encoding="utf-8") if log.exists() else ""
            if outcome.status == FAILED:
                return SlideResult(outcome, node_name(), log=text)
            with self._delivering, observer.under_way(slide.slide_id, "") as step:
                self._store.deliver(slide.slide_id, folder.final, replaces, step)
            record = (folder.final / RECORD).read_text(encoding="utf-8")
            return SlideResult(outcome, node_name(), record, text)

    @contextmanager
    def _made(
        self, slide: Slide, observer: RunObserver
    ) -> Iterator[tuple[SlideOutcome, SlideFolder]]:
        """Outcome of a slide, and its folder on this node, for as long as it is needed."""
        here = self.scratch.path / "slide"
        try:
            ours = fetched(slide, here / "in", observer)
            folder = SlideFolder(here / "out", slide.slide_id)
            folder.out.mkdir(parents=True)
            job = SlideJob(ours, folder, self._spec, observer)
            self._run(job, slide.fields[0])
            if job.outcome is None:
                raise AssertionError(f"{slide.slide_id}: not all of its fields have ended")
            yield job.outcome, folder
        finally:
            shutil.rmtree(here, ignore_errors=True)

    def _run(self, job: SlideJob, first: Field) -> None:
        n = self._config.threads
        with ThreadPoolExecutor(n, thread_name_prefix="leukodiff") as pool:
            if job.slide.is_scan:
                self._run_scan(job, first, pool)
                return
            for ended in [pool.submit(job.run, i) for i in range(len(job.slide.fields))]:
                ended.result()

    def _run_scan(self, job: SlideJob, field: Field, pool: ThreadPoolExecutor) -> None:
        helpers = RemoteHelpers(helper_factory(replace(self._config, threads=1), field))
        try:
            config = self._config
            workers = SharingWorkers(
                pool,
                config.threads,
                helpers=helpers,
                share_from=config.share_from,
                call_limit_s=config.limit_s / 2,
            )
            job.run_scan(workers, lambda share, what: None)
        finally:
            helpers.close()

    def region(self, field: Field, do: bytes, items: Sequence[Any]) -> list[Any]:
        """Results of another worker's packed piece of work for some items."""
        if self._scan is None:
            whole = Slide("", field.path, (field,))
            ours = fetched(whole, self.scratch.path / "scan")
            self._scan = open_scan(ours.fields[0].path)
        call = unpacked(do, self._scan, self._models)
        return [call(item) for item in items]

    def stop(self) -> None:
        """Delivers nothing more, once what is on its way has arrived."""
        self._delivering.acquire()  # and keeps it
        self.close()

    def close(self) -> None:
        """Leaves nothing on the node."""
        self.scratch.close()

    def _loaded(self) -> Models:
        config = self._config
        chosen = {kind: self._written(kind, files) for kind, files in config.files.items()}
        return load_models(
            chosen.get("detector"),
            chosen.get("classifier"),
            config.settings.engine,
            config.threads,
            prior=config.settings.prior,
        )

    def _written(self, kind: str, files: Mapping[str, bytes]) -> Path:
        """Writes a model's files here; the path of the model itself, the first of them."""
        folder = self.scratch.path / kind
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder / next(iter(files))


def helper_factory(config: WorkerConfig, scan: Field) -> Callable[[], Sequence[RemoteHelper]]:
    """Starts, each time it is called, as many helpers with a scan as there are cores idle."""
    shared: list[Any] = []

    def start_helpers() -> Sequence[RemoteHelper]:
        import ray

        idle = int(call_ray("available_resources").get("CPU", 0))
        if idle and not shared:
            shared.append(ray.put(config))
        return [_helper(start_actor(Worker, shared[0], 1), scan) for _ in range(idle)]

    return start_helpers


def _helper(worker: Any, scan: Field) -> RemoteHelper:
    def call(do: bytes, items: Sequence[Any]) -> Future[list[Any]]:
        return cast("Future[list[Any]]", worker.region.remote(scan, do, items).future())

    return RemoteHelper(call, worker.ready.remote().future(), partial(close_actors, [worker]))
