"""The queue: one analysis at a time in a child process, and what waits for it; kept on disk."""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from leukodiff.pipeline.runs import worker
from leukodiff.pipeline.runs.analyze import AnalyzeSettings
from leukodiff.pipeline.runs.child_process import (
    TEXT,
    Message,
    Supervisor,
)
from leukodiff.pipeline.runs.crash_log import FIELD_TIMEOUT_S
from leukodiff.pipeline.runs.output import OutputError, write_whole
from leukodiff.pipeline.runs.worker import RunRequest

log = logging.getLogger("leukodiff")

QUEUED = "queued"
RUNNING = "running"
DONE = "done"
FAILED = "failed"
STOPPED = "stopped"

MAX_ENDED = 100
"""Jobs that have ended and are still listed."""

STOP_GRACE_S = 20.0
"""Time an analysis that is stopped has to write its tables, which may lie on a network share."""

LOGGED_LINES = 50
"""The last lines that a failed analysis printed go into the log."""

KEEP_EVERY_S = 2.0
"""The progress of a job is written down no oftener."""


@dataclass(frozen=True)
class Job:
    """One analysis. `done` of `total` steps; `rate` is steps a second, `left` seconds to go."""

    number: int
    name: str
    inputs: tuple[str, ...]
    by: str
    at: str
    state: str = QUEUED
    per_image: bool = False
    done: int = 0
    total: int = 0
    what: str = ""
    rate: float | None = None
    left: float | None = None
    slides: tuple[str, ...] = ()
    error: str = ""
    ended: str = ""

    @property
    def is_open(self) -> bool:
        """True while it waits or runs."""
        return self.state in (QUEUED, RUNNING)


def read_jobs(folder: Path) -> dict[int, Job]:
    """The jobs that a review left in `folder`, by number; a file that is no job is passed over."""
    jobs = {}
    for path in sorted(folder.glob("*.json")):
        with suppress(OSError, ValueError, TypeError, LookupError, RecursionError):
            values = json.loads(path.read_text(encoding="utf-8"))
            lists = {name: tuple(values[name]) for name in ("inputs", "slides")}
            job = Job(**{**values, **lists})
            jobs[job.number] = job
    return jobs


def now() -> str:
    """The time, ISO 8601 UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def with_progress(job: Job, done: int, total: int, what: str, seconds: float) -> Job:
    """A job with `done` of `total` steps done, `seconds` after it began; `what` is at hand.

    Example: 20 of 100 steps in 10 s: 2 a second, 40 s left.
    """
    rate = done / seconds if done and seconds > 0 else None
    left = (total - done) / rate if rate else None
    return replace(job, done=done, total=total, what=what, rate=rate, left=left)


def ended(
    job: Job, slides: Sequence[str] = (), errors: Sequence[str] = (), is_stopped: bool = False
) -> Job:
    """A job that has ended: the slides that it made, and why others failed."""
    state = STOPPED if is_stopped else DONE if slides else FAILED
    error = "; ".join(filter(None, errors[:5]))
    return replace(job, state=state, slides=tuple(slides), error=error, ended=now(), left=None)


@dataclass
class _Reported:
    """What the analysis of a job has reported; `began` in s.

    `notes`: of its supervisor; `lines`: the last that it printed.
    """

    number: int
    began: float = field(default_factory=time.monotonic)
    slides: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    is_stopped: bool = False
    is_finished: bool = False
    notes: list[str] = field(default_factory=list)
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LOGGED_LINES))


@dataclass
class Queue:
    """The jobs, each a file in `folder`, so that a restart goes on where it was.

    `settings`: of each analysis. `on_end`: called with each job that has ended.
    """

    folder: Path
    out: Path
    most: int
    settings: AnalyzeSettings = field(default_factory=AnalyzeSettings)
    on_end: Callable[[Job], None] = lambda _: None
    _jobs: dict[int, Job] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _work: threading.Event = field(default_factory=threading.Event)
    _supervisor: Supervisor | None = None
    _kept_at: float = 0.0
    _stopped: set[int] = field(default_factory=set)
    _closed: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Takes up what a run before left, and begins to work."""
        for job in read_jobs(self.folder).values():
            self._jobs[job.number] = replace(
                job, state=QUEUED if job.state == RUNNING else job.state
            )
        self._thread = threading.Thread(target=self._run, name="queue", daemon=True)
        self._thread.start()
        self._work.set()

    def close(self) -> None:
        """Ends the analysis that runs; the next start begins it again."""
        self._closed = True
        self._work.set()
        self._stop_analysis()
        if self._thread:
            self._thread.join(STOP_GRACE_S + 5)

    def add(self, name: str, inputs: list[Path], by: str, per_image: bool = False) -> Job | None:
        """Adds an analysis; `None` where too many wait already."""
        with self._lock:
            if sum(job.is_open for job in self._jobs.values()) >= self.most:
                return None
            number = max(self._jobs, default=0) + 1
            paths = tuple(str(path) for path in inputs)
            job = Job(number, name, paths, by, now(), per_image=per_image)
            self._keep(job)
            self._forget()
        self._work.set()
        return job

    def jobs(self) -> list[Job]:
        """All that are listed, the newest last."""
        with self._lock:
            return [self._jobs[number] for number in sorted(self._jobs)]

    def stop(self, number: int) -> Job | None:
        """Stops a job, or takes it out of the queue; `None` where there is none open."""
        with self._lock:
            job = self._jobs.get(number)
            if job is None or not job.is_open:
                return None
            if job.state == QUEUED:
                self._keep(replace(job, state=STOPPED, ended=now()))
                return self._jobs[number]
            self._stopped.add(number)
        self._stop_analysis()
        return job

    def _run(self) -> None:
        while not self._closed:
            self._work.wait()
            self._work.clear()
            while not self._closed and (job := self._next()):
                try:
                    self._analyze(job)
                except (OSError, OutputError) as error:
                    with suppress(OutputError):  # the page shows it all the same
                        self._keep(replace(job, state=FAILED, error=str(error), ended=now()))
                if not self._closed:
                    self.on_end(self._jobs[job.number])

    def _next(self) -> Job | None:
        with self._lock:
            job = next((job for job in self.jobs() if job.state == QUEUED), None)
            if job:
                self._keep(replace(job, state=RUNNING, done=0, total=0, what="starting"))
            return job

    def _analyze(self, job: Job) -> None:
        reported = _Reported(job.number)
        supervisor = Supervisor(
            FIELD_TIMEOUT_S,
            reported.notes.append,
            partial(self._receive, reported),
            grace_s=STOP_GRACE_S,
        )
        with self._lock:
            self._supervisor = supervisor
        if self._closed or job.number in self._stopped:
            supervisor.stop()
        settings = replace(self.settings, per_image=job.per_image)
        inputs = tuple(Path(one) for one in job.inputs)
        status = supervisor.run(worker.__name__, RunRequest(self.out, settings, inputs))
        self._supervisor = None
        lines = (*reported.notes, *reported.lines)
        if lines and not reported.is_finished:
            log.error("analysis %d: %s", job.number, "\n".join(lines)[-2000:])
        if self._closed:
            return  # it stays "running" on disk, and is begun again
        with self._lock:
            job = self._jobs[job.number]
            if job.number in self._stopped and not reported.slides:
                self._keep(replace(job, state=STOPPED, ended=now(), left=None))
                return
            if not reported.is_finished:
                reported.errors = [
                    reported.notes[-1]
                    if reported.notes
                    else f"the analysis ended by itself (status {status})"
                ]
            self._keep(ended(job, reported.slides, reported.errors, reported.is_stopped))

    def _receive(self, reported: "_Reported", message: Message) -> None:
        kind, *values = message
        if kind == "finished":
            reported.slides, reported.errors, reported.is_stopped = values
            reported.is_finished = True
        elif kind == "error":
            reported.errors, reported.is_finished = values, True
        elif kind == TEXT:
            reported.lines.extend(values)
        elif kind == "progress":
            done, total, what = values
            seconds = time.monotonic() - reported.began
            with self._lock:
                job = with_progress(self._jobs[reported.number], done, total, what, seconds)
                self._jobs[job.number] = job
                if time.monotonic() - self._kept_at > KEEP_EVERY_S:
                    with suppress(OutputError):  # a full disk ends no analysis before its time
                        self._keep(job)

    def _stop_analysis(self) -> None:
        if supervisor := self._supervisor:
            supervisor.stop()

    def _keep(self, job: Job) -> None:
        self._jobs[job.number], self._kept_at = job, time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / f"{job.number:08d}.json", json.dumps(asdict(job)))

    def _forget(self) -> None:
        past = [job.number for job in self.jobs() if not job.is_open]
        for number in past[:-MAX_ENDED]:
            del self._jobs[number]
            with suppress(OSError):
                (self.folder / f"{number:08d}.json").unlink()
