"""Files of a run: a slide's folder appears whole or not at all, and so does every file."""

import hashlib
import json
import os
import shutil
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from traceback import format_exception
from typing import Any

from leukodiff.core.errors import LeukodiffError
from leukodiff.core.files import all_to_disk, to_disk, write_atomic

RECORD = "slide.json"
"""Name of the file in a slide's folder that holds its `SlideRecord`."""

ERROR_LOG = "errors.log"
"""Beside the run's tables, once there is anything to say: the tracebacks of unexpected errors."""


PROBE = ".probe-"
"""Begins the name of a file that proves that there is room."""


class OutputError(LeukodiffError):
    """The output can't be written: no permission, no room, or something else stands there."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the system's refusal to write into one line that names the file."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: can't be written: {error.strerror or error}") from error


def prepare(out: Path, n_bytes: int = 0) -> None:
    """Makes the output folder and proves that it can be written to, and has room for so much.

    Raises:
        OutputError: it can't, or has not.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        # It has no name where the system knows such files: a run that is killed here leaves none.
        with TemporaryFile(dir=out, prefix=PROBE) as probe:
            probe.write(bytes(n_bytes))
            probe.flush()


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file whole or not at all, as `write_atomic`.

    Raises:
        OutputError: it can't be written.
    """
    with writing(path):
        write_atomic(path, to_bytes(content))


def log_error(out: Path, where: str, error: BaseException) -> None:
    """Adds an error's time, place and traceback to `errors.log`: a terminal gets one line of it."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    entry = f"{now} {where}\n{''.join(format_exception(error))}\n"
    path = out / ERROR_LOG
    with writing(path), path.open("ab", buffering=0) as log:
        log.write(to_bytes(entry))  # at once, so that entries of two threads don't mix


def to_bytes(content: str | bytes) -> bytes:
    """UTF-8; bytes of a file name that are no text are written as an escape, not lost."""
    return content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")


Inputs = Sequence[Sequence[str]]
"""Name and checksum of each file that a slide was made of, in order."""


@dataclass(frozen=True)
class SlideRecord:
    """Record of a slide: its rows of the run's tables, and what they were made of and by.

    `row`: of slides.csv. `counts`: rows of counts.csv. `failures`: (field_id, reason).
    `fingerprint`: models and settings that decide what is found; a slide is taken up again only
    where it and the inputs are the same. `paths`: where its files lay.
    """

    row: Mapping[str, Any]
    counts: tuple[Mapping[str, Any], ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    inputs: Inputs | None = None
    fingerprint: Mapping[str, Any] | None = None
    paths: tuple[str, ...] = ()

    @property
    def slide_id(self) -> str:
        """Its name in the tables."""
        return str(self.row["slide_id"])

    @property
    def status(self) -> str:
        """`done`, `incomplete` or `failed`."""
        return str(self.row["status"])

    def to_json(self) -> str:
        """As slide.json has it."""
        values = {
            "made_of": self.inputs,
            "made_by": self.fingerprint,
            "row": self.row,
            "counts": self.counts,
            "failures": self.failures,
            "paths": self.paths,
        }
        return json.dumps(values, indent=1)

    @classmethod
    def of_json(cls, found: object) -> "SlideRecord":
        """Record that `to_json` wrote, parsed; older ones know no failures, fingerprint or paths.

        Raises:
            ValueError: it has not the shape of a record. Values are checked where they are used.
        """
        if not isinstance(found, dict) or not {"made_of", "row", "counts"} <= set(found):
            raise ValueError("not a record")
        row, counts, paths = found["row"], found["counts"], found.get("paths", [])
        failures, fingerprint = found.get("failures", []), found.get("made_by", {})
        named = isinstance(row, dict) and isinstance(row.get("slide_id"), str) and "status" in row
        listed = isinstance(counts, list) and all(isinstance(one, dict) for one in counts)
        placed = isinstance(paths, list) and all(isinstance(one, str) for one in paths)
        paired = isinstance(failures, list) and all(
            isinstance(one, list) and len(one) == 2 for one in failures
        )
        if not (named and listed and placed and paired and isinstance(fingerprint, dict)):
            raise ValueError("not a record")
        pairs = tuple((str(field_id), str(reason)) for field_id, reason in failures)
        return cls(row, tuple(counts), pairs, found["made_of"], fingerprint, tuple(paths))


@dataclass(frozen=True)
class SlideFolder:
    """A slide's folder in the making: everything goes to `partial`, until `publish` renames it.

    `attempt` tells two makings of one slide apart, where both may be under way.
    """

    out: Path
    slide_id: str
    attempt: str = ""

    @property
    def final(self) -> Path:
        """Place of the folder once it is whole."""
        return self.out / self.slide_id

    @property
    def partial(self) -> Path:
        """Place where it is made; the name is cut, since a long one may have no room to grow."""
        name = f"{self.slide_id}{self.attempt}".encode(errors="replace")
        mark = hashlib.sha1(name, usedforsecurity=False)
        return self.out / f".{self.slide_id[:60]}.partial-{mark.hexdigest()[:8]}"

    def start(self) -> None:
        """Makes the folder, empty: what a killed run left there goes."""
        self.discard()
        with writing(self.partial):
            (self.partial / "overlays").mkdir(parents=True)

    def write(self, name: str, content: str | bytes) -> None:
        """Writes a file of the folder."""
        path = self.partial / name
        with writing(self.final / name):
            if path.parent != self.partial:  # which is there, or was taken away
                path.parent.mkdir(exist_ok=True)
            path.write_bytes(to_bytes(content))

    def publish(self) -> None:
        """Puts the finished folder in its place; an older one there goes only now.

        The disk has taken every file by then, so that it is whole even after a power cut.
        """
        with writing(self.final):
            all_to_disk(self.partial)
            old = self.partial.with_name(f"{self.partial.name}-old")
            if self.final.exists():
                os.replace(self.final, old)
            os.replace(self.partial, self.final)
            to_disk(self.out)
            shutil.rmtree(old, ignore_errors=True)

    def discard(self) -> None:
        """Takes away what was made so far, at once for a thread that is still writing to it."""
        gone = self.partial.with_name(f"{self.partial.name}-gone")
        shutil.rmtree(gone, ignore_errors=True)
        with suppress(OSError):  # there is nothing, or a system that holds on to open files
            os.replace(self.partial, gone)
        for path in (gone, self.partial):
            shutil.rmtree(path, ignore_errors=True)

    def record(self) -> SlideRecord | None:
        """Record of the whole folder that already stands here, `None` without one.

        Raises:
            OutputError: something that is not a slide's folder stands there.
        """
        if not os.path.lexists(self.final):
            return None
        path = self.final / RECORD
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise OutputError(
                f"{self.final}: in the way, not made by analyze; move it or choose another --out"
            ) from error
        try:
            return SlideRecord.of_json(found)
        except ValueError as error:
            raise OutputError(f"{path}: not a record of analyze; move the folder away") from error


def slide_id_in(record: Path) -> str:
    """The slide_id that a folder's record bears; empty where there is no such record."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(record.read_text(encoding="utf-8"))["row"]["slide_id"])
    return ""


def standing_records(out: Path, besides: Container[str] = ()) -> dict[str, SlideRecord]:
    """The records of the whole slides in an output folder, by slide_id; not those in `besides`.

    A folder renamed by hand keeps its slide's name; of two copies the one that bears it counts.
    """
    found: dict[str, SlideRecord] = {}
    with writing(out):
        entries = sorted(out.iterdir())
    for path in entries:
        if path.name.startswith(".") or path.name in besides or not (path / RECORD).is_file():
            continue
        with suppress(OutputError):  # what is not ours is not listed
            record = SlideFolder(out, path.name).record()
            if record is None or record.slide_id in besides:
                continue
            if path.name == record.slide_id or record.slide_id not in found:
                found[record.slide_id] = record
    return found
