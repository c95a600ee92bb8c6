"""To the disk for good: what stood before a power cut stands after it."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

AT_ONCE = 8
"""Files that a disk is asked to take at a time: it takes many in hardly more time than one."""

UNKNOWN = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""What a file system says that can't be asked; some of a network can't, of their folders."""

WINDOWS = os.name == "nt"


def to_disk(path: Path) -> None:
    """Has the disk take what was written to a file, or the names that a folder holds.

    Raises:
        OSError: the disk did not take it: no room, or it is damaged.
    """
    if WINDOWS and path.is_dir():  # it can't be asked there
        return
    handle = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise
    finally:
        os.close(handle)


def all_to_disk(folder: Path) -> None:
    """Has the disk take a folder, and all that is below it.

    Raises:
        OSError: as `to_disk`.
    """
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="leukodiff-disk") as pool:
        for _ in pool.map(to_disk, (folder, *folder.rglob("*"))):
            pass
