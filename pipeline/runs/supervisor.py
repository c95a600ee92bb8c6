"""A run in a process of its own: what kills it, or keeps it for ever, costs a field and no more.

Nothing heavy is imported here, so that the parent is small and the fork takes a millisecond.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from .child import ProgressPipe, become_child, write_to
from .crash_log import CrashLog, UnderWay, Work, named, no_answer

STOPPED = 1
"""Exit status where a run had to be given up."""

SHUTDOWN_GRACE_S = 10.0
"""How long a child that was told to stop may take to sum up."""

HEARTBEAT_S = 1.0
"""A parent looks so often whether anything is late."""


def can_supervise() -> bool:
    """Whether a run can have a process of its own here: not on Windows."""
    return hasattr(os, "fork")


def supervised(limit_s: float, say: Callable[[str], None]) -> tuple[ProgressPipe, CrashLog]:
    """Goes on in a child process, as `fork` does; the parent never returns from here.

    The parent ends with the child's exit status. When the child is killed, or is busy with a field
    for more than `limit_s` seconds without getting on, another one is started, which knows what
    went wrong. Ctrl-C and SIGTERM are passed on to the child.

    Args:
        limit_s: seconds.
        say: tells a person, in the parent.
    """
    troubles, idle_deaths = CrashLog(), 0
    while True:
        child = _start()
        if isinstance(child, ProgressPipe):
            return child, troubles
        status = child.attend(limit_s)
        if status >= 0 or child.told_to_stop:
            sys.exit(status if status >= 0 else STOPPED)
        idle_deaths += not child.busy
        if idle_deaths > 1:
            say(f"given up: {_exit_reason(status)} twice, with no slide under way")
            sys.exit(STOPPED)
        troubles = _learned(troubles, child, status, limit_s, say)


def _learned(
    troubles: CrashLog, child: "Child", status: int, limit_s: float, say: Callable[[str], None]
) -> CrashLog:
    if child.too_long:
        reason = no_answer(limit_s)
        say(f"{named(child.too_long)}: {reason}; going on with the rest")
        return troubles.blaming(child.too_long, reason)
    names = ", ".join(sorted({named(work) for work in child.busy})) or "no slide"
    say(f"{_exit_reason(status)} while at {names}; going on")
    return troubles.after(child.busy, f"{_exit_reason(status)} while it was at this")


def _exit_reason(status: int) -> str:
    if -status == signal.SIGKILL:
        return "the process was killed (signal 9: too little memory?)"
    return f"the process was killed ({signal.Signals(-status).name})"


@dataclass
class Child:
    """A child process as its parent sees it. `lifeline` is closed when the parent dies."""

    pid: int
    news: int
    lifeline: int
    told_to_stop: bool = False
    too_long: Work | None = None
    _state: UnderWay = field(default_factory=UnderWay)
    _unread: bytes = b""
    _ends_by: float | None = None

    @property
    def busy(self) -> list[Work]:
        """What its threads were at when it ended."""
        return [entry.work for entry in self._state.innermost()]

    def attend(self, limit_s: float) -> int:
        """Waits for its end, listening; its exit status, or minus the signal that killed it."""
        before = {number: signal.signal(number, self._pass_on) for number in _PASSED_ON}
        try:
            while self._hear(limit_s):
                self._check(limit_s)
        finally:
            _, status = os.waitpid(self.pid, 0)
            os.close(self.news)
            os.close(self.lifeline)
            for number, handler in before.items():
                signal.signal(number, handler)
        return os.waitstatus_to_exitcode(status)

    def _hear(self, limit_s: float) -> bool:
        """Reads what it says until something may be late; False when it says no more."""
        ready, _, _ = select.select([self.news], [], [], self._patience(limit_s))
        if not ready:
            return True
        said = os.read(self.news, 1 << 16)
        *lines, self._unread = (self._unread + said).split(b"\n")
        for line in lines:
            self._state.hear(json.loads(line), time.monotonic())
        return bool(said)

    def _patience(self, limit_s: float) -> float:
        times = [self._state.next_check(limit_s), self._ends_by]
        due = min((one for one in times if one is not None), default=None)
        return HEARTBEAT_S if due is None else min(max(0.05, due - time.monotonic()), HEARTBEAT_S)

    def _check(self, limit_s: float) -> None:
        now = time.monotonic()
        late = self._state.too_long(now, limit_s)
        if self._ends_by is not None and now > self._ends_by:
            os.kill(self.pid, signal.SIGKILL)
        elif late and not self.told_to_stop and not self.too_long:
            self.too_long = late
            os.kill(self.pid, signal.SIGKILL)

    def _pass_on(self, number: int, frame: object) -> None:
        self.told_to_stop = True
        self._ends_by = self._ends_by or time.monotonic() + SHUTDOWN_GRACE_S
        os.kill(self.pid, signal.SIGINT)


_PASSED_ON = (signal.SIGINT, signal.SIGTERM)


def _start() -> Child | ProgressPipe:
    """Forks: the child in the parent, and in the child what it tells the parent by."""
    sys.stdout.flush()
    sys.stderr.flush()
    hears, says = os.pipe()
    lives, holds = os.pipe()
    pid = os.fork()
    if pid:
        os.close(says)
        os.close(lives)
        return Child(pid, hears, holds)
    os.close(hears)
    os.close(holds)
    become_child(lives)
    return ProgressPipe(partial(write_to, says))
