"""Ends of a run: what Ctrl-C must not cut short, and threads that hang."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from weakref import WeakSet

STOPS = (signal.SIGINT, signal.SIGTERM)

SIGNAL_GRACE_S = 10.0
"""Time in which signals change nothing; a later Ctrl-C means that something hangs."""

POOL_THREADS: WeakSet[threading.Thread] = WeakSet()
"""Threads of the pools of runs. Python waits for them at its end: where a stopped run has left one
that hangs, the process can only end by `os._exit`."""


def register_pool_thread() -> None:
    """Notes the calling thread; the initializer of a run's pools."""
    POOL_THREADS.add(threading.current_thread())


def has_hanging_threads() -> bool:
    """True where a thread that a run has given up would hold up the end of the process."""
    return any(one.is_alive() for one in POOL_THREADS)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Within, for ten seconds, Ctrl-C does nothing, nor does SIGTERM where it has a Python handler.

    Only the main thread receives either, so that there is nothing to do in another one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    until = time.monotonic() + SIGNAL_GRACE_S
    before = {one: signal.getsignal(one) for one in STOPS}
    handlers = {one: handler for one, handler in before.items() if callable(handler)}

    def defer(number: int, frame: FrameType | None) -> None:
        if time.monotonic() > until:
            handlers[signal.Signals(number)](number, frame)

    for one in handlers:
        signal.signal(one, defer)
    try:
        yield
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)
