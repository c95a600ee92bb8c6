"""Images of slides: those that are open, bounded in memory, and the image of a field."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from leukodiff.core.errors import InputError
from leukodiff.datasets.images import read_rgb
from leukodiff.pipeline.slides import ImageScan, Scan, is_scan_name, open_scan
from leukodiff.pipeline.slides.tiff_scan import CACHE_BYTES

from .errors import ServiceError
from .slide_store import StoredSlide

MAX_DECODING = 2
"""Images that are decoded at a time: each may be large."""


@dataclass
class _Held:
    """An open image; `users` read it now. `ready` is set once it is open, or has failed."""

    ready: threading.Event = field(default_factory=threading.Event)
    scan: Scan | None = None
    error: Exception | None = None
    users: int = 0
    bytes: int = 0


@dataclass
class ImagePool:
    """Open images and scans, decoded once however many cells are cut from them.

    A plain image counts with its pixels, a scan with its own cache of tiles. The longest unused are
    closed first; one that is being read stays until its readers have done.
    """

    most: int
    _held: OrderedDict[Path, _Held] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _decoding: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(MAX_DECODING)
    )

    @contextmanager
    def open(self, path: Path) -> Iterator[Scan]:
        """The image as a scan, for as long as it is read.

        Raises:
            InputError: it can't be read.
        """
        held, is_mine = self._take(path)
        try:
            if is_mine:
                self._fill(path, held)
            held.ready.wait()
            if held.scan is None:
                raise held.error or RuntimeError("not opened")
            yield held.scan
        finally:
            self._give(path, held)

    @property
    def open_bytes(self) -> dict[Path, int]:
        """Memory of each image that is open."""
        with self._lock:
            return {path: held.bytes for path, held in self._held.items()}

    def _take(self, path: Path) -> tuple[_Held, bool]:
        with self._lock:
            held = self._held.get(path)
            is_mine = held is None
            held = held or _Held()
            held.users += 1
            self._held[path] = held
            self._held.move_to_end(path)
            return held, is_mine

    def _fill(self, path: Path, held: _Held) -> None:
        try:
            with self._decoding:
                held.scan = opened(path)
            plain = isinstance(held.scan, ImageScan)
            held.bytes = held.scan.width * held.scan.height * 3 if plain else CACHE_BYTES
        except Exception as error:
            held.error = error
            raise
        finally:
            held.ready.set()

    def _give(self, path: Path, held: _Held) -> None:
        with self._lock:
            held.users -= 1
            if held.error is not None and self._held.get(path) is held:
                del self._held[path]  # the next one tries again
            gone = self._too_many()
        for one in gone:
            if one.scan:
                one.scan.close()

    def _too_many(self) -> list[_Held]:
        gone = []
        size = sum(held.bytes for held in self._held.values())
        for path, held in list(self._held.items()):
            if size > self.most and not held.users:
                size -= held.bytes
                gone.append(self._held.pop(path))
        return gone


def opened(path: Path) -> Scan:
    """An image as `analyze` read it: as a scan where it is one, else decoded at once.

    Raises:
        InputError: it can't be read.
    """
    return open_scan(path) if is_scan_name(path) else ImageScan(read_rgb(path), path)


class field_image:  # noqa: N801 - used as a function
    """The image of a field of a slide, open for as long as it is read.

    Raises:
        ServiceError: `not_found`: no such field, or where its image was looked for.
    """

    def __init__(self, images: ImagePool, slide: StoredSlide, field_id: str) -> None:
        self._slide, self._field_id = slide, field_id
        self._opened = images.open(image_path(slide, field_id))

    def __enter__(self) -> Scan:
        try:
            scan = self._opened.__enter__()
        except InputError as error:
            raise ServiceError("not_found", str(error)) from error
        size = self._slide.size(self._field_id)
        if size and None not in size and size != (scan.width, scan.height):
            self._opened.__exit__(None, None, None)
            raise ServiceError(
                "not_found", f"{scan.path}: another image than the one that was analyzed"
            )
        return scan

    def __exit__(self, *error: object) -> None:
        self._opened.__exit__(None, None, None)


def image_path(slide: StoredSlide, field_id: str) -> Path:
    """The path of a field's image.

    Raises:
        ServiceError: `not_found`: there is no such field, or its image is gone.
    """
    if slide.size(field_id) is None:
        raise ServiceError("not_found", "no such field", "address")
    path = slide.paths.get(field_id)
    if path is None:
        raise ServiceError("not_found", f"{field_id}: nobody knows where its image was")
    if not path.is_file() and not path.is_dir():
        raise ServiceError("not_found", f"the image is gone: looked for {path}")
    return path
