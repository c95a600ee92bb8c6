"""Whether a scan is still the same file, told without reading all of its gigabytes."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

WHOLE = 8 * 1024 * 1024
"""A file up to this size (bytes) is read whole."""

BLOCK = 64 * 1024
BLOCKS = 64
"""From a larger one this many blocks are read, evenly from its first byte to its last."""


def scan_fingerprint(path: Path) -> str:
    """SHA-256 (64 hex digits) of a file's size and of a part of its bytes.

    A file up to 8 MiB counts whole; of a larger one its size and 64 blocks of 64 KiB, evenly spaced
    with the first at its head and the last at its tail. Another scan, one that is cut off, grown or
    written anew gives another value; a change of a few bytes in the middle of a large file need
    not. A MIRAX slide is a file and the folder beside it of the same name: the folder's files count
    with their names and sizes.

    Raises:
        OSError: the file can't be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = file.seek(0, 2)
        digest.update(f"{size}\n".encode())
        for start, length in _blocks(size):
            file.seek(start)
            digest.update(file.read(length))
    for companion in _companions(path):
        digest.update(f"\n{companion.name} {companion.stat().st_size}".encode())
    return digest.hexdigest()


def _blocks(size: int) -> Iterator[tuple[int, int]]:
    if size <= WHOLE:
        yield 0, size
        return
    for i in range(BLOCKS):
        yield (size - BLOCK) * i // (BLOCKS - 1), BLOCK


def _companions(path: Path) -> list[Path]:
    folder = path.with_suffix("")
    if path.suffix.lower() != ".mrxs" or not folder.is_dir():
        return []
    return sorted(entry for entry in folder.iterdir() if entry.is_file())
