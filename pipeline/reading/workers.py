"""The threads of a run, and work dealt out to them in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class StoppedError(Exception):
    """The run is being stopped, and with it the work of its threads."""


@dataclass(frozen=True)
class Workers:
    """A pool of threads, `n` of which are to be kept busy.

    Once `stopped` is set, work that has not begun is not done any more. `step` is called after each
    piece of work, in the thread that asked for it.
    """

    pool: ThreadPoolExecutor
    n: int
    stopped: Event = field(default_factory=Event)
    step: Callable[[], None] = lambda: None

    def each(self, do: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What `do` makes of each item, in order; two a thread are under way at any time.

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
            wait(waiting)

    def over_scan(self, do: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """As `each`, for what needs an open scan and the models and nothing else.

        Here all of it is done by the pool; on a cluster, by others too. `do` can be pickled but for
        the scan, the models and the workers in it.
        """
        return self.each(do, items)

    def _ended(self, future: Future[Result]) -> Result:
        result = future.result()
        self.step()
        return result

    def _submitted(self, do: Callable[[Item], Result], item: Item) -> Future[Result]:
        def unless_stopped() -> Result:
            if self.stopped.is_set():
                raise StoppedError
            return do(item)

        if self.stopped.is_set():
            raise StoppedError
        return self.pool.submit(unless_stopped)
