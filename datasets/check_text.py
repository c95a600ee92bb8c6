"""Findings of a check as text for a terminal."""

from collections import Counter
from collections.abc import Iterable, Sequence

from .check import CheckReport, DuplicatePair, duplicates_between, groups_between
from .splits import SPLITS

_SHOWN = 5


def check_text(report: CheckReport) -> str:
    """One dataset's report: counts per class and split, then what is wrong."""
    lines = [f"{report.name}: {sum(report.n_fields.values())} images in {report.root}"]
    if report.problem:
        lines.append(f"  can't be read to the end: {report.problem}")
    lines += _counts(report)
    lines += _listed("boxes without area", report.without_area)
    lines += _listed("boxes outside the image", report.outside)
    lines += _listed("unreadable files", report.unreadable)
    cut = [
        f"{group}: " + ", ".join(f"{n} in {split}" for split, n in by_split.items())
        for group, by_split in report.groups_across_splits.items()
    ]
    lines += _listed(
        "copies or fields of one smear, scene or original on both sides of a split", cut
    )
    if report.n_unknown:
        lines.append(f"  images whose original is not known, never to train on: {report.n_unknown}")
    lines += _listed("the same image twice", [_pair(pair) for pair in report.duplicates])
    lines += _listed("of these across splits", [_pair(p) for p in report.duplicates if p.across])
    return "\n".join(lines + ["  nothing wrong found"] * report.clean)


def between_text(reports: Sequence[CheckReport]) -> str:
    """Text of what datasets share: the same pictures, and copies of the same original."""
    duplicates = duplicates_between(reports)
    by_side = Counter(" = ".join(sorted(pair.sides)) for pair in duplicates)
    lines = ["between the datasets:"]
    lines += [f"  the same image: {n} of {sides}" for sides, n in sorted(by_side.items())]
    shared = groups_between(reports)
    lines += [
        f"  the same scene or original: {n} of {left} and {right}"
        for (left, right), n in sorted(shared.items())
    ]
    return "\n".join(lines + ["  nothing in common"] * (len(lines) == 1))


def _counts(report: CheckReport) -> list[str]:
    splits = [split for split in (*SPLITS, "unknown") if report.n_fields.get(split)]
    kinds = sorted({kind for kind, _ in report.n_cells})
    rows = [["", *splits], ["images", *(str(report.n_fields[split]) for split in splits)]]
    rows += [[kind, *(str(report.n_cells.get((kind, s), 0)) for s in splits)] for kind in kinds]
    return ["  " + row[0].ljust(22) + "".join(cell.rjust(8) for cell in row[1:]) for row in rows]


def _listed(title: str, found: Iterable[str]) -> list[str]:
    items = list(found)
    if not items:
        return []
    rest = [f"    and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    return [f"  {title}: {len(items)}", *(f"    {item}" for item in items[:_SHOWN]), *rest]


def _pair(pair: DuplicatePair) -> str:
    how = "same bytes" if pair.same_bytes else f"{pair.bits} of 64 bits apart"
    left, right = (f"{p.parent.name}/{p.name}" for p in (pair.left, pair.right))
    return f"{left} ({pair.sides[0]}) = {right} ({pair.sides[1]}), {how}"
