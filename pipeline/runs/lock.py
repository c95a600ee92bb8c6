"""Lock of an output folder: one run at a time writes there.

The folder itself is locked: filelock would leave a file of its own among the results.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .output import PROBE, OutputError, writing

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK_WAIT_S = 5.0
"""Time that a run waits for another one to release the folder: one that is being killed does."""

POLL_S = 0.05

LEFT = re.compile(rf"\..*\.partial(-[0-9a-f]{{8}}(-gone)?)?|{re.escape(PROBE)}\w+", re.DOTALL)
"""Names of what is half made, or on its way out."""

OLD = re.compile(r"\.(.*)\.partial-[0-9a-f]{8}-old", re.DOTALL)
"""An older folder of a slide, while the new one takes its place."""


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Keeps an output folder to this run, and takes away what a killed one left half made.

    Where the file system knows no locks it is up to the user that one run at a time writes there.

    Raises:
        OutputError: another run is writing to it.
    """
    with writing(out):
        handle = os.open(out, os.O_RDONLY) if fcntl else -1
    try:
        if fcntl:
            _lock(handle, out)
        clear_up(out)
        yield
    finally:
        if handle >= 0:
            os.close(handle)


def _lock(handle: int, out: Path) -> None:
    until = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise OutputError(f"{out}: another run is writing to it; wait for it") from error
            time.sleep(POLL_S)
        except OSError:  # a network's file system without locks
            return None


def clear_up(out: Path) -> None:
    """Takes away what a killed run left half made; an older folder goes back to its place."""
    with writing(out):
        names = [entry.name for entry in os.scandir(out) if entry.name.startswith(".")]
    for name in names:
        if OLD.fullmatch(name):
            _put_back(out / name)
        elif LEFT.fullmatch(name):
            _remove(out / name)


def _put_back(old: Path) -> None:
    from .output import RECORD, slide_id_in

    slide_id = slide_id_in(old / RECORD)
    if slide_id and not os.path.lexists(old.parent / slide_id):
        with writing(old.parent / slide_id):
            os.replace(old, old.parent / slide_id)
    else:
        _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
