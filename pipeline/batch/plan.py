"""Which slides of a run are to be done, and which are settled from the start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leukodiff.runtime.errors import InputError

from ..outcomes import SlideOutcome, failed_slide
from ..output import SlideFolder
from ..report import DONE
from ..slide_job import Making
from ..slides import Slide, fingerprint
from .settings import AnalyzeSettings


@dataclass(frozen=True)
class Plan:
    """The slides `to_do`, in order; the outcomes of the others, by slide_id."""

    to_do: list[Slide] = field(default_factory=list)
    settled: dict[str, SlideOutcome] = field(default_factory=dict)


def plan(slides: Sequence[Slide], out: Path, making: Making, settings: AnalyzeSettings) -> Plan:
    """Sorts slides into failed from the start, whole already, and to do.

    Raises:
        InputError: some stand in `out` that were made otherwise, and are not to be overwritten.
        OutputError: something else stands in a slide's place.
    """
    sorted_so, made_otherwise = Plan(), []
    for slide in slides:
        record = SlideFolder(out, slide.slide_id).record()
        if slide.problem:
            problem = failed_slide(slide, slide.problem, unreadable=True)
            sorted_so.settled[slide.slide_id] = problem
        elif record is None or settings.overwrite or record["row"]["status"] != DONE:
            sorted_so.to_do.append(slide)
        elif _made_so(slide, record, making):
            outcome = SlideOutcome(record["row"], tuple(record["counts"]), skipped=True)
            sorted_so.settled[slide.slide_id] = outcome
        else:
            made_otherwise.append(slide.slide_id)
    if made_otherwise:
        raise InputError(
            f"{out}: {_some(made_otherwise)} made from other files, by other models or "
            "with other settings; choose another --out, or --overwrite"
        )
    return sorted_so


def _made_so(slide: Slide, record: Mapping[str, Any], making: Making) -> bool:
    if record["made_by"] != making.of(slide.slide_id):
        return False
    return bool(record["made_of"] == fingerprint(slide))


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{shown}{more} {'was' if len(names) == 1 else 'were'}"
