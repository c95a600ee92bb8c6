"""Good files of every kind, small, written anew: nobody else's bytes."""

import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from leukodiff.classifier import infer as classifier
from leukodiff.core.files import sha256_of
from leukodiff.datasets.phantom import PhantomSettings, render_smear
from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES, DETECTOR_CLASSES
from leukodiff.detector import infer as detector
from leukodiff.pipeline import AnalyzeSettings, analyze
from leukodiff.pipeline.report import texts
from leukodiff.pipeline.report.reference_ranges import ADULT
from leukodiff.runtime.metadata import ModelMetadata, metadata_path, read_metadata, write_metadata

from .labels import archives, queues, reviews, voc, yolo
from .scanners import scanners

SHIPPED = {"detector": detector.SHIPPED, "classifier": classifier.SHIPPED}

SIDE = 96

Rgb = NDArray[np.uint8]


def write_seeds(root: Path, kinds: Collection[str] = ()) -> Mapping[str, list[Path]]:
    """Good files below `root`, by what reads them; of these kinds alone where some are named."""
    made: dict[str, Callable[[Path], Iterator[Path]]] = {
        "image": images,
        "profile": lambda folder: _copy(folder, ADULT),
        "texts": lambda folder: _copy(folder, Path(texts.__file__).with_name("de.toml")),
        "samples": samples,
        "confusion": confusion,
        "reading": readings,
        "truth": truth,
        "weights": weights,
        "metadata": weights,
        "record": record,
        "scanner": lambda folder: scanners(folder, noise()),
        "voc": voc,
        "yolo": yolo,
        "archive": archives,
        "review": reviews,
        "queue": queues,
    }
    found = {}
    for name, write in made.items():
        if kinds and name not in kinds:
            continue
        (root / name).mkdir(parents=True)
        found[name] = list(write(root / name))
    return found


def noise() -> Rgb:
    """A picture that compresses as a photograph does."""
    rgb = np.random.default_rng(1).integers(120, 250, (SIDE, SIDE, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), 2), np.uint8)


def images(folder: Path) -> Iterator[Path]:
    """A noisy picture in every layout that is read."""
    rgb = noise()
    yield from _by_pillow(folder, Image.fromarray(rgb))
    yield from _by_tifffile(folder, rgb)
    deep = folder / "deep.png"
    deep.write_bytes(cv2.imencode(".png", rgb.astype(np.uint16) << 4)[1].tobytes())
    yield deep


def _by_pillow(folder: Path, picture: Image.Image) -> Iterator[Path]:
    exif = picture.getexif()
    exif[274] = 6
    ways: dict[str, dict[str, Any]] = {
        "a.jpg": {"exif": exif},
        "gray.jpg": {},
        "progressive.jpg": {"progressive": True},
        "cmyk.jpg": {},
        "a.png": {"exif": exif},
        "palette.png": {},
        "alpha.png": {},
        "a.bmp": {},
        "a.webp": {},
        "lossless.webp": {"lossless": True, "exif": exif},
        "plain.tif": {},
        "lzw.tif": {"compression": "tiff_lzw"},
    }
    for name, options in ways.items():
        mode = {"grey": "L", "cmyk": "CMYK", "palette": "P", "alpha": "RGBA"}
        path = folder / name
        picture.convert(mode.get(path.stem, "RGB")).save(path, **options)
        yield path


def _by_tifffile(folder: Path, rgb: Rgb) -> Iterator[Path]:
    tiled: dict[str, Any] = {"tile": (32, 32), "photometric": "rgb"}
    scale = {"resolution": (40_000, 40_000), "resolutionunit": "CENTIMETER"}
    for name, options in {
        "deflate.tif": tiled | {"compression": "zlib"} | scale,
        "jpeg.tif": tiled | {"compression": "jpeg"},
        "big.btf": tiled | {"bigtiff": True, "compression": "zlib", "predictor": True},
        "ome.ome.tif": tiled | {"metadata": {"axes": "YXS", "PhysicalSizeX": 0.25}},
        "strips.btf": {"photometric": "rgb", "rowsperstrip": 16, "compression": "lzw"},
        "scanner.svs": tiled
        | {"compression": "jpeg", "description": "Aperio Image|MPP = 0.25|AppMag = 40"},
    }.items():
        data = io.BytesIO()
        with tifffile.TiffWriter(data, bigtiff=options.pop("bigtiff", False)) as file:
            if "metadata" not in options:
                options["metadata"] = None
            file.write(rgb, **options)
            if name != "ome.ome.tif":
                options.pop("description", None)
                file.write(rgb[::2, ::2], subfiletype=1, **options)
        (folder / name).write_bytes(data.getvalue())
        yield folder / name
    deep = np.asarray(rgb, np.uint16) << 4
    tifffile.imwrite(folder / "deep.btf", deep, tile=(32, 32), photometric="rgb", metadata=None)
    tifffile.imwrite(folder / "alone.btf", deep, photometric="rgb", planarconfig="separate")
    yield from (folder / "deep.btf", folder / "alone.btf")


def _copy(folder: Path, path: Path) -> Iterator[Path]:
    (folder / path.name).write_bytes(path.read_bytes())
    yield folder / path.name


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def samples(folder: Path) -> Iterator[Path]:
    """A table of samples."""
    yield _write(
        folder / "samples.csv",
        "slide_id,sample_id,patient,sex,age_years,wbc_count,collected\n"
        "smear 1,26-1,A. Person,female,42,6.2,2026-11-22\nsmear 2,26-2,,male,,,\n",
    )


def confusion(folder: Path) -> Iterator[Path]:
    """A laboratory's own confusion matrix."""
    names = CLASSIFIER_CLASSES
    rows = [f"{a}," + ",".join(str(20 * (a == b)) for b in names) + ",1" for a in names]
    header = ",".join(("true_type", *names, "missed"))
    yield _write(folder / "confusion.csv", "\n".join((header, *rows)) + "\n")


def readings(folder: Path) -> Iterator[Path]:
    """Tables of manual counts, in each of the ways in which they are read."""
    yield _write(
        folder / "long.csv",
        "slide_id,reader,cell_type,count\na,x,neutrophil,60\na,x,lymphocyte,40\na,y,neutrophil,9\n",
    )
    yield _write(
        folder / "wide.csv", "slide_id;n;neutrophil;lymphocyte\na;100;60,5;39,5\nb;9;3;6\n"
    )
    yield _write(
        folder / "cells.csv",
        "slide_id,field_id,cell_id,x_min,y_min,x_max,y_max,cell_type,reviewed_as\n"
        "a,1.png,1-1,1,2,30,40,neutrophil,\na,1.png,1-2,41,2,70,40,monocyte,lymphocyte\n",
    )


def truth(folder: Path) -> Iterator[Path]:
    """One's own labeled cells."""
    blank = np.full((64, 96, 3), 200, np.uint8)
    (folder / "1.png.seed").write_bytes(cv2.imencode(".png", blank)[1].tobytes())
    yield _write(
        folder / "truth.csv",
        "field_id,cell_type,x_min,y_min,x_max,y_max,group,split,um_per_px\n"
        "1.png,neutrophil,1,2,30,40,s1,train,0.2\n1.png,red_cell,41,2,70,40,s1,train,0.2\n",
    )


def weights(folder: Path) -> Iterator[Path]:
    """A detector and a classifier of a few random numbers, with their metadata."""
    for kind in ("detector", "classifier"):
        path = folder / f"{kind}.onnx"
        path.write_bytes(_model(kind))
        shipped = read_metadata(metadata_path(SHIPPED[kind]))
        known: dict[str, Any] = {
            "thresholds": shipped.thresholds,
            "calibration": shipped.calibration,
        }
        classes = DETECTOR_CLASSES if kind == "detector" else CLASSIFIER_CLASSES
        facts = ModelMetadata(
            "tiny", "1", kind, classes, 64, 0.375, sha256_of(path), licence="AGPL", **known
        )
        write_metadata(metadata_path(path), facts)
        yield path if folder.name == "weights" else metadata_path(path)


def _model(kind: str) -> bytes:
    import onnx

    helper, types = onnx.helper, onnx.TensorProto
    width = 7 if kind == "detector" else 8
    table = np.random.default_rng(2).normal(size=(3, width)).astype(np.float32) / 160
    shape: list[str | int | None] = ["n", "w", 7] if width == 7 else ["n", 8]
    output_name = "predictions" if width == 7 else "logits"
    axes = [1] if width == 7 else [1, 2]
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=types.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["color"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["color", "weights"], [output_name]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", types.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info(output_name, types.FLOAT, shape)],
        [onnx.numpy_helper.from_array(table, "weights")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


def record(folder: Path) -> Iterator[Path]:
    """A slide's folder: each of its files that is read again."""
    smear = folder / "smear"
    render_smear(smear, PhantomSettings(n_white=1, width=480, height=360), 1)
    analyze(smear, folder / "out", AnalyzeSettings(overlays=False, threads=1))
    made = folder / "out" / "smear"
    taken = json.loads((made / "slide.json").read_text())
    taken["paths"] = []  # the pictures are another kind
    (made / "slide.json").write_text(json.dumps(taken))
    for name in ("smear.json", "smear.json", "slide.json", "cells.csv", "counts.csv"):
        yield made / name
