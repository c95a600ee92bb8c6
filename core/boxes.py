"""Boxes `xyxy` (..., 4): left, top, right, bottom, in px unless a name says otherwise."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.number[Any])


def sides(xyxy: NDArray[Number]) -> NDArray[Number]:
    """Width and height (..., 2)."""
    return np.asarray(xyxy[..., 2:] - xyxy[..., :2], xyxy.dtype)


def centers(xyxy: NDArray[Number]) -> NDArray[Any]:
    """Centers x, y (..., 2)."""
    return np.asarray((xyxy[..., :2] + xyxy[..., 2:]) / 2)


def area(xyxy: NDArray[Number]) -> NDArray[Number]:
    """Areas (...); 0 of a box whose right lies left of its left."""
    return np.asarray(np.prod(np.maximum(sides(xyxy), 0), axis=-1, dtype=xyxy.dtype))


def clip(xyxy: NDArray[Number], limits: NDArray[Number]) -> NDArray[Number]:
    """The part of each box that lies inside `limits` (..., 4), row by row.

    It has a negative side where there is none; its `area` is 0 then.
    """
    low = np.maximum(xyxy[..., :2], limits[..., :2])
    return np.concatenate([low, np.minimum(xyxy[..., 2:], limits[..., 2:])], axis=-1)


def iou(a: NDArray[Number], b: NDArray[Number]) -> NDArray[Any]:
    """Intersection over union (...), 0-1, of boxes row by row."""
    shared = area(clip(a, b))
    return np.asarray(shared / np.maximum(area(a) + area(b) - shared, 1e-12))


def iou_matrix(a: NDArray[Number], b: NDArray[Number]) -> NDArray[np.float64]:
    """Intersection over union (0-1) of each box in `a` (N, 4) with each in `b` (M, 4): (N, M)."""
    return iou(a.astype(np.float64)[:, None], b.astype(np.float64)[None])


def overlap_matrix(a: NDArray[Number], b: NDArray[Number]) -> NDArray[np.bool_]:
    """Pairs of boxes (N, 4) and (M, 4) that share more than an edge, (N, M)."""
    return np.asarray((sides(clip(a[:, None], b[None])) > 0).all(axis=-1))
