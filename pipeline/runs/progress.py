"""How far a run has come."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from leukodiff.pipeline.slides.discover import Slide

SCAN_STEPS = 100
"""A scan counts for so many fields in the progress of a run."""

OnProgress = Callable[[int, int, str], None]
"""Called with the steps done, the steps to do in all, and what is at hand."""


@dataclass
class Progress:
    """Steps of a run: a field is one, a scan `SCAN_STEPS`. Of one thread alone."""

    total: int
    on_progress: OnProgress | None
    done: int = 0
    _within: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, slides: Iterable[Slide], on_progress: OnProgress | None) -> "Progress":
        """The progress of a run over these slides, none of which is begun."""
        return cls(sum(steps(s) * len(s.fields) for s in slides), on_progress)

    def ended(self, slide: Slide) -> None:
        """A field of a slide, or its scan, has ended."""
        self._within.pop(slide.slide_id, None)
        self.done += steps(slide)
        self._say(slide.slide_id)

    def within(self, slide: Slide, share: float, what: str) -> None:
        """A scan has come so far, 0-1."""
        self._within[slide.slide_id] = int(share * (SCAN_STEPS - 1))
        self._say(f"{slide.slide_id}: {what}")

    def _say(self, what: str) -> None:
        if self.on_progress:
            self.on_progress(self.done + sum(self._within.values()), self.total, what)


def steps(slide: Slide) -> int:
    """The steps that a field of a slide counts for."""
    return SCAN_STEPS if slide.is_scan else 1
