"""LOINC codes of the numbers of a report, and UCUM codes of its units.

This material contains content from LOINC (http://loinc.org). LOINC is copyright Regenstrief
Institute, Inc. and the Logical Observation Identifiers Names and Codes (LOINC) Committee and is
available at no cost under the license at http://loinc.org/license. LOINC is a registered United
States trademark of Regenstrief Institute, Inc.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from leukodiff.pipeline.report.measurements import (
    CORRECTED,
    ESTIMATED,
    PER_1000_RED,
    PER_FIELD,
    Measurement,
)
from leukodiff.pipeline.report.reference_ranges import PER_HUNDRED, PER_LITRE, PERCENT, RATIO

LOINC = "http://loinc.org"

LOCAL = "urn:leukodiff:analyte"
"""Our own system of codes, for numbers without a LOINC code that was checked."""

CELLS = "cells"
"""The unit of a plain count."""


@dataclass(frozen=True)
class Code:
    """A code of a `system`, with its name there."""

    system: str
    code: str
    display: str


PANEL = Code(LOINC, "69738-3", "Differential panel, method unspecified - Blood")
"""A differential count, neither by hand nor by an analyzer."""

AGE = Code(LOINC, "30525-0", "Age")

CODES: Mapping[tuple[str, str], Code] = {
    (analyte, unit): Code(LOINC, code, display)
    for analyte, unit, code, display in (
        ("neutrophil", PERCENT, "26511-6", "Neutrophils/Leukocytes in Blood"),
        ("lymphocyte", PERCENT, "26478-8", "Lymphocytes/Leukocytes in Blood"),
        ("monocyte", PERCENT, "26485-3", "Monocytes/Leukocytes in Blood"),
        ("eosinophil", PERCENT, "26450-7", "Eosinophils/Leukocytes in Blood"),
        ("basophil", PERCENT, "30180-4", "Basophils/Leukocytes in Blood"),
        ("immature_granulocyte", PERCENT, "38518-7", "Immature granulocytes/Leukocytes in Blood"),
        (
            "erythroblast",
            PER_HUNDRED,
            "19048-8",
            "Nucleated erythrocytes/Leukocytes [Ratio] in Blood",
        ),
        ("white_cell", PER_LITRE, "26464-8", "Leukocytes [#/volume] in Blood"),
        ("neutrophil", PER_LITRE, "26499-4", "Neutrophils [#/volume] in Blood"),
        ("lymphocyte", PER_LITRE, "26474-7", "Lymphocytes [#/volume] in Blood"),
        ("monocyte", PER_LITRE, "26484-6", "Monocytes [#/volume] in Blood"),
        ("eosinophil", PER_LITRE, "26449-9", "Eosinophils [#/volume] in Blood"),
        ("basophil", PER_LITRE, "26444-0", "Basophils [#/volume] in Blood"),
        ("immature_granulocyte", PER_LITRE, "51584-1", "Immature granulocytes [#/volume] in Blood"),
    )
}
"""By analyte and unit: terms without a method, by the names of LOINC 2.83 (docs/exports.md)."""

UCUM: Mapping[str, str] = {
    PERCENT: "%",
    PER_LITRE: "10*9/L",
    RATIO: "1",
    PER_HUNDRED: "/100{WBCs}",
    PER_FIELD: "/{field}",
    PER_1000_RED: "/10*3{RBCs}",
    CELLS: "{cells}",
}
"""The units of a report in the Unified Code for Units of Measure."""

_SLUGS = {
    PERCENT: "percent",
    PER_LITRE: "count",
    RATIO: "",
    PER_HUNDRED: "per_100_wbc",
    PER_FIELD: "per_field",
    PER_1000_RED: "per_1000_rbc",
    CELLS: "cells",
}
_KINDS = {
    CORRECTED: "corrected for the classifier's errors",
    ESTIMATED: "estimated from the pictures",
}


def key(one: Measurement) -> str:
    """A measurement's name within its report: `neutrophil_percent`, `neutrophil_percent_corrected`.

    It is its code in our own system.
    """
    kind = one.kind if one.kind in _KINDS else ""
    return "_".join(filter(None, (one.analyte, _SLUGS[one.unit], kind)))


def local_code(one: Measurement) -> Code:
    """A measurement's code in our own system."""
    title = one.analyte.replace("_", " ")
    unit = {RATIO: "", CELLS: " cells"}.get(one.unit, f", {one.unit}")
    kind = f", {_KINDS[one.kind]}" if one.kind in _KINDS else ""
    return Code(LOCAL, key(one), f"{title}{unit}{kind}")


def codes(one: Measurement) -> tuple[Code, ...]:
    """A measurement's codes, LOINC's first where it has one.

    What is corrected or estimated has none there: it would pass for a count.
    """
    found = CODES.get((one.analyte, one.unit)) if one.kind not in _KINDS else None
    own = local_code(one)
    return (found, own) if found else (own,)
