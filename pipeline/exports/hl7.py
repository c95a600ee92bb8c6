"""A report as an HL7 v2.5.1 message: ORU^R01, an unsolicited observation.

Built by hand, since it is seven segments of text; tests read it back by hl7apy.
"""

from collections.abc import Iterator, Mapping

from leukodiff.pipeline.report.measurements import GIVEN, Measurement
from leukodiff.pipeline.report.report import SmearReport

from .formatting import format_number
from .messages import (
    AGE,
    INTERPRETATIONS,
    LOCAL,
    LOINC,
    PANEL,
    UCUM,
    Code,
    codes,
    identity,
    is_date,
    method,
    moment,
    notes,
    observations,
    plain,
    statements,
)

PRELIMINARY = "P"
"""Status of a result (HL7 table 0085): to be verified."""

NO_RESULT = "X"
"""Status of a result (HL7 table 0085): can't be obtained."""

MAX_CHARACTERS = 199
"""Of a component of type ST."""

_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})
_SEXES = {"female": "F", "male": "M"}


def report_hl7(report: SmearReport) -> str:
    """One message. Segments end with a carriage return; delimiters in texts are escaped.

    Characters are Unicode, to be written as UTF-8, which MSH-18 says. Every measurement is an OBX
    of type NM; what has no code stands in an NTE below it.
    """
    return "".join(f"{segment}\r" for segment in _segments(report))


def _segments(report: SmearReport) -> Iterator[str]:
    sample, collected = report.sample, _collected(report)
    yield _header(report)
    if plain(sample.patient):  # a name is not known: type U, unspecified
        sex = _SEXES.get(sample.sex, "")
        yield _segment("PID", {1: "1", 3: escaped(sample.patient), 5: "^^^^^^U", 8: sex})
    order = {
        1: "1",
        3: f"{escaped(report.slide_id)}^LEUKODIFF",
        4: _coded(PANEL),
        7: collected,
        22: _time(report.provenance.started),
        24: "HM",
        25: PRELIMINARY,
    }
    yield _segment("OBR", order)
    other = plain(sample.collected) if not collected else ""  # a date of collection that is none
    undated = (f"collected: {other}",) if other else ()
    yield from _note_segments((*statements(report), *undated))
    measured = observations(report)
    for number, one in enumerate(measured, start=1):
        yield _result(number, one, report)
        yield from _note_segments(notes(one, report))
    if sample.age_years is not None:
        last, years = str(len(measured) + 1), format_number(sample.age_years) or ""
        age = {1: last, 2: "NM", 3: _coded(AGE), 5: years, 6: "a^years^UCUM", 11: PRELIMINARY}
        yield _segment("OBX", age)
    blood = "BLD^Whole blood^HL70487"
    yield _segment("SPM", {1: "1", 2: escaped(sample.sample_id), 4: blood, 17: collected})


def _header(report: SmearReport) -> str:
    """MSH, whose first field is the delimiter itself: number 2 here is MSH-3."""
    fields = {
        2: "LEUKODIFF",
        6: _time(report.provenance.started),
        8: "ORU^R01^ORU_R01",
        9: identity(report, "message").hex[:20],
        10: "P",
        11: "2.5.1",
        17: "UNICODE UTF-8",
    }
    return _segment("MSH", {1: r"^~\&", **fields})


def _result(number: int, one: Measurement, report: SmearReport) -> str:
    how = plain(method(one, report))
    while len(escaped(how)) > MAX_CHARACTERS:  # cut before it is escaped: no escape is cut in two
        how = how[:-1]
    value, ours = format_number(one.value), one.kind != GIVEN
    ends = (one.reference.low, one.reference.high) if one.reference else ()
    fields = {
        1: str(number),
        2: "NM",
        3: _coded(*codes(one)),
        5: value or "",
        6: f"{escaped(UCUM[one.unit])}^{escaped(one.unit)}^UCUM",
        7: "-".join(str(format_number(end)) for end in ends),
        8: INTERPRETATIONS[one.flag][0] if one.flag else "",
        11: PRELIMINARY if value else NO_RESULT,
        14: _collected(report),
        17: f"^{escaped(how)}",
        18: f"leukodiff {escaped(report.provenance.version)}" if ours else "",
        19: _time(report.provenance.started) if ours else "",
    }
    return _segment("OBX", fields)


def _note_segments(texts: tuple[str, ...]) -> Iterator[str]:
    for number, text in enumerate(texts, start=1):
        yield _segment("NTE", {1: str(number), 2: "L", 3: escaped(text)})


def _segment(name: str, fields: Mapping[int, str]) -> str:
    last = max((at for at, text in fields.items() if text), default=0)
    return "|".join((name, *(fields.get(at, "") for at in range(1, last + 1))))


def _coded(*known: Code) -> str:
    """A coded element: code, name and system, up to two of them."""
    systems = {LOINC: "LN", LOCAL: "99LKD"}
    parts = ((escaped(one.code), escaped(one.display), systems[one.system]) for one in known)
    return "^".join(map("^".join, parts))


def escaped(text: str) -> str:
    r"""A text in which no delimiter stands for one: `\F\` `\S\` `\T\` `\R\` `\E\`, on one line."""
    return plain(text).translate(_ESCAPES)


def _collected(report: SmearReport) -> str:
    """The date of collection, `YYYY[MM[DD[HHMMSS+ZZZZ]]]`; empty where it is not known."""
    text = plain(report.sample.collected)
    if not is_date(text):
        return ""
    return (_time(text) if "T" in text else "") or text.replace("-", "")


def _time(text: str) -> str:
    """A time as `YYYYMMDDHHMMSS+ZZZZ`; empty of a text that is none."""
    when = moment(text)
    return when.strftime("%Y%m%d%H%M%S%z") if when else ""
