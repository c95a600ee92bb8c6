"""The queue: one analysis at a time in a child process, and what waits for it; kept on disk."""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from leukodiff.pipeline.runs.output import write_whole

log = logging.getLogger("leukodiff")

QUEUED, RUNNING, DONE, FAILED, STOPPED = "queued", "running", "done", "failed", "stopped"

KEPT = 100
"""Jobs that have ended and are still listed."""

PATIENCE = 20.0
"""Seconds a stopped analysis may take to clear up before it is ended."""


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
        """Whether it waits or runs."""
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


def with_progress(job: Job, said: Mapping[str, Any], seconds: float) -> Job:
    """A job after the child told how far it is, `seconds` after it began.

    Example: 20 of 100 steps in 10 s: 2 a second, 40 s left.
    """
    done, total = int(said["done"]), int(said["total"])
    rate = done / seconds if done and seconds > 0 else None
    left = (total - done) / rate if rate else None
    what = str(said["what"])
    return replace(job, done=done, total=total, what=what, rate=rate, left=left)


def ended(job: Job, said: Mapping[str, Any]) -> Job:
    """A job after the child told what came of it."""
    failures = [one.get("error", "") for one in said.get("failures", [])]
    slides = tuple(said.get("slides", ()))
    stopped = bool(said.get("stopped"))
    state = STOPPED if stopped else DONE if slides else FAILED
    error = "; ".join(filter(None, failures[:5]))
    return replace(job, state=state, slides=slides, error=error, ended=now(), left=None)


@dataclass
class Queue:
    """The jobs, each a file in `folder`, so that a restart goes on where it was.

    `order` adds to what the child is told; `on_end` hears of each job that has ended.
    """

    folder: Path
    out: Path
    most: int
    order: Mapping[str, Any] = field(default_factory=dict)
    on_end: Callable[[Job], None] = lambda _: None
    _jobs: dict[int, Job] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _work: threading.Event = field(default_factory=threading.Event)
    _child: "subprocess.Popen[str] | None" = None
    _running: int = 0
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
        self._end_child()
        if self._thread:
            self._thread.join(PATIENCE + 5)

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
        self._end_child()
        return job

    def _run(self) -> None:
        while not self._closed:
            self._work.wait()
            self._work.clear()
            while not self._closed and (job := self._next()):
                try:
                    self._analyze(job)
                except OSError as error:
                    self._keep(replace(job, state=FAILED, error=str(error), ended=now()))
                if not self._closed:
                    self.on_end(self._jobs[job.number])

    def _next(self) -> Job | None:
        with self._lock:
            job = next((job for job in self.jobs() if job.state == QUEUED), None)
            if job:
                self._keep(replace(job, state=RUNNING, done=0, total=0, what="starting"))
                self._running = job.number
            return job

    def _analyze(self, job: Job) -> None:
        order = {**self.order, "inputs": job.inputs, "out": str(self.out)}
        command = [sys.executable, "-m", "leukodiff.pipeline.review.service.job_worker"]
        with subprocess.Popen(  # noqa: S603 - our own module; the order is data
            [*command, json.dumps({**order, "per_image": job.per_image})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is the server's to pass on
        ) as child:
            with self._lock:
                self._child = child
            if self._closed or job.number in self._stopped:
                self._end_child()
            said = self._listen(job.number, child)
        self._child = None
        if self._closed:
            return  # it stays "running" on disk, and is begun again
        with self._lock:
            job = self._jobs[job.number]
            if job.number in self._stopped and not said.get("slides"):
                self._keep(replace(job, state=STOPPED, ended=now(), left=None))
            elif said:
                self._keep(ended(job, said))
            else:
                error = f"the analysis ended by itself (status {child.returncode})"
                self._keep(replace(job, state=FAILED, error=error, ended=now(), left=None))

    def _listen(self, number: int, child: "subprocess.Popen[str]") -> Mapping[str, Any]:
        begun, kept, last = time.monotonic(), 0.0, {}
        errors: list[str] = []
        reader = threading.Thread(target=_drain, args=(child, errors), daemon=True)
        reader.start()
        for line in child.stdout or ():
            with suppress(ValueError):
                said = json.loads(line)
                if said.get("kind") == "end":
                    last = said
                elif said.get("kind") == "progress":
                    seconds = time.monotonic() - begun
                    with self._lock:
                        self._jobs[number] = with_progress(self._jobs[number], said, seconds)
                        if seconds - kept > 2:
                            self._keep(self._jobs[number])
                            kept = seconds
        child.wait()
        reader.join(1)
        if not last and errors:
            log.error("analysis %d: %s", number, "".join(errors)[-2000:])
        return last

    def _end_child(self) -> None:
        child = self._child
        if child is None or child.stdin is None:
            return
        with suppress(OSError, ValueError):
            child.stdin.close()

        def insist() -> None:
            with suppress(subprocess.TimeoutExpired):
                child.wait(PATIENCE)
                return
            child.kill()

        threading.Thread(target=insist, daemon=True).start()

    def _keep(self, job: Job) -> None:
        self._jobs[job.number] = job
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / f"{job.number:08d}.json", json.dumps(asdict(job)))

    def _forget(self) -> None:
        past = [job.number for job in self.jobs() if not job.is_open]
        for number in past[:-KEPT]:
            del self._jobs[number]
            with suppress(OSError):
                (self.folder / f"{number:08d}.json").unlink()


def _drain(child: "subprocess.Popen[str]", into: list[str]) -> None:
    for line in child.stderr or ():
        into.append(line)
        del into[:-50]
