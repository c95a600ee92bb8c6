"""Files and folders -> slides, each with its fields."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from leukodiff.core.errors import InputError
from leukodiff.core.message import Message
from leukodiff.datasets.images import Rgb, header_size, read_rgb
from leukodiff.datasets.layout import IMAGE_SUFFIXES

from .open import LARGE_PIXELS, SCAN_SUFFIXES, TIFF_SUFFIXES, is_scan_name, open_scan
from .tiff_header import read_tiff_header

SUFFIXES = IMAGE_SUFFIXES | SCAN_SUFFIXES
"""Suffixes of the files that a folder is searched for."""

FIELD_PIXELS = 16_000_000
"""A tiled TIFF up to this size is a field, whatever wrote it; a larger one is a scan."""

MIN_LARGE_BYTES = 8_000_000
"""The header of a smaller file is not read: an image of `LARGE_PIXELS` has more bytes."""

WITH_JPEG_FILES = frozenset({".vms", ".vmu"})
"""Scans whose pixels stand in JPEG files in the same folder: those are no fields."""

REFERENCE_CELLS = "reference-cells"
"""The folder of the laboratory's own reference cells, in the output."""

RESERVED_NAMES = frozenset(
    {"run.json", "slides.csv", "counts.csv", "errors.log", ".failed.jsonl", REFERENCE_CELLS}
)
"""Names in the output that no slide's folder can have."""

OUTPUT_FILES = ("run.json", "slide.json")
"""A folder that holds one of these is the output of a run, or a slide's folder in it."""


@dataclass(frozen=True)
class Field:
    """One image of a slide.

    `field_id` is the image's file name. `key` is unique in its slide, on file systems that ignore
    case too: overlays are named after it, and cells are numbered from it. `is_scan`: too large to
    be read at once. `origin`: the path of the file that `path` is a copy of.
    """

    field_id: str
    path: Path
    key: str
    is_scan: bool = False
    origin: str = ""

    @property
    def whereabouts(self) -> str:
        """The path at which the image is found again."""
        return self.origin or str(self.path.resolve())

    def read(self) -> Rgb:
        """The whole field, (H, W, 3) uint8 RGB at full resolution.

        Raises:
            InputError: the image can't be read.
        """
        if not is_scan_name(self.path):
            return read_rgb(self.path)
        with open_scan(self.path) as scan:
            return scan.read(0, 0, scan.width, scan.height)

    def metadata_scale(self) -> tuple[float | None, tuple[Message, ...]]:
        """The scale in the file's metadata, um/px, and warnings of what was refused of it.

        Raises:
            InputError: the image can't be read.
        """
        if self.path.suffix.lower() not in TIFF_SUFFIXES:
            return None, ()  # a camera's JPEG or PNG knows its print size alone
        with open_scan(self.path) as scan:
            return scan.um_per_px, scan.warnings


@dataclass(frozen=True)
class Slide:
    """A smear: its fields in natural order of their names (2 before 10).

    `slide_id` names its folder in the output. A slide without fields can't be analyzed; `problem`
    is then the reason. `passed_over`: sub-folders of its folder with images that are not analyzed.
    """

    slide_id: str
    path: Path
    fields: tuple[Field, ...]
    problem: str = ""
    passed_over: tuple[Path, ...] = ()

    @property
    def is_scan(self) -> bool:
        """It is one scan; otherwise all of its fields are plain images."""
        return any(field.is_scan for field in self.fields)


def find_slides(
    inputs: Sequence[Path], per_image: bool = False, leave_out: Path | None = None
) -> list[Slide]:
    """The slides in files and folders.

    A file is a slide. A folder that holds images is a slide, each image a field; a scan in it is a
    slide of its own; its sub-folders are `passed_over`, but for those that are given by name. A
    folder of folders is a slide per sub-folder, at any depth; an empty sub-folder is a slide with a
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
    given = {path.resolve(): path for path in inputs}
    found = [slide for path in given.values() for slide in _find(path, skipped)]
    if per_image:
        found = [one for slide in found for one in _split(slide)]
    name = _unique_names(RESERVED_NAMES)
    return [
        replace(_without_given(slide, list(given)), slide_id=name(slide.slide_id, slide.path.name))
        for slide in found
    ]


def passed_over(slide: Slide, mend: str = "give them by name") -> str:
    """A remark on a slide's sub-folders; empty where none is passed over.

    `mend`: advice on how to have them analyzed.
    """
    folders = slide.passed_over
    if not folders:
        return ""
    names = ", ".join(folder.name for folder in folders[:3])
    more = f" and {len(folders) - 3} more" if len(folders) > 3 else ""
    return (
        f"{folders[0].parent}: there are images in it, so its sub-folders are passed over, which "
        f"hold some too: {names}{more}; to have these analyzed, {mend}"
    )


def _without_given(slide: Slide, given: Sequence[Path]) -> Slide:
    """A slide whose `passed_over` leaves out sub-folders from which something is given by name."""
    left = [
        folder
        for folder in slide.passed_over
        if not any(path.is_relative_to(folder.resolve()) for path in given)
    ]
    return replace(slide, passed_over=tuple(left))


def _find(path: Path, leave_out: Path | None) -> list[Slide]:
    if path.is_dir():
        found = list(_in_folder(path, path.resolve().name or "slide", leave_out))
        if not any(slide.fields for slide in found):
            raise InputError(
                f"{path}: no image in this folder (JPEG, PNG, TIFF, BMP, WebP and whole-slide "
                "files are looked for)"
            )
        return found
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    return [_slide(path.stem, path, [path], is_scan(path))]


def _in_folder(folder: Path, name: str, leave_out: Path | None) -> Iterator[Slide]:
    entries = _listed(folder)
    files = [e for e in entries if e.is_file() and e.suffix.lower() in SUFFIXES]
    scans = _one_per_series([file for file in files if is_scan(file)])
    found = [_slide(scan.stem, scan, [scan], is_scan=True) for scan in scans]
    images = [e for e in files if e.suffix.lower() in IMAGE_SUFFIXES and e not in scans]
    if images and not any(scan.suffix.lower() in WITH_JPEG_FILES for scan in scans):
        found.append(_slide(name, folder, images))
    if found:
        folders = tuple(e for e in entries if _holds_images(e, leave_out))
        yield replace(found[0], passed_over=folders)
        yield from found[1:]
        return
    if not entries:
        yield Slide(name, folder, (), "the folder is empty")
    for entry in entries:
        if entry.is_dir() and not _is_output(entry, leave_out):
            yield from _in_folder(entry, entry.name, leave_out)


def _holds_images(folder: Path, leave_out: Path | None) -> bool:
    """A folder holds images, at any depth; one that can't be listed holds none."""
    if not folder.is_dir() or folder.is_symlink() or _is_output(folder, leave_out):
        return False
    with suppress(InputError):
        entries = _listed(folder)
        here = any(e.suffix.lower() in SUFFIXES and e.is_file() for e in entries)
        return here or any(_holds_images(e, leave_out) for e in entries)
    return False


def is_scan(path: Path) -> bool:
    """A file is read area by area: a whole-slide file, or any image larger than a field."""
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        if not is_scan_name(path):
            return False
        header = read_tiff_header(path)
        return header.width * header.height > FIELD_PIXELS
    if suffix in IMAGE_SUFFIXES:
        return _bytes(path) > MIN_LARGE_BYTES and _pixels(path) > LARGE_PIXELS
    return is_scan_name(path)


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _pixels(path: Path) -> int:
    try:
        width, height = header_size(path)
    except InputError:  # reported when it is read
        return 0
    return width * height


def _one_per_series(scans: Sequence[Path]) -> list[Path]:
    """Of a folder's DICOM files the largest: they are the levels of one scan."""
    dicom = [path for path in scans if path.suffix.lower() == ".dcm"]
    left_out = set(dicom) - {max(dicom, key=_bytes)} if dicom else set()
    return [path for path in scans if path not in left_out]


def _listed(folder: Path) -> list[Path]:
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder}: can't be listed: {error.strerror or error}") from error
    return sorted(entries, key=lambda entry: natural(entry.name))


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """A sort key: `field 2` before `field 10`; the name itself orders names that differ in case.

    Written here and not taken from natsort: the order is part of the output, and must not change
    with a library's version.
    """
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(p), "") if p.isascii() and p.isdigit() else (-1, p) for p in parts], name


def _is_output(folder: Path, leave_out: Path | None) -> bool:
    has_output = any((folder / name).is_file() for name in OUTPUT_FILES)
    return has_output or folder.resolve() == leave_out


def _slide(name: str, path: Path, images: Iterable[Path], is_scan: bool = False) -> Slide:
    """A slide whose name may not be unique yet, its images with keys that are."""
    unique = _unique_names(())
    keys = [(image, unique(image.stem, image.name)) for image in images]
    return Slide(name, path, tuple(Field(image.name, image, key, is_scan) for image, key in keys))


def _split(slide: Slide) -> list[Slide]:
    """A slide of each image."""
    if not slide.fields:
        return [slide]
    each = [_slide(one.path.stem, one.path, [one.path], one.is_scan) for one in slide.fields]
    return [replace(each[0], passed_over=slide.passed_over), *each[1:]]


def _unique_names(taken: Iterable[str]) -> Callable[..., str]:
    """A function that takes the first of its candidates that is free, else one with a number."""
    seen = {name.casefold() for name in taken}

    def unique(*candidates: str) -> str:
        clean = [name.rstrip(" .") or "slide" for name in candidates]
        numbered = (f"{clean[0]}-{i}" for i in range(2, len(seen) + 3))
        name = next(n for n in chain(clean, numbered) if n.casefold() not in seen)
        seen.add(name.casefold())
        return name

    return unique
