"""The laboratory's own reference cells: pictures by class in a folder, some of signed slides.

`FOLDER/TYPE/NAME.jpg` (or .png, .jpeg): anybody may put pictures there, square and 24 um wide as
every crop. One that was chosen on a slide has `NAME.json` next to it, with its origin.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from leukodiff.core.files import write_atomic
from leukodiff.pipeline.runs.output import writing

from .errors import ServiceError
from .serializers import NAMES

MAX_CELLS = 60
"""Reference cells of a class."""

MAX_BYTES = 5_000_000
"""Of a picture that somebody put there."""

KINDS: Mapping[str, str] = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}


@dataclass(frozen=True)
class Origin:
    """Origin of a reference cell; empty where somebody put its picture into the folder."""

    slide: str = ""
    cell: str = ""
    by: str = ""
    at: str = ""


@dataclass(frozen=True)
class Reference:
    """A reference cell: its class, its file's name, and where it came from."""

    cell_type: str
    name: str
    origin: Origin


@dataclass
class References:
    """The pictures in a folder. Names that come from outside are looked up, never joined."""

    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def all(self) -> list[Reference]:
        """All of them, by class and name; links and files of another kind are passed over."""
        return [
            Reference(cell_type, path.name, _origin(path.with_suffix(".json")))
            for cell_type in NAMES
            for path in self._pictures(cell_type)
        ]

    def picture(self, cell_type: str, name: str) -> tuple[bytes, str]:
        """A picture and its media type.

        Raises:
            ServiceError: `not_found`: there is none such.
        """
        path = self._path(cell_type, name)
        try:
            return path.read_bytes(), KINDS[path.suffix.lower()]
        except OSError as error:
            raise ServiceError("not_found", "no such reference cell", "address") from error

    def add(self, cell_type: str, name: str, picture: bytes, origin: Origin) -> None:
        """Keeps a picture, then where it came from.

        Raises:
            ServiceError: `conflict`: it is there already, or there are enough of its class.
            OutputError: it can't be written.
        """
        with self._lock:
            known = [path.name for path in self._pictures(cell_type)]
            if name in known:
                raise ServiceError("conflict", "this cell is a reference cell already")
            if len(known) >= MAX_CELLS:
                raise ServiceError(
                    "conflict",
                    f"{MAX_CELLS} reference cells of this class are there: remove one",
                )
            path = self.folder / cell_type / name
            values = json.dumps(vars(origin), ensure_ascii=False).encode("utf-8")
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(path.with_suffix(".json"), values)
                write_atomic(path, picture)

    def remove(self, cell_type: str, name: str) -> None:
        """Takes a picture away.

        Raises:
            ServiceError: `not_found`: there is none such.
            OutputError: it can't be removed.
        """
        with self._lock:
            path = self._path(cell_type, name)
            with writing(path):
                path.unlink()
                path.with_suffix(".json").unlink(missing_ok=True)

    def _path(self, cell_type: str, name: str) -> Path:
        if cell_type in NAMES:
            for path in self._pictures(cell_type):
                if path.name == name:
                    return path
        raise ServiceError("not_found", "no such reference cell", "address")

    def _pictures(self, cell_type: str) -> Iterator[Path]:
        folder = self.folder / cell_type
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in sorted(folder.iterdir()):
                fits = path.suffix.lower() in KINDS and not path.name.startswith(".")
                if fits and not path.is_symlink() and path.stat().st_size <= MAX_BYTES:
                    yield path


def _origin(path: Path) -> Origin:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Origin(**{key: str(one)[:300] for key, one in values.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return Origin()
