"""The summary of docs/results.md: the figures that matter most, beside our own bars."""

from collections.abc import Iterator, Mapping
from typing import Any

from leukodiff.datasets.leave_one_out import LEFT_OUT

Figures = Mapping[str, Any]

SUMMARY = """
## At a glance

| on test data | figure (95 % interval) | our own bar |
| --- | --- | --- |
{rows}

**In a laboratory that is not among its training data the names are not to be trusted without
review.** What falls short, and what was tried, stands in [attempts.md](attempts.md).

The demo's phantom smear is a test object, no evidence: with the default seed the five types come
out at 58, 30, 7, 4, 1, which is what it holds.
"""

DETECTOR_SETS = {
    "bccd_erratum": "white cells of BCCD's test fields found (labels with our erratum)",
    "txl_pbc": "white cells of TXL-PBC's test images found",
    "chula": "white cells of Chula found: a cheap microscope, three smears kept out of training",
}

LABS = {"BCCD": "0.90", "Raabin": "0.90", "Draaslan": "0.90"}
"""Laboratories left out in turn, and the macro-F1 that we wanted, unidentified cells as wrong."""

NEEDED = (
    *(f"detector/{name}/evaluation" for name in (*DETECTOR_SETS, "bccd_official")),
    "classifier/pbc/classifier",
    "classifier/chula/classifier",
    "pipeline/bccd_official/pipeline",
    "laboratories/classifier/laboratories",
    "laboratories/detector/laboratories",
    "scan_truth",
    "unknown_classes",
)
"""Figures without which there is no summary."""


def summary_section(figures: Figures) -> str:
    """The section; nothing while a figure that it needs is not measured."""
    if not all(name in figures for name in NEEDED):
        return ""
    rows = (*_cells_found(figures), *_cells_named(figures), *_unseen(figures))
    return SUMMARY.format(rows="\n".join(f"| {' | '.join(row)} |" for row in rows))


def _cells_found(figures: Figures) -> Iterator[tuple[str, str, str]]:
    for name, label in DETECTOR_SETS.items():
        one = figures[f"detector/{name}/evaluation"]["classes"][0]
        low, high = one["recall_low"], one["recall_high"]
        share = {"share": one["recall"], "low": low, "high": high, "n": one["n_labels"]}
        yield label, _percent(share), ""
    erratum, official = (
        figures[f"detector/bccd_{labels}/evaluation"]["map50"] for labels in ("erratum", "official")
    )
    both = f"{erratum:.3f} with the erratum, {official:.3f} with the official labels"
    yield "mAP50 over white cells, red cells, platelets", both, ""
    scan = figures["scan_truth"]
    found = f"{scan['white_cells_found']} of {scan['white_cells']}"
    wrong = scan["look_alikes_called_white"] + scan["false_elsewhere"]
    yield (
        "a scan from a laboratory in none of the data: white cells found",
        f"{found}; {wrong} other things called one",
        "",
    )


def _cells_named(figures: Figures) -> Iterator[tuple[str, str, str]]:
    pbc, chula = (figures[f"classifier/{name}/classifier"] for name in ("pbc", "chula"))
    bccd = figures["pipeline/bccd_official/pipeline"]
    yield "cells of PBC by their likeliest of eight classes", _named(pbc), ""
    share = f"{_percent(bccd['likeliest_right'])} right; {_left(bccd)}"
    yield "cells of BCCD's test fields, from the field", share, "93 %"
    yield "cells of Chula, three smears kept out of training", _named(chula), ""


def _unseen(figures: Figures) -> Iterator[tuple[str, str, str]]:
    """Laboratories and classes that a model of this kind has not learned from."""

    def left_out(kind: str) -> dict[str, Any]:
        rows = figures[f"laboratories/{kind}/laboratories"]["rows"]
        return {
            one["laboratory"]: one for one in rows if one["part"] == LEFT_OUT and not one["slide"]
        }

    names, cells = left_out("classifier"), left_out("detector")
    f1 = (
        f"{lab} {names[lab.lower()]['all_classes']['macro_f1_named']['value']:.2f}" for lab in LABS
    )
    label = (
        "macro-F1 of the five types in a laboratory that a model of this kind has never seen, "
        "unidentified as wrong"
    )
    yield label, ", ".join(f1), ", ".join(LABS.values())
    found = (f"{lab} {_percent(cells[lab.lower()]['recall'])}" for lab in ("PBC", "Chula"))
    yield "white cells found there", ", ".join(found), "97 %, 95 %"
    auroc = f"{figures['unknown_classes']['mean_auroc']['both, as it ships']:.3f}"
    label = "a class that it has never seen told from those it knows, mean AUROC of four"
    yield label, auroc, "0.95"


def _named(one: Figures) -> str:
    right = f"{100 * one['accuracy_of_named']['share']:.1f} %"
    return f"{_percent(one['accuracy'])} right; {_left(one)}, of the others {right} are right"


def _left(one: Figures) -> str:
    return f"{100 * one['unidentified']['share']:.1f} % left unidentified"


def _percent(one: Figures) -> str:
    interval = f"{100 * one['low']:.1f}-{100 * one['high']:.1f}"
    return f"{100 * one['share']:.1f} % ({interval}, n = {one['n']})"
