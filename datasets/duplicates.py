"""Finds images that are there twice: the same bytes, or the same picture saved another way."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

NEAR_BITS = 4
"""Of 64: PBC's images differ from their copies at another size and quality by 4 at most, and
images of different cells by 6 or more (measured on PBC and TXL-PBC)."""

_HASH_SIDE = 8
_DRAFT_SIDE = 96
_CHUNK = 1024


@dataclass(frozen=True)
class Fingerprint:
    """What an image is recognised by; `error` says why it can't be read, and is empty if it can."""

    path: Path
    sha256: str = ""
    phash: int = 0
    error: str = ""


def fingerprint(path: Path) -> Fingerprint:
    """The SHA-256 of the file's bytes and the 64-bit perceptual hash of its picture.

    The hash is ImageHash's `phash`: the signs of the picture's 8x8 lowest frequencies (DCT) about
    their median. It survives another size and JPEG quality, not a rotation.
    """
    try:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        with Image.open(path) as image:
            # A JPEG may be decoded at a fraction of its size; one cut short still raises.
            image.draft("L", (_DRAFT_SIDE, _DRAFT_SIDE))
            phash = imagehash.phash(image, hash_size=_HASH_SIDE)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        return Fingerprint(path, error=str(error))
    return Fingerprint(path, content, int(str(phash), 16))


def fingerprints(
    paths: Sequence[Path], on_progress: Callable[[int], None] | None = None
) -> list[Fingerprint]:
    """The fingerprint of each file, in order; `on_progress` is told how many are done."""
    done: list[Fingerprint] = []
    with ThreadPoolExecutor() as pool:
        for result in pool.map(fingerprint, paths):
            done.append(result)
            if on_progress:
                on_progress(len(done))
    return done


def same_content(prints: Iterable[Fingerprint]) -> list[list[Path]]:
    """The files with the same bytes, as groups of two or more."""
    groups: dict[str, list[Path]] = {}
    for item in prints:
        if not item.error:
            groups.setdefault(item.sha256, []).append(item.path)
    return [group for group in groups.values() if len(group) > 1]


def near_pairs(phashes: Sequence[int], bits: int = NEAR_BITS) -> Iterator[tuple[int, int, int]]:
    """Index pairs `i < j` of 64-bit hashes that differ in at most `bits`, with that distance."""
    codes = np.array(phashes, np.uint64)
    for start in range(0, len(codes), _CHUNK):
        distance = _hamming(codes[start : start + _CHUNK], codes[start:])
        for i, j in np.argwhere(distance <= bits):
            if i < j:
                yield start + int(i), start + int(j), int(distance[i, j])


def _hamming(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint8]:
    return np.bitwise_count(left[:, None] ^ right[None, :])
