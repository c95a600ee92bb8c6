"""What a person points at -> slides, each with its fields."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from leukodiff.datasets.layout import IMAGE_SUFFIXES
from leukodiff.runtime.checksum import sha256_of
from leukodiff.runtime.errors import InputError

from .images import Rgb, read_image

__all__ = ["Field", "Slide", "find_slides", "read_image"]

WHOLE_SLIDE_SUFFIXES = frozenset(
    {".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".czi", ".vsi", ".svslide"}
)

RESERVED_NAMES = frozenset({"run.json", "slides.csv", "counts.csv"})
"""What stands beside the slides' folders, and so can't be the name of one."""

OUTPUT_SIGNS = ("run.json", "slide.json")
"""A folder that holds one of these was made by a run: the whole output, or a slide's folder."""


@dataclass(frozen=True)
class Field:
    """One image of a slide.

    `field_id` is the image's file name. `key` is unique in its slide, whatever a file system makes
    of capitals: overlays are named after it, and cells are numbered from it.
    """

    field_id: str
    path: Path
    key: str

    def read(self) -> Rgb:
        """The whole field, (H, W, 3) uint8 RGB at full resolution.

        Raises:
            InputError: the image can't be read.
        """
        return read_image(self.path)


@dataclass(frozen=True)
class Slide:
    """A smear: its fields in natural order of their names (2 before 10).

    `slide_id` names its folder in the output. A slide without fields can't be analyzed; `problem`
    then says why.
    """

    slide_id: str
    path: Path
    fields: tuple[Field, ...]
    problem: str = ""


@dataclass(frozen=True)
class _Found:
    """A slide before its name is known to be unique."""

    name: str
    path: Path
    images: tuple[Path, ...]
    problem: str = ""


def find_slides(
    inputs: Sequence[Path], per_image: bool = False, leave_out: Path | None = None
) -> list[Slide]:
    """The slides in files and folders.

    A file is a slide. A folder that holds images is a slide, each image a field. A folder of
    folders is a slide per sub-folder, at any depth; an empty sub-folder is a slide with a
    `problem`, one that holds other files only (labels, notes) is passed over. Hidden files, and
    folders that hold the output of a run, are passed over too.

    Args:
        inputs: files and folders.
        per_image: make every image a slide of its own.
        leave_out: a folder to pass over: where the output goes.

    Raises:
        InputError: a path is missing, can't be listed or holds no image.
    """
    if not inputs:
        raise InputError("nothing to analyze: give an image or a folder of images")
    skipped = leave_out.resolve() if leave_out else None
    each_once = {Path(path).resolve(): Path(path) for path in inputs}
    found = [slide for path in each_once.values() for slide in _find(path, skipped)]
    if per_image:
        found = [one for slide in found for one in _one_each(slide)]
    return _named(found)


def _find(path: Path, leave_out: Path | None) -> list[_Found]:
    if path.is_dir():
        found = list(_in_folder(path, _folder_name(path), leave_out))
        if not any(slide.images for slide in found):
            raise InputError(f"{path}: no image in this folder ({_wanted(path)})")
        return found
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.suffix.lower() in WHOLE_SLIDE_SUFFIXES:
        raise InputError(
            f"{path}: whole-slide files are not supported yet; export fields as images"
        )
    return [_Found(path.stem, path, (path,))]


def _in_folder(folder: Path, name: str, leave_out: Path | None) -> Iterator[_Found]:
    entries = _listed(folder)
    images = tuple(e for e in entries if e.is_file() and e.suffix.lower() in IMAGE_SUFFIXES)
    if images:
        yield _Found(name, folder, images)
        return
    if not entries:
        yield _Found(name, folder, (), "the folder is empty")
    for entry in entries:
        if entry.is_dir() and not _is_output(entry, leave_out):
            yield from _in_folder(entry, entry.name, leave_out)


def _listed(folder: Path) -> list[Path]:
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder}: can't be listed: {error.strerror or error}") from error
    return sorted(entries, key=lambda entry: _natural(entry.name))


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sorts `field 2` before `field 10`; the name itself settles what is equal but for capitals."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(p), "") if p.isascii() and p.isdigit() else (-1, p) for p in parts], name


def _is_output(folder: Path, leave_out: Path | None) -> bool:
    made = any((folder / sign).is_file() for sign in OUTPUT_SIGNS)
    return made or folder.resolve() == leave_out


def _wanted(folder: Path) -> str:
    scans = [e for e in _listed(folder) if e.suffix.lower() in WHOLE_SLIDE_SUFFIXES]
    if scans:
        return "whole-slide files are not supported yet"
    return "JPEG, PNG, TIFF, BMP and WebP are looked for"


def _folder_name(folder: Path) -> str:
    return folder.resolve().name or "slide"


def _one_each(slide: _Found) -> Iterable[_Found]:
    if not slide.images:
        return [slide]
    return [_Found(image.stem, image, (image,)) for image in slide.images]


def _named(found: Sequence[_Found]) -> list[Slide]:
    unique = _unique_names(RESERVED_NAMES)
    return [
        Slide(unique(slide.name, slide.path.name), slide.path, _fields(slide.images), slide.problem)
        for slide in found
    ]


def _fields(images: Sequence[Path]) -> tuple[Field, ...]:
    unique = _unique_names(())
    return tuple(Field(image.name, image, unique(image.stem, image.name)) for image in images)


def _unique_names(taken: Iterable[str]) -> Callable[..., str]:
    """Gives each caller the first of its candidates that is free, else one with a number."""
    seen = {name.casefold() for name in taken}

    def unique(*candidates: str) -> str:
        clean = [name.rstrip(" .") or "slide" for name in candidates]
        numbered = (f"{clean[0]}-{i}" for i in range(2, len(seen) + 3))
        name = next(n for n in chain(clean, numbered) if n.casefold() not in seen)
        seen.add(name.casefold())
        return name

    return unique


def fingerprint(slide: Slide) -> list[list[str]]:
    """Name and SHA-256 of each field's file: tells whether a slide is still the same one."""
    return [[field.field_id, _digest(field.path)] for field in slide.fields]


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError:
        return ""  # why, is said when the field is read
