"""Good copies of data sets of one field, and of what a review keeps on the disk."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from leukodiff.pipeline.review.record import Record
from leukodiff.pipeline.review.service.jobs import DONE, FAILED, Job

from .scanners import jpeg

FIELD = "BloodImage_00001"
ANNOTATION = """<annotation>
  <filename>BloodImage_00001.jpg</filename>
  <size><width>96</width><height>64</height><depth>3</depth></size>
  <object><name>WBC</name>
    <bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>
  <object><name>RBC</name>
    <bndbox><xmin>41</xmin><ymin>2</ymin><xmax>70</xmax><ymax>40</ymax></bndbox></object>
</annotation>
"""


def _field(folder: Path) -> bytes:
    data = jpeg(np.full((64, 96, 3), 200, np.uint8))
    (folder / "field.jpg.seed").write_bytes(data)
    return data


def voc(folder: Path) -> Iterator[Path]:
    """An annotation as BCCD has them."""
    _field(folder)
    path = folder / f"{FIELD}.xml"
    path.write_text(ANNOTATION)
    yield path


def yolo(folder: Path) -> Iterator[Path]:
    """Labels as Chula has them, and its table of classes."""
    _field(folder)
    for name, text in (
        ("N-1_1.txt", "0 0.3 0.4 0.2 0.2\n3 0.7 0.5 0.25 0.375\n"),
        ("classes.txt", "neutrophil\neosinophil\nbasophil\nlymphocyte\nmonocyte\n"),
    ):
        (folder / name).write_text(text)
        yield folder / name


def archives(folder: Path) -> Iterator[Path]:
    """BCCD as it is published: a ZIP."""
    lists = {"train": FIELD, "val": "", "test": ""}
    path = folder / "bccd.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"x/BCCD/Annotations/{FIELD}.xml", ANNOTATION)
        file.writestr(f"x/BCCD/JPEGImages/{FIELD}.jpg", _field(folder))
        for split, text in lists.items():
            file.writestr(f"x/BCCD/ImageSets/Main/{split}.txt", text)
    yield path


def reviews(folder: Path) -> Iterator[Path]:
    """A record with a person and a cell that was named otherwise."""
    path = folder / "review.sqlite"
    with Record(f"sqlite:///{path}") as kept:
        kept.people.add_user("Paul", "giemsa on a rainy day", "pathologist")
        for number in range(3):
            kept.note("operator", "refused", {"what": "token", "n": number})
    yield path


def queues(folder: Path) -> Iterator[Path]:
    """A job that is done, and one that failed."""
    at = "2026-11-27T00:00:00+00:00"
    for number, state in enumerate((DONE, FAILED), start=1):
        job = Job(number, "smear", ("/srv/smear",), "Paul", at, state, slides=("smear",))
        path = folder / f"{number}.json"
        path.write_text(json.dumps(asdict(job)))
        yield path
