"""A machine's report with its review applied, and the obstacles to a signature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from leukodiff.core.errors import InputError
from leukodiff.datasets.vocabulary import UNIDENTIFIED
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.report import SmearReport

from .state import THIRD, Reading, SlideState, digest

if TYPE_CHECKING:
    from leukodiff.pipeline.comparison.cells import CellAgreement
    from leukodiff.pipeline.comparison.readings import ReadCell

STATEMENT = "I have looked at these cells and take responsibility for their names and the counts."
"""Statement of a signature where no other is given."""


@dataclass(frozen=True)
class Difference:
    """A cell on which two readers differ: the name that each gives it, `None` for one without it.

    The third reader names or removes `cell_id` to decide; `decided` once that is done.
    """

    cell_id: str
    first: str | None
    second: str | None
    decided: bool = False


def apply_review(report: SmearReport, state: SlideState, reader: int | None = None) -> SmearReport:
    """The report as a reader left it: cells named, added and removed; `cell_type` stays.

    Without a `reader`: as all together left it. Of two readers that is where both agree; a cell on
    which they differ is as the third named it, and `unidentified` until then.

    Raises:
        InputError: the events are about cells, or classes, that the report does not have.
    """
    if reader == THIRD or (reader is None and state.readers == 2):
        return _together(report, state)
    return _as_read(report, state.reading(reader or 1))


def differences(report: SmearReport, state: SlideState) -> tuple[Difference, ...]:
    """Cells on which the first two readers differ, in the report's order; added ones are matched.

    A cell that one reader alone has (the other removed it, or never added it) is one of them.
    """
    return tuple(one for _, one in _compared(report, state) if isinstance(one, Difference))


def agreement(report: SmearReport, state: SlideState) -> CellAgreement:
    """Agreement of the first two readers: kappa, and each type."""
    from leukodiff.pipeline.comparison.cells import compare_cells

    return compare_cells(*(_read_cells(apply_review(report, state, n).cells) for n in (1, 2)))


def may_sign(
    report: SmearReport,
    state: SlideState,
    reason: str = "",
    reader: int = 1,
    read: SmearReport | None = None,
) -> list[str]:
    """Obstacles to a signature, one line each; empty: it may be signed.

    Cells that are unidentified or that nobody looked at may be left so for a `reason`. `read` is
    the report with the reader's work applied, for a caller that has it already.
    """
    if state.reading(reader).signature:
        return ["it is signed"]
    if reader == THIRD and not state.awaits_third:
        return ["there is nothing to decide between two readers"]
    undecided = sum(not one.decided for one in differences(report, state)) if reader == THIRD else 0
    open_now = {} if reason.strip() else open_cells(report, state, reader, read)
    lines = {
        "undecided": ("difference is not decided", "differences are not decided"),
        "unidentified": ("cell is unidentified", "cells are unidentified"),
        "not_looked_at": ("cell was not looked at", "cells were not looked at"),
    }
    found = {"undecided": undecided} | open_now
    return [f"{n} {lines[what][n > 1]}" for what, n in found.items() if n]


def open_cells(
    report: SmearReport, state: SlideState, reader: int = 1, read: SmearReport | None = None
) -> dict[str, int]:
    """Numbers of cells `unidentified` and `not_looked_at`; of the third reader all count as seen.

    `read` is as in `may_sign`.
    """
    cells = (read or apply_review(report, state, reader)).cells
    seen = state.reading(reader).viewed
    unseen = 0 if reader == THIRD else sum(cell.cell_id not in seen for cell in cells)
    unnamed = sum(cell.counted_as == UNIDENTIFIED for cell in cells)
    return {"unidentified": unnamed, "not_looked_at": unseen}


def signing(
    report: SmearReport,
    state: SlideState,
    name: str,
    *,
    reader: int = 1,
    reason: str = "",
    statement: str = STATEMENT,
) -> dict[str, Any]:
    """The payload of the event that signs the state.

    Raises:
        InputError: something stands in the way.
    """
    read = apply_review(report, state, reader)
    if obstacles := may_sign(report, state, reason, reader, read):
        raise InputError(f"{state.slide}: can't be signed: {'; '.join(obstacles)}")
    payload = {
        "name": name,
        "reader": reader,
        "statement": statement,
        "open": open_cells(report, state, reader, read),
        "reason": reason,
        "machine": dict(Counter(cell.cell_type for cell in report.cells)),
        "person": dict(Counter(cell.counted_as for cell in read.cells)),
        "sha256": digest(state, reader),
    }
    if reader in (1, 2) and state.readers == 2 and state.reading(3 - reader).signature:
        payload["differs"] = len(differences(report, state))
    return payload


def _as_read(report: SmearReport, reading: Reading) -> SmearReport:
    named, gone = reading.reviewed_as, reading.removed
    made = {cell.cell_id for cell in reading.added}
    known = {cell.cell_id for cell in report.cells}
    if unknown := sorted((named.keys() | gone) - known - made):
        raise InputError(f"{report.slide_id}: there is no cell {unknown[0]!r:.80}")
    if twice := sorted(made & known):
        raise InputError(f"{report.slide_id}: the cell {twice[0]!r:.80} is there twice")
    if any(len(cell.probabilities) != len(report.class_names) for cell in reading.added):
        raise InputError(f"{report.slide_id}: a cell was added with other classes than the slide's")
    cells = tuple(
        replace(cell, reviewed_as=named[cell.cell_id]) if cell.cell_id in named else cell
        for cell in (*report.cells, *reading.added)
        if cell.cell_id not in gone
    )
    return replace(report, cells=cells)


def _together(report: SmearReport, state: SlideState) -> SmearReport:
    third, cells = state.reading(THIRD), []
    for cell, one in _compared(report, state):
        if isinstance(one, Difference):
            if cell.cell_id not in third.removed:
                name = third.reviewed_as.get(cell.cell_id, UNIDENTIFIED)
                cells.append(replace(cell, reviewed_as=name))
        else:
            cells.append(cell)
    return replace(report, cells=tuple(cells))


def _compared(report: SmearReport, state: SlideState) -> list[tuple[Cell, Difference | None]]:
    """Every cell that either reader has, with the difference where there is one."""
    from leukodiff.pipeline.comparison.cells import match_cells

    a, b = (apply_review(report, state, n).cells for n in (1, 2))
    of_b = {cell.cell_id: cell for cell in b}
    found: list[tuple[Cell, Difference | None]] = []
    paired: set[str] = set()
    partner = {p.a.cell_id: p.b.cell_id for p in match_cells(_read_cells(a), _read_cells(b))}
    for cell in a:
        other = of_b.get(partner.get(cell.cell_id, ""))
        paired |= {other.cell_id} if other else set()
        found.append(_of_pair(cell, other, state))
    alone = (cell for cell in b if cell.cell_id not in paired)
    found += [_of_pair(cell, None, state, second=True) for cell in alone]
    order = {cell.cell_id: i for i, cell in enumerate(report.cells)}
    return sorted(found, key=lambda one: order.get(one[0].cell_id, len(order)))


def _of_pair(
    cell: Cell, other: Cell | None, state: SlideState, second: bool = False
) -> tuple[Cell, Difference | None]:
    if other and cell.counted_as == other.counted_as:
        return replace(cell, reviewed_as=cell.reviewed_as or other.reviewed_as), None
    first: str | None = cell.counted_as
    then = other.counted_as if other else None
    decided = state.reading(THIRD).value(cell.cell_id) is not None
    if second:
        first, then = then, first
    return cell, Difference(cell.cell_id, first, then, decided)


def _read_cells(cells: Sequence[Cell]) -> list[ReadCell]:
    from leukodiff.pipeline.comparison.readings import ReadCell

    return [
        ReadCell(
            cell.field_id,
            cell.cell_id,
            cell.counted_as,
            (cell.x_min, cell.y_min, cell.x_max, cell.y_max),
            cell.reviewed_as is not None,
        )
        for cell in cells
    ]
