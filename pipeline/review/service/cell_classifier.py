"""A cell that a person drew a box round, named by the classifier that named the others."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from leukodiff.core.errors import LeukodiffError
from leukodiff.datasets.vocabulary import UNIDENTIFIED
from leukodiff.pipeline.analysis.models import NamesCells
from leukodiff.pipeline.analysis.windows import SURROUNDINGS_UM, square_around

from .errors import ServiceError
from .images import ImagePool, field_image

if TYPE_CHECKING:
    from .slide_store import StoredSlide

Box = tuple[float, float, float, float]

MIN_SIDE_UM = 2.0
"""Shortest side of a box that a cell can have."""

MAX_SIDE_UM = 60.0


@dataclass(frozen=True)
class Named:
    """The classifier's result for a box: type, confidence 0-1, and probabilities by class.

    `note` says why the classifier does not name it, `warning` why `analyze` may have named it
    otherwise.
    """

    cell_type: str
    confidence: float
    probabilities: tuple[float, ...]
    note: str = ""
    warning: str = ""


@dataclass
class CellClassifier:
    """The classifier, loaded once when the first cell is added."""

    load: Callable[[], NamesCells]
    images: ImagePool
    _loaded: NamesCells | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def name(self, slide: "StoredSlide", field_id: str, box: Box) -> Named:
        """Names the cell in a box (px of the field).

        Raises:
            ServiceError: `invalid`: the box is no cell's, `not_found`: its image is gone.
        """
        with field_image(self.images, slide, field_id) as scan:
            require_box(box, scan.width, scan.height, slide.um_per_px)
            try:
                classifier = self._classifier()
            except LeukodiffError as error:
                return unnamed(slide, f"not classified: {error}")
            if classifier.metadata.classes != slide.report.class_names:
                return unnamed(slide, "not classified: the classifier here has other classes")
            # As a scan is read: all that is looked at is a crop and the glass about it.
            left, top, width, height = square_around(scan, box, SURROUNDINGS_UM / slide.um_per_px)
            around = np.ascontiguousarray(scan.read(left, top, width, height))
            moved = np.array([box], np.float32) - np.array([left, top] * 2, np.float32)
            found = classifier.classify(around, moved, slide.um_per_px)
        warning = other_model(slide, classifier)
        confidence = round(float(found.confidence[0]), 6)
        chances = tuple(round(float(one), 6) for one in found.probabilities[0])
        return Named(found.cell_types[0], confidence, chances, found.notes[0], warning)

    def _classifier(self) -> NamesCells:
        with self._lock:
            self._loaded = self._loaded or self.load()
            return self._loaded


def unnamed(slide: "StoredSlide", why: str) -> Named:
    """A cell that no classifier has seen."""
    n = len(slide.report.class_names)
    return Named(UNIDENTIFIED, 0.0, (0.0,) * n, why, why)


def other_model(slide: "StoredSlide", classifier: NamesCells) -> str:
    """The warning where another classifier named the slide's other cells; empty where not."""
    used = [one for one in slide.report.provenance.models if one.kind == "classifier"]
    if any(one.sha256 == classifier.metadata.sha256 for one in used):
        return ""
    facts = classifier.metadata
    theirs = ", ".join(f"{one.name} {one.version}" for one in used) or "an unknown one"
    return (
        f"named by another classifier ({facts.name} {facts.version}) than this slide's other "
        f"cells ({theirs})"
    )


def require_box(box: Box, width: int, height: int, um_per_px: float) -> None:
    """Refuses a box that can't be a cell's.

    Raises:
        ServiceError: `invalid`: it is outside the field, or smaller or larger than any cell.
    """
    x0, y0, x1, y1 = box
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise ServiceError(
            "invalid", f"the box is not inside the field of {width} x {height} px", "body"
        )
    short, long = min(x1 - x0, y1 - y0) * um_per_px, max(x1 - x0, y1 - y0) * um_per_px
    if short < MIN_SIDE_UM or long > MAX_SIDE_UM:
        raise ServiceError(
            "invalid", f"a cell has {MIN_SIDE_UM:.0f} to {MAX_SIDE_UM:.0f} um, this box {long:.1f}"
        )
