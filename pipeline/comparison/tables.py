"""Comparisons as rows of CSV files and as JSON. What the columns mean: docs/compare.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leukodiff.pipeline.exports.tables import to_csv

from .cells import CellAgreement, TypeAgreement
from .counts import CountComparison, Share
from .methods import Difference, MethodComparison, TypeFigures
from .names import in_order
from .regression import Line

COMPARED_COLUMNS = (
    "slide_a",
    "slide_b",
    "cell_type",
    "count_a",
    "n_a",
    "percent_a",
    "percent_a_low",
    "percent_a_high",
    "count_b",
    "n_b",
    "percent_b",
    "percent_b_low",
    "percent_b_high",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_holm",
    "beyond_chance",
)
OVERALL_COLUMNS = (
    "slide_a",
    "slide_b",
    "n_a",
    "n_b",
    "chi_square",
    "degrees_of_freedom",
    "p",
    "method",
    "cells_both_read",
    "only_a",
    "only_b",
    "both_named",
    "agreed",
    "agreement",
    "agreement_low",
    "agreement_high",
    "kappa",
    "kappa_low",
    "kappa_high",
)
AGREEMENT_COLUMNS = ("slide_a", "slide_b", "cell_type", "n_a", "n_b", "both", "agreement", "p")
PAIR_COLUMNS = (
    "slide_a",
    "slide_b",
    "field_id",
    "cell_id_a",
    "cell_id_b",
    "iou",
    "cell_type_a",
    "cell_type_b",
    "agree",
)
DIFFERENCE_COLUMNS = (
    "slide_id",
    "cell_type",
    "manual_count",
    "manual_n",
    "manual_percent",
    "n_readers",
    "manual_sd",
    "results_count",
    "results_n",
    "results_percent",
    "mean",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "within_counting_error",
)
METHOD_COLUMNS = (
    "cell_type",
    "n_slides",
    "manual_mean",
    "results_mean",
    "pearson",
    "pearson_low",
    "pearson_high",
    "spearman",
    "deming_slope",
    "deming_slope_low",
    "deming_slope_high",
    "deming_intercept",
    "deming_intercept_low",
    "deming_intercept_high",
    "deming_error_ratio",
    "passing_bablok_slope",
    "passing_bablok_slope_low",
    "passing_bablok_slope_high",
    "passing_bablok_intercept",
    "passing_bablok_intercept_low",
    "passing_bablok_intercept_high",
    "passing_bablok_linearity_p",
    "bias",
    "bias_low",
    "bias_high",
    "sd_of_differences",
    "sd_by_counting",
    "limit_lower",
    "limit_lower_low",
    "limit_lower_high",
    "limit_upper",
    "limit_upper_low",
    "limit_upper_high",
    "within_counting_error",
    "share_within",
    "reader_sd",
    "reader_sd_by_counting",
    "note",
)

Row = dict[str, object]
Compared = Sequence[tuple[CountComparison, CellAgreement | None]]
YES_NO = {True: "yes", False: "no", None: None}


def compared_csv(compared: Compared) -> str:
    """`counts_compared.csv`: a row a pair of slides and a type, those outside the 100 % last."""
    return to_csv(COMPARED_COLUMNS, (row for found, _ in compared for row in _compared(found)))


def overall_csv(compared: Compared) -> str:
    """`slides_compared.csv`: a row a pair of slides."""
    return to_csv(OVERALL_COLUMNS, (_overall(*one) for one in compared))


def agreement_csv(compared: Compared) -> str:
    """`agreement.csv`: a row a pair of slides and a name that one of them gave."""
    return to_csv(
        AGREEMENT_COLUMNS,
        (
            {**_slides(found), **_agreement(one)}
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
            {**_slides(found), "a_says": a, **{b: table[a, b] for b in across}}
            for found, table in tables
            for a in in_order({a for a, _ in table})
        ),
    )


def pairs_csv(compared: Compared) -> str:
    """`cells_compared.csv`: a row a cell that both read."""
    return to_csv(
        PAIR_COLUMNS,
        (
            {
                **_slides(found),
                "field_id": pair.a.field_id,
                "cell_id_a": pair.a.cell_id,
                "cell_id_b": pair.b.cell_id,
                "iou": rounded(pair.iou, 3),
                "cell_type_a": pair.a.cell_type,
                "cell_type_b": pair.b.cell_type,
                "agree": YES_NO[pair.a.cell_type == pair.b.cell_type] if pair.named else None,
            }
            for found, cells in compared
            for pair in (cells.pairs if cells else ())
        ),
    )


def compared_json(compared: Compared) -> dict[str, Any]:
    """The figures of `compare`, ready for JSON; absent ones are `null`."""
    return {
        "slides": [
            {
                **_overall(found, cells),
                "types": _compared(found),
                "agreement": [_agreement(one) for one in (cells.types if cells else ())],
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
    return to_csv(DIFFERENCE_COLUMNS, (_difference(row) for row in found.differences))


def methods_csv(found: MethodComparison) -> str:
    """`method_comparison.csv`: a row a type."""
    return to_csv(METHOD_COLUMNS, (_figures(one) for one in found.types))


def methods_json(found: MethodComparison) -> dict[str, Any]:
    """The figures of `evaluate counts`, ready for JSON."""
    return {
        "slides": found.n_slides,
        "only_manual": list(found.only_manual),
        "only_results": list(found.only_results),
        "without_cells": list(found.without_cells),
        "types": [_figures(one) for one in found.types],
    }


def _slides(found: CountComparison) -> Row:
    return {"slide_a": found.a.name, "slide_b": found.b.name}


def _agreement(one: TypeAgreement) -> Row:
    return {
        "cell_type": one.cell_type,
        "n_a": one.n_a,
        "n_b": one.n_b,
        "both": one.both,
        "agreement": rounded(one.agreement, 4),
        "p": _p(one.p),
    }


def _compared(found: CountComparison) -> list[Row]:
    rows: list[Row] = [
        {
            **_slides(found),
            "cell_type": one.cell_type,
            **_share("a", one.a),
            **_share("b", one.b),
            "difference": rounded(one.difference, 2),
            "difference_low": rounded(one.difference_low, 2),
            "difference_high": rounded(one.difference_high, 2),
            "p": _p(one.p),
            "p_holm": _p(one.p_holm),
            "beyond_chance": YES_NO[one.beyond_chance],
        }
        for one in found.types
    ]
    beside = (set(found.a.counts) | set(found.b.counts)) - {one.cell_type for one in found.types}
    return rows + [
        {
            **_slides(found),
            "cell_type": name,
            "count_a": found.a.counts.get(name),
            "count_b": found.b.counts.get(name),
        }
        for name in in_order(beside)
    ]


def _share(side: str, one: Share) -> Row:
    return {
        f"count_{side}": one.count,
        f"n_{side}": one.n,
        f"percent_{side}": rounded(one.percent, 2),
        f"percent_{side}_low": rounded(one.low, 2),
        f"percent_{side}_high": rounded(one.high, 2),
    }


def _overall(found: CountComparison, cells: CellAgreement | None) -> Row:
    row: Row = {**_slides(found), "n_a": found.a.n, "n_b": found.b.n}
    if found.overall:
        row |= {
            "chi_square": rounded(found.overall.chi_square, 3),
            "degrees_of_freedom": found.overall.degrees_of_freedom,
            "p": _p(found.overall.p),
            "method": found.overall.method,
        }
    if cells:
        share, low, high = cells.share or (None, None, None)
        row |= {
            "cells_both_read": len(cells.pairs),
            "only_a": cells.only_a,
            "only_b": cells.only_b,
            "both_named": len(cells.named),
            "agreed": cells.agreed,
            "agreement": rounded(share, 4),
            "agreement_low": rounded(low, 4),
            "agreement_high": rounded(high, 4),
            "kappa": rounded(cells.kappa, 4),
            "kappa_low": rounded(cells.kappa_low, 4),
            "kappa_high": rounded(cells.kappa_high, 4),
        }
    return row


def _difference(row: Difference) -> Row:
    low, high = row.interval or (None, None)
    cells: Row = {"slide_id": row.slide_id, "cell_type": row.cell_type}
    if row.manual:
        cells |= {
            "manual_count": row.manual.count,
            "manual_n": row.manual.n,
            "manual_percent": rounded(row.manual.percent, 2),
            "n_readers": row.manual.n_readers,
            "manual_sd": rounded(row.manual.sd, 2),
        }
    if row.results:
        cells |= {
            "results_count": row.results.count,
            "results_n": row.results.n,
            "results_percent": rounded(row.results.percent, 2),
        }
    if row.points is not None and row.manual:
        cells["mean"] = rounded(row.manual.percent + row.points / 2, 2)
    return cells | {
        "difference": rounded(row.points, 2),
        "difference_low": rounded(low, 2),
        "difference_high": rounded(high, 2),
        "p": _p(row.p),
        "within_counting_error": YES_NO[row.within_counting_error],
    }


def _figures(one: TypeFigures) -> Row:
    row: Row = {
        "cell_type": one.cell_type,
        "n_slides": one.n,
        "manual_mean": rounded(one.manual_mean, 2),
        "results_mean": rounded(one.results_mean, 2),
        "deming_error_ratio": rounded(one.error_ratio, 4),
        "sd_by_counting": rounded(one.sd_by_counting, 3),
        "within_counting_error": one.within,
        "share_within": rounded(one.within / one.n, 4) if one.n else None,
        "reader_sd": rounded(one.reader_sd, 3),
        "reader_sd_by_counting": rounded(one.reader_sd_by_counting, 3),
        "note": one.note,
    }
    if one.correlation:
        row |= {
            "pearson": rounded(one.correlation.pearson, 4),
            "pearson_low": rounded(one.correlation.pearson_low, 4),
            "pearson_high": rounded(one.correlation.pearson_high, 4),
            "spearman": rounded(one.correlation.spearman, 4),
        }
    row |= _line("deming", one.deming) | _line("passing_bablok", one.passing_bablok)
    if one.passing_bablok:
        row["passing_bablok_linearity_p"] = _p(one.passing_bablok.linearity_p)
    if one.bland_altman:
        found = one.bland_altman
        row |= {
            "bias": rounded(found.bias, 3),
            "bias_low": rounded(found.bias_low, 3),
            "bias_high": rounded(found.bias_high, 3),
            "sd_of_differences": rounded(found.sd, 3),
            "limit_lower": rounded(found.lower, 3),
            "limit_lower_low": rounded(found.lower_low, 3),
            "limit_lower_high": rounded(found.lower_high, 3),
            "limit_upper": rounded(found.upper, 3),
            "limit_upper_low": rounded(found.upper_low, 3),
            "limit_upper_high": rounded(found.upper_high, 3),
        }
    return row


def _line(name: str, line: Line | None) -> Row:
    if line is None:
        return {}
    parts = ("slope", "slope_low", "slope_high", "intercept", "intercept_low", "intercept_high")
    return {f"{name}_{part}": rounded(getattr(line, part), 4) for part in parts}


def rounded(value: float | None, decimals: int) -> float | None:
    """A number with at most so many decimals: a number and no text, since it may be negative."""
    return None if value is None else round(value, decimals) + 0.0  # -0.0 becomes 0.0


def _p(p: float | None) -> float | None:
    return None if p is None else float(f"{p:.4g}")
