"""A slide's report made again from what its folder holds."""

import csv
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from leukodiff.core.errors import InputError
from leukodiff.pipeline.exports.bundle import ReportSettings, report_files
from leukodiff.pipeline.exports.crops import Gallery, cut_crop, cut_from_scan
from leukodiff.pipeline.exports.drawing import encode_jpeg, shrunk
from leukodiff.pipeline.exports.tables import (
    COUNT_COLUMNS,
    SLIDE_COLUMNS,
    Row,
    count_rows,
    slide_row,
    to_csv,
    without_formula,
)
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.report.serialize import STORED, read_stored, to_json
from leukodiff.pipeline.slides import open_scan
from leukodiff.pipeline.slides.discover import Field, natural

from .output import RECORD, SlideFolder, write_whole
from .slide_writer import VIEW_PX, VIEW_QUALITY

CROPS_A_CLASS = 24


@dataclass(frozen=True)
class Rerendered:
    """A report that was made again, and what went missing."""

    report: SmearReport
    warnings: tuple[str, ...] = ()


def slide_folders(folders: Sequence[Path]) -> list[Path]:
    """The slides' folders that are meant: each is one, or holds some.

    Raises:
        InputError: there is none in one of them.
    """
    found: dict[Path, None] = {}
    for folder in folders:
        inside = [path.parent for path in folder.glob(f"*/{RECORD}")] if folder.is_dir() else []
        own = [folder] if (folder / RECORD).is_file() else []
        slides = own or sorted(inside, key=lambda path: natural(path.name))
        if not slides:
            raise InputError(f"{folder}: no slide here; give a folder that analyze wrote")
        found |= dict.fromkeys(slides)
    return list(found)


def rerender(folder: Path, settings: ReportSettings) -> Rerendered:
    """Writes a slide's tables and reports again, and its rows of the output's tables.

    What is told of the blood stays as it was where the settings say nothing of it.

    Raises:
        InputError: the folder's files are missing or damaged.
        OutputError: a file can't be written; those before are written whole.
    """
    report = settings.applied(read_stored(folder / STORED))
    record = SlideFolder(folder.parent, folder.name).record()
    if record is None or record.fingerprint is None:
        raise InputError(f"{folder}: no slide here; give a folder that analyze wrote")
    crops, views, warnings = pictures(report, folder, [Path(one) for one in record.paths])
    for name, content in report_files(report, crops, views, settings).items():
        write_whole(folder / name, content)
    write_whole(folder / STORED, to_json(report))
    sample = {"sample": dict(vars(report.sample))}
    affecting = settings.result_affecting(report.slide_id) | sample
    record = replace(
        record,
        fingerprint={**record.fingerprint, "report": affecting},
        row=slide_row(report),
        counts=tuple(count_rows(report)),
    )
    write_whole(folder / RECORD, record.to_json())
    _renew_tables(folder.parent, report)
    return Rerendered(report, tuple(warnings))


def _renew_tables(out: Path, report: SmearReport) -> None:
    """The tables of the whole output, with this slide's rows as they are now."""
    for name, columns, rows in (
        ("slides.csv", SLIDE_COLUMNS, [slide_row(report)]),
        ("counts.csv", COUNT_COLUMNS, count_rows(report)),
    ):
        path = out / name
        if path.is_file():
            write_whole(
                path, to_csv(columns, _replaced(path, without_formula(report.slide_id), rows))
            )


def _replaced(path: Path, slide_id: str, rows: Sequence[Row]) -> list[Row]:
    """A table's rows with those of one slide replaced, in their place."""
    with path.open(newline="", encoding="utf-8") as file:
        before: list[Row] = list(csv.DictReader(file))
    at = next((i for i, row in enumerate(before) if row["slide_id"] == slide_id), len(before))
    others = [row for row in before if row["slide_id"] != slide_id]
    return [*others[:at], *rows, *others[at:]]


def pictures(
    report: SmearReport, folder: Path, paths: Sequence[Path]
) -> tuple[dict[str, bytes], dict[str, bytes], list[str]]:
    """The cells' pictures by cell_id, the scans' overviews by field_id, and what could not be had.

    `folder` is the slide's, `paths` are its images.
    """
    gallery, warnings = Gallery(CROPS_A_CLASS), []
    by_name = {path.name: path for path in paths}
    for field_id in dict.fromkeys(cell.field_id for cell in report.cells):
        path = by_name.get(field_id)
        try:
            if path is None:
                raise InputError(f"{field_id}: nobody knows where it was")
            _offer(gallery, report, field_id, path)
        except InputError as error:
            warnings.append(f"no pictures of its cells: {error}")
    views = {}
    for field_id in report.readings:
        with suppress(InputError):  # without overlays there is none
            if overlay := report.overlays.get(field_id):
                view = Field(field_id, folder / overlay, field_id).read()
                views[field_id] = encode_jpeg(shrunk(view, VIEW_PX), VIEW_QUALITY)
    return dict(gallery.crops()), views, warnings


def _offer(gallery: Gallery, report: SmearReport, field_id: str, path: Path) -> None:
    um_per_px = report.um_per_px or 0.1
    cells = [cell for cell in report.cells if cell.field_id == field_id]
    if field_id in report.readings:
        with open_scan(path) as scan:
            for cell in cells:
                gallery.offer(cell, lambda cell=cell: cut_from_scan(scan, cell, um_per_px))  # type: ignore[misc]
        return
    image = Field(field_id, path, field_id).read()
    for cell in cells:
        gallery.offer(cell, lambda cell=cell: cut_crop(image, cell, um_per_px))  # type: ignore[misc]
