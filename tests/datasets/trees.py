"""Tiny fabricated trees in the layouts that the public data sets are published in."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

VOC_OBJECT = (
    "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin>"
    "<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def write_image(path: Path, size: tuple[int, int] = (64, 48), seed: int = 0) -> Path:
    """A picture of its own for each seed: blobs, since noise would not survive the JPEG."""
    width, height = size
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))
    return path


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_bccd(
    root: Path,
    objects: dict[str, Sequence[tuple[object, ...]]],
    splits: dict[str, Iterable[str]],
    labels: str | None = None,
) -> Path:
    for split, names in splits.items():
        write_text(root / "BCCD/ImageSets/Main" / f"{split}.txt", "\n".join(names) + "\n")
    for seed, (name, cells) in enumerate(objects.items()):
        write_image(root / "BCCD/JPEGImages" / f"{name}.jpg", (640, 480), seed)
        body = "".join(VOC_OBJECT.format(*cell) for cell in cells)
        write_text(root / "BCCD/Annotations" / f"{name}.xml", f"<annotation>{body}</annotation>")
    if labels is not None:
        write_text(root / "labels.csv", labels)
    return root


def write_class_folders(root: Path, folders: dict[str, Sequence[str]], seed: int = 0) -> Path:
    for folder, names in folders.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            seed += 1
            write_image(root / folder / name, (72, 72), seed)
    return root
