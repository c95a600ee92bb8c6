"""What brought a process down: whom to blame, and whom to keep an eye on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

Work = tuple[str, str]
"""slide_id and field_id; without a field_id the slide itself: its scale, its report."""

WAITING: Work = ("", "")
"""What a thread is at that waits for others to do its work: it takes as long as they do."""

FIELD_TIMEOUT_S = 300.0
"""A field that takes so long, or a scan that does not get on for so long, is given up."""


def no_answer(limit_s: float) -> str:
    """What is said of a field that was given up."""
    return f"no answer within {limit_s:g} s (--field-timeout)"


def named(work: Work) -> str:
    """A field of a slide, or the slide itself, as a person is told of it."""
    return "/".join(filter(None, work))


@dataclass(frozen=True)
class Entry:
    """What a thread is busy with: since when, and when it last got on (s)."""

    number: int
    thread: int
    work: Work
    last: float


@dataclass
class UnderWay:
    """What the threads of a process are busy with, by what they say."""

    entries: dict[int, Entry] = field(default_factory=dict)

    def hear(self, words: list[object], now: float) -> None:
        """Takes note of `begin`, `step` or `end` of a number."""
        kind, number = words[0], int(str(words[1]))
        if kind == "begin":
            thread, slide_id, field_id = words[2:]
            work = (str(slide_id), str(field_id))
            self.entries[number] = Entry(number, int(str(thread)), work, now)
        elif kind == "step" and number in self.entries:
            self.entries[number] = replace(self.entries[number], last=now)
        elif kind == "end":
            ended = self.entries.pop(number, None)
            self._outer_gets_on(ended, now)

    def too_long(self, now: float, limit_s: float) -> Work | None:
        """What a thread has been at for too long, if one has: the innermost it has begun."""
        late = [one for one in self._at_work() if now - one.last > limit_s]
        return min(late, key=lambda one: one.last).work if late else None

    def next_check(self, limit_s: float) -> float | None:
        """When something may have taken too long, the soonest; `None` while nothing is begun."""
        return min((one.last + limit_s for one in self._at_work()), default=None)

    def innermost(self) -> list[Entry]:
        """What each thread began last and has not ended, be it waiting for others with it."""
        return _last_of_each(one for one in self.entries.values() if one.work != WAITING)

    def _at_work(self) -> list[Entry]:
        return [one for one in _last_of_each(self.entries.values()) if one.work != WAITING]

    def _outer_gets_on(self, ended: Entry | None, now: float) -> None:
        for one in self.innermost():
            if ended is not None and one.thread == ended.thread:
                self.entries[one.number] = replace(one, last=now)


def _last_of_each(entries: Iterable[Entry]) -> list[Entry]:
    by_thread = {one.thread: one for one in sorted(entries, key=lambda one: one.number)}
    return list(by_thread.values())


@dataclass(frozen=True)
class CrashLog:
    """What is known after some deaths: `blamed` with the reason, and the slides that are suspects.

    A suspect is tried again alone, so that another death tells who it was.
    """

    blamed: Mapping[Work, str] = field(default_factory=dict)
    suspects: frozenset[str] = frozenset()

    def blaming(self, work: Work, reason: str) -> "CrashLog":
        """With one more that is known to bring the process down."""
        return CrashLog({**self.blamed, work: reason}, self.suspects | {work[0]})

    def after(self, busy: Iterable[Work], reason: str) -> "CrashLog":
        """After a death with this under way: the one is to blame, of several all are suspects."""
        works = set(busy)
        if len(works) == 1:
            return self.blaming(works.pop(), reason)
        return CrashLog(self.blamed, self.suspects | {slide_id for slide_id, _ in works})
