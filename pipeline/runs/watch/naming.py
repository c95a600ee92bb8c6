"""Names of slides that come one by one: the same slide has the same name in every run."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from leukodiff.pipeline.slides.discover import RESERVED_NAMES, Slide

from ..output import OutputError, SlideFolder


def named_beside(slides: Sequence[Slide], out: Path) -> list[Slide]:
    """The slides, each by a name that no other slide has in `out` or among them.

    A slide that stands in `out` keeps its name.
    """
    taken: set[str] = set()
    return [_named(slide, out, taken) for slide in slides]


def _named(slide: Slide, out: Path, taken: set[str]) -> Slide:
    paths = [str(field.path.resolve()) for field in slide.fields]
    for name in _candidates(slide):
        if name.casefold() in taken or name in RESERVED_NAMES:
            continue
        if (standing := _paths_of(out, name)) is None or set(standing) & set(paths):
            taken.add(name.casefold())
            return replace(slide, slide_id=name)
    raise AssertionError("there is no end to the names")


def _candidates(slide: Slide) -> Iterable[str]:
    stem = slide.path.resolve().stem if slide.is_scan else slide.slide_id
    numbered = (f"{stem}-{i}" for i in count(2))
    return chain([stem], numbered)


def _paths_of(out: Path, name: str) -> Sequence[str] | None:
    """The files that the slide of this name was made of; `None` where there is no such slide."""
    try:
        record = SlideFolder(out, name).record()
    except OutputError:
        return ()  # something else stands there
    return None if record is None else record.get("paths", ())
