"""Work that brought a process down, and work that may have."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Work = tuple[str, str]
"""slide_id and field_id; without a field_id the slide itself: its scale, its report."""

WAITING: Work = ("", "")
"""Work of a thread that waits for others to do it: it takes as long as they do."""

FIELD_TIMEOUT_S = 300.0
"""A field that takes so long, or a scan that does not get on for so long, is given up."""


def no_answer(limit_s: float) -> str:
    """The reason why a field was given up."""
    return f"no answer within {limit_s:g} s (--field-timeout)"


def named(work: Work) -> str:
    """Name of a field of a slide, or of the slide itself, in messages."""
    return "/".join(filter(None, work))


@dataclass(frozen=True)
class Entry:
    """Work of a thread; `last`: when it began or last made a step (s)."""

    number: int
    thread: int
    work: Work
    last: float


@dataclass
class UnderWay:
    """Work of the threads of a process, by the messages that they send."""

    entries: dict[int, Entry] = field(default_factory=dict)

    def receive(self, message: Sequence[Any], now: float) -> None:
        """Notes `begin`, `step` or `end` of a number, at `now` (s)."""
        kind, number = message[0], int(message[1])
        if kind == "begin":
            thread, slide_id, field_id = message[2:]
            self.entries[number] = Entry(number, thread, (slide_id, field_id), now)
        elif kind == "step" and number in self.entries:
            self.entries[number] = replace(self.entries[number], last=now)
        elif kind == "end":
            ended = self.entries.pop(number, None)
            self._step_outer(ended, now)

    def too_long(self, now: float, limit_s: float) -> Work | None:
        """Work that takes a thread too long, the latest: the innermost that it has begun."""
        late = [one for one in self._at_work() if now - one.last > limit_s]
        return min(late, key=lambda one: one.last).work if late else None

    def next_check(self, limit_s: float) -> float | None:
        """The soonest time at which some work may be late; `None` while nothing is begun."""
        return min((one.last + limit_s for one in self._at_work()), default=None)

    def restart(self, now: float) -> None:
        """Counts the time of all work from `now` (s) on: nobody has listened for a while."""
        self.entries = {number: replace(one, last=now) for number, one in self.entries.items()}

    def innermost(self) -> list[Entry]:
        """Work that each thread began last and has not ended, even if it waits for others."""
        return _last_of_each(one for one in self.entries.values() if one.work != WAITING)

    def _at_work(self) -> list[Entry]:
        return [one for one in _last_of_each(self.entries.values()) if one.work != WAITING]

    def _step_outer(self, ended: Entry | None, now: float) -> None:
        for one in self.innermost():
            if ended is not None and one.thread == ended.thread:
                self.entries[one.number] = replace(one, last=now)


def _last_of_each(entries: Iterable[Entry]) -> list[Entry]:
    by_thread = {one.thread: one for one in sorted(entries, key=lambda one: one.number)}
    return list(by_thread.values())


@dataclass(frozen=True)
class CrashLog:
    """Knowledge after crashes: `failed_items` with the reason, and slides that are suspects.

    A suspect is tried again alone, so that another crash shows which it was.
    """

    failed_items: Mapping[Work, str] = field(default_factory=dict)
    suspects: frozenset[str] = frozenset()

    def with_failure(self, work: Work, reason: str) -> "CrashLog":
        """With one more item that is known to bring the process down."""
        return CrashLog({**self.failed_items, work: reason}, self.suspects | {work[0]})

    def after(self, busy: Iterable[Work], reason: str) -> "CrashLog":
        """After a crash with this under way: one alone has failed, of several all are suspects."""
        works = set(busy)
        if len(works) == 1:
            return self.with_failure(works.pop(), reason)
        return CrashLog(self.failed_items, self.suspects | {slide_id for slide_id, _ in works})
