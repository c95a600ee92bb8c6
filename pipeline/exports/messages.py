"""The content of messages to other systems, in any format: codes, texts and identities.

Numbers have LOINC codes, their units UCUM codes.
This material contains content from LOINC (http://loinc.org). LOINC is copyright Regenstrief
Institute, Inc. and the Logical Observation Identifiers Names and Codes (LOINC) Committee and is
available at no cost under the license at http://loinc.org/license. LOINC is a registered United
States trademark of Regenstrief Institute, Inc.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from leukodiff.pipeline.report.flags import Flag, Level
from leukodiff.pipeline.report.measurements import (
    CORRECTED,
    COUNTED_SO,
    ESTIMATED,
    GIVEN,
    PER_1000_RED,
    PER_FIELD,
    Measurement,
)
from leukodiff.pipeline.report.reference_ranges import PER_HUNDRED, PER_LITRE, PERCENT, RATIO
from leukodiff.pipeline.report.report import SmearReport

from .formatting import format_number

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

RESEARCH_USE = "Research use only: suggested classes, to be verified by a person."

NO_VALUE = "not enough cells were counted"

INTERPRETATIONS = {
    Flag.HIGH: ("H", "High"),
    Flag.LOW: ("L", "Low"),
    Flag.POSSIBLY_HIGH: ("H", "High"),
    Flag.POSSIBLY_LOW: ("L", "Low"),
    Flag.CRITICAL_HIGH: ("HH", "Critical high"),
    Flag.CRITICAL_LOW: ("LL", "Critical low"),
}
"""Each flag as HL7 table 0078 has it, which knows no `possibly`: H says that the value is above the
range, and so it is. A note says that its interval reaches in."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "leukodiff/messages")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]+")
_DATE_TIME = re.compile(
    r"\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?", re.ASCII
)


def plain(text: str) -> str:
    """A text on one line: no control characters, and what is no character written as an escape."""
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return " ".join(_CONTROL.sub(" ", whole).split())


def identity(report: SmearReport, what: str) -> uuid.UUID:
    """Identity of a part of a report, the same for the same slide, sample and run."""
    sample = report.sample
    parts = (report.slide_id, sample.sample_id, sample.patient, report.provenance.started, what)
    return uuid.uuid5(_NAMESPACE, "\n".join(map(plain, parts)))


def moment(text: str) -> datetime | None:
    """A time with its offset; `None` where a text is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def is_date(text: str) -> bool:
    """True of a year, a month, a day, or a time with its offset, as ISO 8601 writes them."""
    if not _DATE_TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text if len(text) > 7 else f"{text}-01-01"[:10])
    except ValueError:
        return False
    return True


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


def observations(report: SmearReport) -> tuple[Measurement, ...]:
    """A report's measurements, and the numbers of cells that they rest on."""
    found = report.differential
    return (
        *report.measurements,
        Measurement("named_white", CELLS, COUNTED_SO, found.n),
        Measurement("unidentified", CELLS, COUNTED_SO, found.n_unidentified),
    )


def counted(one: Measurement, report: SmearReport) -> tuple[int, int] | None:
    """The cells that a share was made of: of this type, and in all; `None` for other numbers."""
    if one.kind != COUNTED_SO or one.unit not in (PERCENT, PER_HUNDRED):
        return None
    return report.differential.count(one.analyte), report.differential.n


def limits(one: Measurement) -> tuple[str | None, str | None] | None:
    """The ends of a measurement's 95 % interval; `None` without one."""
    ends = format_number(one.low), format_number(one.high)
    return None if one.kind == GIVEN or ends == (None, None) else ends


def method(one: Measurement, report: SmearReport) -> str:
    """Method of a measurement, in words."""
    if one.kind == GIVEN:
        return "given: the analyzer's count"
    software = plain(f"leukodiff {report.provenance.version}")
    how = f"cells of a stained blood smear found and named in its images by software ({software})"
    if one.kind == CORRECTED:
        return f"{how}, with the classifier's own errors allowed for"
    if one.kind == ESTIMATED:
        return f"{how}; an estimate from the pictures, not a measurement"
    return f"{how}, times the analyzer's white cell count" if one.unit == PER_LITRE else how


def notes(one: Measurement, report: SmearReport) -> tuple[str, ...]:
    """Notes to a number: its interval, its cells, and the meaning of its flag."""
    if format_number(one.value) is None:
        return (NO_VALUE,)
    ends, cells = limits(one), counted(one, report)
    interval = f"95 % interval {ends[0] or 'open'} to {ends[1] or 'open'}" if ends else ""
    between = "of" if one.unit == PERCENT else "beside"
    number = f"{cells[0]} {between} {cells[1]} named white cells" if cells else ""
    return tuple(filter(None, (interval, number, meaning(one.flag))))


def meaning(flag: Flag) -> str:
    """A flag in words, where its code says less than it."""
    if not flag:
        return ""
    if flag.level == Level.POSSIBLY:
        return f"{flag}: the value is outside the reference range, its 95 % interval reaches in"
    return f"{flag}: tell at once" if flag.level == Level.CRITICAL else ""


def statements(report: SmearReport) -> tuple[str, ...]:
    """Statements on the whole report: flags and remarks, and the cells that a person has named."""
    by_hand = sum(cell.reviewed_as is not None for cell in report.cells)
    reviewed = [f"{by_hand} of {len(report.cells)} cells were named by a person"] if by_hand else []
    remarks = (plain(str(remark)) for remark in report.remarks)
    return (*remarks, *reviewed, RESEARCH_USE)
