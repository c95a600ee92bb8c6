"""What reads each kind of file, as far as a person's command would."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from leukodiff.classifier.infer import Classifier
from leukodiff.datasets.table import load_table
from leukodiff.detector.infer import Detector
from leukodiff.pipeline import ReportSettings, read_results
from leukodiff.pipeline.agreement.reading_files import read_readings
from leukodiff.pipeline.confusion_table import read_confusion
from leukodiff.pipeline.profiles import read_profile
from leukodiff.pipeline.remake import remake
from leukodiff.pipeline.sample import read_samples
from leukodiff.pipeline.scans import is_scan_name, open_scan
from leukodiff.pipeline.slides import digest_of, find_slides
from leukodiff.pipeline.texts import load_texts
from leukodiff.runtime.checksum import sha256_of
from leukodiff.runtime.metadata import metadata_path

Target = Callable[[Path], object]

SHA = b'"sha256": "'


def image(path: Path) -> None:
    """Finds it as a slide, asks its scale and decodes it all; a scan also in small."""
    for slide in find_slides([path]):
        for field in slide.fields:
            digest_of(field)
            field.metadata_scale()
            if slide.is_scan or is_scan_name(path):
                _scan(path)
            if not slide.is_scan:
                field.read()


def _scan(path: Path) -> None:
    with open_scan(path) as scan:
        side = min(scan.width, scan.height, 2048)
        scan.read(0, 0, side, side)
        scan.read(scan.width - side, scan.height - side, side, side)
        longest = max(scan.width, scan.height)
        if longest <= 20_000:
            scan.read_at(0, 0, scan.width, scan.height, max(1.0, longest / 256))


def weights(path: Path) -> None:
    """Loads a damaged model, its metadata telling of the damaged file: the engine has to see it."""
    facts = metadata_path(path)
    text = facts.read_bytes()
    at = text.index(SHA) + len(SHA)
    facts.write_bytes(text[:at] + sha256_of(path).encode() + text[at + 64 :])
    _run(path)


def metadata(path: Path) -> None:
    """Loads a good model with damaged metadata."""
    _run(path.with_suffix(".onnx"))


def _run(path: Path) -> None:
    blank = np.full((96, 96, 3), 240, np.uint8)
    if path.stem == "detector":
        Detector.load(path, threads=1).detect(blank, 0.375)
        return
    box = np.array([[20, 20, 60, 60]], np.float32)
    Classifier.load(path, threads=1).classify(blank, box, 0.375)


def truth(path: Path) -> None:
    """One's own data: the table, and an image beside it."""
    shutil.copy(path.with_name("1.png.seed"), path.with_name("1.png"))
    load_table(path.parent)


def record(path: Path) -> None:
    """Makes the report again, and reads the results."""
    results = read_results(path.parent)
    for name in ("cells", "fields", "counts", "measurements", "areas"):
        getattr(results, name)
    remake(path.parent, ReportSettings())


def profile(path: Path) -> None:
    """Reads the ranges as `--reference` does."""
    read_profile(path)


def texts(path: Path) -> None:
    """Reads the words as `--language` does."""
    load_texts(os.fspath(path))


TARGETS: Mapping[str, Target] = {
    "image": image,
    "profile": profile,
    "texts": texts,
    "samples": read_samples,
    "confusion": read_confusion,
    "reading": read_readings,
    "truth": truth,
    "weights": weights,
    "metadata": metadata,
    "record": record,
}

WAYS: Mapping[str, str] = {"image": "image", "weights": "binary", "metadata": "json"} | {
    "record": "json"
}
"""How each kind is damaged; the others are text."""

SHARES: Mapping[str, int] = {
    "image": 58,
    "profile": 7,
    "texts": 3,
    "samples": 4,
    "confusion": 4,
    "reading": 5,
    "truth": 3,
    "weights": 5,
    "metadata": 5,
    "record": 6,
}
"""Of a hundred mutants so many are of each kind."""
