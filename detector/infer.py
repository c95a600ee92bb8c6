"""The shipped detector: a field's pixels in, boxes of its cells out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.runtime.errors import InputError
from leukodiff.runtime.metadata import ModelMetadata
from leukodiff.runtime.model import Model, load_model

from .canvas import Image, canvas_size, on_canvas, resized
from .detections import Detections

SHIPPED = Path(__file__).with_name("weights") / "leukodiff-detector.onnx"

LARGEST_CANVAS = 2048
"""The longest side (px, at working scale) that is detected in one pass."""

DEFAULT_THRESHOLD = 0.25
"""Confidence (0-1) that a detection must reach, where the metadata has none for its class."""

DEFAULT_NMS_IOU = 0.6
"""Of two boxes of one class that overlap more than this (IoU), the less sure one is dropped."""


@dataclass(frozen=True)
class Detector:
    """A loaded detector. Safe to use from many threads at once.

    `um_per_px` is the working scale that fields are brought to.
    """

    model: Model
    um_per_px: float

    @classmethod
    def load(
        cls, path: Path | None = None, *, engine: str = "openvino", threads: int | None = None
    ) -> "Detector":
        """Load a model file, the shipped one when `path` is None.

        Raises:
            ModelFileError: the file is missing, damaged or not a detector.
        """
        model = load_model(path or SHIPPED, engine=engine, threads=threads, kind="detector")
        return cls(model, model.metadata.um_per_px)

    @property
    def metadata(self) -> ModelMetadata:
        """The facts that go with the weights."""
        return self.model.metadata

    def at_scale(self, um_per_px: float) -> "Detector":
        """The same weights working at another scale, to see what resolution costs."""
        return replace(self, um_per_px=um_per_px)

    def detect(
        self,
        image: Image,
        um_per_px: float,
        thresholds: Mapping[str, float] | None = None,
    ) -> Detections:
        """The cells of one field, the surest first.

        Args:
            image: (H, W, 3) uint8 RGB at full resolution.
            um_per_px: scale of the image.
            thresholds: least confidence by class, 0-1; the model's own when None.

        Raises:
            InputError: the field is too large for one pass, or its scale is not a positive number.
        """
        names = self.metadata.classes
        if not image.size:
            return Detections.empty(names)
        height, width = image.shape[:2]
        small = resized(image, *self._working_size(width, height, um_per_px))
        canvas, corner = on_canvas(small)
        predictions = self.model(canvas[None])[0]
        nms_iou = float(self.metadata.calibration.get("nms_iou", DEFAULT_NMS_IOU))
        found = decode(predictions, self._thresholds(thresholds), nms_iou, names)
        return _in_field(found, corner, small.shape[1::-1], (width, height))

    def canvas_px(self, width: int, height: int, um_per_px: float) -> int:
        """The longer side (px) of the canvas that a field of this size is detected on."""
        return max(canvas_size(*self._working_size(width, height, um_per_px)))

    def _working_size(self, width: int, height: int, um_per_px: float) -> tuple[int, int]:
        if not um_per_px > 0:
            raise InputError(f"the scale must be a positive number of um/px, not {um_per_px}")
        factor = um_per_px / self.um_per_px
        small = max(1, round(width * factor)), max(1, round(height * factor))
        if max(small) > LARGEST_CANVAS:
            raise InputError(
                f"{width} x {height} px at {um_per_px:.3g} um/px is too large for one field: "
                "whole-slide scans are not supported yet"
            )
        return small

    def _thresholds(self, wanted: Mapping[str, float] | None) -> NDArray[np.float32]:
        chosen = self.metadata.thresholds if wanted is None else wanted
        least = [chosen.get(name, DEFAULT_THRESHOLD) for name in self.metadata.classes]
        return np.array(least, np.float32)


def decode(
    predictions: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    nms_iou: float,
    class_names: tuple[str, ...],
) -> Detections:
    """What a YOLO's raw output says, one box a cell, the surest first.

    Args:
        predictions: (A, 4 + C): cx, cy, w, h in px, then class probabilities 0-1.
        thresholds: (C,) least confidence of each class, 0-1.
        nms_iou: overlap (IoU, 0-1) of two boxes of a class above which the less sure is dropped.
        class_names: the C classes, in the output's order.
    """
    boxes, scores = predictions[:, :4], predictions[:, 4:]
    class_id = scores.argmax(axis=1)
    confidence = np.take_along_axis(scores, class_id[:, None], axis=1)[:, 0]
    kept = np.flatnonzero(confidence >= thresholds[class_id])
    found = Detections(
        cxcywh_to_xyxy(boxes[kept]),
        confidence[kept].astype(np.float32),
        class_id[kept].astype(np.int64),
        class_names,
    )
    return found.select(_one_box_a_cell(found, nms_iou))


def cxcywh_to_xyxy(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (N, 4) as corners, from centres and sides."""
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1).astype(np.float32)


def _one_box_a_cell(found: Detections, nms_iou: float) -> NDArray[np.int64]:
    kept = []
    for class_id in range(len(found.class_names)):
        members = np.flatnonzero(found.class_id == class_id)
        if len(members):
            corners = found.xyxy[members]
            sides = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
            chosen = cv2.dnn.NMSBoxes(
                sides.astype(np.float64).tolist(), found.confidence[members].tolist(), 0.0, nms_iou
            )
            kept.append(members[np.asarray(chosen, np.int64).reshape(-1)])
    if not kept:
        return np.zeros(0, np.int64)
    together = np.concatenate(kept)
    # Equal confidences keep the output's order, so that the same field gives the same list.
    return together[np.lexsort((together, -found.confidence[together]))]


def _in_field(
    found: Detections,
    corner: tuple[int, int],
    working_size: tuple[int, ...],
    field_size: tuple[int, int],
) -> Detections:
    limits = np.array(field_size * 2, np.float32)
    factor = limits / np.array(tuple(working_size) * 2, np.float32)
    moved = (found.xyxy - np.array(corner * 2, np.float32)) * factor
    xyxy = np.minimum(np.maximum(moved, 0), limits).astype(np.float32)
    has_area: NDArray[np.bool_] = np.all(xyxy[:, 2:] > xyxy[:, :2], axis=1)
    return replace(found, xyxy=xyxy).select(has_area)
