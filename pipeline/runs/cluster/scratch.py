"""A worker's own folder on its node: it goes with it; the next one clears up after the dead."""

import fcntl
import shutil
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import IO

PREFIX = "leukodiff-worker-"
_LOCK = "in-use"


class Scratch:
    """A folder that is this process's for as long as it lives."""

    def __init__(self) -> None:
        _clear_up_after_the_dead()
        made = Path(mkdtemp(prefix=".leukodiff-"))
        self._lock = (made / _LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)  # the kernel lets go of it, however we end
        self.path = made.rename(made.with_name(f"{PREFIX}{made.name.removeprefix('.leukodiff-')}"))

    def close(self) -> None:
        """Takes it away."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _clear_up_after_the_dead() -> None:
    for folder in Path(gettempdir()).glob(f"{PREFIX}*"):
        try:
            with (folder / _LOCK).open("w") as lock:
                if _free(lock):
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another user's, or it is just being made or taken away
            continue


def _free(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
