"""A worker notices what hangs in it, and says so: whoever reads it ends its process."""

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TypeVar

from ..child_process import HEARTBEAT_S, Message, ProgressPipe
from ..crash_log import UnderWay

Result = TypeVar("Result")


@dataclass(frozen=True)
class TimedOut:
    """A worker does not get on with a field, or (empty) the slide itself: it is to be ended."""

    field_id: str


@dataclass
class Watchdog:
    """Time limit of `limit_s` seconds for everything that the threads of a worker are busy with.

    `clock` gives the time in seconds, from whenever it counts.
    """

    limit_s: float
    clock: Callable[[], float] = time.monotonic
    _state: UnderWay = field(default_factory=UnderWay)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.progress = ProgressPipe(self._receive)

    def wait_for(self, do: Callable[[], Result]) -> Result | TimedOut:
        """Result of `do`, which is left alone in a thread of its own where it does not get on."""
        ended = _begun(do)
        while not ended.done():
            with self._lock:
                due = self._state.next_check(self.limit_s)
            left_s = HEARTBEAT_S if due is None else max(0.05, due - self.clock())
            wait([ended], min(left_s, HEARTBEAT_S))
            with self._lock:
                late = self._state.too_long(self.clock(), self.limit_s)
            if late is not None and not ended.done():
                return TimedOut(late[1])
        return ended.result()

    def _receive(self, message: Message) -> None:
        with self._lock:
            self._state.receive(message, self.clock())


def _begun(do: Callable[[], Result]) -> Future[Result]:
    ended: Future[Result] = Future()

    def run() -> None:
        try:
            ended.set_result(do())
        except BaseException as error:  # raised where it is waited for
            ended.set_exception(error)

    Thread(target=run, name="leukodiff-slide", daemon=True).start()
    return ended
