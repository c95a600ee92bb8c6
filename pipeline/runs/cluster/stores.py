"""Output of a cluster: each slide whole or not at all, in a folder or an object store."""

import json
import shutil
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

from ..lock import clear_up
from ..observer import Step
from ..outcomes import FAILED_SLIDES
from ..output import (
    ERROR_LOG,
    RECORD,
    OutputError,
    SlideFolder,
    SlideRecord,
    prepare,
    to_bytes,
    write_whole,
    writing,
)
from .remote_paths import file_system, is_remote, step_callback, unwritable

RUN_MARKER = ".run-"


def _run_marker(out: Path) -> Path:
    return out / f"{RUN_MARKER}{uuid4().hex[:8]}"


class OutputStore(ABC):
    """A run's output, at `out`.

    `tables`: a folder here that holds the run's own files and the slides' records. `run_marker`: a
    file that stands there while the run lasts, by which its nodes know the place.
    """

    out: Path
    tables: Path
    run_marker: Path

    @abstractmethod
    def prepare(self) -> None:
        """Proves that it can be written to, and brings what stands there into `tables`.

        Raises:
            OutputError: it can't.
        """

    @abstractmethod
    def record(self, slide_id: str) -> SlideRecord | None:
        """Record of the whole slide that stands there; `None` without one."""

    @abstractmethod
    def _take(self, slide_id: str, made: Path, step: Step) -> None:
        """Takes the finished folder of a slide; `step` is called after each file or so."""

    @abstractmethod
    def discard(self, slide_id: str) -> None:
        """Takes away what a worker that was ended has brought of a slide, where it is not whole."""

    @abstractmethod
    def publish(self, name: str) -> None:
        """Brings a file of `tables` to where it belongs."""

    @abstractmethod
    def keep_record(self, slide_id: str, record: str) -> None:
        """Keeps the record of a slide that a worker has brought."""

    @abstractmethod
    def tidy(self) -> None:
        """Takes away the marker, and what workers that died have left."""

    def deliver(
        self, slide_id: str, made: Path, replaces: SlideRecord | None, step: Step = lambda: None
    ) -> None:
        """Brings a slide's finished folder, in place of the one that stands there.

        A slide is done twice where a worker was taken for dead and was not. Whoever finds another
        record than `replaces` comes late, and leaves what stands.

        Raises:
            OutputError: it can't be written.
        """
        if self.record(slide_id) == replaces:
            self._take(slide_id, made, step)


class FolderStore(OutputStore):
    """A folder that all nodes see under the same name."""

    def __init__(self, out: Path) -> None:
        self.tables = self.out = out
        self.run_marker = _run_marker(out)

    def prepare(self) -> None:
        """Makes the folder and proves that it can be written to."""
        prepare(self.out)
        with writing(self.run_marker):
            self.run_marker.touch()

    def record(self, slide_id: str) -> SlideRecord | None:
        """Reads it in the slide's folder."""
        return SlideFolder(self.out, slide_id).record()

    def _take(self, slide_id: str, made: Path, step: Step) -> None:
        def copied(source: str, target: str) -> str:
            step()
            return str(shutil.copy2(source, target))

        folder = SlideFolder(self.out, slide_id, uuid4().hex[:8])
        try:
            with writing(folder.final):
                shutil.copytree(made, folder.partial, copy_function=copied)
            folder.publish()
        finally:
            folder.discard()

    def discard(self, slide_id: str) -> None:
        """It has another name until it is whole: `tidy` takes it away."""

    def publish(self, name: str) -> None:
        """It is where it belongs."""

    def keep_record(self, slide_id: str, record: str) -> None:
        """It stands in the slide's folder."""

    def tidy(self) -> None:
        """Takes away the marker, and half-made folders."""
        clear_up(self.out)
        for left in self.out.glob(f"{RUN_MARKER}*"):
            left.unlink(missing_ok=True)


class ObjectStore(OutputStore):
    """An object store: it renames no folder, so a slide's record comes last and makes it whole."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._files, self._root = file_system(out)
        self.run_marker = _run_marker(out)

    def prepare(self) -> None:
        """Proves that the store can be written to, and copies the records."""
        self.tables = Path(mkdtemp(prefix="leukodiff-tables-"))
        try:
            self.run_marker.write_bytes(b"")
            self._bring()
        except OSError as error:
            raise unwritable(self.out, error) from error

    def record(self, slide_id: str) -> SlideRecord | None:
        """Fetches it."""
        try:
            found = self._files.cat_file(f"{self._root}/{slide_id}/{RECORD}")
            return SlideRecord.of_json(json.loads(found))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise OutputError(f"{self.out}/{slide_id}: in the way, not made by analyze") from error

    def _take(self, slide_id: str, made: Path, step: Step) -> None:
        folder = f"{self._root}/{slide_id}"
        new = [p.relative_to(made).as_posix() for p in sorted(made.rglob("*")) if p.is_file()]
        try:
            self._files.invalidate_cache()
            old = {path.removeprefix(f"{folder}/") for path in self._files.find(folder)}
            if RECORD in old:
                self._files.rm_file(f"{folder}/{RECORD}")
            rest = [name for name in new if name != RECORD]
            far, callback = [f"{folder}/{n}" for n in rest], step_callback(step)
            self._files.put([str(made / n) for n in rest], far, callback=callback)
            for name in old - set(new):
                self._files.rm_file(f"{folder}/{name}")
            self._files.put_file(str(made / RECORD), f"{folder}/{RECORD}")
        except OSError as error:
            raise unwritable(f"{self.out}/{slide_id}", error) from error

    def discard(self, slide_id: str) -> None:
        """The files that have come; without a record nobody takes them for a slide anyway."""
        with suppress(OSError):
            if self.record(slide_id) is None:
                shutil.rmtree(self.tables / slide_id, ignore_errors=True)
                self._files.invalidate_cache()
                self._files.rm(f"{self._root}/{slide_id}", recursive=True)

    def publish(self, name: str) -> None:
        """Uploads a file of `tables`."""
        try:
            self._files.pipe_file(f"{self._root}/{name}", (self.tables / name).read_bytes())
        except OSError as error:
            raise unwritable(f"{self.out}/{name}", error) from error

    def keep_record(self, slide_id: str, record: str) -> None:
        """Keeps it beside the tables."""
        folder = self.tables / slide_id
        folder.mkdir(exist_ok=True)
        write_whole(folder / RECORD, to_bytes(record))

    def tidy(self) -> None:
        """Takes away the marker, and the tables here."""
        shutil.rmtree(self.tables, ignore_errors=True)
        with suppress(OSError):  # the results stand all the same
            for left in self.out.glob(f"{RUN_MARKER}*"):  # ours, and those of runs that were killed
                left.unlink()

    def _bring(self) -> None:
        """Copies the records that stand there: all that a run's tables are made of."""
        self._files.invalidate_cache()
        with suppress(FileNotFoundError):
            entries = self._files.ls(self._root, detail=True)
            folders = [one["name"] for one in entries if one["type"] == "directory"]
            wanted = {f"{folder}/{RECORD}": Path(folder).name for folder in folders}
            found = self._files.cat(list(wanted), on_error="omit") if wanted else {}
            for path, content in found.items():
                self.keep_record(wanted[path], content.decode("utf-8"))
        for name in (ERROR_LOG, FAILED_SLIDES):
            with suppress(FileNotFoundError):
                found = self._files.cat_file(f"{self._root}/{name}")
                (self.tables / name).write_bytes(found)


def output_store(out: Path) -> OutputStore:
    """The store at a place."""
    return ObjectStore(out) if is_remote(out) else FolderStore(out)
