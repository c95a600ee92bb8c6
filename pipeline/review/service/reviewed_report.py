"""A report as a person has reviewed it: the same numbers, with signatures and edits."""

from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from leukodiff.core.errors import InputError
from leukodiff.pipeline.exports.bundle import EXPORTS
from leukodiff.pipeline.exports.crops import CROP_PX, Gallery
from leukodiff.pipeline.exports.report_view import ReportOptions
from leukodiff.pipeline.exports.tables import cells_csv, counts_csv, fields_csv, measurements_csv
from leukodiff.pipeline.report.remarks import Remark
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.report.texts import load_texts
from leukodiff.pipeline.runs.rerender import CROPS_A_CLASS

from ..record import Signature
from .errors import ServiceError
from .pictures import Pictures
from .reviews import View
from .serializers import counts
from .slide_store import StoredSlide

CSV = {
    "cells": cells_csv,
    "fields": fields_csv,
    "counts": lambda report: counts_csv([report]),
    "measurements": measurements_csv,
}
"""The tables of an export, by name."""

TYPES = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "fhir": "application/fhir+json",
    "hl7": "application/octet-stream",
    "csv": "text/csv; charset=utf-8",
}
"""Media type of each format."""


@dataclass(frozen=True)
class ReviewedReport(SmearReport):
    """A report whose remarks begin with those of the review, in every export.

    `review` is that, a sentence each, in the language of the report.
    """

    review: tuple[Remark, ...] = ()

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """The review's remarks, then the machine's."""
        return (*self.review, *super().remarks)


def reviewed_report(view: View) -> ReviewedReport:
    """The report to be exported: as the person of the view sees it."""
    values: dict[str, Any] = {
        one.name: getattr(view.report, one.name) for one in fields(SmearReport)
    }
    return ReviewedReport(**values, review=review_remarks(view))


def review_remarks(view: View) -> tuple[Remark, ...]:
    """Signatures, the counts of machine and person, and the edits."""
    reading, cells = view.reading, view.report.cells
    renamed = [cell for cell in cells if cell.reviewed_as not in (None, cell.cell_type)]
    n_added, n_removed = len(reading.added), len(reading.removed)
    return (
        *([_signed(one) for one in view.state.signatures] or [Remark("not_signed")]),
        _counted("machine", counts(view.slide.report.cells, "cell_type")),
        _counted("person", counts(cells, "counted_as")),
        Remark("person_did", named=len(renamed), added=n_added, removed=n_removed),
        *([Remark("comment", text=reading.comment)] if reading.comment else []),
    )


def _signed(one: Signature) -> Remark:
    because = {"reason": one.reason} if one.reason else {}
    code = "signed_because" if because else "signed"
    return Remark(code, name=one.name, reader=one.reader, at=one.at, **because)


def _counted(by: str, found: dict[str, int]) -> Remark:
    return Remark(f"{by}_counted", counts=tuple(found.items())) if found else Remark(f"{by}_none")


def options_of(slide: StoredSlide) -> ReportOptions:
    """The language and parts that the slide's report was made with; English where it is gone."""
    made = slide.report_settings
    hints = bool(made.get("hints", True))
    try:
        return ReportOptions(load_texts(str(made.get("language", "en"))), hints)
    except InputError:
        return ReportOptions(hints=hints)


def export(
    kind: str, slide: StoredSlide, report: ReviewedReport, pictures: Pictures, table: str = "cells"
) -> tuple[str, bytes]:
    """A file made from the reviewed state: its name and its content.

    Raises:
        ServiceError: `not_found`: there is no such format or table.
    """
    if kind not in TYPES:
        raise ServiceError(
            "not_found", f"no export {kind[:20]!r}; there are {', '.join(TYPES)}", "address"
        )
    if kind == "csv":
        if table not in CSV:
            raise ServiceError(
                "not_found",
                f"no table {table[:20]!r}; there are {', '.join(CSV)}",
                "address",
            )
        return f"{report.slide_id}-{table}.csv", CSV[table](report).encode("utf-8", "replace")
    name, made = made_as(kind, slide, report, pictures)
    content = made.encode("utf-8", "backslashreplace") if isinstance(made, str) else made
    return f"{report.slide_id}-{name}", content


def made_as(
    kind: str, slide: StoredSlide, report: ReviewedReport, pictures: Pictures
) -> tuple[str, str | bytes]:
    """`html` or one of `EXPORTS`, with the cells' pictures where the format shows some."""
    options = options_of(slide)
    crops = crops_of(slide, report, pictures) if kind in ("html", "pdf") else {}
    if kind == "html":
        from leukodiff.pipeline.exports.html import report_html

        return "report.html", report_html(report, crops, {}, options)
    name, make = EXPORTS[kind]
    return name, make(report, crops, {}, options)


def crops_of(slide: StoredSlide, report: SmearReport, pictures: Pictures) -> dict[str, bytes]:
    """A few cells of each class as the report shows them; without those whose image is gone."""
    gallery, gone = Gallery(CROPS_A_CLASS), set[str]()
    for cell in report.cells:
        if cell.field_id in gone:
            continue
        try:
            gallery.offer(cell, partial(pictures.crop, slide, cell, CROP_PX))
        except ServiceError:
            gone.add(cell.field_id)
    return dict(gallery.crops())
