"""OpenCV's own threads, which a whole process has in common."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import cv2


@dataclass
class _Held:
    """How many ask for one thread, and how many threads there were before."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    n: int = 0
    before: int = 0


_held = _Held()


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Fields are what runs side by side; OpenCV's own threads would only get in their way.

    Runs may overlap, each in a thread of its own: the number that the first one found comes back
    when the last one ends.
    """
    with _held.lock:
        if not _held.n:
            _held.before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _held.n += 1
    try:
        yield
    finally:
        with _held.lock:
            _held.n -= 1
            if not _held.n:
                cv2.setNumThreads(_held.before)
