"""Checksums of a slide's files: a run is resumed where they are the same, gigabytes left unread."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from leukodiff.core.files import sha256_of

from .discover import Field, Slide

MAX_WHOLE_BYTES = 8 * 1024 * 1024
"""A file up to this size is read whole."""

BLOCK_BYTES = 64 * 1024
"""Size of a block that is read of a larger file."""

BLOCKS = 64
"""Blocks that are read of a larger file, evenly from its first byte to its last."""

UNTOUCHED = "untouched"
"""Begins what stands for the checksum of a file that is known to bring the process down."""


def has_inputs(slide: Slide, files: Sequence[Sequence[str]] | None) -> bool:
    """A slide's files are still those listed: name and checksum of each."""
    if files is None or [name for name, _ in files] != [f.field_id for f in slide.fields]:
        return False
    return all(
        digest == (stamp_of(field) if digest.startswith(UNTOUCHED) else digest_of(field))
        for field, (_, digest) in zip(slide.fields, files, strict=True)
    )


def digest_of(field: Field) -> str:
    """The checksum of a field's file.

    SHA-256 of all of an image, and of a part of a scan (`scan_fingerprint`); empty where it can't
    be read.
    """
    try:
        return scan_fingerprint(field.path) if field.is_scan else sha256_of(field.path)
    except OSError:
        return ""  # reported when the field is read


def stamp_of(field: Field) -> str:
    """Size (bytes) and time of a field's file, where it is not to be read."""
    try:
        facts = field.path.stat()
    except OSError:
        return UNTOUCHED
    return f"{UNTOUCHED} {facts.st_size} {facts.st_mtime_ns}"


def scan_fingerprint(path: Path) -> str:
    """SHA-256 (64 hex digits) of a file's size and of a part of its bytes.

    A file up to 8 MiB counts whole; of a larger one its size and 64 blocks of 64 KiB, evenly spaced
    with the first at its head and the last at its tail. Another scan, one that is cut off, grown or
    written anew gives another value; a change of a few bytes in the middle of a large file need
    not. A MIRAX slide is a file and the folder of the same name next to it: the folder's files
    count with their names and sizes.

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
    folder = path.with_suffix("")
    if path.suffix.lower() == ".mrxs" and folder.is_dir():
        for companion in sorted(entry for entry in folder.iterdir() if entry.is_file()):
            digest.update(f"\n{companion.name} {companion.stat().st_size}".encode())
    return digest.hexdigest()


def _blocks(size: int) -> Iterator[tuple[int, int]]:
    if size <= MAX_WHOLE_BYTES:
        yield 0, size
        return
    for i in range(BLOCKS):
        yield (size - BLOCK_BYTES) * i // (BLOCKS - 1), BLOCK_BYTES
