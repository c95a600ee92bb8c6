"""The content of messages to other systems, in any format: texts and identities."""

import re
import uuid
from datetime import datetime

from leukodiff.pipeline.report.flags import Flag, Level
from leukodiff.pipeline.report.measurements import (
    CORRECTED,
    COUNTED_SO,
    ESTIMATED,
    GIVEN,
    Measurement,
)
from leukodiff.pipeline.report.reference_ranges import PER_HUNDRED, PER_LITRE, PERCENT
from leukodiff.pipeline.report.report import SmearReport

from .formatting import format_number
from .loinc import CELLS

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
