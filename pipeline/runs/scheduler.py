"""Work on many slides at once: every core is busy, and few fields and scans are under way."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from threading import Event, Lock

import cv2

from leukodiff.pipeline.analysis import Workers
from leukodiff.pipeline.slides.discover import Slide

from .signals import defer_signals, register_pool_thread
from .slide_job import SlideJob

STOP_WAIT_S = 1.0
"""Time that a run which is stopped waits for what is under way."""

SCAN_STEPS = 100
"""A scan counts for so many fields in the progress of a run."""

OnProgress = Callable[[int, int, str], None]
"""Called with the steps done, the steps to do in all, and what is at hand."""


def n_scans_at_once(workers: int) -> int:
    """Number of scans read at a time: while one is summed up, the cores have the others."""
    return 1 if workers == 1 else max(2, -(-workers // 4))


@dataclass
class Progress:
    """Steps of a run: a field is one, a scan `SCAN_STEPS`. Of one thread alone."""

    total: int
    on_progress: OnProgress | None
    done: int = 0
    _within: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, slides: Iterable[Slide], on_progress: OnProgress | None) -> "Progress":
        """The progress of a run over these slides, none of which is begun."""
        return cls(sum(steps(s) * len(s.fields) for s in slides), on_progress)

    def ended(self, slide: Slide) -> None:
        """A field of a slide, or its scan, has ended."""
        self._within.pop(slide.slide_id, None)
        self.done += steps(slide)
        self._report(slide.slide_id)

    def within(self, slide: Slide, share: float, what: str) -> None:
        """A scan has come so far, 0-1."""
        self._within[slide.slide_id] = int(share * (SCAN_STEPS - 1))
        self._report(f"{slide.slide_id}: {what}")

    def _report(self, what: str) -> None:
        if self.on_progress:
            self.on_progress(self.done + sum(self._within.values()), self.total, what)


def steps(slide: Slide) -> int:
    """The steps that a field of a slide counts for."""
    return SCAN_STEPS if slide.is_scan else 1


@dataclass
class _OpenCvThreads:
    """Number of callers that ask for one thread, and of threads before."""

    lock: Lock = field(default_factory=Lock)
    n: int = 0
    before: int = 0


_opencv = _OpenCvThreads()


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Fields are what runs side by side; OpenCV's own threads would only get in their way.

    Runs may overlap, each in a thread of its own: the number that the first one found comes back
    when the last one ends.
    """
    with _opencv.lock:
        if not _opencv.n:
            _opencv.before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _opencv.n += 1
    try:
        yield
    finally:
        with _opencv.lock:
            _opencv.n -= 1
            if not _opencv.n:
                cv2.setNumThreads(_opencv.before)


@dataclass
class SlideScheduler:
    """Gives the work of a run to its threads: `n` of them read fields and pieces of scans.

    `on_slide` is called in the calling thread for each slide that has an outcome, once.
    """

    n: int
    progress: Progress
    on_slide: Callable[[SlideJob], None]
    _calls: SimpleQueue[Callable[[], None]] = field(default_factory=SimpleQueue)
    _under_way: dict[Future[None], SlideJob] = field(default_factory=dict)
    _stopped: Event = field(default_factory=Event)

    def run(self, jobs: Iterable[SlideJob], alone: Iterable[SlideJob] = ()) -> None:
        """Does the jobs, many at a time; then those that are to be `alone`, one by one.

        Raises:
            ModelFileError: a model can't be run.
            OutputError: the output can't be written any more.
        """
        with one_opencv_thread(), self._threads() as (fields, scans):
            for job in jobs:
                if job.slide.is_scan:
                    self._collect_while(lambda: self._scans() >= n_scans_at_once(self.n))
                    self._scan(job, fields, scans, self.n)
                    continue
                for index in range(len(job.slide.fields)):
                    self._collect_while(lambda: len(self._under_way) > 2 * self.n + self._scans())
                    self._begin(job, fields.submit(job.run, index))
            self._collect_while(lambda: bool(self._under_way))
            for job in alone:
                self._alone(job, fields, scans)

    def _alone(self, job: SlideJob, fields: ThreadPoolExecutor, scans: ThreadPoolExecutor) -> None:
        for index in range(len(job.slide.fields)):
            if job.slide.is_scan:
                self._scan(job, fields, scans, 1)
            else:
                self._begin(job, fields.submit(job.run, index))
            self._collect_while(lambda: bool(self._under_way))

    def _scan(
        self, job: SlideJob, fields: ThreadPoolExecutor, scans: ThreadPoolExecutor, n: int
    ) -> None:
        def on_progress(share: float, what: str) -> None:
            self._calls.put(partial(self.progress.within, job.slide, share, what))

        workers = Workers(fields, n, self._stopped)
        self._begin(job, scans.submit(job.run_scan, workers, on_progress))

    def _scans(self) -> int:
        return sum(job.slide.is_scan for job in self._under_way.values())

    def _begin(self, job: SlideJob, future: Future[None]) -> None:
        self._under_way[future] = job
        future.add_done_callback(lambda done: self._calls.put(partial(self._done, job, done)))

    def _collect_while(self, so: Callable[[], bool]) -> None:
        while so():
            self._calls.get()()

    def _done(self, job: SlideJob, future: Future[None]) -> None:
        del self._under_way[future]
        future.result()
        if job.outcome is not None and job.is_unreported:
            job.is_unreported = False
            self.on_slide(job)
        self.progress.ended(job.slide)

    @contextmanager
    def _threads(self) -> Iterator[tuple[ThreadPoolExecutor, ThreadPoolExecutor]]:
        fields = ThreadPoolExecutor(self.n, "leukodiff", register_pool_thread)
        scans = ThreadPoolExecutor(n_scans_at_once(self.n), "leukodiff-scan", register_pool_thread)
        try:
            yield fields, scans
        except BaseException:
            self._stop()
            raise
        finally:
            for pool in (scans, fields):
                pool.shutdown(wait=not self._stopped.is_set())

    def _stop(self) -> None:
        """Gives up what is under way; a thread that goes on all the same writes nothing more."""
        with defer_signals():
            self._stopped.set()
            open_jobs = set(self._under_way.values())
            for job in open_jobs:
                job.close()
            for future in self._under_way:
                future.cancel()
            wait([one for one in self._under_way if not one.cancelled()], timeout=STOP_WAIT_S)
            for job in open_jobs:
                job.discard()
