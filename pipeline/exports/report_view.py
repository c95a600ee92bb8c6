"""A report's contents in the words of a language, from which HTML and PDF are both made."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leukodiff.pipeline.report.differential import UNCOUNTED
from leukodiff.pipeline.report.flags import Direction, Level
from leukodiff.pipeline.report.measurements import PER_1000_RED, PER_FIELD, Measurement
from leukodiff.pipeline.report.reference_ranges import PER_HUNDRED, PER_LITRE, PERCENT, RATIO
from leukodiff.pipeline.report.remarks import flagged, hint, profile_title
from leukodiff.pipeline.report.report import FEW_CELLS, SmearReport
from leukodiff.pipeline.report.statistics import cells_to_settle
from leukodiff.pipeline.report.texts import Texts, load_texts

from .formatting import Fact, limit, number, readable, sentence
from .sections import GallerySection, Quality, gallery_sections, quality
from .values import (
    CountBar,
    CountGraph,
    ShareRow,
    ValueRow,
    count_graph,
    share_rows,
    value_row,
    value_rows,
)

MAX_SETTLING_CELLS = 5000
"""Counting more cells than this to settle one flag is not advised."""

MINUTE_CHARACTERS = 16
"""Length of date, hour and minute in an ISO time."""


@dataclass(frozen=True)
class ReportOptions:
    """Language of a report; `hints`: with what a flagged value may go with."""

    texts: Texts = field(default_factory=load_texts)
    hints: bool = True


@dataclass(frozen=True)
class Finding:
    """A flag with its number and range, the cells that would settle it, and a hint at causes."""

    level: str
    text: str
    detail: str
    settle: str = ""
    hint: str = ""


@dataclass(frozen=True)
class ReportView:
    """Contents of a report, in the order of its pages.

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
    gallery: tuple[GallerySection, ...]
    quality: Quality
    provenance: tuple[Fact, ...]

    @property
    def critical(self) -> tuple[Finding, ...]:
        """The findings to be reported at once."""
        return tuple(one for one in self.findings if one.level == Level.CRITICAL)

    @property
    def flagged(self) -> tuple[Finding, ...]:
        """The other findings."""
        return tuple(one for one in self.findings if one.level != Level.CRITICAL)

    @property
    def has_corrected(self) -> bool:
        """True where there are corrected shares."""
        return any(row.bar and row.bar.corrected for row in self.shares)

    @property
    def other_cells(self) -> tuple[CountBar, ...]:
        """Cells that are counted and not in the percentages."""
        return tuple(bar for bar in self.graph.bars if bar.kind.name in UNCOUNTED)


def report_view(
    report: SmearReport,
    crops: Mapping[str, bytes],
    views: Mapping[str, bytes],
    options: ReportOptions,
) -> ReportView:
    """A report in words.

    Args:
        report: what was found.
        crops: a JPEG by cell_id for the cells to show.
        views: a JPEG by field_id of the scans: their overviews.
        options: the language, and whether hints are given.
    """
    texts, found = options.texts, report.differential
    made = report.provenance.started[:MINUTE_CHARACTERS].replace("T", " ")
    few = {"n": found.n, "enough": FEW_CELLS} if found.n else {}
    too_few = texts("finding.too_few" if few else "finding.no_cells", **few)
    interval = texts(f"note.interval_{report.counting.interval}", n=found.n)
    notes = (interval, texts("note.flags")) if found.n else ()
    remarks = (one.text(texts) for one in report.remarks if one.code != "flagged")
    loudest = sorted(report.flags, key=lambda one: list(Level).index(one.flag.level))
    hints = dict.fromkeys(hint(one, texts) if options.hints else "" for one in loudest)
    return ReportView(
        texts=texts,
        version=readable(report.provenance.version),
        slide=readable(report.slide_id),
        made=made,
        identity=_identity(report, made, texts),
        basis=_basis(report, texts),
        too_few="" if found.n >= FEW_CELLS else too_few,
        findings=tuple(_finding(one, report, texts, hints) for one in loudest),
        remarks=tuple(sentence(readable(text)) for text in remarks),
        n=found.n,
        n_unidentified=found.n_unidentified,
        shares=share_rows(report, texts),
        corrected=_corrected(report, texts),
        notes=(*notes, texts("note.relative")),
        blood=value_rows(report, texts, PER_LITRE),
        ratios=value_rows(report, texts, PER_HUNDRED, RATIO),
        estimates=value_rows(report, texts, PER_FIELD, PER_1000_RED),
        graph=count_graph(report, texts),
        gallery=gallery_sections(report, crops, texts),
        quality=quality(report, views, texts),
        provenance=_provenance(report, texts),
    )


def _identity(report: SmearReport, made: str, texts: Texts) -> tuple[Fact, ...]:
    """Facts about the sample."""
    sample = report.sample
    age = "" if sample.age_years is None else limit(sample.age_years, texts)
    known = {
        "sample": sample.sample_id,
        "patient": sample.patient,
        "sex": texts(f"identity.{sample.sex}") if sample.sex else "",
        "age": texts("identity.years", age=age) if age else "",
        "collected": sample.collected,
        "slide": report.slide_id,
        "analyzed": made,
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
        "reference": readable(profile_title(report.counting.profile, texts)),
    }
    return tuple(Fact(texts(f"basis.{key}"), value) for key, value in known.items() if value)


def _finding(
    one: Measurement, report: SmearReport, texts: Texts, hints: dict[str, None]
) -> Finding:
    """A flag in words; it takes its hint out of `hints`, so that each is given once."""
    row, advice = value_row(one, texts), hint(one, texts)
    key = "times" if one.unit == PER_LITRE else "value"
    detail = texts(f"finding.{key}", value=row.value, unit=row.unit).strip()
    if one.low != one.high:
        detail = texts("finding.interval", value=detail, interval=row.interval)
    detail = texts("finding.reference", value=detail, reference=row.reference)
    first = advice in hints
    hints.pop(advice, None)
    return Finding(
        row.flag.level,
        sentence(flagged(one.analyte, one.unit, one.flag, texts)),
        detail,
        _settle(one, report, texts),
        advice if first else "",
    )


def _settle(one: Measurement, report: SmearReport, texts: Texts) -> str:
    """Number of further cells that would settle a `possibly`; empty where it is not known."""
    whole = {PERCENT: 100.0, PER_LITRE: report.sample.wbc_count}.get(one.unit)
    if one.flag.level != Level.POSSIBLY or not whole or one.reference is None or one.value is None:
        return ""
    edge = one.reference.high if one.flag.direction == Direction.HIGH else one.reference.low
    if edge > whole:
        return ""
    needed = cells_to_settle(min(one.value / whole, 1.0), edge / whole)
    if needed is None or needed > MAX_SETTLING_CELLS:
        return texts("finding.not_settled", n=MAX_SETTLING_CELLS)
    more = needed - report.differential.n
    return texts("finding.settle", n=more) if more > 0 else ""


def _corrected(report: SmearReport, texts: Texts) -> str:
    """Condition for trusting the corrected shares, or the reason why there are none."""
    if report.corrected:
        return texts("note.corrected")
    if report.counting.confusion is None or not report.differential.n:
        return ""
    reviewed = any(cell.reviewed_as for cell in report.cells)
    return texts("note.corrected_reviewed" if reviewed else "note.corrected_not")


def _provenance(report: SmearReport, texts: Texts) -> tuple[Fact, ...]:
    """Versions, checksums and settings."""
    made, profile = report.provenance, report.counting.profile
    title = _file(profile_title(profile, texts), f"({profile.name})", profile.sha256)
    sources = dict.fromkeys(
        source for one in profile.ranges for source in (one.source, one.critical_source) if source
    )
    seconds = number(made.seconds, 1, texts)
    took = texts("provenance.took", started=made.started, seconds=seconds) if made.started else ""
    names = {name: f"setting.{name}" for name in made.settings}
    words = {name: texts(key) if texts.has(key) else name for name, key in names.items()}
    known = [
        ("leukodiff", made.version),
        *((texts(f"provenance.{m.kind}"), _file(m.name, m.version, m.sha256)) for m in made.models),
        (texts("provenance.interval"), texts(f"interval.{report.counting.interval}")),
        (texts("provenance.profile"), title),
        (texts("provenance.sources"), "; ".join(sources)),
        *((words[name], _plain(value, texts)) for name, value in made.settings.items()),
        (texts("provenance.started"), took),
    ]
    return tuple(Fact(readable(label), readable(value)) for label, value in known if value)


def _file(name: str, version: str, sha256: str) -> str:
    return f"{name} {version}" + (f", sha256 {sha256}" if sha256 else "")


def _plain(value: object, texts: Texts) -> str:
    """A setting in words."""
    if value is None:
        return texts("setting.not_given")
    if isinstance(value, bool):
        return texts("setting.yes" if value else "setting.no")
    return limit(value, texts) if isinstance(value, float) else str(value)
