"""The workers of a run on Ray: started while there is work and room; each slide is done by one."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from leukodiff.core.errors import InputError, LeukodiffError
from leukodiff.pipeline.report.fields import one_line

from ..settings import WorkerConfig
from .connect import (
    CLOSE_GRACE_S,
    CONTROL_GROUP,
    call_ray,
    close_actors,
    kill_actors,
    start_actor,
)
from .watchdog import TimedOut
from .worker import Worker

log = logging.getLogger("leukodiff")

MAX_TRIES = 3
"""A piece of work that has cost so many workers is given up: it may be what kills them."""

MAX_FAILED_STARTS = 10
"""So many workers that die as they start, one after the other, end the run."""

POLL_S = 1.0
"""Time between two checks for nodes that have come or gone."""

RESULT_GRACE_S = 0.5
"""Time that a worker that is stopped has to report what it has just delivered."""


@dataclass(eq=False)
class Work:
    """A call of a worker's method; so many `tries` came to nothing, `deaths` by a worker's end."""

    method: str
    args: tuple[Any, ...]
    tries: int = 0
    deaths: int = 0


@dataclass(frozen=True)
class GivenUp:
    """Reason why a piece of work could not be done; `died`: a worker that tried did."""

    reason: str
    died: bool = False


def _ended_of(refs: list[Any], within_s: float) -> set[Any]:
    """Those of some calls that end within so many seconds."""
    return set(ray.wait(refs, num_returns=len(refs), timeout=within_s)[0]) if refs else set()


def _result_of(ref: Any) -> Any:
    """The result of a call that has ended; `None` where its worker died or raised."""
    try:
        return ray.get(ref)
    except RayError:
        return None


@dataclass
class WorkerPool:
    """The workers of a run. `cpus`: the cores of each.

    `unfit`: those that could not start; they keep their place, lest Ray send the next one there.
    """

    config: WorkerConfig
    cpus: int
    starting: dict[Any, Any] = field(default_factory=dict)
    idle: list[Any] = field(default_factory=list)
    busy: dict[Any, tuple[Any, Work]] = field(default_factory=dict)
    unfit: list[Any] = field(default_factory=list)
    waiting: deque[Work] = field(default_factory=deque)
    failed_starts: int = 0

    def __post_init__(self) -> None:
        self._shared_config = ray.put(self.config)

    def each(self, todo: Iterable[Work], more: bool = False) -> Iterator[tuple[Work, Any]]:
        """Each piece of work with its result, or `GivenUp`, in the order in which they end.

        A piece whose worker dies with it is done by another; one whose worker hangs comes back as
        `TimedOut`, and the worker is ended. `more`: other work is to follow.

        Raises:
            LeukodiffError: no node is fit for the run.
        """
        self.waiting = waiting = deque(todo)
        while waiting or self.busy:
            self._start(len(waiting))
            while waiting and self.idle:
                worker, work = self.idle.pop(), waiting.popleft()
                self.busy[getattr(worker, work.method).remote(*work.args)] = worker, work
            if not waiting and not more:
                self._close_idle()
            ended, _ = ray.wait([*self.starting, *self.busy], num_returns=1, timeout=POLL_S)
            for ref in ended:
                if ref in self.starting:
                    self._on_ready(ref)
                else:
                    yield from self._ended(ref)

    def add(self, work: Work) -> None:
        """Has one more piece done, after the others, while `each` goes on."""
        self.waiting.append(work)

    def stop(self) -> list[tuple[Work, Any]]:
        """Ends all of them at once; what was under way, with what came of it by then or `None`."""
        busy, self.busy = self.busy, {}
        stops = [
            worker.stop.options(concurrency_group=CONTROL_GROUP) for worker, _ in busy.values()
        ]
        stopping = [one.remote() for one in stops]
        _ended_of(stopping, CLOSE_GRACE_S)
        ended = _ended_of(list(busy), RESULT_GRACE_S)
        kill_actors([worker for worker, _ in busy.values()])
        found = [
            (work, _result_of(ref) if ref in ended else None) for ref, (_, work) in busy.items()
        ]
        self.close()
        return found

    def close(self) -> None:
        """Ends all of them."""
        kill_actors([worker for worker, _ in self.busy.values()])
        kill_actors([*self.starting.values(), *self.unfit])
        close_actors(self.idle)
        self.starting, self.idle, self.busy, self.unfit = {}, [], {}, []

    def _room(self) -> int:
        """Number of workers that the nodes have room for."""
        nodes = [node["Resources"] for node in call_ray("nodes") if node["Alive"]]
        return sum(int(node.get("CPU", 0)) // self.cpus for node in nodes)

    def _start(self, waiting: int) -> None:
        """Starts as many as there is room and work for, and one more, should a node come."""
        there = len(self.starting) + len(self.idle) + len(self.busy)
        wanted = min(waiting + len(self.busy), self._room() - len(self.unfit) + 1)
        for _ in range(wanted - there):
            worker = start_actor(Worker, self._shared_config, self.cpus)
            self.starting[worker.ready.remote()] = worker

    def _close_idle(self) -> None:
        """Ends those for which no work is left: their cores help with scans that are long."""
        kill_actors(self.starting.values())
        close_actors(self.idle)
        self.starting, self.idle = {}, []

    def _on_ready(self, ref: Any) -> None:
        worker = self.starting.pop(ref)
        try:
            ray.get(ref)
        except RayTaskError as error:
            self._on_unfit(worker, error)
        except RayError as error:  # its node died, or the system or Ray killed it
            self.failed_starts += 1
            if self.failed_starts >= MAX_FAILED_STARTS:
                reason = f"workers die as they start: {one_line(str(error))}"
                raise InputError(reason) from error
        else:
            self.failed_starts = 0
            self.idle.append(worker)

    def _on_unfit(self, worker: Any, error: RayTaskError) -> None:
        self.unfit.append(worker)
        reason = error.cause if isinstance(error.cause, LeukodiffError) else InputError(str(error))
        if len(self.unfit) >= self._room() and not self.idle and not self.busy:
            raise reason
        log.warning("left out: %s", one_line(str(reason)))

    def _ended(self, ref: Any) -> Iterator[tuple[Work, Any]]:
        worker, work = self.busy.pop(ref)
        try:
            result = ray.get(ref)
        except RayTaskError as error:
            self.idle.append(worker)
            yield from self._retry(work, error.cause)
        except RayError as error:
            work.deaths += 1
            yield from self._retry(work, error)
        else:
            if isinstance(result, TimedOut):
                close_actors([worker])
            else:
                self.idle.append(worker)
            yield work, result

    def _retry(self, work: Work, error: BaseException) -> Iterator[tuple[Work, GivenUp]]:
        work.tries += 1
        if work.tries < MAX_TRIES:
            self.waiting.appendleft(work)
        else:
            reason = one_line(f"given up after {MAX_TRIES} tries: {error}")
            yield work, GivenUp(reason, died=work.deaths > 0)
