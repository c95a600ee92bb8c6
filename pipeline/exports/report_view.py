"""A report's contents in the words of a language: what its HTML and its PDF are both set from."""

from collections.abc import Mapping
from dataclasses import dataclass

from leukodiff.pipeline.report.differential import BESIDE
from leukodiff.pipeline.report.measurements import Measurement
from leukodiff.pipeline.report.profiles import PER_LITRE, PERCENT
from leukodiff.pipeline.report.remarks import hint
from leukodiff.pipeline.report.report import FEW_CELLS, SmearReport
from leukodiff.pipeline.report.statistics import cells_to_settle
from leukodiff.pipeline.report.texts import Texts

from .display_groups import Shelf, shelves
from .formatting import Fact, limit, number, readable, sentence
from .look import ReportOptions
from .quality import Quality, quality
from .values import (
    CRITICAL,
    POSSIBLY,
    SURE,
    CountBar,
    CountGraph,
    ShareRow,
    ValueRow,
    blood_rows,
    count_graph,
    estimate_rows,
    flag_of,
    in_words,
    level_of,
    ratio_rows,
    share_rows,
    value_row,
)

SETTLED_BY = 5000
"""To count more cells than this for one flag is no advice."""

TIME = 16
"""So many letters of an ISO time are its date, hour and minute."""

YES_NO = {True: "yes", False: "no"}


@dataclass(frozen=True)
class Finding:
    """A flag with its number and range, how many cells would settle it, what it may go with."""

    level: str
    text: str
    detail: str
    settle: str = ""
    hint: str = ""


@dataclass(frozen=True)
class ReportView:
    """Everything a report says, in the order it says it.

    `basis` is what the percentages rest on. `too_few` is empty where there are cells enough.
    """

    texts: Texts
    version: str
    slide: str
    made: str
    identity: tuple[Fact, ...]
    basis: tuple[Fact, ...]
    too_few: str
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    n: int
    n_unidentified: int
    shares: tuple[ShareRow, ...]
    corrected: str
    notes: tuple[str, ...]
    blood: tuple[ValueRow, ...]
    ratios: tuple[ValueRow, ...]
    estimates: tuple[ValueRow, ...]
    graph: CountGraph
    shelves: tuple[Shelf, ...]
    quality: Quality
    provenance: tuple[Fact, ...]

    @property
    def critical(self) -> tuple[Finding, ...]:
        """The findings to be told at once."""
        return tuple(one for one in self.findings if one.level == CRITICAL)

    @property
    def flagged(self) -> tuple[Finding, ...]:
        """The other findings."""
        return tuple(one for one in self.findings if one.level != CRITICAL)

    @property
    def has_corrected(self) -> bool:
        """Whether there are corrected shares."""
        return any(row.bar and row.bar.corrected for row in self.shares)

    @property
    def beside(self) -> tuple[CountBar, ...]:
        """What is counted and not in the percentages."""
        return tuple(bar for bar in self.graph.bars if bar.kind.name in BESIDE)


def contents(
    report: SmearReport, crops: Mapping[str, bytes], views: Mapping[str, bytes], look: ReportOptions
) -> ReportView:
    """A report in words.

    Args:
        report: what was found.
        crops: a JPEG by cell_id for the cells to show.
        views: a JPEG by field_id of the scans: their overviews.
        look: the language, and whether hints are given.
    """
    texts, found = look.texts, report.differential
    return ReportView(
        texts=texts,
        version=readable(report.provenance.version),
        slide=readable(report.slide_id),
        made=report.provenance.started[:TIME].replace("T", " "),
        identity=_identity(report, texts),
        basis=_basis(report, texts),
        too_few=_too_few(found.n, texts),
        findings=_findings(report, look),
        remarks=_remarks(report, texts),
        n=found.n,
        n_unidentified=found.n_unidentified,
        shares=share_rows(report, texts),
        corrected=_corrected(report, texts),
        notes=_notes(report, texts),
        blood=blood_rows(report, texts),
        ratios=ratio_rows(report, texts),
        estimates=estimate_rows(report, texts),
        graph=count_graph(report, texts),
        shelves=shelves(report, crops, texts),
        quality=quality(report, views, texts),
        provenance=_provenance(report, texts),
    )


def _identity(report: SmearReport, texts: Texts) -> tuple[Fact, ...]:
    """What is known of the sample."""
    sample = report.sample
    age = "" if sample.age_years is None else limit(sample.age_years, texts)
    known = {
        "sample": sample.sample_id,
        "patient": sample.patient,
        "sex": texts(f"identity.{sample.sex}") if sample.sex else "",
        "age": texts("identity.years", age=age) if age else "",
        "collected": sample.collected,
        "slide": report.slide_id,
        "analyzed": report.provenance.started[:TIME].replace("T", " "),
    }
    return tuple(Fact(texts(f"identity.{k}"), readable(v)) for k, v in known.items() if v)


def _basis(report: SmearReport, texts: Texts) -> tuple[Fact, ...]:
    """What the percentages rest on, in a line."""
    found = report.differential
    known = {
        "counted": str(found.n),
        "unidentified": str(found.n_unidentified),
        "fields": "" if report.readings else f"{report.n_read} / {len(report.fields)}",
        "scan": ", ".join(
            f"{number(100 * one.share_read, 0, texts)} %" for one in report.readings.values()
        ),
        "reference": readable(texts.phrase(report.counting.profile.title)),
    }
    return tuple(Fact(texts(f"basis.{key}"), value) for key, value in known.items() if value)


def _too_few(n: int, texts: Texts) -> str:
    if n >= FEW_CELLS:
        return ""
    key = "too_few" if n else "no_cells"
    return texts(f"finding.{key}", **({"n": n, "enough": FEW_CELLS} if n else {}))


def _findings(report: SmearReport, look: ReportOptions) -> tuple[Finding, ...]:
    """The flags, the loudest first."""
    loudness = (CRITICAL, SURE, POSSIBLY)
    flags = sorted(report.flags, key=lambda one: loudness.index(level_of(one.flag)))
    hints = dict.fromkeys(hint(one, look.texts) if look.hints else "" for one in flags)
    return tuple(_finding(one, report, look.texts, hints) for one in flags)


def _remarks(report: SmearReport, texts: Texts) -> tuple[str, ...]:
    """What else a reader must know; the flags are findings."""
    told = (one.said(texts) for one in report.remarks if one.code != "flagged")
    return tuple(sentence(readable(one)) for one in told)


def _finding(
    one: Measurement, report: SmearReport, texts: Texts, hints: dict[str, None]
) -> Finding:
    """A flag in words; it takes its hint out of `hints`, so that each is given once."""
    row, told = value_row(one, texts), hint(one, texts)
    key = "times" if one.unit == PER_LITRE else "value"
    said = texts(f"finding.{key}", value=row.value, unit=row.unit).strip()
    if one.low != one.high:
        said = texts("finding.interval", value=said, interval=row.interval)
    said = texts("finding.reference", value=said, reference=row.reference)
    if told in hints:
        del hints[told]
    else:
        told = ""
    return Finding(
        flag_of(one, texts).level,
        sentence(in_words(one, texts)),
        said,
        _settle(one, report, texts),
        told,
    )


def _settle(one: Measurement, report: SmearReport, texts: Texts) -> str:
    """How many more cells would settle a `possibly`; empty where that can't be told."""
    whole = {PERCENT: 100.0, PER_LITRE: report.sample.wbc_count}.get(one.unit)
    if level_of(one.flag) != POSSIBLY or not whole or one.usual is None or one.value is None:
        return ""
    edge = one.usual.high if one.flag.endswith("high") else one.usual.low
    if edge > whole:
        return ""
    needed = cells_to_settle(min(one.value / whole, 1.0), edge / whole)
    if needed is None or needed > SETTLED_BY:
        return texts("finding.not_settled", n=SETTLED_BY)
    more = needed - report.differential.n
    return texts("finding.settle", n=more) if more > 0 else ""


def _corrected(report: SmearReport, texts: Texts) -> str:
    """On what condition the corrected shares may be trusted, or why there are none."""
    if report.corrected:
        return texts("note.corrected")
    if report.counting.confusion is None or not report.differential.n:
        return ""
    reviewed = any(cell.reviewed_as for cell in report.cells)
    return texts("note.corrected_reviewed" if reviewed else "note.corrected_not")


def _notes(report: SmearReport, texts: Texts) -> tuple[str, ...]:
    """How the table is to be read."""
    found = report.differential
    if not found.n:
        return (texts("note.relative"),)
    told = [
        texts(f"note.interval_{report.counting.interval}", n=found.n),
        texts("note.flags"),
        texts("note.relative"),
    ]
    return tuple(told)


def _provenance(report: SmearReport, texts: Texts) -> tuple[Fact, ...]:
    """Versions, checksums and settings."""
    made, profile = report.provenance, report.counting.profile
    sources = dict.fromkeys(
        source for one in profile.ranges for source in (one.source, one.critical_source) if source
    )
    known = [
        ("leukodiff", made.version),
        *((texts(f"provenance.{m.kind}"), _file(m.name, m.version, m.sha256)) for m in made.models),
        (texts("provenance.interval"), texts(f"interval.{report.counting.interval}")),
        (texts("provenance.profile"), _profile(report, texts)),
        (texts("provenance.sources"), "; ".join(sources)),
        *((_setting(name, texts), _plain(value, texts)) for name, value in made.settings.items()),
        (texts("provenance.started"), _started(report, texts)),
    ]
    return tuple(Fact(readable(label), readable(said)) for label, said in known if said)


def _profile(report: SmearReport, texts: Texts) -> str:
    profile = report.counting.profile
    return _file(texts.phrase(profile.title), f"({profile.name})", profile.sha256)


def _file(name: str, version: str, sha256: str) -> str:
    return f"{name} {version}" + (f", sha256 {sha256}" if sha256 else "")


def _setting(name: str, texts: Texts) -> str:
    key = f"setting.{name}"
    return texts(key) if texts.has(key) else name


def _plain(value: object, texts: Texts) -> str:
    """A setting in words."""
    if value is None:
        return texts("setting.not_given")
    if isinstance(value, bool):
        return texts(f"setting.{YES_NO[value]}")
    return limit(value, texts) if isinstance(value, float) else str(value)


def _started(report: SmearReport, texts: Texts) -> str:
    made = report.provenance
    seconds = number(made.seconds, 1, texts)
    return texts("provenance.took", started=made.started, seconds=seconds) if made.started else ""
