"""Cells of signed slides as a training set has them: who answers for each, its group and split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leukodiff.datasets.splits import TEST, TRAIN, VAL, position, split_of
from leukodiff.datasets.vocabulary import UNIDENTIFIED
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.report import SmearReport

from ..record import STATE_SIGNED, THIRD, SlideState, apply_review

PREFIX = "reviews/"
"""Start of the groups of signed slides: no group of a public data set has it."""

COLUMNS = (
    "field_id",
    "cell_type",
    "reviewed_as",
    *("x_min", "y_min", "x_max", "y_max"),
    *("group", "split", "um_per_px"),
    *("slide_id", "cell_id", "image", "signed_by", "signed_at"),
)
"""Of the table: `cell_type` is by the machine, `reviewed_as` by the person."""

VAL_POSITION = 0.25
"""The middle of the places of `val` in `split_of`."""


@dataclass(frozen=True)
class ReviewedCell:
    """A cell as the person who signed left it. `corrected`: the machine called it otherwise.

    `added`: the machine did not find it.
    """

    cell: Cell
    added: bool

    @property
    def corrected(self) -> bool:
        """True where a person named it otherwise than the machine."""
        return self.cell.counted_as != self.cell.cell_type


def reviewed_cells(report: SmearReport, state: SlideState) -> list[ReviewedCell]:
    """The cells of a signed slide that a person named or looked at; none of one not signed.

    Without the unidentified ones, and those that were signed without being viewed.
    """
    if state.status != STATE_SIGNED:
        return []
    seen = frozenset[str]().union(*(state.reading(n).viewed for n in (1, 2, THIRD)))
    machine = {cell.cell_id for cell in report.cells}
    return [
        ReviewedCell(cell, cell.cell_id not in machine)
        for cell in apply_review(report, state).cells
        if cell.counted_as != UNIDENTIFIED and (cell.reviewed_as or cell.cell_id in seen)
    ]


def signers(state: SlideState) -> list[dict[str, Any]]:
    """Signatures of a slide as the provenance has them, with the counts of machine and person."""
    return [
        {
            "event": one.number,
            "reader": one.reader,
            "account": one.actor,
            "name": one.name,
            "at": one.at,
            "statement": one.statement,
            "reason": one.reason,
            "left_unidentified": one.unidentified,
            "left_without_a_look": one.not_viewed,
            "machine_said": dict(one.machine),
            "person_said": dict(one.person),
            "sha256": one.sha256,
        }
        for one in state.signatures
    ]


def linked_groups(alike: Iterable[Sequence[str]]) -> dict[str, str]:
    """Slide -> its group: the first by name of all slides that are tied to each other.

    `alike` are slides that show the same blood or hold the same image; one alone is a slide.
    """
    group: dict[str, str] = {}
    members: dict[str, set[str]] = {}
    for slides in alike:
        together = set(slides)
        for one in slides:
            together |= members.get(group.get(one, one), {one})
        first = min(together)
        members[first] = together
        group |= dict.fromkeys(together, first)
    return group


def splits(groups: Iterable[str]) -> dict[str, str]:
    """Group -> split: by its name alone as ever, but with two groups or more none is without `val`.

    Where the names leave `train` or `val` empty, the group nearest to it is moved there.
    """
    place = {group: position(PREFIX + group) for group in groups}
    found = {group: split_of(PREFIX + group) for group in place}
    if len(found) == 1:
        return dict.fromkeys(found, TRAIN)
    for wanted, middle in ((TRAIN, 1.0), (VAL, VAL_POSITION)):
        if wanted not in found.values():
            counts = {split: list(found.values()).count(split) for split in found.values()}
            free = [g for g, split in found.items() if split == TEST or counts[split] > 1]
            if free:
                found[min(free, key=lambda group: abs(place[group] - middle))] = wanted
    return found


def row(reviewed: ReviewedCell, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the table; `facts` are those of its image and slide."""
    cell = reviewed.cell
    return {
        "cell_type": cell.cell_type,
        "reviewed_as": cell.counted_as,
        **{edge: getattr(cell, edge) for edge in ("x_min", "y_min", "x_max", "y_max")},
        "cell_id": cell.cell_id,
        "image": cell.field_id,
        **facts,
    }
