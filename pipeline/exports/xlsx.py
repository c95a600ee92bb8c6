"""A report as a workbook, for those who go on from it in a spreadsheet."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from leukodiff.pipeline.report.reference_ranges import PER_LITRE
from leukodiff.pipeline.report.remarks import hint
from leukodiff.pipeline.report.report import SmearReport

from .report_view import ReportOptions
from .tables import (
    CELL_COLUMNS,
    COUNT_COLUMNS,
    FIELD_COLUMNS,
    MEASUREMENT_COLUMNS,
    cell_columns,
    cell_rows,
    count_rows,
    field_rows,
    measurement_rows,
)

if TYPE_CHECKING:
    from openpyxl import Workbook

Value = str | int | float | None

CREATED = datetime(2000, 1, 1)
"""Creation time of every workbook: the same report gives the same bytes."""

MAX_CELL_CHARACTERS = 32767
"""Excel's limit."""

MAX_WIDTH = 60
"""Of a column, characters."""

_TEXT_COLUMNS = {
    *(*CELL_COLUMNS[:3], "cell_type", "reviewed_as", "note", "flag", "analyte", "unit"),
    *("status", "error", "kind", "reason"),
}
_NO_XML = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]")
_RUNS = ("=", "+", "-", "@")
_ERRORS = ("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A")


def report_xlsx(report: SmearReport, options: ReportOptions | None = None) -> bytes:
    """A workbook of five sheets: summary, differential, measurements, cells, fields.

    Columns are those of the CSV files. Numbers are numbers, an empty cell is unknown. Text never
    runs as a formula, whatever it starts with.
    """
    from openpyxl import Workbook
    from openpyxl.writer.excel import ExcelWriter

    book = Workbook(write_only=True)
    _add(book, "summary", ("", ""), _summary(report, options or ReportOptions()))
    for title, columns, rows in (
        ("differential", COUNT_COLUMNS, count_rows(report)),
        ("measurements", MEASUREMENT_COLUMNS, measurement_rows(report)),
        ("cells", cell_columns(report), cell_rows(report)),
        ("fields", FIELD_COLUMNS, field_rows(report)),
    ):
        values = ([_number(name, row.get(name)) for name in columns] for row in rows)
        _add(book, title, columns, values)
    book.properties.creator = "leukodiff"
    book.properties.created = CREATED
    content = io.BytesIO()
    with _TimelessZip(content, "w", ZIP_DEFLATED) as archive:
        ExcelWriter(book, archive).save()
    return content.getvalue()


def _summary(report: SmearReport, options: ReportOptions) -> Iterator[Sequence[Value]]:
    """Whose blood it is, what was read, what was found, and by what."""
    sample, made, found, t = report.sample, report.provenance, report.differential, options.texts
    scale = None if report.um_per_px is None else round(report.um_per_px, 5)
    yield t("identity.slide"), report.slide_id
    yield t("identity.sample"), sample.sample_id
    yield t("identity.patient"), sample.patient
    yield t("identity.sex"), t(f"identity.{sample.sex}") if sample.sex else None
    yield t("identity.age"), sample.age_years
    yield t("identity.collected"), sample.collected
    yield f"{t('value.white_cell_per_litre')}, {PER_LITRE}", sample.wbc_count
    yield t("basis.counted"), found.n
    yield t("basis.unidentified"), found.n_unidentified
    yield t("basis.fields"), f"{report.n_read} / {len(report.fields)}"
    yield f"{t('quality.scale')}, um/px", scale
    yield t("provenance.profile"), report.counting.profile.title
    yield t("provenance.interval"), t(f"interval.{report.counting.interval}")
    yield from ((t("heading.findings"), remark.text(t)) for remark in report.remarks)
    hints = (hint(one, t) for one in report.flags if options.hints)
    yield from (("", text) for text in hints if text)
    yield t("identity.analyzed"), made.started
    yield "leukodiff", made.version
    for model in made.models:
        yield t(f"provenance.{model.kind}"), f"{model.name} {model.version} ({model.sha256})"
    yield t("report.use"), t("report.verify")


def _number(column: str, value: object) -> Value:
    """A value of a CSV table, as a number where that has it as text."""
    if isinstance(value, str) and column not in _TEXT_COLUMNS:
        return float(value) if value else None
    return value if isinstance(value, str | int | float) else None


def _add(
    book: "Workbook", title: str, columns: Sequence[str], rows: Iterable[Sequence[Value]]
) -> None:
    """A sheet with a bold header that stays in sight, each column as wide as its first rows."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    held = [tuple(row) for row in rows]
    sheet = book.create_sheet(title)
    for number, column in enumerate(columns):
        seen = (column, *(row[number] for row in held[:100]))
        width = max(len(str(value)) for value in seen if value is not None) + 2
        sheet.column_dimensions[get_column_letter(number + 1)].width = min(width, MAX_WIDTH)
    bold = Font(bold=True)
    if any(columns):
        sheet.freeze_panes = "A2"
        header = [WriteOnlyCell(sheet, column) for column in columns]
        for cell in header:
            cell.font = bold
        sheet.append(header)
    for row in held:
        sheet.append([_held(sheet, value) for value in row])


def _held(sheet: Any, value: Value) -> Any:
    """A value as a cell takes it; text that could run, or pass for an error, is marked as text."""
    if not isinstance(value, str):
        return value
    text = _NO_XML.sub("\ufffd", value)[:MAX_CELL_CHARACTERS]
    if not text.startswith(_RUNS) and text not in _ERRORS:
        return text or None
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, text)
    cell.data_type, cell.quotePrefix = "s", True
    return cell


class _TimelessZip(ZipFile):
    """An archive that knows no time: neither of its files, nor of the workbook's last change."""

    def writestr(self, *named: Any, **_options: Any) -> None:
        """Adds a file made in memory: its name or `ZipInfo`, and its content."""
        name = getattr(named[0], "filename", named[0])
        content = named[1].encode() if isinstance(named[1], str) else named[1]
        if name == "docProps/core.xml":
            constant = rb"\g<1>2000-01-01T00:00:00Z"
            content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", constant, content)
        info = ZipInfo(str(name), CREATED.timetuple()[:6])
        super().writestr(info, content, ZIP_DEFLATED)

    def write(self, filename: Any, arcname: Any = None, *_options: Any, **_named: Any) -> None:
        """Adds a file from disk."""
        self.writestr(arcname or filename, Path(filename).read_bytes())
