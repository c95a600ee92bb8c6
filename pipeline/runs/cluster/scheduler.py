"""The workers of a run on Ray: hired while there is work and room; each slide is done by one."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import ray
from ray.exceptions import RayError, RayTaskError

from leukodiff.core.errors import InputError, LeukodiffError
from leukodiff.pipeline.report.report import one_line
from leukodiff.pipeline.slides.discover import Field

from .shared_scan import RemoteHelper
from .watchdog import TimedOut
from .worker import Worker, WorkerConfig

log = logging.getLogger("leukodiff")

LIVES = 3
"""A piece of work that has cost so many workers is given up: it may be what kills them."""

MOST_STILLBORN = 10
"""So many workers that die as they start, one after the other, end the run."""

POLL_S = 1.0
"""How often it is looked for nodes that have come or gone."""

GOODBYE_S = 5.0
"""How long a worker has to clear up when it is let go."""

LAST_WORD_S = 0.5
"""How long a worker that is stopped has to say what it has just brought."""

ASIDE = "aside"
"""Where a worker hears a call while it is busy with another."""


@dataclass(eq=False)
class Work:
    """A call of a worker's method; so many `tries` came to nothing, `deaths` by a worker's end."""

    method: str
    args: tuple[Any, ...]
    tries: int = 0
    deaths: int = 0


@dataclass(frozen=True)
class GivenUp:
    """Why a piece of work could not be done; `died`: a worker that tried did."""

    reason: str
    died: bool = False


def hire(orders: Any, cpus: int) -> Any:
    """Asks Ray for a worker; it comes once a node has so many cores to spare."""
    needs: dict[str, Any] = {"num_cpus": cpus, "max_restarts": 0, "concurrency_groups": {ASIDE: 1}}
    return ray.remote(**needs)(Worker).remote(orders)


def helper_factory(orders: WorkerConfig, of: Field) -> Callable[[], Sequence[RemoteHelper]]:
    """What asks in as many helpers with a scan as there are cores idle."""
    told: list[Any] = []

    def recruit() -> Sequence[RemoteHelper]:
        idle = int(_of_ray("available_resources").get("CPU", 0))
        if idle and not told:
            told.append(ray.put(orders))
        return [_helper(hire(told[0], 1), of) for _ in range(idle)]

    return recruit


def _helper(worker: Any, of: Field) -> RemoteHelper:
    def call(do: bytes, items: Sequence[Any]) -> Future[list[Any]]:
        return cast("Future[list[Any]]", worker.region.remote(of, do, items).future())

    return RemoteHelper(call, worker.ready.remote().future(), partial(let_go, [worker]))


def _of_ray(name: str) -> Any:
    """What Ray says of the cluster: those of its functions have no types."""
    return getattr(ray, name)()


def let_go(workers: Sequence[Any]) -> None:
    """Ends workers that wait for work; they take their scratch folders with them."""
    closed = [worker.close.remote() for worker in workers]
    try:
        if closed:
            ray.wait(closed, num_returns=len(closed), timeout=GOODBYE_S)
    finally:
        end(workers)


def end(workers: Iterable[Any]) -> None:
    """Ends workers whatever they do; the next one on their node clears up after them."""
    for worker in workers:
        ray.kill(worker)


def _aside(method: Any) -> Any:
    return method.options(concurrency_group=ASIDE).remote()


def _ended_of(refs: list[Any], within_s: float) -> set[Any]:
    """Those of some calls that end within so many seconds."""
    return set(ray.wait(refs, num_returns=len(refs), timeout=within_s)[0]) if refs else set()


def _came_of(ref: Any) -> Any:
    """The result of a call that has ended; `None` where its worker died or raised."""
    try:
        return ray.get(ref)
    except RayError:
        return None


@dataclass
class Crew:
    """The workers of a run. `cpus`: the cores of each.

    `unfit`: those that could not start; they keep their place, lest Ray send the next one there.
    """

    orders: WorkerConfig
    cpus: int
    coming: dict[Any, Any] = field(default_factory=dict)
    idle: list[Any] = field(default_factory=list)
    busy: dict[Any, tuple[Any, Work]] = field(default_factory=dict)
    unfit: list[Any] = field(default_factory=list)
    waiting: deque[Work] = field(default_factory=deque)
    stillborn: int = 0

    def __post_init__(self) -> None:
        self._told = ray.put(self.orders)

    def each(self, todo: Iterable[Work], more: bool = False) -> Iterator[tuple[Work, Any]]:
        """What comes of each piece of work, or `GivenUp`, in the order in which they end.

        A piece whose worker dies with it is done by another; one whose worker hangs comes back as
        `TimedOut`, and the worker is let go. `more`: other work is to follow.

        Raises:
            LeukodiffError: no node is fit for the run.
        """
        self.waiting = waiting = deque(todo)
        while waiting or self.busy:
            self._hire(len(waiting))
            while waiting and self.idle:
                self._begin(self.idle.pop(), waiting.popleft())
            if not waiting and not more:
                self._spare()
            ended, _ = ray.wait([*self.coming, *self.busy], num_returns=1, timeout=POLL_S)
            for ref in ended:
                if ref in self.coming:
                    self._welcome(ref)
                else:
                    yield from self._ended(ref)

    def add(self, work: Work) -> None:
        """Has one more piece done, after the others, while `each` goes on."""
        self.waiting.append(work)

    def stop(self) -> list[tuple[Work, Any]]:
        """Ends all of them at once; what was under way, with what came of it by then or `None`."""
        busy, self.busy = self.busy, {}
        stopping = [_aside(worker.stop) for worker, _ in busy.values()]
        _ended_of(stopping, GOODBYE_S)
        ended = _ended_of(list(busy), LAST_WORD_S)
        end([worker for worker, _ in busy.values()])
        found = [(work, _came_of(ref) if ref in ended else None) for ref, (_, work) in busy.items()]
        self.close()
        return found

    def close(self) -> None:
        """Lets all of them go."""
        end([worker for worker, _ in self.busy.values()])
        end([*self.coming.values(), *self.unfit])
        let_go(self.idle)
        self.coming, self.idle, self.busy, self.unfit = {}, [], {}, []

    def _room(self) -> int:
        """How many workers the nodes have room for."""
        nodes = [node["Resources"] for node in _of_ray("nodes") if node["Alive"]]
        return sum(int(node.get("CPU", 0)) // self.cpus for node in nodes)

    def _hire(self, waiting: int) -> None:
        """As many as there is room and work for; one more is asked for, should a node come."""
        there = len(self.coming) + len(self.idle) + len(self.busy)
        wanted = min(waiting + len(self.busy), self._room() - len(self.unfit) + 1)
        for _ in range(wanted - there):
            worker = hire(self._told, self.cpus)
            self.coming[worker.ready.remote()] = worker

    def _begin(self, worker: Any, work: Work) -> None:
        self.busy[getattr(worker, work.method).remote(*work.args)] = worker, work

    def _spare(self) -> None:
        """Lets those go for whom nothing is left: their cores help with scans that are long."""
        end(self.coming.values())
        let_go(self.idle)
        self.coming, self.idle = {}, []

    def _welcome(self, ref: Any) -> None:
        worker = self.coming.pop(ref)
        try:
            ray.get(ref)
        except RayTaskError as error:
            self._unfit(worker, error)
        except RayError as error:  # its node died, or the system or Ray killed it
            self._stillborn(error)
        else:
            self.stillborn = 0
            self.idle.append(worker)

    def _stillborn(self, error: RayError) -> None:
        self.stillborn += 1
        if self.stillborn >= MOST_STILLBORN:
            raise InputError(f"workers die as they start: {one_line(str(error))}") from error

    def _unfit(self, worker: Any, error: RayTaskError) -> None:
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
            yield from self._again(work, error.cause)
        except RayError as error:
            work.deaths += 1
            yield from self._again(work, error)
        else:
            if isinstance(result, TimedOut):
                let_go([worker])
            else:
                self.idle.append(worker)
            yield work, result

    def _again(self, work: Work, error: BaseException) -> Iterator[tuple[Work, GivenUp]]:
        work.tries += 1
        if work.tries < LIVES:
            self.waiting.appendleft(work)
        else:
            reason = one_line(f"given up after {LIVES} tries: {error}")
            yield work, GivenUp(reason, died=work.deaths > 0)
