"""The two models of a run, and the interfaces that the pipeline uses them by."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from leukodiff.classifier.predictions import Predictions
from leukodiff.classifier.priors import ROUTINE
from leukodiff.core.cpu import cores
from leukodiff.core.errors import ModelFileError
from leukodiff.detector.detections import Detections
from leukodiff.detector.scale import ScaleEstimate
from leukodiff.pipeline.report.report import ModelUsed
from leukodiff.pipeline.report.statistics import Confusion
from leukodiff.runtime.model import CPU, Model

log = logging.getLogger("leukodiff")

Rgb = NDArray[np.uint8]

STARTERS = 2
"""Threads on which the engine starts: one a model."""


class Facts(Protocol):
    """The part of a model's metadata that a report repeats."""

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

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The least confidence that counts, 0-1, by class."""

    @property
    def calibration(self) -> Mapping[str, Any]:
        """Numbers by which its scores are read, by name."""


class FindsCells(Protocol):
    """Finds white cells, red cells and platelets in a field; safe to use from many threads."""

    @property
    def metadata(self) -> Facts:
        """The model's metadata."""

    @property
    def um_per_px(self) -> float:
        """The scale it works at."""

    @property
    def batch(self) -> int:
        """The number of windows that is best given to one call."""

    def detect(
        self, image: Rgb, um_per_px: float, thresholds: Mapping[str, float] | None = None, /
    ) -> Detections:
        """The cells of a field (H, W, 3) uint8 RGB at its scale.

        `thresholds`: least confidence by class, 0-1; the model's own when `None`.
        """

    def detect_many(
        self,
        images: Sequence[Rgb],
        um_per_px: float,
        thresholds: Mapping[str, float] | None = None,
        /,
        *,
        framed: bool = True,
    ) -> list[Detections]:
        """The cells of each of several windows of one size; `framed` lays gray round them."""


class NamesCells(Protocol):
    """Names white cells; safe to use from many threads."""

    @property
    def metadata(self) -> Facts:
        """The model's metadata."""

    def classify(self, image: Rgb, xyxy: NDArray[np.float32], um_per_px: float) -> Predictions:
        """The types of the cells in boxes (N, 4) of a field."""


class MeasuresScale(Protocol):
    """Measures the scale of a few fields of one slide by their cells."""

    def __call__(
        self, images: Sequence[Rgb], guess_um_per_px: float | None, /, *, probes: int = ...
    ) -> ScaleEstimate | None:
        """The scale; `guess_um_per_px` is tried first, `probes` is the most pieces it measures."""


@dataclass(frozen=True)
class Models:
    """A detector, a classifier, and a measure of scale.

    `estimate_um_per_px` gives the scale of a few fields of one slide, or `None` with too few
    cells; it takes a scale to try first, or `None`.
    """

    detector: FindsCells
    classifier: NamesCells
    estimate_um_per_px: MeasuresScale

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """The models as a report names them."""
        facts = (self.detector.metadata, self.classifier.metadata)
        return tuple(ModelUsed(f.kind, f.name, f.version, f.sha256) for f in facts)

    @property
    def how_read(self) -> dict[str, dict[str, float]]:
        """By kind of model, the numbers of its metadata by which its outputs are read."""
        found = {}
        for facts in (self.detector.metadata, self.classifier.metadata):
            known = {**facts.thresholds, **facts.calibration}
            found[facts.kind] = {k: v for k, v in known.items() if isinstance(v, int | float)}
        return found

    @property
    def confusion(self) -> Confusion | None:
        """The classifier's confusion on its validation cells, where that is known.

        Raises:
            ModelFileError: its metadata have a table that can't be.
        """
        table = self.classifier.metadata.calibration.get("confusion")
        try:
            return Confusion.from_mapping(table) if table else None
        except (ValueError, TypeError, AttributeError) as error:
            name = self.classifier.metadata.name
            raise ModelFileError(f"{name}: its metadata's confusion can't be ({error})") from error


def load_models(
    detector: Path | None = None,
    classifier: Path | None = None,
    engine: str = "openvino",
    workers: int | None = None,
    for_scans: bool = False,
    prior: str = ROUTINE,
) -> Models:
    """Loads both models, the shipped ones where no file is given.

    The engine starts in the background: the first call of a model waits for it. `for_scans`: it
    then goes on to what the first windows of a scan would have to wait for. `prior`: how likely
    each cell type is beforehand, see `leukodiff.classifier.priors`.

    Raises:
        ModelFileError: a file is missing, damaged or of the other kind.
        InputError: the engine can't be had.
    """
    from leukodiff.classifier.infer import Classifier
    from leukodiff.detector.candidates import window_side
    from leukodiff.detector.infer import Detector
    from leukodiff.detector.scale import estimate_um_per_px

    background = ThreadPoolExecutor(STARTERS, thread_name_prefix="engine")
    threads = workers or cores()
    finds = Detector.load(detector, engine=engine, threads=workers, background=background)
    if for_scans:  # before the classifier, which is needed later
        _learn(finds.model, finds.batch, window_side(finds.um_per_px), threads, background)
    names = Classifier.load(
        classifier, engine=engine, threads=workers, background=background, prior=prior
    )
    if for_scans:
        _learn(names.model, 1, names.crop.size_px, threads, background)
    if engine == "onnxruntime" and finds.model.device == CPU:
        log.warning("onnxruntime finds no GPU here (CUDA): it runs on the CPU, as openvino would")
    background.shutdown(wait=False)  # what was begun goes on

    return Models(finds, names, partial(estimate_um_per_px, finds, threads=threads))


def _learn(model: Model, n: int, side: int, threads: int, background: Executor) -> None:
    """Has the engine see a shape of input: the first call of each takes it 20 to 40 ms longer."""
    blank = np.zeros((n, side, side, 3), np.uint8)
    for _ in range(min(threads, STARTERS)):  # each core's stream learns by itself
        background.submit(model, blank)
