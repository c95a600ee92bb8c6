"""The table of laboratories as text: from the figures as they stand in JSON."""

from collections.abc import Iterable, Mapping
from typing import Any

from leukodiff.core.text import markdown_table, share_text
from leukodiff.datasets.leave_one_out import cells_of
from leukodiff.datasets.vocabulary import BY_NAME, FIVE_PART

Figures = Mapping[str, Any]

SHORT = tuple(BY_NAME[name].abbreviation for name in FIVE_PART)

SCREEN = (
    "laboratory",
    "cells",
    "n",
    "F1 named",
    "macro-F1",
    "95 %",
    "of five",
    *SHORT,
    "ECE",
    "unid.",
    "right",
)
"""Columns on a screen: `F1 named` is the macro-F1 with unidentified cells as wrong, a class
has its recall and its F1, `unid.` and `right` are in percent."""

HEADER = (
    "laboratory",
    "cells",
    "n",
    "macro-F1, unidentified as wrong",
    "macro-F1",
    "macro-F1 among five",
    *(f"{name}: recall; F1" for name in FIVE_PART),
    "calibration error",
    "left unidentified",
    "right of the named",
)
"""Columns of the Markdown table."""


def screen_row(row: Figures) -> tuple[str, ...]:
    """A row of the table as a terminal shows it, blank where there is nothing to say."""
    mine = row["all_classes"]
    macro = mine["macro_f1"]
    between = "" if macro["value"] is None else f"{macro['low']:.3f}-{macro['high']:.3f}"
    classes = [mine["classes"].get(name) for name in FIVE_PART]
    return (
        row["laboratory"],
        f"slide {row['slide']}" if row["slide"] else row["part"],
        str(mine["n"]),
        _fixed(mine["macro_f1_named"]["value"]),
        _fixed(macro["value"]),
        between,
        _fixed(row["five_classes"]["macro_f1"]["value"]),
        *(f"{one['recall']['share']:.2f} {one['f1']:.2f}" if one else "" for one in classes),
        _fixed(mine["calibration_error"]),
        _percent(mine["unidentified"]["share"]),
        _percent(mine["right_of_named"]["share"]),
    )


def markdown(rows: Iterable[Figures]) -> str:
    """The table in Markdown: every share in percent with its 95 % interval."""
    return markdown_table(HEADER, map(_markdown_row, rows))


def _markdown_row(row: Figures) -> tuple[str, ...]:
    mine = row["all_classes"]
    return (
        row["laboratory"],
        cells_of(row),
        str(mine["n"]),
        _macro(mine["macro_f1_named"]),
        _macro(mine["macro_f1"]),
        _macro(row["five_classes"]["macro_f1"]),
        *(_class(mine["classes"].get(name)) for name in FIVE_PART),
        _fixed(mine["calibration_error"]),
        share_text(mine["unidentified"]),
        share_text(mine["right_of_named"]),
    )


def flat(row: Figures) -> dict[str, Any]:
    """A row of the table as CSV has it: a column a number, shares 0-1."""
    facts: dict[str, Any] = {
        name: row[name] for name in ("laboratory", "part", "slide", "model", "sha256")
    }
    facts["trained_on"] = " ".join(row["trained_on"])
    facts["n"] = row["all_classes"]["n"]
    for suffix, figures in (("", row["all_classes"]), ("_five", row["five_classes"])):
        facts |= _flat_figures(figures, suffix)
    return facts


def _flat_figures(figures: Figures, suffix: str) -> dict[str, Any]:
    macro = figures["macro_f1"]
    facts = {
        f"macro_f1_named{suffix}": figures["macro_f1_named"]["value"],
        f"macro_f1{suffix}": macro["value"],
        f"macro_f1_low{suffix}": macro["low"],
        f"macro_f1_high{suffix}": macro["high"],
        f"calibration_error{suffix}": figures["calibration_error"],
    }
    for name in ("accuracy", "unidentified", "right_of_named"):
        facts |= _flat_share(name, figures[name], suffix)
    for name in FIVE_PART:
        one = figures["classes"].get(name) or {"recall": {}, "f1": None}
        facts |= {f"n_{name}{suffix}": one["recall"].get("n", 0)}
        facts |= _flat_share(f"recall_{name}", one["recall"], suffix)
        facts |= {f"f1_{name}{suffix}": one["f1"]}
    return facts


def _flat_share(name: str, one: Figures, suffix: str) -> dict[str, Any]:
    return {
        f"{name}{suffix}": one.get("share"),
        f"{name}_low{suffix}": one.get("low"),
        f"{name}_high{suffix}": one.get("high"),
    }


def _class(one: Figures | None) -> str:
    return f"{share_text(one['recall'])} of {one['recall']['n']}; {one['f1']:.3f}" if one else ""


def _macro(one: Figures) -> str:
    if one["value"] is None:
        return ""
    return f"{one['value']:.3f} ({one['low']:.3f}-{one['high']:.3f})"


def _fixed(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"
