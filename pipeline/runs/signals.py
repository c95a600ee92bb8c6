"""What Ctrl-C must not cut short."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM)

SIGNAL_GRACE_S = 10.0
"""So long nothing disturbs; whoever presses Ctrl-C afterwards has something that hangs."""


@contextmanager
def defer_signals() -> Iterator[None]:
    """Within, for ten seconds, Ctrl-C does nothing, nor does SIGTERM where it has a Python handler.

    Only the main thread hears of either, so that there is nothing to do in another one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    until = time.monotonic() + SIGNAL_GRACE_S
    before = {one: signal.getsignal(one) for one in STOPS}
    heard = {one: handler for one, handler in before.items() if callable(handler)}

    def hear(number: int, frame: FrameType | None) -> None:
        if time.monotonic() > until:
            heard[signal.Signals(number)](number, frame)

    for one in heard:
        signal.signal(one, hear)
    try:
        yield
    finally:
        for one, handler in heard.items():
            signal.signal(one, handler)
