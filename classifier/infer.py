"""The shipped classifier: boxes of a field in, calibrated predictions out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leukodiff.runtime.metadata import ModelMetadata
from leukodiff.runtime.model import Model, load_model

from .crops import CropSettings, Image, cut_crops
from .predictions import Predictions

SHIPPED = Path(__file__).with_name("weights") / "leukodiff-classifier.onnx"


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Probabilities (N, K) of logits (N, K) divided by a temperature (Guo et al., ICML 2017)."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


@dataclass(frozen=True)
class Classifier:
    """A loaded classifier. Safe to use from many threads at once."""

    model: Model

    @classmethod
    def load(
        cls, path: Path | None = None, *, engine: str = "openvino", threads: int | None = None
    ) -> "Classifier":
        """Loads a model file, the shipped one when `path` is None.

        Raises:
            ModelFileError: if the file is missing, damaged or not a classifier.
        """
        return cls(load_model(path or SHIPPED, "classifier", engine=engine, threads=threads))

    @property
    def metadata(self) -> ModelMetadata:
        """The facts that go with the weights."""
        return self.model.metadata

    @property
    def crop(self) -> CropSettings:
        """How the crops it was trained on are cut."""
        side = self.metadata.input_px
        return CropSettings(window_um=round(side * self.metadata.um_per_px, 6), size_px=side)

    def classify(self, image: Image, xyxy: NDArray[np.float32], um_per_px: float) -> Predictions:
        """Names the cell in each box.

        Args:
            image: (H, W, 3) uint8 RGB at full resolution.
            xyxy: (N, 4) boxes, px of the image.
            um_per_px: scale of the image.
        """
        return self.classify_crops(cut_crops(image, xyxy, um_per_px, self.crop))

    def classify_crops(self, crops: Image, batch_size: int = 64) -> Predictions:
        """Names crops (N, S, S, 3) uint8 RGB that `cut_crops` made."""
        classes = self.metadata.classes
        batches = [
            np.asarray(self.model(crops[start : start + batch_size]), np.float32)
            for start in range(0, len(crops), batch_size)
        ]
        logits = np.concatenate(batches) if batches else np.zeros((0, len(classes)), np.float32)
        probabilities = softmax(logits, self.metadata.calibration.get("temperature", 1.0))
        return Predictions(probabilities, classes, self.metadata.thresholds.get("reject", 0.0))
