"""Settings of a report, and the files that follow from a report alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from leukodiff.core.errors import InputError
from leukodiff.pipeline.report.confusion import read_confusion
from leukodiff.pipeline.report.reference_ranges import Profile, adult, read_profile
from leukodiff.pipeline.report.report import CountingOptions, SmearReport
from leukodiff.pipeline.report.sample import Sample, read_samples
from leukodiff.pipeline.report.statistics import METHODS, Confusion
from leukodiff.pipeline.report.texts import load_texts

from .html import report_html
from .report_view import ReportOptions
from .tables import areas_csv, cells_csv, counts_csv, fields_csv, measurements_csv

Jpegs = Mapping[str, bytes]
Export = Callable[[SmearReport, Jpegs, Jpegs, ReportOptions], str | bytes]

WITHOUT = Sample()


@dataclass(frozen=True)
class ReportSettings:
    """Settings of a slide's report.

    `interval` is one of `statistics.METHODS`. `reference`: a profile's file, the shipped one when
    `None`. `language`: one of `texts.LANGUAGES`, or a file. `hints`: with what a flagged value may
    go with. `exports`: of `EXPORTS`, in addition to the files that are always made. `sample`: the
    blood's data where there is one slide; `samples`: a table of them where there are many.
    `confusion`: the classifier's confusions in one's own laboratory, a file of `evaluate pipeline`.
    `precision`: percentage points to which each share is wanted; the report gives the number of
    cells that it takes.

    Raises:
        InputError: when made, of an interval, export or precision that there is not.
    """

    interval: str = "exact"
    reference: Path | None = None
    language: str = "en"
    hints: bool = True
    exports: tuple[str, ...] = ()
    sample: Sample = WITHOUT
    samples: Path | None = None
    confusion: Path | None = None
    precision: float | None = None

    def __post_init__(self) -> None:
        if self.precision is not None and not 0.1 <= self.precision <= 50:
            raise InputError(f"precision: expected 0.1 to 50 points, not {self.precision:g}")
        if self.interval not in METHODS:
            raise InputError(f"interval: expected {', '.join(METHODS)}, not {self.interval!r}")
        if unknown := [one for one in self.exports if one not in EXPORTS]:
            raise InputError(f"export: expected {', '.join(EXPORTS)}, not {unknown[0]!r}")
        if self.samples and self.sample != WITHOUT:
            raise InputError(f"{self.samples}: a table of samples leaves no room for one sample")

    @cached_property
    def profile(self) -> Profile:
        """The reference ranges; an `InputError` where the file is no profile."""
        return read_profile(self.reference) if self.reference else adult()

    @cached_property
    def options(self) -> ReportOptions:
        """Language and hints; an `InputError` where there is no such language."""
        return ReportOptions(load_texts(self.language), self.hints)

    @cached_property
    def lab_confusion(self) -> Confusion | None:
        """The confusions in one's own laboratory; an `InputError` where the file is no matrix."""
        return read_confusion(self.confusion) if self.confusion else None

    @cached_property
    def table(self) -> Mapping[str, Sample]:
        """Data of each slide's blood, by slide_id; an `InputError` of a file that is no table."""
        return read_samples(self.samples) if self.samples else {}

    def check(self, slide_ids: Sequence[str]) -> None:
        """Reads all files, so that a wrong one is reported before the work begins.

        Raises:
            InputError: one is wrong, one sample is given for many slides, or a table of none.
        """
        self.options  # noqa: B018 - read for its errors
        self.profile  # noqa: B018
        self.lab_confusion  # noqa: B018
        if self.sample != WITHOUT and len(slide_ids) > 1:
            raise InputError(
                f"one sample is given for {len(slide_ids)} slides; give each its own with --samples"
            )
        if self.samples and not set(self.table) & set(slide_ids):
            some = ", ".join(list(slide_ids)[:3])
            raise InputError(f"{self.samples}: names none of the slides at hand ({some})")

    def sample_of(self, slide_id: str) -> Sample:
        """Data of a slide's blood."""
        return self.table.get(slide_id, self.sample)

    def counting(self, confusion: Confusion | None) -> CountingOptions:
        """Options of counting; one's own confusions go before the model's `confusion`."""
        return CountingOptions(
            self.interval, self.profile, self.lab_confusion or confusion, self.precision
        )

    def result_affecting(self, slide_id: str) -> dict[str, Any]:
        """Everything that changes a slide's report."""
        return {
            "interval": self.interval,
            "precision": self.precision,
            "reference": self.profile.sha256,
            "language": self.language,
            "hints": self.hints,
            "exports": list(self.exports),
            "confusion": self.lab_confusion.to_mapping() if self.lab_confusion else None,
            "sample": asdict(self.sample_of(slide_id)),
        }

    def applied(self, report: SmearReport) -> SmearReport:
        """A report counted anew as these settings say."""
        counting = self.counting(report.counting.confusion)
        sample = self.sample_of(report.slide_id) if self.knows(report.slide_id) else report.sample
        return replace(report, sample=sample, counting=counting)

    def knows(self, slide_id: str) -> bool:
        """True where they have data of a slide's blood."""
        return self.sample != WITHOUT or slide_id in self.table


def report_files(
    report: SmearReport, crops: Jpegs, views: Jpegs, settings: ReportSettings
) -> dict[str, str | bytes]:
    """The files of a slide's folder that follow from its report alone, by name."""
    files: dict[str, str | bytes] = {
        "cells.csv": cells_csv(report),
        "fields.csv": fields_csv(report),
        "counts.csv": counts_csv([report]),
        "measurements.csv": measurements_csv(report),
    }
    if report.readings:
        files["areas.csv"] = areas_csv(report)
    files["report.html"] = report_html(report, crops, views, settings.options)
    for name in settings.exports:
        file_name, export = EXPORTS[name]
        files[file_name] = export(report, crops, views, settings.options)
    return files


def _pdf(report: SmearReport, crops: Jpegs, views: Jpegs, options: ReportOptions) -> bytes:
    from .pdf import report_pdf

    return report_pdf(report, crops, views, options)


def _xlsx(report: SmearReport, _crops: Jpegs, _views: Jpegs, options: ReportOptions) -> bytes:
    from .xlsx import report_xlsx

    return report_xlsx(report, options)


def _fhir(report: SmearReport, _crops: Jpegs, _views: Jpegs, _options: ReportOptions) -> str:
    from .fhir import report_fhir

    return report_fhir(report)


def _hl7(report: SmearReport, _crops: Jpegs, _views: Jpegs, _options: ReportOptions) -> str:
    from .hl7 import report_hl7

    return report_hl7(report)


EXPORTS: Mapping[str, tuple[str, Export]] = {
    "pdf": ("report.pdf", _pdf),
    "xlsx": ("report.xlsx", _xlsx),
    "fhir": ("report.fhir.json", _fhir),
    "hl7": ("report.hl7", _hl7),
}
"""Optional files: name of the file and its maker, whose module is imported only then."""
