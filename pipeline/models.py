"""The two models of a run, and what the pipeline asks of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leukodiff.classifier.predictions import Predictions
from leukodiff.detector.detections import Detections
from leukodiff.detector.scale import ScaleEstimate

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

    @property
    def um_per_px(self) -> float:
        """The scale it works at."""

    def detect(self, image: Rgb, um_per_px: float) -> Detections:
        """The cells of a field (H, W, 3) uint8 RGB at its scale."""

    def detect_many(
        self, images: Sequence[Rgb], um_per_px: float, *, framed: bool = True
    ) -> list[Detections]:
        """The cells of each of several windows of one size; `framed` lays grey round them."""


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
    cells do not tell; it is told a scale to try first, or `None`.
    """

    detector: FindsCells
    classifier: NamesCells
    estimate_um_per_px: Callable[[Sequence[Rgb], float | None], ScaleEstimate | None]

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

    with ThreadPoolExecutor(1) as beside:  # the engine compiles without holding up Python
        naming = beside.submit(Classifier.load, classifier, engine=engine, threads=workers)
        finds = Detector.load(detector, engine=engine, threads=workers)
        names = naming.result()

    def estimate(images: Sequence[Rgb], guess_um_per_px: float | None) -> ScaleEstimate | None:
        return estimate_um_per_px(finds, images, guess_um_per_px=guess_um_per_px)

    return Models(finds, names, estimate)
