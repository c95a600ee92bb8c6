"""Signed slides as a training set: a folder that `--data table=FOLDER` reads."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from leukodiff.core.errors import InputError
from leukodiff.datasets.layout import IMAGE_SUFFIXES
from leukodiff.pipeline.exports.tables import to_csv
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.runs.output import OutputError, write_whole, writing
from leukodiff.pipeline.slides import Scan, is_scan_name, open_scan

from ..record import STATE_SIGNED, Record, SlideState
from .errors import ServiceError
from .images import image_path
from .reviewed_cells import (
    COLUMNS,
    PREFIX,
    ReviewedCell,
    linked_groups,
    reviewed_cells,
    row,
    signers,
    splits,
)
from .settings import ReviewSettings
from .slide_store import SlideStore, StoredSlide
from .uploads import free_name, safe_name

TABLE = "cells.csv"

PROVENANCE = "provenance.json"

WINDOW_UM = 60.0
"""Side of what is cut out of a scan round a cell: all that a crop and its background need."""

Rgb = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Source:
    """A signed slide: its review and its reviewed cells. `name` is its own among all."""

    name: str
    slide: StoredSlide
    state: SlideState
    cells: tuple[ReviewedCell, ...]


@dataclass
class ExportSummary:
    """Result of an export: signed slides, cells by split and type, and why some were left out."""

    slides: int = 0
    corrected: int = 0
    added: int = 0
    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)


def make_training_set(folders: Sequence[Path], out: Path, record: str = "") -> ExportSummary:
    """Writes the signed slides of some reviews into a new folder, whole or not at all.

    The images of plain fields are copied as they are; of a scan a window round each cell is cut.
    `cells.csv` has a row a cell, `provenance.json` has the signatures, and the head of each record.

    Args:
        folders: what `review` was given.
        out: a folder that is not there yet, or empty.
        record: the record's address where it lies elsewhere.

    Raises:
        InputError: there is no record, it is not whole, or nothing in it is signed and can be used.
        OutputError: `out` holds something, or can't be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: is there already; choose another --out or remove it")
    summary, sources, records = ExportSummary(), list[Source](), list[dict[str, Any]]()
    for folder in folders:
        found, facts = read_review(folder, record, [one.name for one in sources], summary)
        sources += found
        records.append(facts)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with writing(partial):
            partial.mkdir(parents=True)
        _write(sources, records, partial, summary)
        with writing(out):
            if out.exists():
                out.rmdir()
            partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return summary


def read_review(
    folder: Path, url: str, taken: Sequence[str], summary: ExportSummary
) -> tuple[list[Source], dict[str, Any]]:
    """The signed slides of one review, and its record as the provenance has it.

    Raises:
        InputError: there is no record, or it is not whole.
    """
    with Record(url or ReviewSettings(folder).record_url, make=False) as record:
        if faults := record.verify():
            raise InputError(f"{folder}: the record is not whole ({faults[0]}); see audit verify")
        head = str(record.head())
        states = [record.state(row.slide_id) for row in record.slides()]
        name = record.database.name
    slides, sources = SlideStore(folder), list[Source]()
    for state in sorted(states, key=lambda one: one.slide):
        if state.status != STATE_SIGNED:
            continue
        try:
            slide = slides.get(state.slide)
            why = _unfit(slide, state)
        except InputError as error:
            slide, why = None, str(error)
        if slide is None or why:
            summary.left_out.append(f"{state.slide}: {why}")
            continue
        own = free_name(safe_name(state.slide), [*taken, *(one.name for one in sources)])
        sources.append(Source(own, slide, state, tuple(reviewed_cells(slide.report, state))))
    return sources, {"folder": folder.name, "record": name, "head": head}


def _unfit(slide: StoredSlide | None, state: SlideState) -> str:
    if slide is None:
        return "its folder is gone"
    if slide.report.um_per_px is None:
        return "its scale (um/px) is not known"
    if not slide.has_cells_of(state):
        return "analyzed anew after it was reviewed"
    return ""


def _write(
    sources: Sequence[Source],
    records: Sequence[Mapping[str, Any]],
    folder: Path,
    summary: ExportSummary,
) -> None:
    """Writes images, table and provenance."""
    rows, shown, alike = list[dict[str, Any]](), dict[str, str](), list[list[str]]()
    for source in sources:
        own, tied = _rows(source, folder, shown, summary)
        rows += own
        alike += [[source.name], *([source.name, one] for one in tied)]
    if not rows:
        reasons = "; ".join(summary.left_out[:3]) or "sign some first"
        raise InputError(f"no signed slide with cells that a person looked at ({reasons})")
    alike += _same_blood(sources)
    taught = {one["slide_id"] for one in rows}
    group = {name: first for name, first in linked_groups(alike).items() if name in taught}
    split = splits(set(group.values()))
    for one in rows:
        one["group"] = PREFIX + group[one["slide_id"]]
        one["split"] = split[group[one["slide_id"]]]
        summary.cells[one["split"], one["reviewed_as"]] += 1
    write_whole(folder / TABLE, to_csv(COLUMNS, rows))
    facts = [_facts(source, group, split, rows) for source in sources if source.name in taught]
    summary.slides = len(facts)
    provenance = {
        "made_by": f"leukodiff {version('leukodiff')}",
        "records": list(records),
        "slides": facts,
        "left_out": summary.left_out,
    }
    write_whole(folder / PROVENANCE, json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")


def _rows(
    source: Source, folder: Path, shown: dict[str, str], summary: ExportSummary
) -> tuple[list[dict[str, Any]], set[str]]:
    """The lines of a slide, and the slides that hold an image of its own.

    `shown` is the content of an image -> the slide that it was first met in.
    """
    signature = source.state.signatures[-1]
    slide_wide = {
        "slide_id": source.name,
        "um_per_px": source.slide.report.um_per_px,
        "signed_by": signature.name,
        "signed_at": signature.at,
    }
    rows, tied = list[dict[str, Any]](), set[str]()
    for field_id in dict.fromkeys(one.cell.field_id for one in source.cells):
        own = [one for one in source.cells if one.cell.field_id == field_id]
        try:
            path = image_path(source.slide, field_id)
            with writing(folder):
                images = list(_images(path, source, own, folder))
        except (ServiceError, InputError) as error:
            summary.left_out.append(f"{source.name}: {len(own)} cells of {field_id}: {error}")
            continue
        tied.add(shown.setdefault(_content(path), source.name))
        summary.corrected += sum(one.corrected for one in own)
        summary.added += sum(one.added for one in own)
        rows += [row(one, slide_wide | facts) for one, facts in images]
    return rows, tied - {source.name}


def _images(
    path: Path, source: Source, own: Sequence[ReviewedCell], folder: Path
) -> Iterator[tuple[ReviewedCell, dict[str, Any]]]:
    """Writes the image that a field's cells are in, or one a cell; each cell with its facts."""
    taken = [one.name for one in folder.iterdir()]
    if path.suffix.lower() in IMAGE_SUFFIXES and not is_scan_name(path):
        name = free_name(safe_name(f"{source.name}_{path.name}"), taken)
        shutil.copyfile(path, folder / name)
        yield from ((one, {"field_id": name}) for one in own)
        return
    with open_scan(path) as scan:
        for one in own:
            pixels, (left, top) = window(scan, one.cell, float(source.slide.report.um_per_px or 0))
            name = free_name(safe_name(f"{source.name}_{one.cell.cell_id}.png"), taken)
            taken.append(name)
            Image.fromarray(pixels).save(folder / name)
            origin = {"x_min": left, "x_max": left, "y_min": top, "y_max": top}
            edges = {edge: round(getattr(one.cell, edge) - at, 1) for edge, at in origin.items()}
            yield one, {"field_id": name, **edges}


def window(scan: Scan, cell: Cell, um_per_px: float) -> tuple[Rgb, tuple[int, int]]:
    """The window round a cell, `WINDOW_UM` wide where the scan is, and its left and top (px)."""
    side = round(WINDOW_UM / um_per_px)
    width, height = min(side, scan.width), min(side, scan.height)
    left = round((cell.x_min + cell.x_max - width) / 2)
    top = round((cell.y_min + cell.y_max - height) / 2)
    left = min(max(left, 0), scan.width - width)
    top = min(max(top, 0), scan.height - height)
    return scan.read(left, top, width, height), (left, top)


def _same_blood(sources: Sequence[Source]) -> list[list[str]]:
    """Slides of one sample: no split may come between them."""
    found: dict[str, list[str]] = {}
    for source in sources:
        if sample := source.slide.report.sample.sample_id:
            found.setdefault(sample, []).append(source.name)
    return list(found.values())


def _facts(
    source: Source,
    group: Mapping[str, str],
    split: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A slide as the provenance has it."""
    own = [one for one in rows if one["slide_id"] == source.name]
    return {
        "slide": source.name,
        "slide_id": source.slide.slide_id,
        "group": group[source.name],
        "split": split[group[source.name]],
        "cells": len(own),
        "corrected": sum(one["reviewed_as"] != one["cell_type"] for one in own),
        "removed": len(source.state.removed),
        "smear_sha256": source.slide.sha256,
        "models": [
            {"kind": one.kind, "name": one.name, "version": one.version, "sha256": one.sha256}
            for one in source.slide.report.provenance.models
        ],
        "signatures": signers(source.state),
        "comment": source.state.comment,
    }


def _content(path: Path) -> str:
    """What an image is recognized by: its bytes; a folder of a scan by its name and size."""
    if path.is_dir():
        return f"{path.name}/{sum(one.stat().st_size for one in path.rglob('*'))}"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
