"""The images of a TIFF that are the scan and its reduced levels, and the scale it states."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from leukodiff.core.errors import InputError
from leukodiff.core.message import Message

from .metadata_scale import Scale, described, resolution, settled
from .scan import Level
from .tiff_pixels import depth_of, unreadable
from .tiff_tiles import UNDECODABLE, Segments, segments_of, with_reductions

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

MAX_PAGES = 64
"""Directories that are read: a pyramid has a dozen, a stack of fields thousands."""

MAX_DEPTH_SEGMENTS = 64
"""Segments of the coarsest level that a sixteen-bit scan's depth is taken from, at most."""

_ORIENTATION = 274

ASPECT_TOLERANCE = 0.02
"""Relative difference that the reductions of a level's two sides may have."""


class Found(NamedTuple):
    """The segments of each level, finest first; the scale, with a line for all that is left out."""

    parts: list[Segments]
    scale: Scale


def find_levels(path: Path, file: "TiffFile") -> Found:
    """The levels of a scan and its scale.

    Level 0 is the largest image. A smaller one of the same shape and the same kind of pixels is a
    level of it, whether it stands as a page of its own or in level 0's SubIFDs. In an OME-TIFF the
    three colors may be pages of their own.

    Raises:
        InputError: level 0 is cut off, or its pixels are of a kind that can't be read.
    """
    warnings: list[Message] = []
    pages = list(_pages(file, warnings))
    if not pages:
        raise InputError(f"{path}: the TIFF is cut off or damaged: no image is found in it")
    main = max(pages, key=_area)
    if main.tags.valueof(_ORIENTATION, default=1) != 1:
        warnings.append(Message("scan_turned"))
    images = _images(pages, main, warnings)
    parts = [_level_0(path, images[0])]
    for image in sorted(images[1:], key=lambda planes: -_area(planes[0])):
        parts.extend(_reduced(image, main, parts, warnings))
    scale = _stated_scale(pages[0], main)
    try:
        parts = with_reductions(main, _at_eight_bits(file, parts))
    except UNDECODABLE as error:
        raise InputError(f"{path}: a tile or strip can't be decoded ({error})") from error
    return Found(parts, Scale(scale.um_per_px, (*scale.warnings, *warnings)))


def _pages(file: "TiffFile", warnings: list[Message]) -> Iterator["TiffPage"]:
    """The file's images in its order; one that can't be read ends the chain that leads to it."""
    for number in range(MAX_PAGES):
        try:
            page = file.pages[number]
        except IndexError:
            return
        except UNDECODABLE as error:
            warnings.append(Message("image_left_out", number=number + 1, error=str(error)))
            return
        if page.imagewidth and page.imagelength:  # type: ignore[union-attr]
            yield page.aspage()


def _sub_pages(page: "TiffPage", warnings: list[Message]) -> Iterator["TiffPage"]:
    from tifffile import TiffPage

    for number, offset in enumerate(page.subifds or ()):
        try:
            page.parent.filehandle.seek(offset)
            yield TiffPage(page.parent, (page.index, number))
        except UNDECODABLE as error:
            warnings.append(Message("level_left_out", number=number + 1, error=str(error)))


def _images(
    pages: Sequence["TiffPage"], main: "TiffPage", warnings: list[Message]
) -> list[list["TiffPage"]]:
    """Level 0 first, then what may be a level of it; each a list of its planes' pages."""
    equals = [page for page in pages if page.shape == main.shape]
    colors = _colors(pages[0], equals)
    subs = [list(_sub_pages(page, warnings)) for page in colors or [main]]
    if colors:
        return [colors, *(list(planes) for planes in zip(*subs, strict=False))]
    if len(equals) > 1:
        warnings.append(Message("images_not_read", number=len(equals) - 1))
    others = [page for page in (*pages, *subs[0]) if page.shape != main.shape]
    return [[main], *([page] for page in others)]


def _colors(first: "TiffPage", equals: list["TiffPage"]) -> list["TiffPage"]:
    """The pages of red, green and blue, where an OME-TIFF has them apart; none otherwise."""
    apart = first.is_ome and 'SizeC="3"' in first.description and first.samplesperpixel == 1
    return equals if apart and len(equals) == 3 else []


def _area(page: "TiffPage") -> int:
    return page.imagewidth * page.imagelength


def _level_0(path: Path, planes: Sequence["TiffPage"]) -> Segments:
    page = planes[0]
    problem = unreadable(page)
    if problem:
        raise InputError(f"{path}: {problem}")
    try:
        return segments_of(planes, Level(page.imagewidth, page.imagelength, 1.0))
    except UNDECODABLE as error:
        raise InputError(f"{path}: {error}") from error


def _reduced(
    planes: Sequence["TiffPage"], main: "TiffPage", parts: list[Segments], warnings: list[Message]
) -> Iterator[Segments]:
    """The level that an image is, unless it is a label, a macro picture or of other pixels."""
    page = planes[0]
    downsample = _downsample(parts[0].level, page.imagewidth, page.imagelength)
    same = page.dtype == main.dtype and page.samplesperpixel == main.samplesperpixel
    if not (downsample and same) or unreadable(page) or downsample == parts[-1].level.downsample:
        return
    try:
        yield segments_of(planes, Level(page.imagewidth, page.imagelength, downsample))
    except UNDECODABLE as error:
        size = f"{page.imagewidth} x {page.imagelength} px"
        warnings.append(Message("level_of_size_left_out", size=size, error=str(error)))


def _downsample(full: Level, width: int, height: int) -> float:
    """Px of level 0 that one px covers; 0 if the image is no reduction of it.

    A writer that shrinks by 2, 4, 8... drops or pads what is left over at the edge, so that the
    whole number is meant and not the ratio of the sizes.
    """
    if not 0 < width < full.width or not 0 < height <= full.height:
        return 0.0
    ratio = (full.width / width + full.height / height) / 2
    for meant in (2 ** round(np.log2(ratio)), round(ratio)):
        if abs(full.width / meant - width) < 1 and abs(full.height / meant - height) < 1:
            return float(meant) if meant > 1 else 0.0
    alike = abs(full.height / full.width * width - height) <= max(1.5, ASPECT_TOLERANCE * height)
    return ratio if alike and ratio > 1 else 0.0


def _at_eight_bits(file: "TiffFile", parts: list[Segments]) -> list[Segments]:
    """The levels, their sixteen-bit px scaled alike: by the brightest px of the coarsest level."""
    page_pixels = parts[0].pixels
    if page_pixels.bits <= 8:
        return parts
    bits = depth_of(_brightest(file, parts[-1]))
    return [replace(part, pixels=replace(part.pixels, bits=bits)) for part in parts]


def _brightest(file: "TiffFile", part: Segments) -> int:
    n = part.columns * part.rows
    sample = np.unique(np.linspace(0, n - 1, min(n, MAX_DEPTH_SEGMENTS)).round().astype(int))
    brightest = 0
    for index in sample.tolist():
        places = list(part.places(index))
        if all(length for _, length in places):
            data = [_bytes(file, *place) for place in places]
            colors = part.samples(data, index)[:, :, : part.pixels.colors]
            brightest = max(brightest, int(colors.max(initial=0)))
    return brightest


def _bytes(file: "TiffFile", offset: int, length: int) -> bytes:
    file.filehandle.seek(offset)
    return bytes(file.filehandle.read(length))


def _stated_scale(first: "TiffPage", main: "TiffPage") -> Scale:
    texts = dict.fromkeys(page.description for page in (first, main))
    unit = main.tags.valueof(296, default=2)
    x, y = main.get_resolution()
    stated = resolution(x, y, unit if isinstance(unit, int) else 0, first.description)
    return settled([*(reading for text in texts for reading in described(text)), *stated])
