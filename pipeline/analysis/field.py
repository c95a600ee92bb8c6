"""Plain fields of a slide: their scale, the slide's baseline, and the cells of each."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field

import numpy as np

from leukodiff.core.errors import InputError
from leukodiff.core.message import Message
from leukodiff.datasets.vocabulary import WHITE_CELL
from leukodiff.detector.areas import AreaKind
from leukodiff.detector.field_quality import (
    SlideBaseline,
    field_quality,
    field_stats,
    slide_baseline,
)
from leukodiff.detector.scale import ScaleEstimate
from leukodiff.pipeline.report.scale import ScaleUnknownError, SlideScale, agreed, resolve_scale
from leukodiff.pipeline.slides.discover import Field

from .low_confidence import ClassifiedCells, classify, detect
from .models import Models, Rgb
from .scan import ReadingSettings

SAMPLE_FIELDS = 8
"""Fields, spread over a slide, that its scale and its baseline are measured on."""

UnderWay = Callable[[str], AbstractContextManager[Callable[[], None]]]
"""Given a field_id, or nothing for the slide itself, holds while a thread is busy with it; gives
what is called at every step."""


def unobserved(field_id: str) -> AbstractContextManager[Callable[[], None]]:
    """The `UnderWay` of an analysis that nobody observes."""
    return nullcontext(lambda: None)


@dataclass(frozen=True)
class FieldFound:
    """Cells of a field, px of it, at its scale; `None` where it is left out.

    `kind`: what the field is fit for.
    """

    um_per_px: float
    kind: AreaKind
    cells: ClassifiedCells | None


@dataclass(frozen=True)
class _SlideFacts:
    scale: SlideScale
    baseline: SlideBaseline


@dataclass
class FieldAnalyzer:
    """Analyzes the fields of one slide; safe to use from many threads at once.

    The first field to be analyzed has the scale and the baseline measured on a few of `fields`.
    """

    fields: Sequence[Field]
    models: Models
    settings: ReadingSettings
    under_way: UnderWay = unobserved
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _facts: _SlideFacts | None = None
    _no_scale: ScaleUnknownError | None = None

    @property
    def scale(self) -> SlideScale | None:
        """The slide's scale; `None` until it is measured, or where it can't be."""
        return self._facts.scale if self._facts else None

    def prepare(self) -> None:
        """Measures scale and baseline now, where that can be done."""
        with suppress(Exception):  # raised again when a field is analyzed
            self._measured()

    def analyze(self, image: Rgb) -> FieldFound:
        """The cells of a field (H, W, 3) uint8 RGB, named, unless it is not fit to be read.

        Raises:
            ScaleUnknownError: the scale is neither known nor to be measured.
        """
        facts = self._measured()
        um_per_px = facts.scale.um_per_px
        found = detect(self.models.detector, image, um_per_px)
        stats = field_stats(image, um_per_px)
        kind = field_quality(stats, facts.baseline, found.cells.of(WHITE_CELL).xyxy)
        if kind != AreaKind.USABLE and not self.settings.all_areas:
            return FieldFound(um_per_px, kind, None)
        cells = classify(self.models.classifier, image, found, um_per_px)
        return FieldFound(um_per_px, kind, cells)

    def _measured(self) -> _SlideFacts:
        with self._lock:
            if self._no_scale:
                raise self._no_scale
            if self._facts is None:
                try:
                    with self.under_way("") as step:
                        self._facts = self._measure(step)
                except ScaleUnknownError as error:
                    self._no_scale = error
                    raise
        return self._facts

    def _measure(self, step: Callable[[], None]) -> _SlideFacts:
        n = len(self.fields)
        chosen = np.unique(np.linspace(0, n - 1, min(n, SAMPLE_FIELDS)).round().astype(int))
        sample = [self.fields[i] for i in chosen.tolist()]
        given = self.settings.um_per_px
        in_files, warnings = (None, ()) if given else self._metadata_scale(sample)
        images: list[Rgb] = []

        def measure(guess: float | None) -> ScaleEstimate | None:
            images.extend(self._readable(sample, step))
            return self.models.estimate_um_per_px(images, guess)

        scale = resolve_scale(given, in_files, measure, warnings)
        stats = [
            field_stats(image, scale.um_per_px) for image in images or self._readable(sample, step)
        ]
        return _SlideFacts(scale, slide_baseline(stats))

    def _readable(self, fields: Sequence[Field], step: Callable[[], None]) -> Iterator[Rgb]:
        for one in fields:
            with self.under_way(one.field_id), suppress(Exception):
                yield one.read()  # an error is reported when the field's own turn comes
            step()

    def _metadata_scale(self, fields: Sequence[Field]) -> tuple[float | None, tuple[Message, ...]]:
        found, warnings = [], dict[Message, None]()
        for one in fields:
            try:
                with self.under_way(one.field_id):
                    um_per_px, refused = one.metadata_scale()
            except InputError:  # reported when the field's own turn comes
                continue
            found.append(um_per_px)
            warnings |= dict.fromkeys(refused)
        return agreed(found), tuple(warnings)
