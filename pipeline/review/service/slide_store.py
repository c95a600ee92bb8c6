"""The slides of an output folder: their reports, and where their images lie."""

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from leukodiff.core.cache import Cache
from leukodiff.core.errors import InputError
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.report.serialize import STORED, read_stored
from leukodiff.pipeline.runs.output import RECORD
from leukodiff.pipeline.slides.discover import natural

from ..record import SlideState

CACHED_SLIDES = 8
"""Slides that are kept in memory: one of 5,000 cells takes some 10 MB."""

REFRESH_S = 1.0
"""Time after which the folder is read again."""

CELLS = "cells_sha256"
"""Key in the summary of an added slide: `StoredSlide.cells_sha256`. A report made anew with other
ranges has the same cells, and its review goes on; a slide analyzed anew has others, and its review
begins anew."""


@dataclass(frozen=True)
class FileStamp:
    """A slide's folder as it was last seen: a slide analyzed anew has another."""

    folder: Path
    changed: int
    size: int


@dataclass(frozen=True)
class StoredSlide:
    """A slide as the machine left it. `sha256` is that of its smear.json."""

    slide_id: str
    folder: Path
    sha256: str
    report: SmearReport
    record: Mapping[str, Any]

    @property
    def content(self) -> str:
        """Part of the address of a picture, so that a browser may keep it for good."""
        return self.sha256[:12]

    @property
    def um_per_px(self) -> float:
        """The scale of its fields; a camera's usual one where nobody knows it."""
        return self.report.um_per_px or 0.1

    @cached_property
    def by_id(self) -> Mapping[str, Cell]:
        """The machine's cells."""
        return {cell.cell_id: cell for cell in self.report.cells}

    @cached_property
    def cells_sha256(self) -> str:
        """SHA-256 of the machine's cells: another for a slide analyzed anew, not for a report."""
        found = (self.report.class_names, self.report.um_per_px)
        digest = hashlib.sha256(repr(found).encode())
        for cell in self.report.cells:
            digest.update(hashed_form(cell).encode("utf-8", "backslashreplace"))
        return digest.hexdigest()

    def has_cells_of(self, state: SlideState) -> bool:
        """True where its cells are those of the slide that was reviewed."""
        return state.summary.get(CELLS) == self.cells_sha256

    @cached_property
    def paths(self) -> Mapping[str, Path]:
        """Path of each field's image when it was analyzed, by field_id."""
        names = [one.field_id for one in self.report.fields]
        paths = [Path(path) for path in self.record.get("paths", ())]
        if len(paths) == len(names):
            return dict(zip(names, paths, strict=True))
        return {path.name: path for path in paths}

    def size(self, field_id: str) -> tuple[int | None, int | None] | None:
        """Width and height (px) of a field; `None` where there is no such field."""
        found = (f for f in self.report.fields if f.field_id == field_id)
        return next(((f.width, f.height) for f in found), None)

    @property
    def report_settings(self) -> Mapping[str, Any]:
        """Settings that its report was made with."""
        made = self.record.get("made_by", {}).get("report", {})
        return made if isinstance(made, dict) else {}


def hashed_form(cell: Cell) -> str:
    """A cell as `StoredSlide.cells_sha256` hashes it.

    Records keep that hash: this text stays as it is, whatever becomes of `Cell` and its fields.
    """
    facts = cell.facts
    return (
        f"Cell(field_id={cell.field_id!r}, cell_id={cell.cell_id!r}, x_min={cell.x_min!r}, "
        f"y_min={cell.y_min!r}, x_max={cell.x_max!r}, y_max={cell.y_max!r}, "
        f"detection_confidence={cell.detection_confidence!r}, cell_type={cell.cell_type!r}, "
        f"confidence={cell.confidence!r}, probabilities={cell.probabilities!r}, "
        f"reviewed_as={cell.reviewed_as!r}, facts=CellFacts(cell_um2={facts.cell_um2!r}, "
        f"nucleus_um2={facts.nucleus_um2!r}, lobes={facts.lobes!r}, note={str(facts.note)!r}), "
        f"note={str(cell.note)!r}, atypical={cell.atypical!r}, is_atypical={cell.is_atypical!r})"
    )


@dataclass
class SlideStore:
    """The slides in an output folder, by slide_id. Safe to use from many threads at once."""

    out: Path
    _stamps: dict[str, FileStamp] = field(default_factory=dict)
    _loaded: Cache[StoredSlide] = field(default_factory=lambda: Cache(CACHED_SLIDES))
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _refreshed_at: float = -1e9

    def refresh(self, now: bool = False) -> Mapping[str, FileStamp]:
        """The slides there are; the folder is read no oftener than once in `REFRESH_S`."""
        with self._lock:
            if now or time.monotonic() - self._refreshed_at > REFRESH_S:
                self._stamps = stamps(self.out)
                self._refreshed_at = time.monotonic()
            return dict(self._stamps)

    def get(self, slide_id: str) -> StoredSlide | None:
        """A slide; `None` where there is none of that name. Names are looked up, never joined.

        Raises:
            InputError: its folder is damaged.
        """
        known = self.refresh()
        stamp = known.get(slide_id) or self.refresh(now=slide_id not in known).get(slide_id)
        if stamp is None:
            return None
        with self._lock:  # read once, however many ask for it
            return self._loaded.get_or_make(stamp, lambda: load(slide_id, stamp.folder))


def stamps(out: Path) -> dict[str, FileStamp]:
    """The whole slides in a folder: slide_id -> its folder as it is now, in natural order."""
    found: dict[str, FileStamp] = {}
    with suppress(FileNotFoundError):
        for folder in sorted(out.iterdir(), key=lambda path: natural(path.name)):
            if folder.name.startswith(".") or not (folder / RECORD).is_file():
                continue
            with suppress(OSError):  # taken away meanwhile
                facts = (folder / STORED).stat()
                found[folder.name] = FileStamp(folder, facts.st_mtime_ns, facts.st_size)
    return found


def load(slide_id: str, folder: Path) -> StoredSlide:
    """Reads a slide's folder.

    Raises:
        InputError: it is damaged, or another version of leukodiff wrote it.
    """
    path = folder / STORED
    report = read_stored(path)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: damaged; analyze the slide again ({error})") from error
    return StoredSlide(slide_id, folder, digest, report, record if isinstance(record, dict) else {})
