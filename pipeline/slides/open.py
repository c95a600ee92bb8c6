"""Opens a scan by the content of its file, not by its name alone.

TIFF pyramids are read by `TiffScan` on tifffile's directories and codecs, not by tiffslide nor by
`tifffile.aszarr`. Ours is fuzzed, so that a hostile or damaged file gives one line and never takes
the memory; it decodes the tiles of a region alone, large strips in parts; and it decodes JPEG at a
half, a quarter or an eighth where a pyramid has a gap. tiffslide lists NDPI as partly supported and
Ventana's files with a warning: what slide scanners write is left to OpenSlide.
"""

from pathlib import Path

from leukodiff.core.errors import InputError

from .scan import ImageScan, Scan
from .tiff_header import TIFF_MAGIC, TiffHeader, read_tiff_header

SCAN_SUFFIXES = frozenset(
    {".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".svslide", ".dcm", ".czi", ".vsi"}
    | {".isyntax", ".btf", ".tf8"}
)
"""Names of what slide scanners write."""

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
"""Names that cameras use as well: the header decides."""

LARGE_PIXELS = 64_000_000
"""A plain TIFF above this is read in strips rather than at once."""


def is_scan_name(path: Path) -> bool:
    """A file is to be read as a scan, piece by piece, and not as one image of a field.

    By its suffix where only scanners use it; a `.tif` or `.tiff` is a scan when it is tiled, has
    reduced levels or more than 64 megapixels, which its header says. A file that is missing or
    damaged is none: reading it as an image then raises what is wrong.
    """
    suffix = path.suffix.lower()
    if suffix not in TIFF_SUFFIXES:
        return suffix in SCAN_SUFFIXES
    try:
        header = read_tiff_header(path)
    except InputError:
        return False
    return header.tiled or header.reduced or header.width * header.height > LARGE_PIXELS


def open_scan(path: Path) -> Scan:
    """Opens a whole-slide file, or any image, for reading by regions.

    A TIFF that no slide scanner's own layout is seen in is read here (`TiffScan`), what slide
    scanners write by OpenSlide (`OpenSlideScan`), any other image is decoded at once (`ImageScan`).

    Raises:
        InputError: the file is missing, empty, cut off, or of a kind that can't be read; the line
            names it.
    """
    head = _head(path)
    if head[:4] in TIFF_MAGIC:
        return _open_tiff(path, read_tiff_header(path))
    if path.suffix.lower() in SCAN_SUFFIXES or head[128:132] == b"DICM":
        from .openslide_scan import OpenSlideScan

        return OpenSlideScan.open(path)
    from leukodiff.datasets.images import read_rgb

    from .metadata_scale import plain_scale

    return ImageScan(read_rgb(path), path, *plain_scale(path))


def _open_tiff(path: Path, header: TiffHeader) -> Scan:
    if path.suffix.lower() not in TIFF_SUFFIXES or header.vendor:
        from .openslide_scan import OpenSlideScan, is_vendors

        # OpenSlide asks for as much memory, and ends the process where it gets none.
        if header.longest > path.stat().st_size:
            raise InputError(f"{path}: cut off or damaged (a piece of {header.longest} bytes)")
        if is_vendors(path):
            return OpenSlideScan.open(path)
    from .tiff_scan import TiffScan

    return TiffScan.open(path)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error
    if not head:
        raise InputError(f"{path}: the file is empty (0 bytes)")
    return head
