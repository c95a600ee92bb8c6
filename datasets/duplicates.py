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

NEAR_BITS = 6
"""Of 64, in each of the two hashes. Measured on PBC, TXL-PBC, BCCD and their copies at another size
and quality: the same picture differs by 4 (phash) and 3 (dhash) at most; pictures of different
cells that come as near in the one differ by 13 or more in the other."""

_HASH_SIDE = 8
_DRAFT_SIDE = 96
_CHUNK = 1024


@dataclass(frozen=True)
class Fingerprint:
    """Hashes that an image is recognized by; `error` says why it can't be read."""

    path: Path
    sha256: str = ""
    phash: int = 0
    dhash: int = 0
    error: str = ""


def fingerprint(path: Path) -> Fingerprint:
    """The SHA-256 of the file's bytes and two 64-bit perceptual hashes of its picture.

    ImageHash's `phash` holds the signs of the picture's 8x8 lowest frequencies (DCT) about their
    median, `dhash` those of the differences between neighbors at 9x8 px. They survive another size
    and JPEG quality, not a rotation: copies that were turned are known by their group.
    """
    try:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        with Image.open(path) as image:
            # A JPEG may be decoded at a fraction of its size; one cut short still raises.
            image.draft("L", (_DRAFT_SIDE, _DRAFT_SIDE))
            gray = image.convert("L")
            phash = int(str(imagehash.phash(gray, hash_size=_HASH_SIDE)), 16)
            dhash = int(str(imagehash.dhash(gray, hash_size=_HASH_SIDE)), 16)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        return Fingerprint(path, error=str(error))
    return Fingerprint(path, content, phash, dhash)


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


def near_pairs(
    prints: Sequence[Fingerprint], bits: int = NEAR_BITS
) -> Iterator[tuple[int, int, int]]:
    """Index pairs `i < j` whose hashes differ in at most `bits` each, with the larger distance."""
    codes = np.array([(item.phash, item.dhash) for item in prints], np.uint64).reshape(-1, 2)
    for start in range(0, len(codes), _CHUNK):
        distance = _distance(codes[start : start + _CHUNK], codes[start:])
        for i, j in np.argwhere(distance <= bits):
            if i < j:
                yield start + int(i), start + int(j), int(distance[i, j])


def _distance(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Shape (N, M): the larger of the two Hamming distances, 0-64."""
    distance = np.zeros((len(left), len(right)), np.uint8)
    for k in range(left.shape[1]):
        np.maximum(distance, np.bitwise_count(left[:, None, k] ^ right[None, :, k]), out=distance)
    return distance
