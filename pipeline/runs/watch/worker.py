"""The process that analyzes what a watch has found: an order in, a line a slide out."""

import json
import os
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..supervisor import can_supervise, supervised

if TYPE_CHECKING:
    from leukodiff.pipeline.slides.discover import Slide

    from ..analyze import AnalyzeSettings
    from ..outcomes import SlideOutcome


@dataclass(frozen=True)
class RunRequest:
    """What is to be analyzed, and how; `field_timeout` in seconds."""

    slides: "tuple[Slide, ...]"
    out: Path
    settings: "AnalyzeSettings"
    field_timeout: float


def main() -> int:
    """Analyzes the order on stdin; 2 where nothing could be done as it was asked."""
    words = sys.stdin.buffer.read()
    telling = supervised(limit_s(words), _complain) if can_supervise() else None

    from leukodiff.core.errors import LeukodiffError

    from ..observer import RunObserver

    keeper = RunObserver()
    if telling:
        child, known = telling
        keeper = RunObserver(None, child.under_way, known.blamed, known.suspects)
    try:
        return _analyzed(pickle.loads(words.partition(b"\n")[2]), keeper)  # noqa: S301  # our own
    except LeukodiffError as error:
        _complain(str(error))
        return 2
    except KeyboardInterrupt:
        return 1


def packed(order: RunRequest) -> bytes:
    """An order as it goes to the worker's stdin: the time limit first, for its small parent."""
    return f"{order.field_timeout}\n".encode() + pickle.dumps(order)


def limit_s(words: bytes) -> float:
    """The time limit that a packed order begins with."""
    return float(words.partition(b"\n")[0])


def _analyzed(order: RunRequest, keeper: "object") -> int:
    from ..analyze import RunObserver, analyze_slides
    from ..output import prepare
    from .naming import named_beside

    assert isinstance(keeper, RunObserver)  # noqa: S101
    prepare(order.out)
    slides, status = named_beside(order.slides, order.out), 0
    paths = {slide.slide_id: str(slide.path) for slide in slides}
    keeper = replace(keeper, on_slide=lambda slide: _say(slide, paths))
    changed = {slide.slide_id for slide in slides if _is_changed(slide, order.out)}
    for again in (False, True):
        part = [slide for slide in slides if (slide.slide_id in changed) == again]
        settings = replace(order.settings, overwrite=again or order.settings.overwrite)
        if part:
            summary = analyze_slides(part, order.out, settings, keeper=keeper)
            status = max(status, summary.exit_status)
    return min(status, 1)


def _is_changed(slide: "Slide", out: Path) -> bool:
    """Whether a slide stands in `out` that was made before all of its files were there."""
    from leukodiff.pipeline.slides.discover import is_made_of

    from ..output import SlideFolder

    record = SlideFolder(out, slide.slide_id).record()
    return record is not None and not is_made_of(slide, record["made_of"])


def _say(slide: "SlideOutcome", paths: Mapping[str, str]) -> None:
    told = {name: slide.row.get(name) for name in ("slide_id", "status", "n_cells", "error")}
    told |= {"seconds": slide.row.get("seconds"), "skipped": slide.skipped}
    told["path"] = paths[str(slide.row["slide_id"])]
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(" ".join(text.split()) + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    ended_with = main()
    sys.stdout.flush()
    os._exit(ended_with)  # a thread that hangs does not hold up the end
