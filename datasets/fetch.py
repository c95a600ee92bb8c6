"""Gets a public dataset from where it is published, or says how to place its files by hand."""

import contextlib
import logging
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leukodiff.core.errors import DataError

from .registry import DatasetInfo, data_root, dataset_info

_TIMEOUT_S = 30
_BLOCK_BYTES = 1 << 16  # what a connection that breaks may lose


def fetch(name: str, root: Path | None = None, progress: bool = True) -> Path:
    """Download and unpack a dataset into `root` (or its own folder under `data_root()`).

    What is already there is left alone. A download that was cut off goes on where it stopped, if
    the server can. `progress` draws a bar, with the rate and the time left, on a terminal.

    Raises:
        InputError: no dataset has that name.
        DataError: the dataset can't be fetched, or isn't whole: says how to place it by hand.
    """
    info = dataset_info(name)
    folder = root if root is not None else data_root() / info.folder
    if is_present(info, folder):
        return folder
    if not info.archives:
        raise DataError(f"{name} is published for a person to ask for: {by_hand(info, folder)}")
    with _explained(info, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file_name, archive in info.archives.items():
            _retrieve(archive.url, archive.sha256, folder / file_name, progress)
    _refuse_unless_whole(info, folder)
    for file_name in info.archives:
        (folder / file_name).unlink()
    return folder


def is_present(info: DatasetInfo, folder: Path) -> bool:
    """True if the dataset lies in `folder`, laid out as published."""
    try:
        return folder.is_dir() and bool(info.load(folder))
    except DataError:
        return False


def by_hand(info: DatasetInfo, folder: Path) -> str:
    """Instruction to place the files of a dataset, one line for a person."""
    return f"download it from {info.address} and place {info.files_hint} in {folder}"


@contextlib.contextmanager
def _explained(info: DatasetInfo, folder: Path) -> Iterator[None]:
    import requests

    try:
        yield
    except (OSError, ValueError) as error:  # requests' errors are OSErrors, pooch's ValueErrors
        with contextlib.suppress(OSError):  # a folder with nothing in it would look like a dataset
            folder.rmdir()
        unreachable = isinstance(error, requests.ConnectionError)
        reason = "no way to its server" if unreachable else " ".join(str(error).split())[:160]
        message = f"{info.name} can't be fetched ({reason}): {by_hand(info, folder)}"
        raise DataError(message) from error


def _refuse_unless_whole(info: DatasetInfo, folder: Path) -> None:
    try:
        info.load(folder)
    except DataError as error:
        raise DataError(
            f"{info.name} was fetched but is not laid out as expected ({error}): "
            f"{by_hand(info, folder)}"
        ) from error


def _retrieve(url: str, sha256: str | None, path: Path, progress: bool) -> None:
    """The archive at `path`, its checksum compared where one is known, unpacked beside it.

    Where none is known pooch logs the one it found; what was fetched is at least read whole, since
    a ZIP carries a CRC of each of its files.
    """
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    try:
        pooch.retrieve(
            url,
            known_hash=sha256,
            fname=path.name,
            path=path.parent,
            processor=pooch.Unzip(extract_dir="."),
            downloader=ResumingDownloader(path.with_name(path.name + ".part"), progress),
        )
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        path.unlink()  # or the next try would take it for what was asked for
        raise ValueError("what came is no whole ZIP; a page to log in at, perhaps") from error


class ResumingDownloader:
    """A pooch downloader that keeps what has come in `part`, and asks the server for the rest."""

    def __init__(self, part: Path, progress: bool) -> None:
        self.part = part
        self.progress = progress

    def __call__(self, url: str, output_file: str | Any, _pooch: Any) -> None:
        """Download `url` to the path `output_file`.

        Raises:
            OSError: the server can't be reached, refuses, or sent less than it said.
        """
        import requests

        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {}
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                self.part.unlink()
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            self._write(response, have if resumed else 0)
        os.replace(self.part, output_file)

    def _write(self, response: Any, have: int) -> None:
        from rich import progress
        from rich.console import Console

        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        console = Console(stderr=True)
        columns = (
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        hidden = not (self.progress and console.is_terminal)
        with (
            self.part.open("ab" if have else "wb") as file,
            progress.Progress(*columns, console=console, disable=hidden) as bar,
        ):
            task = bar.add_task(self.part.stem, completed=have, total=total)
            for block in response.iter_content(_BLOCK_BYTES):
                have += file.write(block)
                bar.update(task, completed=have)
            if total is not None and have < total:
                raise OSError(f"{have} of {total} bytes came; run it again to go on")
