"""Damaged and hostile files: a campaign in small, bombs, and whatever a campaign once found."""

import contextlib
import io
import json
import sqlite3
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from fuzzing.campaign import Child, campaign
from fuzzing.scanners import philips
from fuzzing.seeds import write_seeds
from fuzzing.targets import TARGETS
from PIL import Image

from leukodiff.core.errors import LeukodiffError
from leukodiff.pipeline.cli import main
from leukodiff.pipeline.review.record import Record
from leukodiff.pipeline.review.service.jobs import read_jobs

pytestmark = pytest.mark.slow

MUTANTS = 500

BOMB_MB = 350
"""What refusing a bomb may take at most: a tile or strip may hold 256 MB."""

Seeds = Mapping[str, Sequence[Path]]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    pytest.importorskip("onnx")
    return write_seeds(tmp_path_factory.mktemp("fuzz") / "seeds")


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    made = Child(tmp_path_factory.mktemp("child") / "child.log")
    yield made
    made.close()


def test_good_files_are_read(seeds: Seeds, child: Child, tmp_path: Path) -> None:
    """Otherwise their mutants would prove nothing."""
    import shutil

    from fuzzing.campaign import company

    for kind, paths in seeds.items():
        for number, good in enumerate(dict.fromkeys(paths)):
            folder = tmp_path / f"{kind}-{number}"
            folder.mkdir()
            for path in (good, *company(kind, good)):
                shutil.copy(path, folder / path.name)
            answer = child.ask(kind, folder / good.name, [])
            assert answer["what"] == "read", (kind, good.name, answer["text"])


def test_mutants_are_read_or_refused(seeds: Seeds, tmp_path: Path) -> None:
    """A part of `python benchmarks/fuzz.py`, always the same."""
    totals = campaign(seeds, tmp_path, range(MUTANTS), seed=7)
    assert sum(totals.outcomes.values()) == MUTANTS
    assert totals.findings == []
    assert {kind for kind, _ in totals.outcomes} == set(TARGETS)


def png(width: int, height: int, data: bytes, depth: int = 8, color: int = 2) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff(side: int, tile: int, data: bytes, compression: int, big: bool = False) -> bytes:
    """A little-endian TIFF of one RGB tile; BigTIFF when `big`."""
    entry, count, first = ("<HHQQ", "<Q", 16) if big else ("<HHII", "<H", 8)
    tags = [
        *((256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, compression)),
        *((262, 3, 1, 2), (277, 3, 1, 3), (322, 4, 1, tile), (323, 4, 1, tile)),
        *((324, 4, 1, 1024), (325, 4, 1, len(data)), (339, 3, 1, 1)),
    ]
    head = struct.pack("<HHHHQ", 0x4949, 43, 8, 0, first) if big else b"II*\0\x08\0\0\0"
    directory = struct.pack(count, len(tags)) + b"".join(struct.pack(entry, *t) for t in tags)
    return (head + directory + bytes(8)).ljust(1024, b"\0") + data


def zeros(megabytes: int) -> bytes:
    """Deflated zeros: a thousandth of what they become."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">HH", megabytes * 2**20 % 65521, 1)
    return b"\x78\xda" + block * megabytes + packer.flush() + checksum


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(cv2.imencode(".jpg", np.full((64, 64, 3), 200, np.uint8))[1].tobytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def webp_claiming(side: int) -> bytes:
    made = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 1
    Image.new("RGB", (64, 64)).save(made, "WEBP", exif=exif)
    data = bytearray(made.getvalue())
    assert data[12:16] == b"VP8X"
    data[24:30] = (side - 1).to_bytes(3, "little") * 2
    return bytes(data)


BOMBS: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "a PNG of 19,000 x 19,000 px, all there": (
        "a.png",
        lambda: png(19_000, 19_000, zeros(19_000 * 57_001 // 2**20 + 1)),
    ),
    "a PNG that claims 2**31 px a side": ("a.png", lambda: png(2**31 - 1, 2**31 - 1, b"")),
    "a PNG with a chunk of 2.7 GB": (
        "a.png",
        lambda: png(64, 64, b"", 16).replace(b"\0\0\0\0IDAT", b"\xa0\x86\1\0IDAT"),
    ),
    "a PNG whose data go on for 4 GB": ("more than it needs.png", lambda: png(64, 64, zeros(4096))),
    "a JPEG that claims 20,000 x 20,000 px": ("a.jpg", lambda: jpeg_claiming(20_000, 20_000)),
    "a JPEG that claims 65,535 x 65,535 px": ("a.jpg", lambda: jpeg_claiming(65_535, 65_535)),
    "a WebP that claims 16,383 x 16,383 px": ("a.webp", lambda: webp_claiming(16_383)),
    "a BMP that claims 20,000 x 20,000 px": (
        "a.bmp",
        lambda: (
            b"BM" + struct.pack("<IIIIiiHHIIIIII", 90, 0, 54, 40, 20_000, 20_000, 1, 24, *[0] * 6)
        ),
    ),
    "a TIFF that claims 20,000 x 20,000 px in a tile": (
        "a.tif",
        lambda: tiff(20_000, 20_000, b"\0" * 99, 1),
    ),
    "a TIFF whose tile is of 1.2 GB of zeros": (
        "a.tif",
        lambda: tiff(20_000, 20_000, zeros(1200), 8),
    ),
    "a scan whose tile of 256 px unpacks to 4 GB": (
        "a.btf",
        lambda: tiff(256, 256, zeros(4096), 8),
    ),
    "a big scan of 500,000 px with one tile": (
        "a.btf",
        lambda: tiff(500_000, 256, b"\0" * 99, 8, big=True),
    ),
    "an OME-TIFF by name, lying": ("a.ome.tif", lambda: tiff(30_000, 30_000, zeros(10), 8)),
}


@pytest.mark.parametrize(("name", "make"), BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_before_memory_is_taken(
    child: Child, tmp_path: Path, name: str, make: Callable[[], bytes]
) -> None:
    path = tmp_path / name
    path.write_bytes(make())
    answer = child.ask("image", path, [name])
    assert answer["what"] == ("read" if "more than" in path.stem else "refused"), answer
    assert answer["mb"] < BOMB_MB, answer


FOUND: Mapping[str, tuple[str, str, str, str]] = {
    "a count of 5000 digits": (
        "confusion",
        "confusion.csv",
        f"true_type,neutrophil\nneutrophil,{'9' * 5000}\n",
        "expected a whole number",
    ),
    "a box without its last edge": (
        "truth",
        "truth.csv",
        "field_id,cell_type,x_min,y_min,x_max,y_max\n1.png,neutrophil,1,2,3\n",
        "line 2: expected 6 values",
    ),
    "a box of 1e308 px": (
        "truth",
        "truth.csv",
        "field_id,cell_type,x_min,y_min,x_max,y_max\n1.png,neutrophil,1,2,3,1e308\n",
        "truth.csv: 1.png",
    ),
    "a table that is no text": (
        "truth",
        "truth.csv",
        "field_id,cell_type,x_min,y_min,x_max,y_max\n1.png,\udcff,1,2,3,4\n",
        "not a CSV table",
    ),
    "a header of 200,000 columns": (
        "reading",
        "cells.csv",
        "cell_id,cell_type," * 100_000 + "\n",
        "two columns are called cell_id",
    ),
    "a header that ends in a quote": ("samples", "samples.csv", 'slide_id,"sex', "samples.csv"),
    "a profile nested 3000 deep": ("profile", "ours.toml", "name = " + "[" * 3000, "ours.toml"),
    "texts nested 3000 deep": ("texts", "ours.toml", "name = " + "[" * 3000, "ours.toml"),
}


@pytest.mark.parametrize(("kind", "name", "text", "message"), FOUND.values(), ids=FOUND)
def test_what_was_found_in_tables(
    tmp_path: Path, seeds: Seeds, kind: str, name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    (tmp_path / "1.png.seed").write_bytes(seeds["truth"][0].with_name("1.png.seed").read_bytes())
    with pytest.raises(LeukodiffError, match=message):
        TARGETS[kind](path)


def test_a_list_of_classes_that_is_no_text(seeds: Seeds, tmp_path: Path) -> None:
    good = seeds["yolo"][1]
    (tmp_path / "field.jpg.seed").write_bytes(good.with_name("field.jpg.seed").read_bytes())
    (tmp_path / good.name).write_bytes(b"neutrophil\n\xef")
    with pytest.raises(LeukodiffError, match=r"classes\.txt: not a list of classes"):
        TARGETS["yolo"](tmp_path / good.name)


def test_an_archive_whose_content_does_not_unpack(seeds: Seeds, tmp_path: Path) -> None:
    """Its directory is whole, but for one file's compressed bytes."""
    good = seeds["archive"][0].read_bytes()
    at = good.index(b".xml") + 4
    path = tmp_path / "bccd.zip"
    path.write_bytes(good[:at] + b"\xff" * 16 + good[at + 16 :])
    with pytest.raises(LeukodiffError, match="no whole ZIP"):
        TARGETS["archive"](path)
    assert not path.exists()


def test_a_job_that_lacks_a_list_is_passed_over(seeds: Seeds, tmp_path: Path) -> None:
    good, other = (path.read_text() for path in seeds["queue"])
    lacking = json.loads(other)
    del lacking["slides"]
    (tmp_path / "1.json").write_text(good)
    (tmp_path / "2.json").write_text(json.dumps(lacking))
    (tmp_path / "3.json").write_text("[" * 100_000)
    assert list(read_jobs(tmp_path)) == [1]


@pytest.mark.parametrize("x", ["1e308", "nan", "-inf"])
def test_a_box_that_is_no_fraction(seeds: Seeds, tmp_path: Path, x: str) -> None:
    good = seeds["yolo"][0]
    (tmp_path / "field.jpg.seed").write_bytes(good.with_name("field.jpg.seed").read_bytes())
    (tmp_path / good.name).write_text(f"0 {x} 0.5 0.2 0.2\n")
    with pytest.raises(LeukodiffError, match=r"N-1_1\.txt: expected boxes as fractions"):
        TARGETS["yolo"](tmp_path / good.name)


@pytest.mark.parametrize(("column", "value"), [("number", None), ("number", "x"), ("hash", 7.5)])
def test_a_head_that_is_none_counts_as_lost(
    seeds: Seeds, tmp_path: Path, column: str, value: object
) -> None:
    """Written past the constraints, as a damaged file has it."""
    path = tmp_path / "review.sqlite"
    path.write_bytes(seeds["review"][0].read_bytes())
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        triggers = file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            file.execute(f"DROP TRIGGER {name}")
        number, found = file.execute("SELECT number, hash FROM head").fetchone()
        file.execute("DROP TABLE head")
        file.execute("CREATE TABLE head (id, number, hash)")
        row = {"number": number, "hash": found, column: value}
        file.execute("INSERT INTO head VALUES (1, ?, ?)", (row["number"], row["hash"]))
    with Record(f"sqlite:///{path}", make=False) as kept:
        assert any("head is lost" in str(one) for one in kept.verify())


def test_a_tile_of_more_bytes_than_the_file_has(tmp_path: Path) -> None:
    """OpenSlide asked for 256 TB and ended the process."""
    path = tmp_path / "philips.tiff"
    data = bytearray(philips(np.full((96, 96, 3), 200, np.uint8)))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        tag = file.pages[0].tags["TileByteCounts"]  # type: ignore[union-attr]
    data[tag.valueoffset : tag.valueoffset + 4] = b"\xff" * 4
    path.write_bytes(bytes(data))
    with pytest.raises(LeukodiffError, match=r"philips\.tiff"):
        TARGETS["scanner"](path)


@pytest.fixture
def slide(seeds: Seeds, tmp_path: Path) -> Path:
    """A slide's folder to do harm to."""
    for path in seeds["record"][0].parent.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def _with(content: Any, keys: Sequence[str | int], value: object) -> Any:
    holder = content
    for key in keys[:-1]:
        holder = holder[key]
    holder[keys[-1]] = value
    return content


@pytest.mark.parametrize(
    ("name", "keys", "value", "message"),
    [
        ("smear.json", ["readings"], "x", "damaged"),
        ("smear.json", ["slide_id"], 1e308, "slide_id: expected text"),
        ("smear.json", ["fields", 0, 1], "wide", "width: expected a whole number"),
        ("smear.json", ["fields", 0, 1], 10**400, "width: 1000"),
        ("smear.json", ["fields", 0, 0], None, "field_id: expected text"),
        ("smear.json", ["cells", 0, 7], "unicorn", "no cell type is called 'unicorn'"),
        ("smear.json", ["cells", 0, 2], float("nan"), "x_min: nan can't be"),
        ("smear.json", ["scale", "um_per_px"], True, "um_per_px: expected a number"),
        ("smear.json", ["overlays"], None, "overlays: expected names"),
        ("smear.json", ["cells", 0, 9], [0.5], "expected 8 probabilities"),
        ("slide.json", ["row", "n_cells"], 1e308, "n_cells: a number in it"),
        ("slide.json", ["row"], [], "not a record"),
        ("slide.json", ["made_by"], [], "not a record"),
        ("slide.json", ["paths"], [None], "not a record"),
    ],
)
def test_what_was_found_in_records(
    slide: Path, name: str, keys: Sequence[str | int], value: object, message: str
) -> None:
    path = slide / name
    path.write_text(json.dumps(_with(json.loads(path.read_text()), keys, value)))
    with pytest.raises(LeukodiffError, match=message) as refused:
        TARGETS["record"](path)
    assert name in str(refused.value)


def test_a_record_nested_too_deep(slide: Path) -> None:
    (slide / "smear.json").write_text("[" * 100_000)
    with pytest.raises(LeukodiffError, match=r"smear\.json"):
        TARGETS["record"](slide / "smear.json")


def test_a_strip_that_is_no_strip(tmp_path: Path) -> None:
    """A sixteen-bit scan's depth is told from its pixels when it is opened."""
    path = tmp_path / "deep.btf"
    image = np.zeros((64, 64, 3), np.uint16)
    tifffile.imwrite(path, image, tile=(32, 32), photometric="rgb", metadata=None)
    data = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        tag = file.pages[0].tags["TileByteCounts"]  # type: ignore[union-attr]
    path.write_bytes(data[: tag.valueoffset] + struct.pack("<I", 7) + data[tag.valueoffset + 4 :])
    with pytest.raises(LeukodiffError, match=r"deep\.btf"):
        TARGETS["image"](path)


def test_a_tiff_of_a_width_of_two_numbers(tmp_path: Path) -> None:
    path = tmp_path / "wide.btf"
    path.write_bytes(
        tiff(64, 64, bytes(64 * 64 * 3), 1).replace(
            struct.pack("<HHI", 256, 4, 1), struct.pack("<HHI", 256, 3, 2)
        )
    )
    with pytest.raises(LeukodiffError, match=r"wide\.btf"):
        TARGETS["image"](path)


@pytest.mark.parametrize("value", [1e308, "warm", None, [0.5]])
def test_a_calibration_that_is_no_number(seeds: Seeds, tmp_path: Path, value: object) -> None:
    good = next(path for path in seeds["weights"] if path.stem == "classifier")
    facts = json.loads(good.with_suffix(".json").read_text())
    facts["calibration"]["temperature"] = value
    (tmp_path / good.name).write_bytes(good.read_bytes())
    (tmp_path / "classifier.json").write_text(json.dumps(facts))
    with pytest.raises(LeukodiffError, match=r"classifier\.json: calibration can't be"):
        TARGETS["metadata"](tmp_path / "classifier.json")


@pytest.mark.parametrize("kind", ["detector", "classifier"])
def test_a_model_of_other_classes(seeds: Seeds, tmp_path: Path, kind: str) -> None:
    """Its graph gives three numbers less than its metadata have classes for."""
    good = next(path for path in seeds["weights"] if path.stem == kind)
    facts = json.loads(good.with_suffix(".json").read_text())
    facts["classes"] = facts["classes"][:-1]
    path = tmp_path / good.name
    path.write_bytes(good.read_bytes())
    path.with_suffix(".json").write_text(json.dumps(facts))
    with pytest.raises(LeukodiffError, match=rf"{kind}\.onnx: no {kind} of"):
        TARGETS["weights"](path)


@pytest.mark.parametrize(
    ("options", "name", "content"),
    [
        (["analyze", "BAD", "--out", "OUT"], "bad.png", png(30_000, 30_000, b"")),
        (["analyze", "BAD", "--out", "OUT"], "bad.btf", b"II+\0\x08\0\0\0"),
        (["analyze", "GOOD", "--out", "OUT", "--reference", "BAD"], "bad.toml", b"[" * 9999),
        (["analyze", "GOOD", "--out", "OUT", "--samples", "BAD"], "bad.csv", b"slide_id\n\xff"),
        (["analyze", "GOOD", "--out", "OUT", "--confusion", "BAD"], "bad.csv", b"true_type\n"),
        (["analyze", "GOOD", "--out", "OUT", "--language", "BAD"], "bad.toml", b"\0"),
        (["analyze", "GOOD", "--out", "OUT", "--detector", "BAD"], "bad.onnx", b"\x08"),
        (["compare", "BAD", "BAD"], "bad.csv", b"cell_type,count\nneutrophil,many\n"),
    ],
    ids=["bomb", "scan", "profile", "samples", "confusion", "texts", "weights", "reading"],
)
def test_a_command_ends_with_status_2_and_a_line(
    seeds: Seeds, tmp_path: Path, options: Sequence[str], name: str, content: bytes
) -> None:
    places = {"BAD": tmp_path / name, "GOOD": seeds["image"][4], "OUT": tmp_path / "out"}
    places["BAD"].write_bytes(content)
    with warnings.catch_warnings():
        done = CliRunner().invoke(main, [str(places.get(one, one)) for one in options])
    assert done.exit_code == 2, done.output
    lines = [line for line in done.output.splitlines() if Path(name).stem in line]
    assert lines
    assert "Traceback" not in done.output
