"""The two models of a run, and what the pipeline asks of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leukodiff.classifier.predictions import Predictions
from leukodiff.detector.detections import Detections

from .report import ModelUsed

Rgb = NDArray[np.uint8]


class Facts(Protocol):
    """What is known of a model: the part of its metadata that a report repeats."""

    @property
    def kind(self) -> str:
        """`detector` or `classifier`."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def version(self) -> str:
        """The model's version."""

    @property
    def sha256(self) -> str:
        """The checksum of its file, hex."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Its classes, in the order of its outputs."""


class FindsCells(Protocol):
    """Finds white cells, red cells and platelets in a field; safe to use from many threads."""

    @property
    def metadata(self) -> Facts:
        """What is known of the model."""

    def detect(self, image: Rgb, um_per_px: float) -> Detections:
        """The cells of a field (H, W, 3) uint8 RGB at its scale."""


class NamesCells(Protocol):
    """Names white cells; safe to use from many threads."""

    @property
    def metadata(self) -> Facts:
        """What is known of the model."""

    def classify(self, image: Rgb, xyxy: NDArray[np.float32], um_per_px: float) -> Predictions:
        """The types of the cells in boxes (N, 4) of a field."""


@dataclass(frozen=True)
class Models:
    """A detector, a classifier, and a ruler.

    `estimate_um_per_px` gives the scale of a few fields of one slide, or `None` when their red
    cells do not tell.
    """

    detector: FindsCells
    classifier: NamesCells
    estimate_um_per_px: Callable[[Sequence[Rgb]], float | None]

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """The models as a report names them."""
        facts = (self.detector.metadata, self.classifier.metadata)
        return tuple(ModelUsed(f.kind, f.name, f.version, f.sha256) for f in facts)


def load_models(
    detector: Path | None = None,
    classifier: Path | None = None,
    engine: str = "openvino",
    workers: int | None = None,
) -> Models:
    """Loads both models, the shipped ones where no file is given.

    Raises:
        ModelFileError: a file is missing, damaged or of the other kind.
        InputError: the engine can't be had.
    """
    from leukodiff.classifier.infer import Classifier
    from leukodiff.detector.infer import Detector
    from leukodiff.detector.scale import estimate_um_per_px

    finds = Detector.load(detector, engine=engine, threads=workers)
    names = Classifier.load(classifier, engine=engine, threads=workers)

    def estimate(images: Sequence[Rgb]) -> float | None:
        found = estimate_um_per_px(finds, images)
        return found.um_per_px if found else None

    return Models(finds, names, estimate)
