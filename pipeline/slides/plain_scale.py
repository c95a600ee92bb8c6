"""The scale that a plain image states: a field saved by a microscope's camera."""

from pathlib import Path

from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from leukodiff.core.errors import InputError
from leukodiff.core.message import Message

from .metadata_scale import Reading, Scale, described, resolution, settled
from .tiff_header import TIFF_MAGIC, read_tiff_header

MAX_UM_PER_PX = 20.0
"""From this (1270 dpi) on a resolution is a screen's or a printer's: it is no claim."""

_READERS = ((b"\xff\xd8\xff", JpegImageFile), (b"\x89PNG", PngImageFile), (b"BM", BmpImageFile))


def plain_scale(path: Path) -> Scale:
    """um/px as the header of a TIFF, PNG, JPEG or BMP has it; unknown where that is silent.

    A TIFF may state it as a scan does, the others in dots per inch or meter. A file that is missing
    or damaged has none: reading its pixels raises the reason.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        readings = _of_tiff(path) if magic in TIFF_MAGIC else _of_dots(path, magic)
    except (InputError, OSError, ValueError, SyntaxError, ArithmeticError):
        return Scale(None, ())
    return settled(one for one in readings if max(one.x, one.y) < MAX_UM_PER_PX)


def _of_tiff(path: Path) -> list[Reading]:
    header = read_tiff_header(path)
    stated = resolution(*header.resolution, header.resolution_unit, header.description)
    return [*described(header.description), *stated]


def _of_dots(path: Path, magic: bytes) -> list[Reading]:
    for start, reader in _READERS:
        if magic.startswith(start):
            with reader(path) as image:
                dpi = image.info.get("dpi", (0, 0))
            return [Reading(Message("image_resolution"), *(25_400 / float(dots) for dots in dpi))]
    return []
