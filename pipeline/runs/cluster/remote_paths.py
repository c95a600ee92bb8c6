"""Paths of slides and results: in a folder that all nodes see, or in an object store."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from leukodiff.core.errors import InputError
from leukodiff.pipeline.slides.discover import Field, Slide

from ..observer import NULL_OBSERVER, RunObserver, Step
from ..output import OutputError

MIRAX = ".mrxs"
"""Such a scan is a file and the folder companion it of the same name."""

WITH_NEIGHBORS = frozenset({".vms", ".vmu", ".dcm"})
"""Such a scan has its pixels in the files companion it."""


def is_url(text: str | os.PathLike[str]) -> bool:
    """True where a place is an object store's: `s3://bucket/slides`."""
    return "://" in os.fspath(text)


def at(place: str | Path) -> Path:
    """A path; of a URL, what behaves like one: any store that fsspec knows.

    Raises:
        InputError: what reads such a store is not installed, or there is no such store.
    """
    if isinstance(place, Path) or not is_url(place):
        return Path(place)
    from upath import UPath

    try:
        found = UPath(place)
        found.fs  # noqa: B018 - imports what reads it
    except (ImportError, ValueError) as error:
        raise InputError(f"{place}: can't be reached: {error}") from error
    return cast(Path, found)


def is_remote(path: Path) -> bool:
    """True where a path is an object store's."""
    return not isinstance(path, Path)


def file_system(path: Path) -> tuple[Any, str]:
    """An object store's file system (fsspec), and the path as that calls it."""
    far = cast(Any, path)
    return far.fs, str(far.path).rstrip("/")


def error_text(error: BaseException) -> str:
    """Text of a store's error."""
    return str(error) or type(error).__name__


def step_callback(step: Step) -> Any:
    """Callback of fsspec that calls `step` as a store sends or receives files."""
    from fsspec.callbacks import Callback

    return Callback(hooks={"step": lambda *_, **__: step()})


def fetched(slide: Slide, into: Path, observer: RunObserver = NULL_OBSERVER) -> Slide:
    """The slide with its files copied here, where they lie in an object store.

    What is known to hang (`observer.failed_items`) is not fetched.

    Raises:
        InputError: a file can't be fetched.
    """
    if not any(is_remote(field.path) for field in slide.fields):
        return slide
    into.mkdir(parents=True, exist_ok=True)
    return replace(slide, fields=tuple(_kept(slide, one, into, observer) for one in slide.fields))


def _kept(slide: Slide, field: Field, into: Path, observer: RunObserver) -> Field:
    if (slide.slide_id, field.field_id) in observer.failed_items:
        return replace(field, origin=str(field.path))
    with observer.under_way(slide.slide_id, field.field_id) as step:
        return _fetched(field, into, step)


def _fetched(field: Field, into: Path, step: Step) -> Field:
    files, remote = file_system(field.path)
    here = into / field.path.name
    try:
        files.get_file(remote, str(here), callback=step_callback(step))
        for one in _companions(files, remote):
            companion = into / os.path.relpath(one, os.path.dirname(remote))
            companion.parent.mkdir(parents=True, exist_ok=True)
            files.get_file(one, str(companion), callback=step_callback(step))
    except FileNotFoundError:  # as on one machine: said when the field's turn comes
        here.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{field.path}: can't be fetched: {error_text(error)}") from error
    return replace(field, path=here, origin=str(field.path))


def _companions(files: Any, remote: str) -> Sequence[str]:
    folder, suffix = os.path.dirname(remote), Path(remote).suffix.lower()
    if suffix == MIRAX:
        return cast(Sequence[str], files.find(remote[: -len(suffix)]))
    if suffix in WITH_NEIGHBORS:
        return [one for one in files.find(folder, maxdepth=1) if one != remote]
    return ()


def unwritable(place: object, error: BaseException) -> OutputError:
    """Error of a store that can't be written to."""
    return OutputError(f"{place}: can't be written: {error_text(error)}")
