"""Comparisons in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from .cells import CellAgreement
from .counts import ALPHA, CountComparison, TypeComparison
from .methods import MethodComparison
from .readings import Reading, title


def p_text(p: float | None) -> str:
    """A p value as papers write it."""
    if p is None:
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def count_sentences(found: CountComparison) -> list[str]:
    """The answer to Rümke's question, then the overall test."""
    empty = [name for name, one in (("A", found.a), ("B", found.b)) if not one.n]
    if empty:
        return [f"Nothing to compare: no cell of the differential in {' and '.join(empty)}."]
    beyond = found.beyond_chance
    if beyond:
        rest = "" if len(beyond) == len(found.types) else " Every other type lies within it."
        types = "; ".join(_difference(one) for one in beyond)
        first = f"Beyond counting error: {types}.{rest}"
    else:
        first = "No type differs beyond counting error."
    return [first, *_alone(found), *_overall(found)]


def agreement_sentences(found: CellAgreement, a: Reading, b: Reading) -> list[str]:
    """The agreement of two readers on the cells both read."""
    lines = [
        f"Cells both read: {len(found.pairs)}; only in A {found.only_a}, only in B {found.only_b}."
    ]
    share = found.share
    if share is None:
        return [*lines, "None of them was named by both: no agreement to measure."]
    percent, low, high = (100 * one for one in share)
    lines.append(
        f"Of {len(found.named)} that both named they agree on {found.agreed}: "
        f"{percent:.1f} % ({low:.1f}-{high:.1f}); {_kappa(found)}."
    )
    for name, reading in (("A", a), ("B", b)):
        by_person = sum(cell.by_person for cell in reading.cells or ())
        if by_person:
            lines.append(f"{name}: a person named {by_person} of {len(reading.cells or ())} cells.")
    fewer = min(len(a.cells or ()), len(b.cells or ()))
    if len(found.pairs) < fewer / 2:
        lines.append("Fewer than half of the cells are the same: are these the same fields?")
    elif found.named:
        lines.append(
            "Both read the same cells, so that counting error has less part in the difference than "
            "the tests above suppose; those below set cell against cell."
        )
    return lines


def strange_sentence(types: Sequence[str]) -> list[str]:
    """A sentence on types that the vocabulary lacks."""
    if not types:
        return []
    names = ", ".join(title(one) for one in types)
    return [f"Not in leukodiff's vocabulary, taken as types of their own: {names}."]


def method_sentences(found: MethodComparison) -> list[str]:
    """Remarks on the table: slides of one side, types nobody counted by hand, notes."""
    lines = [
        f"{what}: {len(slides)} ({', '.join(slides[:5])}{', ...' if len(slides) > 5 else ''})."
        for what, slides in (
            ("Slides only in the manual counts, left out", found.only_manual),
            ("Slides only in the results, left out", found.only_results),
            ("Slides without a cell on one side, left out", found.without_cells),
        )
        if slides
    ]
    if found.not_in_manual:
        names = ", ".join(title(name) for name in found.not_in_manual)
        lines.append(f"Not in the manual table, taken as none seen: {names}.")
    lines += strange_sentence(found.strange_types)
    lines += [f"{title(one.cell_type)}: {one.note}." for one in found.types if one.note]
    return lines


def _difference(one: TypeComparison) -> str:
    points = one.difference or 0.0
    low, high = one.difference_low or 0.0, one.difference_high or 0.0
    if points < 0:
        low, high = -high, -low
    way = "lower" if points < 0 else "higher"
    return (
        f"{title(one.cell_type)} {abs(points):.1f} points {way} in B "
        f"(95 % interval {low:.1f} to {high:.1f}, p {_is(one.p_holm)})"
    )


def _alone(found: CountComparison) -> list[str]:
    """The types that differ only if no other had been looked at."""
    tested = [one for one in found.types if one.p is not None]
    alone = [title(t.cell_type) for t in tested if (t.p or 0) < ALPHA and not t.beyond_chance]
    if not alone:
        return []
    return [
        f"Looked at alone, {' and '.join(alone)} would (p < {ALPHA:.2f}); with {len(tested)} types "
        "tested, one or the other is out by chance more often (Holm)."
    ]


def _overall(found: CountComparison) -> list[str]:
    test = found.overall
    if test is None:
        return []
    verdict = "more than chance in counting" if test.p < ALPHA else "no more than chance explains"
    return [
        f"All types together: {verdict} (chi-square {test.chi_square:.1f}, "
        f"{test.degrees_of_freedom} degrees of freedom, p {_is(test.p)})."
    ]


def _is(p: float | None) -> str:
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"


def _kappa(found: CellAgreement) -> str:
    if found.kappa is None:
        return "kappa is not defined, since there is but one name"
    if found.kappa_low is None or found.kappa_high is None:
        why = "they agree on all" if found.agreed == len(found.named) else "one says one name only"
        return f"kappa {found.kappa:.2f} (no interval: {why})"
    return f"kappa {found.kappa:.2f} ({found.kappa_low:.2f} to {found.kappa_high:.2f})"
