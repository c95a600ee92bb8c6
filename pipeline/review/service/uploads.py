"""Images that were dropped on the page: checked by their headers, given safe names, stored."""

import os
import re
import shutil
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from PIL import Image, UnidentifiedImageError

from leukodiff.core.text import printable
from leukodiff.datasets.layout import IMAGE_SUFFIXES
from leukodiff.pipeline.runs.output import writing
from leukodiff.pipeline.slides.discover import RESERVED_NAMES

from .errors import ServiceError
from .settings import HIDDEN, UPLOADS, Limits

FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
}
"""Suffixes by the format of the content, of images that `analyze` reads: both must agree."""

NAME_LETTERS = 80

_UNSAFE = re.compile(r"[^\w .()+-]")

_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""Names that Windows keeps to itself."""


@dataclass(frozen=True)
class Incoming:
    """A file as it came: the name that the browser gave it, and its bytes."""

    name: str
    file: IO[bytes]
    size: int


@dataclass
class Stored:
    """Result of an upload: folders of images by slide, and files that were left out and why."""

    folders: dict[str, Path] = field(default_factory=dict)
    n_images: int = 0
    refused: list[dict[str, str]] = field(default_factory=list)


def safe_name(text: str) -> str:
    """A name for a file or folder that means nothing to a shell, a path or a spreadsheet.

    Letters and digits of any script, space and `._()+-` stay; what could start a hidden file, a
    formula or an option is not at its start.

    Examples: `../../etc/passwd` -> `passwd`, `=cmd|' /C calc'!A0` -> `cmd___C calc__A0`.
    """
    last = PurePosixPath(unicodedata.normalize("NFC", text).replace("\\", "/")).name
    plain = _UNSAFE.sub("_", printable(last, "_")).lstrip(" .+-=_").rstrip(" .")
    stem, dot, suffix = plain.rpartition(".")
    if dot and len(suffix) <= 8:
        plain = f"{stem[: NAME_LETTERS - len(suffix) - 1].rstrip(' .')}.{suffix}"
    while len(plain.encode()) > 3 * NAME_LETTERS or len(plain) > NAME_LETTERS:
        plain = plain[:-1]
    if not plain or plain.startswith(".") or _DEVICES.fullmatch(plain):
        plain = f"image{plain}" if plain.startswith(".") else f"image-{plain}".rstrip("-")
    return plain


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """The name, with a number where it is taken; capitals make no difference."""
    seen = {one.casefold() for one in taken}
    if wanted.casefold() not in seen:
        return wanted
    stem, dot, suffix = wanted.rpartition(".")
    if not dot or f".{suffix.lower()}" not in IMAGE_SUFFIXES:
        stem, dot, suffix = wanted, "", ""
    numbered = (f"{stem}-{i}{dot}{suffix}" for i in range(2, len(seen) + 3))
    return next(one for one in numbered if one.casefold() not in seen)


def refusal_of(one: Incoming, limits: Limits) -> str:
    """Reason why a file is not taken; empty where it is. Its pixels are not decoded.

    The size that the header claims decides: a small file may claim gigapixels.
    """
    suffix = PurePosixPath(one.name.replace("\\", "/")).suffix.lower()
    if one.size > limits.upload_file_bytes:
        return f"larger than {limits.upload_file_bytes // 10**6} MB"
    if not one.size:
        return "the file is empty"
    if suffix not in IMAGE_SUFFIXES:
        return "not an image that is read here (JPEG, PNG, TIFF, BMP or WebP)"
    one.file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(one.file, formats=tuple(FORMATS)) as image:
                kind, (width, height) = image.format or "", image.size
    except Image.DecompressionBombError:
        return f"more than {limits.upload_pixels // 10**6} megapixels"
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, KeyError, EOFError):
        return "its content is no image that is read here"
    finally:
        one.file.seek(0)
    if suffix not in FORMATS.get(kind, ()):
        return f"its name says {suffix[1:]}, its content is {kind or 'something else'}"
    if width * height > limits.upload_pixels:
        return f"{width} x {height} px: more than {limits.upload_pixels // 10**6} megapixels"
    return ""


def store(files: Sequence[Incoming], out: Path, limits: Limits, name: str = "") -> Stored:
    """Stores an upload: a folder for each folder that it came from, named after that folder.

    Loose files become one folder, called `name` or after the first of them. In the folder of an
    upload nothing is ever overwritten, and nothing appears before all of it is there.

    Raises:
        ServiceError: `not_an_image`: none of the files is an image, `no_room`: no room for them.
        OutputError: they can't be written.
    """
    made = Stored()
    groups: dict[str, list[Incoming]] = {}
    for one in files:
        if why := refusal_of(one, limits):
            made.refused.append({"name": one.name[:200], "why": why})
            continue
        parent = PurePosixPath(one.name.replace("\\", "/")).parent.as_posix()
        groups.setdefault("" if parent in (".", "/") else parent, []).append(one)
    if not groups:
        first = made.refused[0] if made.refused else {"name": "", "why": "no file came"}
        raise ServiceError(
            "not_an_image",
            f"{first['name']}: {first['why']}",
            "upload",
            refused=made.refused,
        )
    size = sum(one.size for group in groups.values() for one in group)
    if shutil.disk_usage(out).free < 2 * size + 100_000_000:
        raise ServiceError("no_room", "not enough room on the disk for these images", "upload")
    for parent, group in groups.items():
        title = PurePosixPath(parent).name or name or PurePosixPath(group[0].name).stem
        folder = _stored(group, out, safe_name(title))
        made.folders[folder.name] = folder
        made.n_images += len(group)
    return made


def _stored(group: Sequence[Incoming], out: Path, wanted: str) -> Path:
    uploads, incoming = out / UPLOADS, out / HIDDEN / "incoming" / os.urandom(8).hex()
    with writing(uploads):
        uploads.mkdir(parents=True, exist_ok=True)
        incoming.mkdir(parents=True)
    names: list[str] = []
    try:
        for one in group:
            names.append(free_name(safe_name(one.name), names))
            with writing(incoming / names[-1]), (incoming / names[-1]).open("xb") as file:
                shutil.copyfileobj(one.file, file, 1 << 20)
        return _published(incoming, uploads, out, wanted)
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise


def _published(incoming: Path, uploads: Path, out: Path, wanted: str) -> Path:
    """Moves a folder to its place under a name that no slide and no upload has."""
    while True:
        standing = [path.name for folder in (out, uploads) for path in folder.iterdir()]
        folder = uploads / free_name(wanted, (*standing, *RESERVED_NAMES, UPLOADS))
        try:
            folder.mkdir()  # of this upload alone, whatever others do
        except FileExistsError:
            continue
        with writing(folder):
            os.replace(incoming, folder)
        return folder
