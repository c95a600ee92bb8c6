"""What Ctrl-C must not cut short."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Within, Ctrl-C does nothing, nor does SIGTERM where it has a handler of Python's.

    Only the main thread hears of either, so that there is nothing to do in another one. Whoever
    waits for a run that hangs here ends its process: `supervised` does, ten seconds after Ctrl-C.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.getsignal(one) for one in STOPS}
    heard = {one: handler for one, handler in before.items() if callable(handler)}
    for one in heard:
        signal.signal(one, _nothing)
    try:
        yield
    finally:
        for one, handler in heard.items():
            signal.signal(one, handler)


def _nothing(number: int, frame: object) -> None:
    pass
