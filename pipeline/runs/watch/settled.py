"""Slides that are written to their end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from leukodiff.core.errors import LeukodiffError
from leukodiff.datasets.layout import image_size
from leukodiff.pipeline.slides import open_scan
from leukodiff.pipeline.slides.discover import Field, Slide

FileStats = tuple[tuple[str, int, int], ...]
"""Of each file of a slide: name, size (bytes), time of the last change (ns)."""

GIVEN_UP = 10
"""A slide that can't be opened is passed on after so many times the wait: it is then listed."""


@dataclass(frozen=True)
class _Seen:
    stats: FileStats
    since: float
    is_passed_on: bool = False


@dataclass
class Newcomers:
    """Tells which slides are whole: unchanged for `settle_s` seconds, and to be opened.

    `is_readable`: whether a slide's files can be opened.
    """

    settle_s: float
    is_readable: Callable[[Slide], bool]
    _seen: dict[Path, _Seen] = field(default_factory=dict)

    def ready(self, slides: Iterable[Slide], now: float) -> list[Slide]:
        """Those that are whole now and were not passed on as they are; `now` in s."""
        found = {slide.path: slide for slide in slides if slide.fields}
        self._seen = {path: seen for path, seen in self._seen.items() if path in found}
        return [slide for slide in found.values() if self._is_ready(slide, now)]

    def passed_on(self, slide: Slide) -> None:
        """A slide is being analyzed as it looks now."""
        self._seen[slide.path] = replace(self._seen[slide.path], is_passed_on=True)

    @property
    def waiting(self) -> int:
        """Slides that are seen and not passed on."""
        return sum(not seen.is_passed_on for seen in self._seen.values())

    def _is_ready(self, slide: Slide, now: float) -> bool:
        stats, seen = file_stats(slide), self._seen.get(slide.path)
        if seen is None or seen.stats != stats:
            self._seen[slide.path] = _Seen(stats, now)
            return self.settle_s == 0 and self.is_readable(slide)
        if seen.is_passed_on or now - seen.since < self.settle_s:
            return False
        return now - seen.since >= GIVEN_UP * self.settle_s or self.is_readable(slide)


def file_stats(slide: Slide) -> FileStats:
    """Facts of a slide's files that change while they are being written."""
    found = []
    for one in slide.fields:
        try:
            facts = one.path.stat()
        except OSError:
            continue
        found.append((one.field_id, facts.st_size, facts.st_mtime_ns))
    return tuple(found)


def is_readable(slide: Slide) -> bool:
    """True where every file of a slide can be opened: no pixel is decoded."""
    return all(_opens(one) for one in slide.fields)


def _opens(one: Field) -> bool:
    try:
        if one.is_scan:
            open_scan(one.path).close()
        else:
            image_size(one.path)
    except (LeukodiffError, OSError):
        return False
    return True
