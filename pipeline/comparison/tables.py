"""Comparisons as rows of CSV files and as JSON. What the columns mean: docs/compare.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leukodiff.pipeline.exports.tables import to_csv

from .cells import CellAgreement
from .counts import CountComparison
from .methods import MethodComparison
from .readings import in_order

P = -4
"""Instead of decimals: four significant digits, as p values have."""

Columns = Mapping[str, tuple[str, int | None]]
"""By column, the attribute that it shows (`a.percent`, `interval.0`, `pairs.len`), and decimals."""

SLIDES: Columns = {"slide_a": ("a.name", None), "slide_b": ("b.name", None)}

COMPARED: Columns = {
    "cell_type": ("cell_type", None),
    "count_a": ("a.count", None),
    "n_a": ("a.n", None),
    "percent_a": ("a.percent", 2),
    "percent_a_low": ("a.low", 2),
    "percent_a_high": ("a.high", 2),
    "count_b": ("b.count", None),
    "n_b": ("b.n", None),
    "percent_b": ("b.percent", 2),
    "percent_b_low": ("b.low", 2),
    "percent_b_high": ("b.high", 2),
    "difference": ("difference", 2),
    "difference_low": ("difference_low", 2),
    "difference_high": ("difference_high", 2),
    "p": ("p", P),
    "p_holm": ("p_holm", P),
    "beyond_chance": ("beyond_chance", None),
}
"""Of a `TypeComparison`."""

OVERALL: Columns = {
    **SLIDES,
    "n_a": ("a.n", None),
    "n_b": ("b.n", None),
    "chi_square": ("overall.chi_square", 3),
    "degrees_of_freedom": ("overall.degrees_of_freedom", None),
    "p": ("overall.p", P),
    "method": ("overall.method", None),
}
"""Of a `CountComparison`."""

OVERALL_CELLS: Columns = {
    "cells_both_read": ("pairs.len", None),
    "only_a": ("only_a", None),
    "only_b": ("only_b", None),
    "both_named": ("named.len", None),
    "agreed": ("agreed", None),
    "agreement": ("share.0", 4),
    "agreement_low": ("share.1", 4),
    "agreement_high": ("share.2", 4),
    "kappa": ("kappa", 4),
    "kappa_low": ("kappa_low", 4),
    "kappa_high": ("kappa_high", 4),
}
"""Of a `CellAgreement`."""

AGREEMENT: Columns = {
    **{name: (name, None) for name in ("cell_type", "n_a", "n_b", "both")},
    "agreement": ("agreement", 4),
    "p": ("p", P),
}
"""Of a `TypeAgreement`."""

PAIRS: Columns = {
    "field_id": ("a.field_id", None),
    "cell_id_a": ("a.cell_id", None),
    "cell_id_b": ("b.cell_id", None),
    "iou": ("iou", 3),
    "cell_type_a": ("a.cell_type", None),
    "cell_type_b": ("b.cell_type", None),
    "agree": ("agree", None),
}
"""Of a `CellPair`."""

DIFFERENCES: Columns = {
    "slide_id": ("slide_id", None),
    "cell_type": ("cell_type", None),
    "manual_count": ("manual.count", None),
    "manual_n": ("manual.n", None),
    "manual_percent": ("manual.percent", 2),
    "n_readers": ("manual.n_readers", None),
    "manual_sd": ("manual.sd", 2),
    "results_count": ("results.count", None),
    "results_n": ("results.n", None),
    "results_percent": ("results.percent", 2),
    "mean": ("mean", 2),
    "difference": ("points", 2),
    "difference_low": ("interval.0", 2),
    "difference_high": ("interval.1", 2),
    "p": ("p", P),
    "within_counting_error": ("within_counting_error", None),
}
"""Of a `Difference`."""

LINE = ("slope", "slope_low", "slope_high", "intercept", "intercept_low", "intercept_high")

METHODS: Columns = {
    "cell_type": ("cell_type", None),
    "n_slides": ("n", None),
    "manual_mean": ("manual_mean", 2),
    "results_mean": ("results_mean", 2),
    "pearson": ("correlation.pearson", 4),
    "pearson_low": ("correlation.pearson_low", 4),
    "pearson_high": ("correlation.pearson_high", 4),
    "spearman": ("correlation.spearman", 4),
    **{f"deming_{part}": (f"deming.{part}", 4) for part in LINE},
    "deming_error_ratio": ("error_ratio", 4),
    **{f"passing_bablok_{part}": (f"passing_bablok.{part}", 4) for part in LINE},
    "passing_bablok_linearity_p": ("passing_bablok.linearity_p", P),
    "bias": ("bland_altman.bias", 3),
    "bias_low": ("bland_altman.bias_low", 3),
    "bias_high": ("bland_altman.bias_high", 3),
    "sd_of_differences": ("bland_altman.sd", 3),
    "sd_by_counting": ("sd_by_counting", 3),
    "limit_lower": ("bland_altman.lower", 3),
    "limit_lower_low": ("bland_altman.lower_low", 3),
    "limit_lower_high": ("bland_altman.lower_high", 3),
    "limit_upper": ("bland_altman.upper", 3),
    "limit_upper_low": ("bland_altman.upper_low", 3),
    "limit_upper_high": ("bland_altman.upper_high", 3),
    "within_counting_error": ("within", None),
    "share_within": ("share_within", 4),
    "reader_sd": ("reader_sd", 3),
    "reader_sd_by_counting": ("reader_sd_by_counting", 3),
    "note": ("note", None),
}
"""Of a `TypeFigures`."""

COMPARED_COLUMNS = (*SLIDES, *COMPARED)

OVERALL_COLUMNS = (*OVERALL, *OVERALL_CELLS)

AGREEMENT_COLUMNS = (*SLIDES, *AGREEMENT)

PAIR_COLUMNS = (*SLIDES, *PAIRS)

DIFFERENCE_COLUMNS = tuple(DIFFERENCES)

METHOD_COLUMNS = tuple(METHODS)

Row = dict[str, object]
Compared = Sequence[tuple[CountComparison, CellAgreement | None]]
YES_NO = {True: "yes", False: "no"}


def row_of(one: object, columns: Columns) -> Row:
    """A row of an object; a column is `None` where something on the way to it is."""
    row: Row = {}
    for column, (path, decimals) in columns.items():
        value: Any = one
        for part in path.split("."):
            if value is None:
                break
            if part == "len":
                value = len(value)
            else:
                value = value[int(part)] if part.isdigit() else getattr(value, part)
        if isinstance(value, bool):
            value = YES_NO[value]
        elif value is not None and decimals is not None:
            value = float(f"{value:.4g}") if decimals == P else rounded(value, decimals)
        row[column] = value
    return row


def compared_csv(compared: Compared) -> str:
    """`counts_compared.csv`: a row a pair of slides and a type, those outside the 100 % last."""
    return to_csv(COMPARED_COLUMNS, (row for found, _ in compared for row in _compared(found)))


def overall_csv(compared: Compared) -> str:
    """`slides_compared.csv`: a row a pair of slides."""
    return to_csv(
        OVERALL_COLUMNS, ({**row_of(a, OVERALL), **row_of(b, OVERALL_CELLS)} for a, b in compared)
    )


def agreement_csv(compared: Compared) -> str:
    """`agreement.csv`: a row a pair of slides and a name that one of them gave."""
    return to_csv(
        AGREEMENT_COLUMNS,
        (
            {**row_of(found, SLIDES), **row_of(one, AGREEMENT)}
            for found, cells in compared
            for one in (cells.types if cells else ())
        ),
    )


def confusion_csv(compared: Compared) -> str:
    """`confusion.csv`: what A calls the cells both read, down, and what B calls them, across."""
    tables = [(found, cells.confusion) for found, cells in compared if cells]
    across = in_order({b for _, table in tables for _, b in table})
    return to_csv(
        ["slide_a", "slide_b", "a_says", *across],
        (
            {**row_of(found, SLIDES), "a_says": a, **{b: table[a, b] for b in across}}
            for found, table in tables
            for a in in_order({a for a, _ in table})
        ),
    )


def pairs_csv(compared: Compared) -> str:
    """`cells_compared.csv`: a row a cell that both read."""
    return to_csv(
        PAIR_COLUMNS,
        (
            {**row_of(found, SLIDES), **row_of(pair, PAIRS)}
            for found, cells in compared
            for pair in (cells.pairs if cells else ())
        ),
    )


def compared_json(compared: Compared) -> dict[str, Any]:
    """The figures of `compare`, ready for JSON; absent ones are `null`."""
    return {
        "slides": [
            {
                **row_of(found, OVERALL),
                **row_of(cells, OVERALL_CELLS),
                "types": _compared(found),
                "agreement": [row_of(one, AGREEMENT) for one in (cells.types if cells else ())],
                "confusion": [
                    {"a": a, "b": b, "cells": n}
                    for (a, b), n in sorted(cells.confusion.items() if cells else ())
                ],
            }
            for found, cells in compared
        ]
    }


def differences_csv(found: MethodComparison) -> str:
    """`differences.csv`: a row a slide and type; a slide of one side has the other side empty."""
    return to_csv(DIFFERENCE_COLUMNS, (row_of(row, DIFFERENCES) for row in found.differences))


def methods_csv(found: MethodComparison) -> str:
    """`method_comparison.csv`: a row a type."""
    return to_csv(METHOD_COLUMNS, (row_of(one, METHODS) for one in found.types))


def methods_json(found: MethodComparison) -> dict[str, Any]:
    """The figures of `evaluate counts`, ready for JSON."""
    return {
        "slides": found.n_slides,
        "only_manual": list(found.only_manual),
        "only_results": list(found.only_results),
        "without_cells": list(found.without_cells),
        "types": [row_of(one, METHODS) for one in found.types],
    }


def _compared(found: CountComparison) -> list[Row]:
    """A row a type, those outside the 100 % last, of which only the counts are given."""
    slides = row_of(found, SLIDES)
    outside = (set(found.a.counts) | set(found.b.counts)) - {one.cell_type for one in found.types}
    return [slides | row_of(one, COMPARED) for one in found.types] + [
        {
            **slides,
            "cell_type": name,
            "count_a": found.a.counts.get(name),
            "count_b": found.b.counts.get(name),
        }
        for name in in_order(outside)
    ]


def rounded(value: float | None, decimals: int) -> float | None:
    """A number with at most so many decimals: a number and no text, since it may be negative."""
    return None if value is None else round(value, decimals) + 0.0  # -0.0 becomes 0.0
