"""The threads of a run, and work dealt out to them in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import Event
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Holding = Callable[[], AbstractContextManager[object]]
"""Gives a context that is open while something goes on."""


class StoppedError(Exception):
    """The run is being stopped, and with it the work of its threads."""


@dataclass(frozen=True)
class Workers:
    """A pool of threads, `n` of which are to be kept busy.

    Once `stopped` is set, work that has not begun is not done any more. `at_work` is open in
    a thread of the pool while it does a piece of work, `waiting` in the one that asked for it while
    it has nothing else to do.
    """

    pool: ThreadPoolExecutor
    n: int
    stopped: Event = field(default_factory=Event)
    at_work: Holding = nullcontext
    waiting: Holding = nullcontext

    def each(self, do: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results of `do` for each item, in order; two a thread are under way at any time.

        However it ends, nothing is under way after it: what they read may then be closed.

        Raises:
            StoppedError: the work is stopped.
        """
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(self._submitted(do, item))
                if len(waiting) > 2 * self.n:
                    yield self._ended(waiting.popleft())
            while waiting:
                yield self._ended(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()
            with self.waiting():
                wait(waiting)

    def over_scan(self, do: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """As `each`, for work that needs an open scan and the models and nothing else.

        Here the pool does all of it; on a cluster, other nodes help. `do` can be pickled but for
        the scan, the models and the workers in it.
        """
        return self.each(do, items)

    def _ended(self, future: Future[Result]) -> Result:
        with self.waiting():
            return future.result()

    def _submitted(self, do: Callable[[Item], Result], item: Item) -> Future[Result]:
        def unless_stopped() -> Result:
            if self.stopped.is_set():
                raise StoppedError
            with self.at_work():
                return do(item)

        if self.stopped.is_set():
            raise StoppedError
        return self.pool.submit(unless_stopped)
