"""Cells that both readers saw: which they are, and how far the two agree on their names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from leukodiff.core.boxes import iou_matrix
from leukodiff.core.intervals import clopper_pearson

from .readings import UNNAMED, ReadCell, in_order

LEAST_IOU = 0.5
"""Two boxes are one cell from this overlap on (intersection over union, 0-1)."""
CHUNK = 256
"""Boxes set against all others at a time: a scan may have ten thousand."""


@dataclass(frozen=True)
class CellPair:
    """One cell as two readers have it; `iou` 0-1 is `None` where a box is not known."""

    a: ReadCell
    b: ReadCell
    iou: float | None

    @property
    def named(self) -> bool:
        """True when both readers named it."""
        return not {self.a.cell_type, self.b.cell_type} & UNNAMED

    @property
    def agree(self) -> bool | None:
        """True when the names are the same; `None` where one is missing."""
        return self.a.cell_type == self.b.cell_type if self.named else None


@dataclass(frozen=True)
class TypeAgreement:
    """Cells that A and B call by a name, and those that both do; `agreement` 0-1.

    `agreement` is the proportion of specific agreement, 2 both / (A + B): the chance that one
    reader says the name where the other does (Cicchetti and Feinstein 1990).
    """

    cell_type: str
    n_a: int
    n_b: int
    both: int

    @property
    def agreement(self) -> float | None:
        """`None` where neither says the name."""
        return 2 * self.both / (self.n_a + self.n_b) if self.n_a + self.n_b else None

    @property
    def p(self) -> float | None:
        """Chance of such a difference, were A as ready with the name as B (exact; McNemar 1947).

        Of the cells that only one of them calls so, as many should be A's as B's. `None` where
        there are none.
        """
        from scipy.stats import binomtest

        only_a, only_b = self.n_a - self.both, self.n_b - self.both
        return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else None


@dataclass(frozen=True)
class CellAgreement:
    """The cells both read, and how far the two agree on those that both named.

    `only_a` and `only_b` are cells that one reader alone has. `kappa` (-1 to 1) is the agreement
    beyond what chance would give (Cohen 1960), its 95 % interval by Fleiss, Cohen and Everitt
    (1969). The interval is `None` where they agree on all or one of them has but one name, kappa
    too where there is but one name in all.
    """

    pairs: tuple[CellPair, ...]
    only_a: int
    only_b: int
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None

    @property
    def named(self) -> tuple[CellPair, ...]:
        """The cells both named."""
        return tuple(pair for pair in self.pairs if pair.named)

    @property
    def agreed(self) -> int:
        """The number of these with the same name."""
        return sum(bool(pair.agree) for pair in self.named)

    @property
    def share(self) -> tuple[float, float, float] | None:
        """Share agreed and its exact 95 % interval, 0-1; `None` of no cells."""
        n = len(self.named)
        return (self.agreed / n, *clopper_pearson(self.agreed, n)) if n else None

    @property
    def confusion(self) -> Counter[tuple[str, str]]:
        """The cells by A's name and B's, unnamed cells too."""
        return Counter((pair.a.cell_type, pair.b.cell_type) for pair in self.pairs)

    @property
    def types(self) -> tuple[TypeAgreement, ...]:
        """Each name among the cells both named."""
        a = Counter(pair.a.cell_type for pair in self.named)
        b = Counter(pair.b.cell_type for pair in self.named)
        return tuple(
            TypeAgreement(name, a[name], b[name], self.confusion[name, name])
            for name in in_order(set(a) | set(b))
        )


def compare_cells(a: Sequence[ReadCell], b: Sequence[ReadCell]) -> CellAgreement:
    """Find the cells that both lists have, and compare their names."""
    pairs = match_cells(a, b)
    named = [(pair.a.cell_type, pair.b.cell_type) for pair in pairs if pair.named]
    only = (len(a) - len(pairs), len(b) - len(pairs))
    return CellAgreement(tuple(pairs), *only, *cohens_kappa(named))


def match_cells(a: Sequence[ReadCell], b: Sequence[ReadCell]) -> list[CellPair]:
    """The cells that two lists share, each at most once, in A's order.

    They lie in the same field, and have the same `cell_id` with boxes that touch (or with no
    boxes), or boxes that overlap by `LEAST_IOU`.
    """
    pairs: list[tuple[int, CellPair]] = []
    in_a, in_b = _by_field(a), _by_field(b)
    for field_id, numbers in in_a.items():
        there = in_b.get(field_id, [])
        for i, j, iou in _match_field([a[i] for i in numbers], [b[j] for j in there]):
            pairs.append((numbers[i], CellPair(a[numbers[i]], b[there[j]], iou)))
    return [pair for _, pair in sorted(pairs, key=lambda one: one[0])]


def cohens_kappa(
    names: Sequence[tuple[str, str]],
) -> tuple[float | None, float | None, float | None]:
    """Cohen's kappa of pairs of names, and its 95 % interval.

    All `None` where kappa is not defined (no cells, or one name throughout); the interval `None`
    where all agree or a reader has but one name: its formula then gives no width, however few cells
    there are.
    """
    from statsmodels.stats.inter_rater import cohens_kappa as fit

    order = in_order({name for pair in names for name in pair})
    if len(order) < 2:
        return None, None, None
    table = np.zeros((len(order), len(order)))
    for one, other in names:
        table[order.index(one), order.index(other)] += 1
    one_name = 1 in (len(set(side)) for side in zip(*names, strict=True))
    if one_name or all(one == other for one, other in names):
        return float(fit(table, return_results=False)), None, None
    found = fit(table)
    return float(found.kappa), max(-1.0, float(found.kappa_low)), min(1.0, float(found.kappa_upp))


def _by_field(cells: Sequence[ReadCell]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for i, cell in enumerate(cells):
        found[cell.field_id].append(i)
    return found


def _match_field(
    a: Sequence[ReadCell], b: Sequence[ReadCell]
) -> Iterator[tuple[int, int, float | None]]:
    """One to one, the same cell_id first, then the largest overlap first."""
    left_a, left_b = set(range(len(a))), set(range(len(b)))
    for i, j, iou in (*_same_id(a, b), *_overlapping(a, b)):
        if i in left_a and j in left_b:
            left_a.remove(i)
            left_b.remove(j)
            yield i, j, iou


def _same_id(a: Sequence[ReadCell], b: Sequence[ReadCell]) -> list[tuple[int, int, float | None]]:
    of_id = {cell.cell_id: j for j, cell in enumerate(b) if cell.cell_id}
    found: list[tuple[int, int, float | None]] = []
    for i, cell in enumerate(a):
        j = of_id.get(cell.cell_id)
        if j is None:
            continue
        iou = _iou(cell, b[j])
        if iou is None or iou > 0:
            found.append((i, j, iou))
    return found


def _iou(a: ReadCell, b: ReadCell) -> float | None:
    if a.box is None or b.box is None:
        return None
    return float(iou_matrix(np.array([a.box], np.float32), np.array([b.box], np.float32))[0, 0])


def _overlapping(a: Sequence[ReadCell], b: Sequence[ReadCell]) -> list[tuple[int, int, float]]:
    rows, columns = ([i for i, cell in enumerate(one) if cell.box] for one in (a, b))
    if not rows or not columns:
        return []
    others = np.array([b[j].box for j in columns], np.float32)
    found: list[tuple[int, int, float]] = []
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        overlap = iou_matrix(np.array([a[i].box for i in part], np.float32), others)
        for i, j in np.argwhere(overlap >= LEAST_IOU).tolist():
            found.append((part[i], columns[j], float(overlap[i, j])))
    return sorted(found, key=lambda one: -one[2])
