"""Where a run's files go: a slide's folder appears whole or not at all, and so does every file."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leukodiff.runtime.errors import LeukodiffError

RECORD = "slide.json"
"""In a slide's folder: what it was made of and by, and its rows of the run's tables."""


class OutputError(LeukodiffError):
    """The output can't be written: no permission, no room, or something else stands there."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the system's refusal to write into one line that names the file."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: can't be written: {error.strerror or error}") from error


def prepare(out: Path) -> None:
    """Makes the output folder and proves that it can be written to.

    Raises:
        OutputError: it can't.
    """
    probe = out / f".probe-{os.getpid()}"
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()


def write_whole(path: Path, content: str) -> None:
    """Writes a text file beside its place and moves it there, so that it is never half there."""
    partial = path.with_name(f".{path.name}.partial")
    with writing(path):
        partial.write_bytes(to_bytes(content))
        os.replace(partial, path)


def to_bytes(content: str) -> bytes:
    """UTF-8; bytes of a file name that are no text are written as an escape, not lost."""
    return content.encode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class SlideFolder:
    """A slide's folder in the making: everything goes to `partial`, until `publish` renames it."""

    out: Path
    slide_id: str

    @property
    def final(self) -> Path:
        """Where the folder stands once it is whole."""
        return self.out / self.slide_id

    @property
    def partial(self) -> Path:
        """Where it is made; the name is cut short, since a long one may have no room to grow."""
        mark = hashlib.sha1(self.slide_id.encode(errors="replace"), usedforsecurity=False)
        return self.out / f".{self.slide_id[:60]}.partial-{mark.hexdigest()[:8]}"

    def start(self) -> None:
        """Makes the folder, empty: what a killed run left there goes."""
        with writing(self.partial):
            if self.partial.exists():
                shutil.rmtree(self.partial)
            (self.partial / "overlays").mkdir(parents=True)

    def write(self, name: str, content: str | bytes) -> None:
        """Writes a file of the folder."""
        path = self.partial / name
        with writing(self.final / name):
            path.write_bytes(to_bytes(content) if isinstance(content, str) else content)

    def publish(self) -> None:
        """Puts the finished folder in its place; an older one there goes only now."""
        with writing(self.final):
            old = self.partial.with_name(f"{self.partial.name}-old")
            if self.final.exists():
                os.replace(self.final, old)
            os.replace(self.partial, self.final)
            shutil.rmtree(old, ignore_errors=True)

    def discard(self) -> None:
        """Takes away what was made so far."""
        shutil.rmtree(self.partial, ignore_errors=True)

    def record(self) -> Mapping[str, Any] | None:
        """What the whole folder that already stands here says of itself, `None` without one.

        Raises:
            OutputError: something that is not a slide's folder stands there.
        """
        if not os.path.lexists(self.final):
            return None
        path = self.final / RECORD
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(
                f"{self.final}: in the way, not made by analyze; move it or choose another --out"
            ) from error
        if not isinstance(found, dict) or not {"made_of", "row", "counts"} <= set(found):
            raise OutputError(f"{path}: not a record of analyze; move the folder away")
        return found
