"""Observer of a run: called for every slide and field, and knows what went wrong before."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from .crash_log import WAITING, Work
from .outcomes import SlideOutcome

Step = Callable[[], None]
"""Called when something that is under way has come a step further."""

UnderWay = Callable[[str, str], AbstractContextManager[Step]]
"""Given slide_id and field_id, holds for as long as a thread is busy with that field."""


@contextmanager
def unobserved(slide_id: str, field_id: str) -> Iterator[Step]:
    """Reports to nobody."""
    yield lambda: None


@dataclass(frozen=True)
class RunObserver:
    """Observer of a run.

    `on_slide`: called in the calling thread when a slide ends. `on_remark`: called with what a
    person is to know of the inputs, a line each. `under_way`: entered by each thread for what it is
    busy with. `failed_items`: fields, by slide_id and field_id, that are known to bring the process
    down, with the reason: they are listed as failed and not touched. `suspects`: slides that may
    do so: they come last, each alone.
    """

    on_slide: Callable[[SlideOutcome], None] | None = None
    under_way: UnderWay = unobserved
    failed_items: Mapping[Work, str] = field(default_factory=dict)
    suspects: frozenset[str] = frozenset()
    on_remark: Callable[[str], None] | None = None

    def waiting(self) -> AbstractContextManager[Step]:
        """Holds while a thread that is busy with a field waits for others to do its work."""
        return self.under_way(*WAITING)


NULL_OBSERVER = RunObserver()
