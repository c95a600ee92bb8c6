"""The size of a px in a scan's metadata: the places it may stand in, and checks of its values."""

import html
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from leukodiff.core.errors import InputError
from leukodiff.core.message import Message

from .tiff_header import TIFF_MAGIC, read_tiff_header

PLAUSIBLE = (0.03, 2.0)
"""um/px that a smear is scanned or photographed at; 72 dpi is 353."""

MIN_SIDE_RATIO = 0.8
"""A microscope's px is square: the ratio of its shorter side to its longer is at least this."""

UM: Mapping[str, float] = {
    "pm": 1e-6,
    "nm": 1e-3,
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "\\u00b5m": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "in": 25_400.0,
    "inch": 25_400.0,
}
"""Length units as OME, ImageJ and TIFF name them, in um."""


class Reading(NamedTuple):
    """um/px along x and y as one place of the metadata states them."""

    place: Message
    x: float
    y: float


class Scale(NamedTuple):
    """um/px (None when nothing can be believed), and a warning of each place that was not."""

    um_per_px: float | None
    warnings: tuple[Message, ...]


def settled(readings: Iterable[Reading]) -> Scale:
    """The first plausible of several readings, x and y averaged."""
    warnings: list[Message] = []
    for place, x, y in readings:
        problem = _problem(x, y)
        if problem is None:
            return Scale((x + y) / 2, tuple(warnings))
        refused = Message("scale_refused", place=place, um_per_px=_shown(x, y), problem=problem)
        warnings.append(refused)
    return Scale(None, tuple(warnings))


def _problem(x: float, y: float) -> Message | None:
    if not all(math.isfinite(side) and side > 0 for side in (x, y)):
        return Message("px_not_positive")
    low, high = PLAUSIBLE
    if not all(low <= side <= high for side in (x, y)):
        return Message("px_out_of_range", low=str(low), high=str(high))
    if min(x, y) / max(x, y) < MIN_SIDE_RATIO:
        return Message("px_not_square")
    return None


def _shown(x: float, y: float) -> str:
    return f"{x:.4g}" if x == y else f"{x:.4g} x {y:.4g}"


def described(text: str) -> list[Reading]:
    """The readings in an ImageDescription: OME-XML, Aperio, vips, Micro-Manager or MetaMorph."""
    found = [_ome(text), *(_pair(text, place, *patterns) for place, *patterns in _PATTERNS)]
    return [reading for reading in found if reading]


_NUMBER = r"([-+0-9.eE]+)"
_PATTERNS = (
    ("aperio_mpp", rf"\bMPP\s*=\s*{_NUMBER}", ""),
    (
        "openslide_property",
        rf"openslide\.mpp-x</name>\s*<value[^>]*>{_NUMBER}",
        rf"openslide\.mpp-y</name>\s*<value[^>]*>{_NUMBER}",
    ),
    ("micro_manager_pixel_size", rf'"PixelSizeUm"\s*:\s*"?{_NUMBER}', ""),
    (
        "metamorph_calibration",
        rf'spatial-calibration-x"[^>]*value="{_NUMBER}"',
        rf'spatial-calibration-y"[^>]*value="{_NUMBER}"',
    ),
)


def _pair(text: str, place: str, x_pattern: str, y_pattern: str) -> Reading | None:
    x = _first(x_pattern, text)
    y = _first(y_pattern, text) if y_pattern else None
    return None if x is None else Reading(Message(place), x, x if y is None else y)


def _first(pattern: str, text: str) -> float | None:
    match = re.search(pattern, text)
    return _number(match[1]) if match else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _ome(text: str) -> Reading | None:
    pixels = re.search(r"<(?:\w+:)?Pixels\b([^>]*)>", text)
    if not pixels:
        return None
    attributes = dict(re.findall(r"(\w+)\s*=\s*[\"']([^\"']*)[\"']", pixels[1]))
    sides = [
        _length(attributes.get(f"PhysicalSize{axis}"), attributes.get(f"PhysicalSize{axis}Unit"))
        for axis in "XY"
    ]
    x, y = sides[0] or sides[1], sides[1] or sides[0]
    return None if x is None or y is None else Reading(Message("ome_physical_size"), x, y)


def _length(value: str | None, unit: str | None) -> float | None:
    number = _number(value or "")
    um = UM.get(html.unescape(unit or "µm").strip())
    return None if number is None or um is None else number * um


def resolution(x_per_unit: float, y_per_unit: float, unit: int, description: str) -> list[Reading]:
    """The reading of a TIFF's XResolution and YResolution, px per unit.

    ImageJ names the unit in its description and leaves ResolutionUnit empty. Without any unit, or
    with 1 px per unit (what a writer that knows nothing leaves), nothing is said.

    Args:
        x_per_unit: px per unit along x.
        y_per_unit: px per unit along y.
        unit: ResolutionUnit: 1 none, 2 inch, 3 cm; 4 mm and 5 um by some.
        description: the ImageDescription.
    """
    named = re.search(r"^unit=(.*)$", description, re.MULTILINE)
    of_imagej = named and description.startswith("ImageJ=")
    um = UM.get(named[1].strip().lower()) if named and of_imagej else _UNITS.get(unit)
    if um is None or x_per_unit <= 0 or y_per_unit <= 0 or x_per_unit == y_per_unit == 1:
        return []
    place = Message("imagej_resolution" if of_imagej else "tiff_resolution")
    return [Reading(place, um / x_per_unit, um / y_per_unit)]


_UNITS = {2: 25_400.0, 3: 10_000.0, 4: 1_000.0, 5: 1.0}


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
