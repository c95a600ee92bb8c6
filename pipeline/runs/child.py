"""The child process of a supervised run: says what it is busy with, and ends with its parent."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

Words = Sequence[object]
"""`begin`, `step` or `end`, the number of what is under way, and what it is."""


@dataclass
class ProgressPipe:
    """Says to `say` what the threads of this process begin, go on with and end, one at a time."""

    say: Callable[[Words], None]
    _numbers: Iterator[int] = field(default_factory=count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def under_way(self, slide_id: str, field_id: str) -> Iterator[Callable[[], None]]:
        """Holds while this thread is busy with a field; what it yields says that it gets on."""
        number = next(self._numbers)
        self._say("begin", number, threading.get_ident(), slide_id, field_id)
        try:
            yield lambda: self._say("step", number)
        finally:
            self._say("end", number)

    def _say(self, *words: object) -> None:
        with self._lock:
            self.say(words)


def write_to(pipe: int, words: Words) -> None:
    """Writes to a pipe, a line each."""
    try:
        os.write(pipe, json.dumps(words).encode() + b"\n")
    except BrokenPipeError:  # the parent is dead: it must not look like a field's failure
        os.kill(os.getpid(), signal.SIGKILL)


def become_child(lifeline: int) -> None:
    """Makes this process a child that stops as Ctrl-C does when told to, and dies with its parent.

    It leaves the terminal's own group: Ctrl-C goes to the parent, which passes it on, once.
    """
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()


def _end_with_parent(lifeline: int) -> None:
    while os.read(lifeline, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
