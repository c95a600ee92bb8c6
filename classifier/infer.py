"""The shipped classifier: boxes of a field in, calibrated predictions out."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.boxes import area
from leukodiff.runtime.metadata import ModelMetadata
from leukodiff.runtime.model import Model, load_model

from .crops import CropSettings, Image, cut_crops
from .morphometry import measure_cells
from .predictions import Predictions
from .priors import ROUTINE, prior_weights
from .stain_normalization import normalize_stain

LARGEST_PLATELET_UM = 9.0
"""No platelet is wider: ordinary ones have 2-4 um, giant ones the size of a red cell or a little
more (Bain, Blood Cells, 5th ed., 2015)."""

LARGEST_CELL_UM = 30.0
"""A wider box does not show a cell's size: the label covers the image."""

VIEWS = 8
"""Views of a cell in the second look, the first look's among them."""

Outputs = tuple[NDArray[np.float32], NDArray[np.float32] | None]
"""Logits (N, K) of crops, and how atypical each is, (N,), where the model has that output."""

SHIPPED = Path(__file__).with_name("weights") / "leukodiff-classifier.onnx"


def softmax(
    logits: NDArray[np.float32],
    temperature: float | NDArray[np.float64] = 1.0,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Probabilities (N, K) of logits (N, K) divided by a temperature (Guo et al., ICML 2017).

    One temperature for all, or one a cell, (N,). `weights` (K,) multiply the probabilities, as a
    prior does.
    """
    scaled = logits.astype(np.float64) / np.reshape(temperature, (-1, 1))
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True, initial=-np.inf))
    powers = powers if weights is None else powers * weights
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def temperatures(
    calibration: Mapping[str, float], atypical: NDArray[np.float32] | None
) -> float | NDArray[np.float64]:
    """The temperature of all cells, or of each, (N,), where it rises with how atypical it is."""
    base = float(calibration.get("temperature", 1.0))
    if atypical is None:
        return base
    rise = float(calibration.get("temperature_rise", 0.0))
    return np.asarray(base * np.exp(rise * atypical.astype(np.float64)), np.float64)


def widths_um(xyxy: NDArray[np.float32], um_per_px: float) -> NDArray[np.float32]:
    """Width of the cell in each box (N, 4), px: the root of the box's area, um; (N,)."""
    return np.asarray(np.sqrt(area(xyxy)) * um_per_px, np.float32)


def orientations(crops: Image) -> list[Image]:
    """The eight ways in which crops (N, S, S, 3) can lie, turned by 90 degrees and mirrored.

    The first is as they are; the first four alone are half turns and mirror images.
    """
    across = crops.transpose(0, 2, 1, 3)
    ways = [one[:, ::y, ::x] for one in (crops, across) for y in (1, -1) for x in (1, -1)]
    return [np.ascontiguousarray(one) for one in ways]


def _with_others(first: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the first outputs of N cells and of those of their other orientations, in turn."""
    views = np.concatenate([first, others]).reshape(-1, *first.shape)
    return np.asarray(views.mean(axis=0), np.float32)


def possible(
    logits: NDArray[np.float32], classes: Sequence[str], width_um: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """The logits, those of platelets ruled out where the cell is too large for one."""
    if width_um is None or "platelet" not in classes:
        return logits
    large = (width_um > LARGEST_PLATELET_UM) & (width_um < LARGEST_CELL_UM)
    possible = logits.copy()
    possible[large, classes.index("platelet")] = -np.inf
    return possible


@dataclass(frozen=True)
class Classifier:
    """A loaded classifier. Safe to use from many threads at once."""

    model: Model
    prior: str = ROUTINE

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        *,
        engine: str = "openvino",
        threads: int | None = None,
        background: Executor | None = None,
        prior: str = ROUTINE,
    ) -> "Classifier":
        """Loads a model file, the shipped one when `path` is None; see `load_model`.

        `prior` is one of `priors.PRIORS`.

        Raises:
            ModelFileError: if the file is missing, damaged or not a classifier.
        """
        chosen = path or SHIPPED
        model = load_model(
            chosen, "classifier", engine=engine, threads=threads, background=background
        )
        return cls(model, prior)

    @property
    def metadata(self) -> ModelMetadata:
        """The facts that go with the weights."""
        return self.model.metadata

    @property
    def crop(self) -> CropSettings:
        """Size of the crops it was trained on."""
        side = self.metadata.input_px
        return CropSettings(window_um=round(side * self.metadata.um_per_px, 6), size_px=side)

    def classify(self, image: Image, xyxy: NDArray[np.float32], um_per_px: float) -> Predictions:
        """Names and measures the cell in each box.

        Args:
            image: (H, W, 3) uint8 RGB at full resolution.
            xyxy: (N, 4) boxes, px of the image.
            um_per_px: scale of the image.
        """
        crops = cut_crops(image, xyxy, um_per_px, self.crop)
        size_px = image.shape[1], image.shape[0]
        facts = measure_cells(crops, xyxy, size_px, um_per_px, self.crop)
        found = self.classify_crops(crops, widths_um(xyxy, um_per_px))
        return replace(found, facts=facts)

    def classify_crops(
        self, crops: Image, width_um: NDArray[np.float32] | None = None, batch_size: int = 64
    ) -> Predictions:
        """Names crops (N, S, S, 3) uint8 RGB that `cut_crops` made.

        A model may have an output `atypical`, (N,): how unlike every class each cell is. The less
        a cell is like those that were learned, the less its probabilities are believed, as far as
        the model's calibration says so. `width_um` (N,), where known, rules out platelets.

        Test-time augmentation: a cell whose confidence is below the calibration's `second_look`
        (0-1) is classified in eight views, and the outputs averaged: the first ways that it can lie
        with its stain normalized, and so many as the calibration's `plain_views` says as it is
        (stain normalization helps in some laboratories and hurts in others).
        """
        return self._predictions(*self.outputs(crops, width_um, batch_size), width_um)

    def outputs(
        self, crops: Image, width_um: NDArray[np.float32] | None = None, batch_size: int = 64
    ) -> Outputs:
        """Outputs for crops, test-time augmentation included, before any calibration."""
        normalized = normalize_stain(crops, self.crop)
        logits, atypical = self._run(normalized, batch_size)
        calibration = self.metadata.calibration
        confidence = self._predictions(logits, atypical, width_um).confidence
        again = np.flatnonzero(confidence < calibration.get("second_look", 0.0))
        if not len(again):
            return logits, atypical
        n_plain = int(calibration.get("plain_views", 0))
        views = orientations(normalized[again])[1 : VIEWS - n_plain]
        views += orientations(crops[again])[:n_plain]
        others, scores = self._run(np.concatenate(views), batch_size)
        logits[again] = _with_others(logits[again], others)
        if atypical is not None and scores is not None:
            atypical[again] = _with_others(atypical[again], scores)
        return logits, atypical

    def _run(self, crops: Image, batch_size: int) -> Outputs:
        """Outputs for crops as they are."""
        starts = range(0, len(crops), batch_size)
        batches = [self.model.outputs(crops[start : start + batch_size]) for start in starts]
        none = np.zeros((0, len(self.metadata.classes)), np.float32)
        logits = np.concatenate([none, *(next(iter(outputs.values())) for outputs in batches)])
        scores = [outputs["atypical"].ravel() for outputs in batches if "atypical" in outputs]
        return logits, np.concatenate(scores) if scores else None

    def _predictions(
        self,
        logits: NDArray[np.float32],
        atypical: NDArray[np.float32] | None,
        width_um: NDArray[np.float32] | None,
    ) -> Predictions:
        facts = self.metadata
        temperature = temperatures(facts.calibration, atypical)
        return Predictions(
            softmax(
                possible(logits, facts.classes, width_um),
                temperature,
                prior_weights(self.prior, facts.classes),
            ),
            facts.classes,
            facts.thresholds.get("reject", 0.0),
            atypical=atypical,
            atypical_threshold=facts.thresholds.get("atypical", math.inf),
            far_threshold=facts.thresholds.get("far", facts.thresholds.get("atypical", math.inf)),
        )
