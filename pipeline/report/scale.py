"""The scale of a slide: what its files say, what the user says, what its cells say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from leukodiff.core.errors import LeukodiffError
from leukodiff.core.message import Message
from leukodiff.core.units import RED_CELL_UM
from leukodiff.datasets.vocabulary import WHITE_CELL
from leukodiff.detector.scale import ScaleEstimate

from .remarks import Remark


class ScaleSource(StrEnum):
    """Source of a slide's scale; its value is the word of tables and stored reports."""

    METADATA = "metadata"
    USER = "user"
    RED_CELLS = "red cells"
    WHITE_CELLS = "white cells"


BELIEVED = 1.4
"""Metadata that differ from the red cells by more than this factor are wrong: cells of the smallest
and the largest mean volume (60 and 130 fl) differ from a normal one by 1.2 in diameter."""

ENOUGH_CELLS = 20
"""Fewer red cells don't contradict the metadata."""

WHITE_CELL_PERCENT = 20
"""Error (%) within which white cells tell the scale of nine of ten slides: docs/attempts.md."""

AGREE = 1.02
"""Greatest factor between the scales that fields of one slide state."""


class ScaleUnknownError(LeukodiffError):
    """A slide's um/px is neither given nor to be told from its cells."""


@dataclass(frozen=True)
class SlideScale:
    """A slide's scale, and where it comes from.

    `spread` is the interquartile range of the cells' diameters over their median and `n_cells` how
    many were measured, white ones if they are the source; `None` and 0 where none were. `warnings`
    say what was not believed.
    """

    um_per_px: float
    source: ScaleSource
    spread: float | None = None
    n_cells: int = 0
    warnings: tuple[Remark, ...] = ()


def resolve_scale(
    given: float | None,
    metadata: float | None,
    measure: Callable[[float | None], ScaleEstimate | None],
    warnings: Sequence[Message] = (),
) -> SlideScale:
    """The user's word before the metadata, those before the cells, unless the red cells differ.

    Args:
        given: what the user says, um/px.
        metadata: what the files say, um/px.
        measure: measures the cells, trying the scale it is given first.
        warnings: what was refused of the metadata already.

    Raises:
        ScaleUnknownError: nobody knows, and there are too few cells.
    """
    if given is not None:
        return SlideScale(given, ScaleSource.USER)
    measured = measure(metadata)
    doubts = tuple(Remark(one.code, **dict(one.values)) for one in warnings)
    if metadata is None:
        if measured is None:
            raise ScaleUnknownError("; ".join(map(str, (Remark("no_scale"), *doubts))))
        return _by_cells(measured, doubts)
    if measured is None or measured.measured_on == WHITE_CELL:
        return SlideScale(metadata, ScaleSource.METADATA, warnings=doubts)
    factor = measured.um_per_px / metadata
    if measured.n_cells >= ENOUGH_CELLS and not 1 / BELIEVED <= factor <= BELIEVED:
        refused = Remark(
            "scale_contradicted",
            um_per_px=f"{metadata:.4g}",
            red_cell_um=f"{RED_CELL_UM / factor:.1f}",
        )
        return _by_cells(measured, (*doubts, refused))
    return SlideScale(metadata, ScaleSource.METADATA, measured.spread, measured.n_cells, doubts)


def _by_cells(measured: ScaleEstimate, warnings: tuple[Remark, ...]) -> SlideScale:
    source = ScaleSource.RED_CELLS
    if measured.measured_on == WHITE_CELL:
        source = ScaleSource.WHITE_CELLS
        unsure = Remark("scale_by_white_cells", n=measured.n_cells, percent=WHITE_CELL_PERCENT)
        warnings = (*warnings, unsure)
    return SlideScale(measured.um_per_px, source, measured.spread, measured.n_cells, warnings)


def agreed(values: Sequence[float | None]) -> float | None:
    """The one scale that several fields have, um/px; `None` where one has none or they differ."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values) or max(known) > AGREE * min(known):
        return None
    return sum(known) / len(known)
