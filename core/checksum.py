"""The fingerprint of a file."""

import hashlib
from pathlib import Path

AT_ONCE = 8 * 1024 * 1024
"""Bytes read in one go: a model's file is one, and Python's lock is asked for no oftener."""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 lower-case hex digits."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(AT_ONCE):
            digest.update(chunk)
    return digest.hexdigest()
