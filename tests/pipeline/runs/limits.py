"""A disk and a memory that are really too small, as only root can have them made."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class SmallDisk:
    """A file system in memory with its own size."""

    path: Path

    def make_room(self, size: str) -> None:
        """Gives it another size: `20m`."""
        _mount(self.path, _in_memory("remount", size))


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[SmallDisk]:
    """A disk of this size; the test is skipped where none can be mounted."""
    path.mkdir()
    try:
        _mount(path, _in_memory("rw", size))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk of its own can be mounted here: {error}")
    with _unmounting(path):
        yield SmallDisk(path)


def _in_memory(how: str, size: str) -> list[str]:
    return ["-t", "tmpfs", "-o", f"{how},size={size}", "tmpfs"]


def _mount(path: Path, what: list[str]) -> None:
    subprocess.run(["mount", *what, str(path)], check=True, capture_output=True)


@contextmanager
def _unmounting(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@dataclass(frozen=True)
class FrailDisk:
    """An ext4 of its own in a file: what is not in that file yet, a power cut takes."""

    image: Path
    path: Path

    @contextmanager
    def after_a_power_cut(self) -> Iterator[Path]:
        """The disk as the next start of the machine finds it."""
        image, path = (Path(f"{one}-cut") for one in (self.image, self.path))
        shutil.copyfile(self.image, image)
        path.mkdir()
        _mount(path, ["-o", "loop", str(image)])
        with _unmounting(path):
            yield path


@contextmanager
def frail_disk(folder: Path) -> Iterator[FrailDisk]:
    """A disk that a power cut can be tried on; the test is skipped where none can be made."""
    disk = FrailDisk(folder / "image", folder / "disk")
    disk.path.mkdir()
    disk.image.touch()
    os.truncate(disk.image, 32 << 20)
    try:
        subprocess.run(["mkfs.ext4", "-q", str(disk.image)], check=True, capture_output=True)
        _mount(disk.path, ["-o", "loop", str(disk.image)])
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk of its own can be mounted here: {error}")
    with _unmounting(disk.path):
        yield disk


@dataclass(frozen=True)
class SmallMemory:
    """A control group: the kernel kills in it when its processes hold more than they may."""

    path: Path

    def join(self) -> None:
        """Moves this process in, and what it starts."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def n_killed(self) -> int:
        """How many processes the kernel has killed for memory."""
        is_first = (self.path / "memory.oom_control").exists()
        reported = self.path / ("memory.oom_control" if is_first else "memory.events")
        facts = dict(line.split() for line in reported.read_text().splitlines())
        return int(facts["oom_kill"])


@contextmanager
def small_memory(name: str, n_bytes: int) -> Iterator[SmallMemory]:
    """So much memory and no swap; the test is skipped where no such group can be made."""
    try:
        group = _group(name, n_bytes)
    except OSError as error:
        pytest.skip(f"no memory can be set apart here: {error}")
    try:
        yield SmallMemory(group)
    finally:
        _remove(group)


def _group(name: str, n_bytes: int) -> Path:
    is_first = (CGROUPS / "memory").is_dir()
    group = (CGROUPS / "memory" if is_first else CGROUPS) / name
    group.mkdir()
    try:
        if is_first:
            (group / "memory.limit_in_bytes").write_text(str(n_bytes))
            with suppress(OSError):  # there is none where swap is not counted
                (group / "memory.memsw.limit_in_bytes").write_text(str(n_bytes))
        else:
            (group / "memory.max").write_text(str(n_bytes))
            with suppress(OSError):
                (group / "memory.swap.max").write_text("0")
    except OSError:
        group.rmdir()
        raise
    return group


def _remove(group: Path) -> None:
    """A group goes once its last process, which may just have been killed, is gone."""
    until = time.monotonic() + 10
    while True:
        try:
            return group.rmdir()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
