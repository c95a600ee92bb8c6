"""Child processes: one supervisor for `analyze`, for `watch` and for the queue of a review.

What kills a child, or keeps it busy for ever, costs one field and no more: another child is
started, which knows what went wrong. Two pipes join a child to its parent. Up come messages, one
JSON list a line: a kind and its values. Down goes the lifeline: a byte of it stops the child as
Ctrl-C does, and its end says that the parent is dead, which ends the child too.

pebble's ProcessPool knows time limits too, but gives each task a process: here the threads of one
child share one model. Nothing heavy is imported, so that a fork takes a millisecond.
"""

import json
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from typing import IO, Any, NoReturn

from .crash_log import CrashLog, UnderWay, Work, named, no_answer

STOPPED = 1
"""Exit status where a run had to be given up."""

SHUTDOWN_GRACE_S = 10.0
"""Time a child that was stopped has to close its run before it is killed."""

HEARTBEAT_S = 1.0
"""Longest time between two checks of a child's time limits."""

STALL_S = 5 * HEARTBEAT_S
"""A parent that has not checked for so long stood still: its children are not to blame."""

MAX_IDLE_DEATHS = 2
"""A child that dies so often with no slide under way is not started again."""

TEXT = "text"
"""Kind of a message for a line that a child printed."""

LENGTH_BYTES = 8
"""Bytes that hold the length of a request, before it on the lifeline."""

STOP = b"\x03"

PASSED_ON = (signal.SIGINT, signal.SIGTERM)

Message = Sequence[Any]
"""A kind, and its values: JSON."""


@dataclass
class ProgressPipe:
    """Messages of a child to its parent, from all its threads, one at a time.

    What a thread is busy with is reported as `begin` (a number, the thread, slide_id, field_id),
    `step` (the number) and `end` (the number).
    """

    emit: Callable[[Message], None]
    _numbers: Iterator[int] = field(default_factory=count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def under_way(self, slide_id: str, field_id: str) -> Iterator[Callable[[], None]]:
        """Holds while this thread is busy with a field; call what it yields at each step."""
        number = next(self._numbers)
        self.send("begin", number, threading.get_ident(), slide_id, field_id)
        try:
            yield lambda: self.send("step", number)
        finally:
            self.send("end", number)

    def send(self, *message: Any) -> None:
        """Sends a message: its kind and values."""
        with self._lock:
            self.emit(message)


def write_to(pipe: int, message: Message) -> None:
    """Writes a message to a pipe, as a line."""
    try:
        line = json.dumps(message).encode() + b"\n"
        while line:
            line = line[os.write(pipe, line) :]
    except BrokenPipeError:  # the parent is dead: it must not look like a field's failure
        _end_at_once()


def follow_parent(lifeline: int) -> None:
    """Stops the main thread when the parent says so, and the process when the parent is dead."""
    while os.read(lifeline, 1):
        if hasattr(signal, "pthread_kill"):  # which wakes a main thread that waits
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            import _thread

            _thread.interrupt_main()
    _end_at_once()


def connect_to_parent() -> tuple[Any, ProgressPipe]:
    """The request that a parent spawned this process with, and the pipe for its messages.

    Whatever else is written to stdout goes to stderr from here on.
    """
    length = int.from_bytes(_read_exactly(0, LENGTH_BYTES), "big")
    content = _read_exactly(0, length)
    messages = os.dup(1)
    os.dup2(2, 1)
    _become_child(0)
    # It comes from our own parent.
    return pickle.loads(content), ProgressPipe(partial(write_to, messages))  # noqa: S301


def _read_exactly(pipe: int, n_bytes: int) -> bytes:
    content = b""
    while len(content) < n_bytes:
        part = os.read(pipe, n_bytes - len(content))
        if not part:
            _end_at_once()
        content += part
    return content


def _become_child(lifeline: int) -> None:
    for number in PASSED_ON:
        signal.signal(number, signal.default_int_handler)
    threading.Thread(target=follow_parent, args=(lifeline,), daemon=True).start()


def _end_at_once() -> NoReturn:
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(STOPPED)


@dataclass
class Child:
    """A child process as its parent sees it, however it was started.

    `pipes`: what it reports, and what else it prints. `wait`: gives its exit status, or minus the
    signal that killed it.
    """

    pipes: Sequence[IO[bytes]]
    lifeline: IO[bytes]
    wait: Callable[[], int]
    kill: Callable[[], None]

    def __post_init__(self) -> None:
        self._closing = threading.RLock()  # a stop must not write to a descriptor that is reused
        self._received: SimpleQueue[Message | None] = SimpleQueue()
        self._readers = [threading.Thread(target=self._read, args=(one,)) for one in self.pipes]
        for one in self._readers:
            one.daemon = True
            one.start()

    def messages(self, timeout_s: Callable[[], float]) -> Iterator[Message | None]:
        """Its messages until it has ended; `None` where none came in time."""
        n_open = len(self.pipes)
        while n_open:
            try:
                message = self._received.get(timeout=timeout_s())
            except Empty:
                yield None
                continue
            n_open -= message is None
            yield message

    def stop(self) -> None:
        """Stops it as Ctrl-C does."""
        with self._closing, suppress(OSError, ValueError):  # it has ended
            os.write(self.lifeline.fileno(), STOP)

    def ended(self) -> int:
        """Its exit status, once it has ended."""
        status = self.wait()
        for one in self._readers:
            one.join()
        for pipe in (*self.pipes, self.lifeline):
            with self._closing, suppress(OSError):  # of a request not read to its end
                pipe.close()
        return status

    def _read(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            self._received.put(_parsed(line))
        self._received.put(None)


def _parsed(line: bytes) -> Message:
    with suppress(ValueError):
        message = json.loads(line)
        if isinstance(message, list) and message:
            return message
    return TEXT, line.decode(errors="replace").strip()


def spawn(module: str, request: object) -> Child:
    """Starts a fresh interpreter on a module, which calls `connect_to_parent`."""
    import subprocess

    process = subprocess.Popen(  # noqa: S603  # our own module
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in the terminal is the parent's to pass on
    )
    assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018
    child = Child((process.stdout, process.stderr), process.stdin, process.wait, process.kill)
    content = pickle.dumps(request)
    with suppress(BrokenPipeError):  # it has ended: its status says so
        process.stdin.write(len(content).to_bytes(LENGTH_BYTES, "big") + content)
        process.stdin.flush()
    return child


def can_fork() -> bool:
    """True where a process can be forked: not on Windows."""
    return hasattr(os, "fork")


def fork() -> Child | ProgressPipe:
    """Forks: the child in the parent; in the child its pipe to the parent.

    The child leaves the terminal's own group: Ctrl-C goes to the parent, which passes it on, once.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    receives, sends = os.pipe()
    lives, holds = os.pipe()
    pid = os.fork()
    if pid:
        os.close(sends)
        os.close(lives)
        messages, lifeline = os.fdopen(receives, "rb"), os.fdopen(holds, "wb", buffering=0)
        kill = partial(os.kill, pid, signal.SIGKILL)
        return Child([messages], lifeline, partial(_exit_status, pid), kill)
    os.close(receives)
    os.close(holds)
    os.setpgid(0, 0)
    _become_child(lives)
    return ProgressPipe(partial(write_to, sends))


def _exit_status(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@dataclass
class Supervisor:
    """Watches children that do one run, one after the other.

    A child that is killed, or busy with a field for more than `limit_s` seconds without a step, is
    followed by another one. `notify`: called with a line for a person. `on_message`: called with
    each message that is not of what the child is busy with. `crash_log`: what went wrong so far.
    `grace_s`: time that a stopped child has before it is killed.
    """

    limit_s: float
    notify: Callable[[str], None]
    on_message: Callable[[Message], None] = lambda _: None
    crash_log: CrashLog = field(default_factory=CrashLog)
    grace_s: float = SHUTDOWN_GRACE_S
    _child: Child | None = None
    _ends_by: float | None = None
    _late: Work | None = None
    _idle_deaths: int = 0
    _state: UnderWay = field(default_factory=UnderWay)
    _checked_at: float = 0.0

    @property
    def is_stopping(self) -> bool:
        """True once `stop` was called."""
        return self._ends_by is not None

    def stop(self) -> None:
        """Stops the run as Ctrl-C does. Safe to call from a signal's handler, and from a thread."""
        self._ends_by = self._ends_by or time.monotonic() + self.grace_s
        if child := self._child:
            child.stop()

    def run(self, module: str, request: object) -> int:
        """Exit status of a module that is run with a request, and with the log of crashes."""
        while not self.is_stopping:
            status = self.attend(spawn(module, (request, self.crash_log)))
            if status is not None:
                return status
        return STOPPED

    def attend(self, child: Child) -> int | None:
        """Exit status of a child once it has ended; `None` where another one is to be started."""
        self._state, self._late, self._child = UnderWay(), None, child
        self._checked_at = time.monotonic()
        if self.is_stopping:
            child.stop()
        try:
            for message in child.messages(self._timeout_s):
                self._receive(message)
                self._kill_if_due(child)
        except BaseException:  # of `on_message`: nobody listens any more
            child.kill()
            raise
        finally:
            status = child.ended()
            self._child = None
        if (status >= 0 and self._late is None) or self.is_stopping:
            return status if status >= 0 else STOPPED
        return self._learn(status)

    def _receive(self, message: Message | None) -> None:
        if not message:
            return
        if message[0] in ("begin", "step", "end"):
            self._state.receive(message, time.monotonic())
        else:
            self.on_message(message)

    def _timeout_s(self) -> float:
        times = [self._state.next_check(self.limit_s), self._ends_by]
        due = min((one for one in times if one is not None), default=None)
        return HEARTBEAT_S if due is None else min(max(0.05, due - time.monotonic()), HEARTBEAT_S)

    def _kill_if_due(self, child: Child) -> None:
        now = time.monotonic()
        if now - self._checked_at > STALL_S:
            self._state.restart(now)
        self._checked_at = now
        if self._ends_by is not None:
            if now > self._ends_by:
                child.kill()
        elif not self._late and (late := self._state.too_long(now, self.limit_s)):
            self._late = late
            child.kill()

    def _learn(self, status: int) -> int | None:
        """Notes what brought a child down; `STOPPED` where the run is given up."""
        if self._late:
            reason = no_answer(self.limit_s)
            self.notify(f"{named(self._late)}: {reason}; going on with the rest")
            self.crash_log = self.crash_log.with_failure(self._late, reason)
            return None
        works, reason = [entry.work for entry in self._state.innermost()], exit_reason(status)
        self._idle_deaths += not works
        if self._idle_deaths >= MAX_IDLE_DEATHS:
            self.notify(f"given up: {reason} twice, with no slide under way")
            return STOPPED
        names = ", ".join(sorted({named(work) for work in works})) or "no slide"
        self.notify(f"{reason} while at {names}; going on")
        self.crash_log = self.crash_log.after(works, f"{reason} while it was at this")
        return None


def exit_reason(status: int) -> str:
    """Reason for the end of a process, by minus the signal that killed it."""
    if -status == signal.SIGKILL:
        return "the process was killed (signal 9: too little memory?)"
    return f"the process was killed ({signal.Signals(-status).name})"


def go_on_in_child(
    limit_s: float, notify: Callable[[str], None]
) -> tuple[ProgressPipe, CrashLog] | None:
    """Goes on in a child process, as `fork` does; the parent never returns from here.

    The parent ends with the child's exit status; Ctrl-C and SIGTERM are passed on to the child.
    `None` where there are no forks: the caller goes on without a supervisor.

    Args:
        limit_s: seconds that a field may take.
        notify: called in the parent with a line for a person.
    """
    if not can_fork():
        return None
    supervisor = Supervisor(limit_s, notify)
    while isinstance(child := fork(), Child):
        handlers = {one: signal.signal(one, lambda *_: supervisor.stop()) for one in PASSED_ON}
        try:
            status = supervisor.attend(child)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if status is not None:
            sys.exit(status)
    return child, supervisor.crash_log
