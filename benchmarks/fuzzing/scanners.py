"""Small slides as scanners' own formats have them, in as few bytes as OpenSlide asks for."""

import io
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

Rgb = NDArray[np.uint8]

TILE = 32
SCN = "http://www.leica-microsystems.com/scn/2010/10/01"


def scanners(folder: Path, rgb: Rgb) -> Iterator[Path]:
    """A slide of each format; `rgb` is square, its side a multiple of 32 px."""
    for name, data in (
        ("a.ndpi", ndpi(rgb)),
        ("a.scn", leica(rgb)),
        ("philips.tiff", philips(rgb)),
        ("trestle.tif", trestle(rgb)),
        ("a.dcm", dicom(rgb)),
    ):
        (folder / name).write_bytes(data)
        yield folder / name
    yield from vms(folder, rgb)
    yield from mirax(folder, rgb)


def jpeg(rgb: Rgb, **options: Any) -> bytes:
    """A picture as a baseline JPEG."""
    made = io.BytesIO()
    Image.fromarray(rgb).save(made, "JPEG", subsampling=0, **options)
    return made.getvalue()


def ndpi(rgb: Rgb) -> bytes:
    """Hamamatsu: a TIFF of one JPEG, whose directory ends in the upper halves of its numbers."""
    picture = jpeg(rgb)
    side, resolution = len(rgb), struct.pack("<II", 40_000, 1)
    first = 16
    start = first + len(resolution)
    tags = [
        *((256, 4, 1, side), (257, 4, 1, side), (259, 3, 1, 7), (262, 3, 1, 6)),
        *((273, 4, 1, start), (277, 3, 1, 3), (278, 4, 1, side), (279, 4, 1, len(picture))),
        *((282, 5, 1, first), (283, 5, 1, first), (296, 3, 1, 3), (65420, 4, 1, 1)),
        *((65421, 11, 1, _float(40.0)), (65424, 9, 1, 0)),
    ]
    at = start + len(picture)
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags)
    head = struct.pack("<HHQ", 0x4949, 42, at).ljust(first, b"\0")
    return head + resolution + picture + directory + bytes(8 + 4 * len(tags))


def _float(number: float) -> int:
    return int(struct.unpack("<I", struct.pack("<f", number))[0])


def _tiled(rgb: Rgb, **options: Any) -> bytes:
    made = io.BytesIO()
    with tifffile.TiffWriter(made, bigtiff=options.pop("bigtiff", False)) as file:
        file.write(
            rgb,
            tile=(TILE, TILE),
            photometric="rgb",
            compression="jpeg",
            metadata=None,
            **options,
        )
    return made.getvalue()


def leica(rgb: Rgb) -> bytes:
    """Leica: a BigTIFF whose description says where its picture lies on the glass, nm."""
    side = len(rgb)
    nm = side * 250
    place = f'<view sizeX="{nm}" sizeY="{nm}" offsetX="0" offsetY="0"/>'
    description = (
        f'<?xml version="1.0"?><scn xmlns="{SCN}">'
        f'<collection name="x" sizeX="{2 * nm}" sizeY="{2 * nm}">'
        f'<image name="x"><pixels sizeX="{side}" sizeY="{side}">'
        f'<dimension sizeX="{side}" sizeY="{side}" r="0" ifd="0"/></pixels>{place}'
        "<scanSettings><objectiveSettings><objective>40</objective></objectiveSettings>"
        "<illuminationSettings><illuminationSource>brightfield</illuminationSource>"
        "</illuminationSettings></scanSettings></image></collection></scn>"
    )
    return _tiled(rgb, bigtiff=True, description=description)


def philips(rgb: Rgb) -> bytes:
    """Philips: a TIFF whose description is a tree of objects, a px in mm among them."""

    def fact(name: str, kind: str, text: str) -> str:
        return f'<Attribute Name="{name}" Group="0x301D" PMSVR="{kind}">{text}</Attribute>'

    def many(name: str, kind: str, inner: str) -> str:
        one = f'<Array><DataObject ObjectType="{kind}">{inner}</DataObject></Array>'
        return fact(name, "IDataObjectArray", one)

    spacing = fact("DICOM_PIXEL_SPACING", "IDoubleArray", "&quot;0.00025&quot; &quot;0.00025&quot;")
    number = fact("PIIM_PIXEL_DATA_REPRESENTATION_NUMBER", "IUInt16", "0")
    sequence = "PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE"
    level = many(sequence, "PixelDataRepresentation", spacing + number)
    image = fact("PIM_DP_IMAGE_TYPE", "IString", "WSI") + spacing + level
    description = (
        '<?xml version="1.0" encoding="UTF-8" ?><DataObject ObjectType="DPUfsImport">'
        + many("PIM_DP_SCANNED_IMAGES", "DPScannedImage", image)
        + "</DataObject>"
    )
    return _tiled(rgb, description=description, software="Philips DP v1.0")


def trestle(rgb: Rgb) -> bytes:
    """Trestle: a TIFF that says so under `Software`."""
    description = "Background Color=FFFFFF;Objective Power=40;White Balance=C0C0C0;OverlapsXY= 0 0;"
    per_cm = {"resolution": (40_000, 40_000), "resolutionunit": "CENTIMETER"}
    return _tiled(rgb, description=description, software="MedScan 1.0", **per_cm)


def vms(folder: Path, rgb: Rgb) -> Iterator[Path]:
    """Hamamatsu's older format: an index of text, two pictures and a table beside it."""
    picture = jpeg(rgb, restart_marker_blocks=1)
    (folder / "vms.jpg.seed").write_bytes(picture)
    path = folder / "a.vms"
    path.write_text(
        "[Virtual Microscope Specimen]\nNoLayers=1\nNoJpegColumns=1\nNoJpegRows=1\n"
        "ImageFile=vms.jpg\nMapFile=vms.jpg\nOptimisationFile=\nAuthCode=x\nSourceLens=40\n"
        f"PhysicalWidth={len(rgb) * 250}\nPhysicalHeight={len(rgb) * 250}\n"
    )
    yield path


Element = tuple[int, int, str, bytes]


def _element(group: int, number: int, kind: str, value: bytes) -> bytes:
    """One value of a DICOM file, explicit and little-endian."""
    value += (b"\0" if kind in ("UI", "OB", "SQ") else b" ") * (len(value) % 2)
    head = struct.pack("<HH", group, number) + kind.encode()
    if kind in ("SQ", "OB", "UN"):
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def _elements(rows: Sequence[Element]) -> bytes:
    return b"".join(_element(*row) for row in sorted(rows))


def _sequence(*rows: Element) -> bytes:
    inner = _elements(rows)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner


def dicom(rgb: Rgb) -> bytes:
    """DICOM: a whole slide of JPEG tiles, row by row."""
    side = len(rgb)
    tiles = _tiles(rgb)
    return (
        b"\0" * 128
        + b"DICM"
        + _dicom_head()
        + _elements(_dicom_facts(side, len(tiles)))
        + (
            struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF)
            + struct.pack("<HHI", 0xFFFE, 0xE000, 0)
            + b"".join(
                struct.pack("<HHI", 0xFFFE, 0xE000, len(t) + len(t) % 2) + t + b"\0" * (len(t) % 2)
                for t in tiles
            )
            + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        )
    )


SLIDE = b"1.2.840.10008.5.1.4.1.1.77.1.6"


def _dicom_head() -> bytes:
    rest = _elements(
        [
            (2, 1, "OB", b"\0\1"),
            (2, 2, "UI", SLIDE),
            (2, 3, "UI", b"1.2.3.4"),
            (2, 0x10, "UI", b"1.2.840.10008.1.2.4.50"),
            (2, 0x12, "UI", b"1.2.3"),
        ]
    )
    return _element(2, 0, "UL", struct.pack("<I", len(rest))) + rest


def _dicom_facts(side: int, tiles: int) -> list[Element]:
    def short(number: int) -> bytes:
        return struct.pack("<H", number)

    long = struct.pack("<I", side)
    spacing = _sequence((0x28, 0x30, "DS", b"0.00025\\0.00025"))
    shared = _sequence((0x28, 0x9110, "SQ", spacing))
    path = _sequence((0x48, 0x106, "SH", b"1"), (0x48, 0x112, "DS", b"40"))
    return [
        (8, 8, "CS", b"ORIGINAL\\PRIMARY\\VOLUME\\NONE"),
        (8, 0x16, "UI", SLIDE),
        (8, 0x18, "UI", b"1.2.3.4"),
        (8, 0x60, "CS", b"SM"),
        (0x20, 0xD, "UI", b"1.2.3.5"),
        (0x20, 0xE, "UI", b"1.2.3.6"),
        (0x20, 0x9311, "CS", b"TILED_FULL"),
        (0x28, 2, "US", short(3)),
        (0x28, 4, "CS", b"RGB"),
        (0x28, 6, "US", short(0)),
        (0x28, 8, "IS", str(tiles).encode()),
        (0x28, 0x10, "US", short(TILE)),
        (0x28, 0x11, "US", short(TILE)),
        (0x28, 0x100, "US", short(8)),
        (0x28, 0x101, "US", short(8)),
        (0x28, 0x102, "US", short(7)),
        (0x28, 0x103, "US", short(0)),
        (0x48, 6, "UL", long),
        (0x48, 7, "UL", long),
        (0x48, 8, "SQ", _sequence((0x40, 0x710A, "DS", b"0"))),
        (0x48, 0x105, "SQ", path),
        (0x48, 0x303, "UL", struct.pack("<I", 1)),
        (0x5200, 0x9229, "SQ", shared),
    ]


MIRAX = """[GENERAL]
SLIDE_ID = x
IMAGENUMBER_X = {across}
IMAGENUMBER_Y = {across}
OBJECTIVE_MAGNIFICATION = 40
[HIERARCHICAL]
HIER_COUNT = 1
NONHIER_COUNT = 0
INDEXFILE = Index.dat
HIER_0_NAME = Slide zoom level
HIER_0_COUNT = 1
HIER_0_VAL_0_SECTION = LEVEL
[DATAFILE]
FILE_COUNT = 1
FILE_0 = Data0000.dat
[LEVEL]
OVERLAP_X = 0
OVERLAP_Y = 0
MICROMETER_PER_PIXEL_X = 0.25
MICROMETER_PER_PIXEL_Y = 0.25
IMAGE_FORMAT = JPEG
IMAGE_FILL_COLOR_BGR = 16777215
DIGITIZER_WIDTH = {tile}
DIGITIZER_HEIGHT = {tile}
IMAGE_CONCAT_FACTOR = 0
"""


def mirax(folder: Path, rgb: Rgb) -> Iterator[Path]:
    """3DHISTECH: an index of text, one of numbers, and data, which belong into a folder."""
    across = len(rgb) // TILE
    tiles = _tiles(rgb)
    index = b"01.02x"
    levels = len(index) + 8
    first = levels + 4
    page = first + 8
    index += struct.pack("<iiiii", levels, levels, first, 0, page)
    index += struct.pack("<ii", len(tiles), 0)
    at = 0
    for number, tile in enumerate(tiles):
        index += struct.pack("<iiii", number, at, len(tile), 0)
        at += len(tile)
    text = MIRAX.format(across=across, tile=TILE).encode()
    for name, data in (
        ("Slidedat.ini", text),
        ("Index.dat", index),
        ("Data0000.dat", b"".join(tiles)),
    ):
        (folder / name).write_bytes(data)
        yield folder / name


def _tiles(rgb: Rgb) -> list[bytes]:
    """JPEG tiles, row by row."""
    starts = range(0, len(rgb), TILE)
    return [
        jpeg(np.ascontiguousarray(rgb[y : y + TILE, x : x + TILE])) for y in starts for x in starts
    ]
