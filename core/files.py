"""Files written whole or not at all, forced to the disk, and known by their checksum."""

import errno
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

READ_BYTES = 8 * 1024 * 1024
"""Bytes read in one go: a model's file is one, and Python's lock is asked for no oftener."""

FSYNC_THREADS = 8
"""Files forced to the disk at a time: it takes many in hardly more time than one."""

FSYNC_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""Errors of a file system that has no fsync; some of a network have none for folders."""

WINDOWS = os.name == "nt"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 lower-case hex digits."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to, which takes its place at the end.

    A reader never sees half of it, nor does a power cut leave half: the disk has the content before
    it gets its name. If anything fails, what was half written goes and `path` stays as it was.

    Raises:
        OSError: the disk did not take it.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        to_disk(partial)
        os.replace(partial, path)
        to_disk(path.parent)
    finally:
        with suppress(OSError):  # it is gone where all went well
            partial.unlink()


def write_atomic(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, and forces it to the disk.

    Raises:
        OSError: the disk did not take it.
    """
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_cache_file(path: Path, content: bytes) -> None:
    """Writes a file that can be made again: whole, by several at once, but not forced to the disk.

    Raises:
        OSError: there is no room for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink()


def to_disk(path: Path) -> None:
    """Forces a file's content, or the names in a folder, to the disk.

    Raises:
        OSError: the disk did not take it: no room, or it is damaged.
    """
    if WINDOWS and path.is_dir():  # it can't be forced there
        return
    handle = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in FSYNC_UNSUPPORTED:
            raise
    finally:
        os.close(handle)


def all_to_disk(folder: Path) -> None:
    """Forces a folder and all below it to the disk.

    Raises:
        OSError: as `to_disk`.
    """
    with ThreadPoolExecutor(FSYNC_THREADS, thread_name_prefix="leukodiff-disk") as pool:
        for _ in pool.map(to_disk, (folder, *folder.rglob("*"))):
            pass
