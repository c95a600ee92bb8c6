"""The shipped detector: a field's pixels in, boxes of its cells out."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.core.errors import InputError
from leukodiff.runtime.metadata import ModelMetadata
from leukodiff.runtime.model import Model, load_model

from .detections import Detections
from .letterbox import MARGIN, STRIDE, Image, canvas_size, letterbox, padded, resized
from .tile_merge import merge_across_tiles
from .tiles import ReadAt, on_scan, read_window, tile_boxes

SHIPPED = Path(__file__).with_name("weights") / "leukodiff-detector.onnx"

LARGEST_CANVAS = 2048
"""The longest side (px, at working scale) detected in one pass; what is larger, in tiles."""

TILE_PX = 1024
"""Side of a tile (px, at working scale): a multiple of `STRIDE`."""

OVERLAP_UM = 26.0
"""Overlap of neighboring tiles (um): hardly a cell of a smear is larger (monocytes reach 20 um,
blasts 25), and one that is has a box round its pieces."""

COARSEST_UM_PER_PX = 2.0
"""The coarsest scale at which a scan is read: a red cell has not even four px then."""

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
        cls,
        path: Path | None = None,
        *,
        engine: str = "openvino",
        threads: int | None = None,
        background: Executor | None = None,
    ) -> "Detector":
        """Load a model file, the shipped one when `path` is None; see `load_model`.

        Raises:
            ModelFileError: the file is missing, damaged or not a detector.
        """
        chosen = path or SHIPPED
        model = load_model(
            chosen, "detector", engine=engine, threads=threads, background=background
        )
        return cls(model, model.metadata.um_per_px)

    @property
    def metadata(self) -> ModelMetadata:
        """The facts that go with the weights."""
        return self.model.metadata

    @property
    def batch(self) -> int:
        """Number of windows best given to one call of `detect_many`."""
        return self.model.batch

    def at_scale(self, um_per_px: float) -> "Detector":
        """The same weights working at another scale, to see what resolution costs."""
        return replace(self, um_per_px=um_per_px)

    def detect(
        self,
        image: Image,
        um_per_px: float,
        thresholds: Mapping[str, float] | None = None,
    ) -> Detections:
        """The cells of one field, the surest first; a field too large for one pass in tiles.

        Args:
            image: (H, W, 3) uint8 RGB at full resolution.
            um_per_px: scale of the image.
            thresholds: least confidence by class, 0-1; the model's own when None.

        Raises:
            InputError: the scale is not a positive number, or too coarse for so large an image.
        """
        height, width = image.shape[:2]
        if max(self._working_size(width, height, um_per_px)) > LARGEST_CANVAS:
            return self.detect_tiled(_reader(image), width, height, um_per_px, thresholds)
        return self.detect_many([image], um_per_px, thresholds)[0]

    def detect_many(
        self,
        images: Sequence[Image],
        um_per_px: float,
        thresholds: Mapping[str, float] | None = None,
        *,
        framed: bool = True,
    ) -> list[Detections]:
        """The cells of each of several fields or windows of one size, in one call of the model.

        Args:
            images: each (H, W, 3) uint8 RGB at full resolution, all of one shape.
            um_per_px: scale of the images.
            thresholds: least confidence by class, 0-1; the model's own when None.
            framed: lay gray round each image, as in training. Windows cut from a scan need none:
                what lies beyond their edges is another window's.

        Raises:
            InputError: the scale is not a positive number.
        """
        shapes = {image.shape for image in images}
        if len(shapes) > 1:
            raise ValueError(f"expected images of one shape, got {sorted(shapes)}")
        if not images or not images[0].size:
            return [Detections.empty(self.metadata.classes) for _ in images]
        height, width = images[0].shape[:2]
        size = self._working_size(width, height, um_per_px)
        canvases = [_letterboxed(resized(image, *size), framed) for image in images]
        corner = canvases[0][1]
        predictions = self.model(np.stack([canvas for canvas, _ in canvases]))
        least = self._thresholds(thresholds)
        nms_iou = float(self.metadata.calibration.get("nms_iou", DEFAULT_NMS_IOU))
        names = self.metadata.classes
        decoded = [decode(one, least, nms_iou, names) for one in predictions]
        return [_in_field(found, corner, size, (width, height)) for found in decoded]

    def detect_tiled(
        self,
        read_at: ReadAt,
        width: int,
        height: int,
        um_per_px: float,
        thresholds: Mapping[str, float] | None = None,
        *,
        tile_px: int = TILE_PX,
        overlap_um: float = OVERLAP_UM,
    ) -> Detections:
        """The cells of a scan, read and detected in overlapping tiles, the surest first.

        Args:
            read_at: reads what lies inside the scan; see `ReadAt`.
            width: of the scan, px.
            height: of the scan, px.
            um_per_px: scale of the scan.
            thresholds: least confidence by class, 0-1; the model's own when None.
            tile_px: side of a tile, px at working scale.
            overlap_um: what neighboring tiles share; no less than the largest cell.

        Raises:
            InputError: the scale is not a positive number, or too coarse to show cells.
        """
        to_scan = 1 / self._shrinkage(um_per_px)
        if um_per_px > COARSEST_UM_PER_PX:
            raise InputError(
                f"{width} x {height} px at {um_per_px:.3g} um/px: no cell can be found at this "
                f"scale; the coarsest is {COARSEST_UM_PER_PX:g} um/px"
            )
        if width < 1 or height < 1:
            return Detections.empty(self.metadata.classes)
        frame, side = round(MARGIN * to_scan), math.floor(tile_px * to_scan)
        overlap = math.ceil(overlap_um / um_per_px)
        boxes = tile_boxes(width + 2 * frame, height + 2 * frame, side, overlap) - frame
        parts = []
        for box in boxes.tolist():
            # What is coarser than the working scale is enlarged by the detector, not by the reader.
            image = read_window(read_at, box, width, height, max(1.0, to_scan))
            image_um_per_px = um_per_px * (box[2] - box[0]) / image.shape[1]
            found = self.detect_many([image], image_um_per_px, thresholds, framed=False)[0]
            parts.append((box, on_scan(found, box, image.shape[1::-1], (width, height))))
        return merge_across_tiles(parts, width, height, um_per_px, self.metadata.classes)

    def canvas_px(self, width: int, height: int, um_per_px: float) -> int:
        """The longer side (px) of the canvas that a field of this size is detected on."""
        size = self._working_size(width, height, um_per_px)
        return TILE_PX if max(size) > LARGEST_CANVAS else max(canvas_size(*size))

    def _working_size(self, width: int, height: int, um_per_px: float) -> tuple[int, int]:
        factor = self._shrinkage(um_per_px)
        return max(1, round(width * factor)), max(1, round(height * factor))

    def _shrinkage(self, um_per_px: float) -> float:
        if not 0 < um_per_px < math.inf:
            raise InputError(f"the scale must be a positive number of um/px, not {um_per_px}")
        return um_per_px / self.um_per_px

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
    """Decodes a YOLO's raw output: one box a cell, the surest first.

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


def _letterboxed(image: Image, framed: bool) -> tuple[Image, tuple[int, int]]:
    if framed:
        return letterbox(image)
    height, width = (math.ceil(side / STRIDE) * STRIDE for side in image.shape[:2])
    return padded(image, width, height), (0, 0)


def _reader(image: Image) -> ReadAt:
    def read_at(x: int, y: int, width: int, height: int, downsample: float) -> Image:
        region = image[y : y + height, x : x + width]
        return resized(region, round(width / downsample), round(height / downsample))

    return read_at


def cxcywh_to_xyxy(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (N, 4) as corners, from centers and sides."""
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
