"""The plain fields of a slide: their scale, what is usual in them, and what each one shows."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
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

from .low_confidence import Found, Named, find, named
from .models import Models, Rgb
from .scan import ReadingSettings

SAMPLE = 8
"""How many fields, spread over a slide, its scale and what is usual in it are told from."""


@dataclass(frozen=True)
class FieldFound:
    """What was `found` in a field, px of it, and what it is fit for (`kind`).

    `is_read`: its cells count; else the field is left out.
    """

    um_per_px: float
    found: Found
    kind: AreaKind
    is_read: bool


@contextmanager
def _unheard(field_id: str) -> Iterator[Callable[[], None]]:
    yield lambda: None


@dataclass(frozen=True)
class _Known:
    scale: SlideScale
    usual: SlideBaseline


@dataclass
class FieldReader:
    """Reads the fields of one slide; safe to use from many threads at once.

    The first field to be looked at settles the scale, and what is usual, from a few of them.
    `under_way`: given a field_id, or nothing for the slide itself, holds while a thread is at it.
    """

    fields: Sequence[Field]
    models: Models
    how: ReadingSettings
    under_way: Callable[[str], AbstractContextManager[Callable[[], None]]] = _unheard
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: _Known | None = None
    _no_scale: ScaleUnknownError | None = None
    _step: Callable[[], None] = lambda: None

    @property
    def scale(self) -> SlideScale | None:
        """The slide's scale; `None` until a field was looked at, or where nobody can tell."""
        return self._known.scale if self._known else None

    def look(self, image: Rgb) -> FieldFound:
        """The cells of a field (H, W, 3) uint8 RGB, and whether it can be read.

        Raises:
            ScaleUnknownError: the scale is neither known nor to be measured.
        """
        known = self._settled()
        um_per_px = known.scale.um_per_px
        found = find(self.models.detector, image, um_per_px)
        look = field_stats(image, um_per_px)
        kind = field_quality(look, known.usual, found.cells.of(WHITE_CELL).xyxy)
        return FieldFound(um_per_px, found, kind, kind == AreaKind.USABLE or self.how.all_areas)

    def name(self, image: Rgb, shown: FieldFound) -> Named:
        """The white cells of a field and what they are, and its other cells."""
        return named(self.models.classifier, image, shown.found, shown.um_per_px)

    def settle(self) -> None:
        """Settles scale and usual look now, where that can be done."""
        with suppress(Exception):  # whatever it is, it is told when a field is looked at
            self._settled()

    def _settled(self) -> _Known:
        with self._lock:
            if self._no_scale:
                raise self._no_scale
            if self._known is None:
                try:
                    with self.under_way("") as self._step:
                        self._known = self._settle()
                except ScaleUnknownError as error:
                    self._no_scale = error
                    raise
        return self._known

    def _settle(self) -> _Known:
        sample = self._sample()
        given = self.how.um_per_px
        in_files, warnings = (None, ()) if given else self._metadata_scale(sample)
        read: list[Rgb] = []

        def measure(guess: float | None) -> ScaleEstimate | None:
            read.extend(self._readable(sample))
            return self.models.estimate_um_per_px(read, guess)

        scale = resolve_scale(given, in_files, measure, warnings)
        looks = [field_stats(image, scale.um_per_px) for image in read or self._readable(sample)]
        return _Known(scale, slide_baseline(looks))

    def _readable(self, fields: Sequence[Field]) -> Iterator[Rgb]:
        for one in fields:
            with self.under_way(one.field_id), suppress(Exception):
                yield one.read()  # whatever it is, it is told when the field's own turn comes
            self._step()

    def _sample(self) -> list[Field]:
        n = len(self.fields)
        chosen = np.unique(np.linspace(0, n - 1, min(n, SAMPLE)).round().astype(int))
        return [self.fields[i] for i in chosen.tolist()]

    def _metadata_scale(self, fields: Sequence[Field]) -> tuple[float | None, tuple[Message, ...]]:
        found, warnings = [], dict[Message, None]()
        for one in fields:
            try:
                with self.under_way(one.field_id):
                    um_per_px, refused = one.metadata_scale()
            except InputError:  # it is listed when its own turn comes
                continue
            found.append(um_per_px)
            warnings |= dict.fromkeys(refused)
        return agreed(found), tuple(warnings)
