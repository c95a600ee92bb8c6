"""Work on many slides at once: every core is busy, and few fields and scans are under way."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from threading import Event

from leukodiff.pipeline.analysis import Workers

from .opencv_threads import one_opencv_thread
from .progress import Progress
from .signals import defer_signals
from .slide_job import SlideJob

PATIENCE_S = 1.0
"""How long a run that is stopped waits for what is under way."""


def scans_at_once(workers: int) -> int:
    """How many scans are read at a time: while one is summed up, the cores have the others."""
    return 1 if workers == 1 else max(2, -(-workers // 4))


@dataclass
class Crew:
    """The threads of a run: `n` of them read fields and pieces of scans.

    `ended` is called in the calling thread for each slide that has an outcome, once.
    """

    n: int
    progress: Progress
    ended: Callable[[SlideJob], None]
    _news: SimpleQueue[Callable[[], None]] = field(default_factory=SimpleQueue)
    _under_way: dict[Future[None], SlideJob] = field(default_factory=dict)
    _stopped: Event = field(default_factory=Event)

    def work(self, jobs: Iterable[SlideJob], alone: Iterable[SlideJob] = ()) -> None:
        """Does the jobs, many at a time; then those that are to be `alone`, one by one.

        Raises:
            ModelFileError: a model can't be run.
            OutputError: the output can't be written any more.
        """
        with one_opencv_thread(), self._threads() as (fields, scans):
            for job in jobs:
                if job.slide.is_scan:
                    self._hear_while(lambda: self._scans() >= scans_at_once(self.n))
                    self._scan(job, fields, scans, self.n)
                    continue
                for index in range(len(job.slide.fields)):
                    self._hear_while(lambda: len(self._under_way) > 2 * self.n + self._scans())
                    self._begin(job, fields.submit(job.run, index))
            self._hear_while(lambda: bool(self._under_way))
            for job in alone:
                self._alone(job, fields, scans)

    def _alone(self, job: SlideJob, fields: ThreadPoolExecutor, scans: ThreadPoolExecutor) -> None:
        for index in range(len(job.slide.fields)):
            if job.slide.is_scan:
                self._scan(job, fields, scans, 1)
            else:
                self._begin(job, fields.submit(job.run, index))
            self._hear_while(lambda: bool(self._under_way))

    def _scan(
        self, job: SlideJob, fields: ThreadPoolExecutor, scans: ThreadPoolExecutor, n: int
    ) -> None:
        def tell(share: float, what: str) -> None:
            self._news.put(partial(self.progress.within, job.slide, share, what))

        workers = Workers(fields, n, self._stopped)
        self._begin(job, scans.submit(job.run_scan, workers, tell))

    def _scans(self) -> int:
        return sum(job.slide.is_scan for job in self._under_way.values())

    def _begin(self, job: SlideJob, future: Future[None]) -> None:
        self._under_way[future] = job
        future.add_done_callback(lambda done: self._news.put(partial(self._done, job, done)))

    def _hear_while(self, so: Callable[[], bool]) -> None:
        while so():
            self._news.get()()

    def _done(self, job: SlideJob, future: Future[None]) -> None:
        del self._under_way[future]
        future.result()
        if job.outcome is not None and job.is_new:
            job.is_new = False
            self.ended(job)
        self.progress.ended(job.slide)

    @contextmanager
    def _threads(self) -> Iterator[tuple[ThreadPoolExecutor, ThreadPoolExecutor]]:
        fields = ThreadPoolExecutor(self.n, thread_name_prefix="leukodiff")
        scans = ThreadPoolExecutor(scans_at_once(self.n), thread_name_prefix="leukodiff-scan")
        try:
            yield fields, scans
        except BaseException:
            self._stop()
            raise
        finally:
            for pool in (scans, fields):
                pool.shutdown(wait=not self._stopped.is_set())

    def _stop(self) -> None:
        """Lets go of what is under way; a thread that goes on all the same writes nothing more."""
        with defer_signals():
            self._stopped.set()
            open_jobs = set(self._under_way.values())
            for job in open_jobs:
                job.close()
            for future in self._under_way:
                future.cancel()
            wait([one for one in self._under_way if not one.cancelled()], timeout=PATIENCE_S)
            for job in open_jobs:
                job.discard()
