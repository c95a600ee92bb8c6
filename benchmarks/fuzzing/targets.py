"""Readers of each kind of file, as far as a person's command would."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from leukodiff.classifier.infer import Classifier
from leukodiff.core.files import sha256_of
from leukodiff.datasets.bccd import load_bccd
from leukodiff.datasets.chula import load_chula
from leukodiff.datasets.fetch import fetch
from leukodiff.datasets.splits import SPLITS
from leukodiff.datasets.table import load_table
from leukodiff.detector.infer import Detector
from leukodiff.pipeline import ReportSettings, read_results
from leukodiff.pipeline.comparison.reading_files import read_readings
from leukodiff.pipeline.report.confusion import read_confusion
from leukodiff.pipeline.report.reference_ranges import read_profile
from leukodiff.pipeline.report.sample import read_samples
from leukodiff.pipeline.report.texts import load_texts
from leukodiff.pipeline.review.record import Record
from leukodiff.pipeline.review.service.jobs import read_jobs
from leukodiff.pipeline.runs.rerender import rerender
from leukodiff.pipeline.slides import is_scan_name, open_scan
from leukodiff.pipeline.slides.discover import find_slides
from leukodiff.pipeline.slides.fingerprint import digest_of
from leukodiff.runtime.metadata import metadata_path

Target = Callable[[Path], object]

MIRAX_FILES = ("Slidedat.ini", "Index.dat", "Data0000.dat")
"""Files of an `.mrxs` in a folder of its own; one is damaged at a time."""

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


def scanner(path: Path) -> None:
    """Reads it as a scanner's slide, with what belongs to it where it belongs."""
    if path.suffix == ".vms":
        shutil.copy(path.with_name("vms.jpg.seed"), path.with_name("vms.jpg"))
    if path.name not in MIRAX_FILES:
        image(path)
        return
    inside = path.parent / "m"
    inside.mkdir()
    for name in MIRAX_FILES:
        shutil.move(path.with_name(name), inside / name)
    slide = path.with_name("m.mrxs")
    slide.write_bytes(b"nothing but the folder of its name is read")
    image(slide)


def voc(path: Path) -> None:
    """Loads a copy of BCCD of one field."""
    home = path.parent
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (home / name).mkdir(parents=True)
    shutil.move(path, home / "Annotations" / path.name)
    shutil.move(home / "field.jpg.seed", home / "JPEGImages" / f"{path.stem}.jpg")
    for split in SPLITS:
        text = path.stem if split == "train" else ""
        (home / "ImageSets" / "Main" / f"{split}.txt").write_text(text)
    load_bccd(home)


def yolo(path: Path) -> None:
    """Loads a copy of Chula of one field."""
    home = path.parent
    for name in ("images", "labels"):
        (home / name).mkdir()
    if path.name != "classes.txt":
        shutil.move(path, home / "labels" / path.name)
    else:
        (home / "labels" / "N-1_1.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    shutil.move(home / "field.jpg.seed", home / "images" / "N-1_1.jpg")
    load_chula(home)


def archive(path: Path) -> None:
    """Unpacks what `data fetch bccd` has got."""
    fetch("bccd", path.parent, progress=False)


def review(path: Path) -> None:
    """Verifies a record of reviews, and reads all that it says."""
    with Record(f"sqlite:///{path}", make=False) as kept:
        kept.verify()
        kept.people.users()
        kept.slides()
        for event in kept.events():
            kept.state(event.slide)


def queue(path: Path) -> None:
    """Takes up the queue that a review left."""
    for job in read_jobs(path.parent).values():
        json.dumps(asdict(job))


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
    rerender(path.parent, ReportSettings())


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
    "scanner": scanner,
    "voc": voc,
    "yolo": yolo,
    "archive": archive,
    "review": review,
    "queue": queue,
}

WAYS: Mapping[str, str] = {"image": "image", "weights": "binary", "metadata": "json"} | {
    "record": "json",
    "scanner": "image",
    "archive": "binary",
    "review": "binary",
    "queue": "json",
}
"""Mutators by kind; the others are text."""

TEXT = frozenset({".csv", ".ini", ".vms"})
"""Files of any kind that are damaged as text."""

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
    "scanner": 60,
    "voc": 8,
    "yolo": 8,
    "archive": 8,
    "review": 10,
    "queue": 6,
}
"""Of two hundred mutants so many are of each kind."""
