from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from leukodiff.core.message import Message
from leukodiff.pipeline.report.remarks import message_text
from leukodiff.pipeline.report.texts import load_texts
from leukodiff.pipeline.slides import open_scan
from leukodiff.pipeline.slides.metadata_scale import Reading, described, plain_scale, settled

Write = Callable[..., Path]
IMAGEJ = "ImageJ=1.54f\nunit={}\nmin=0.0\n"
OME = '<?xml version="1.0"?><OME><Image ID="Image:0"><Pixels ID="P" {}/></Image></OME>'
VIPS = (
    "<image><property><name>openslide.mpp-x</name><value type='VipsRefString'>0.22</value>"
    "</property><property><name>openslide.mpp-y</name><value type='VipsRefString'>0.24</value>"
    "</property></image>"
)
METAMORPH = (
    '<prop id="spatial-calibration-x" type="float" value="0.1"/>'
    '<prop id="spatial-calibration-y" type="float" value="0.1"/>'
)

STATED: dict[str, tuple[dict[str, Any], float | None]] = {
    "nothing": ({}, None),
    "px per cm": ({"resolution": (40000, 40000), "resolutionunit": "CENTIMETER"}, 0.25),
    "px per inch": ({"resolution": (101600, 101600), "resolutionunit": "INCH"}, 0.25),
    "px per mm": ({"resolution": (5000, 5000), "resolutionunit": "MILLIMETER"}, 0.2),
    "px per um": ({"resolution": (4, 4), "resolutionunit": "MICROMETER"}, 0.25),
    "x and y averaged": ({"resolution": (40000, 50000), "resolutionunit": "CENTIMETER"}, 0.225),
    "px per nothing": ({"resolution": (40000, 40000), "resolutionunit": "NONE"}, None),
    "ImageJ, micron": ({"resolution": (5, 5), "description": IMAGEJ.format("micron")}, 0.2),
    "ImageJ, µm": ({"resolution": (5, 5), "description": IMAGEJ.format("\\u00B5m")}, 0.2),
    "ImageJ, um": ({"resolution": (5, 5), "description": IMAGEJ.format("um")}, 0.2),
    "ImageJ, nm": ({"resolution": (0.005, 0.005), "description": IMAGEJ.format("nm")}, 0.2),
    "ImageJ, mm": ({"resolution": (4000, 4000), "description": IMAGEJ.format("mm")}, 0.25),
    "ImageJ, px": ({"resolution": (5, 5), "description": IMAGEJ.format("pixel")}, None),
    "Micro-Manager": ({"description": '{"PixelSizeUm": 0.065, "Camera": "x"}'}, 0.065),
    "vips' copy of OpenSlide's": ({"description": VIPS}, 0.23),
    "MetaMorph": ({"description": METAMORPH}, 0.1),
    "an Aperio file made anew": ({"description": "Scan 40x|AppMag = 40|MPP = 0.2498|x"}, 0.2498),
    "the description before the tags": (
        {"description": "MPP = 0.3", "resolution": (40000, 40000), "resolutionunit": "CENTIMETER"},
        0.3,
    ),
}


@pytest.mark.parametrize(("options", "expected"), STATED.values(), ids=STATED)
def test_the_scale_is_read_wherever_it_is_stated(
    options: dict[str, Any], expected: float | None, write: Write
) -> None:
    path = write(np.zeros((64, 64, 3), np.uint8), photometric="rgb", tile=(16, 16), **options)
    with open_scan(path) as scan:
        assert scan.um_per_px == pytest.approx(expected)
        assert scan.warnings == ()


OMES: dict[str, tuple[str, float | None]] = {
    "um by default": ('PhysicalSizeX="0.25" PhysicalSizeY="0.25"', 0.25),
    "µm": ('PhysicalSizeX="0.25" PhysicalSizeXUnit="µm"', 0.25),
    "µm, the other mu": ('PhysicalSizeX="0.25" PhysicalSizeXUnit="\u03bcm"', 0.25),
    "µm, as an XML entity": ('PhysicalSizeX="0.25" PhysicalSizeXUnit="&#181;m"', 0.25),
    "mm": ('PhysicalSizeX="2.5E-4" PhysicalSizeXUnit="mm"', 0.25),
    "nm": ('PhysicalSizeX="250" PhysicalSizeXUnit="nm"', 0.25),
    "y alone": ('PhysicalSizeY="0.3"', 0.3),
    "px": ('PhysicalSizeX="1" PhysicalSizeXUnit="pixel"', None),
    "no size": ('SizeX="64"', None),
    "no number": ('PhysicalSizeX="unknown"', None),
}


@pytest.mark.parametrize(("attributes", "expected"), OMES.values(), ids=OMES)
def test_ome_sizes_are_taken_to_um(attributes: str, expected: float | None) -> None:
    assert settled(described(OME.format(attributes))).um_per_px == pytest.approx(expected)


def test_namespaces_of_ome_don_t_matter() -> None:
    text = '<ome:OME><ome:Pixels PhysicalSizeX="0.2"><ome:Plane/></ome:Pixels></ome:OME>'
    assert settled(described(text)).um_per_px == 0.2


PLACE = Message("image_resolution")
TIFF = Message("tiff_resolution")

REFUSED: dict[str, tuple[Reading, str]] = {
    "72 dpi": (Reading(TIFF, 352.8, 352.8), "says 352.8 um/px, not used"),
    "96 dpi": (Reading(TIFF, 264.6, 264.6), "says 264.6 um/px, not used"),
    "too fine": (Reading(PLACE, 0.02, 0.02), "a smear has 0.03 to 2.0"),
    "too coarse": (Reading(PLACE, 2.1, 2.1), "a smear has 0.03 to 2.0"),
    "zero": (Reading(PLACE, 0.0, 0.0), "a positive size"),
    "negative": (Reading(PLACE, -0.2, -0.2), "a positive size"),
    "not a number": (Reading(PLACE, float("nan"), 0.2), "a positive size"),
    "endless": (Reading(PLACE, float("inf"), 0.2), "a positive size"),
    "not square": (Reading(PLACE, 0.2, 0.4), "says 0.2 x 0.4 um/px, not used: a microscope's"),
}


@pytest.mark.parametrize(("reading", "stated"), REFUSED.values(), ids=REFUSED)
def test_what_can_t_be_true_is_refused_with_a_line(reading: Reading, stated: str) -> None:
    scale = settled([reading])
    assert scale.um_per_px is None
    assert stated in message_text(scale.warnings[0], load_texts())


@pytest.mark.parametrize("um", [0.03, 0.06, 0.25, 2.0])
def test_what_can_be_true_is_taken(um: float) -> None:
    assert settled([Reading(PLACE, um, um)]) == (um, ())


def test_the_next_place_is_asked_when_the_first_can_t_be_true() -> None:
    scale = settled([Reading(PLACE, 300.0, 300.0), Reading(PLACE, 0.25, 0.25)])
    assert scale.um_per_px == 0.25
    assert len(scale.warnings) == 1


@pytest.mark.parametrize("dpi", [72, 96, 300, 600])
def test_a_printer_s_dots_are_refused_when_a_scan_is_opened(dpi: int, write: Write) -> None:
    image: NDArray[np.uint8] = np.zeros((64, 64, 3), np.uint8)
    path = write(image, tile=(16, 16), resolution=(dpi, dpi), resolutionunit="INCH")
    with open_scan(path) as scan:
        assert scan.um_per_px is None
        assert [one.code for one in scan.warnings] == ["scale_refused"]


@pytest.mark.parametrize("text", ["", "MPP", "MPP = ", "MPP = --", "<Pixels", '"PixelSizeUm": ""'])
def test_text_without_a_scale_gives_none(text: str) -> None:
    assert settled(described(text)) == (None, ())


def save(name: str, **options: Any) -> Callable[[Path], Path]:
    def saved(folder: Path) -> Path:
        Image.new("RGB", (8, 8)).save(folder / name, **options)
        return folder / name

    return saved


def text(folder: Path) -> Path:
    (folder / "a.png").write_text("no image")
    return folder / "a.png"


PLAIN: dict[str, tuple[Callable[[Path], Path], float | None]] = {
    "TIFF, px per cm": (save("a.tif", resolution_unit=3, x_resolution=1e5, y_resolution=1e5), 0.1),
    "TIFF, OME": (save("a.tif", description=OME.format('PhysicalSizeX="0.1"')), 0.1),
    "TIFF, 72 dpi": (save("a.tif", dpi=(72, 72)), None),
    "TIFF, nothing": (save("a.tif"), None),
    "PNG, a microscope's": (save("a.png", dpi=(254_000, 254_000)), 0.1),
    "PNG, a screen's": (save("a.png", dpi=(96, 96)), None),
    "PNG, nothing": (save("a.png"), None),
    "JPEG, a printer's": (save("a.jpg", dpi=(300, 300)), None),
    "JPEG, a microscope's": (save("a.jpg", dpi=(50_800, 50_800)), 0.5),
    "BMP, a microscope's": (save("a.bmp", dpi=(127_000, 127_000)), 0.2),
    "WebP": (save("a.webp"), None),
    "text": (text, None),
    "missing": (lambda folder: folder / "a.tif", None),
}


@pytest.mark.parametrize(("saved", "expected"), PLAIN.values(), ids=PLAIN)
def test_a_plain_image_may_state_its_scale(
    saved: Callable[[Path], Path], expected: float | None, tmp_path: Path
) -> None:
    scale = plain_scale(saved(tmp_path))
    rounded = scale.um_per_px and round(scale.um_per_px, 4)
    assert (rounded, scale.warnings) == (expected, ())
