"""Files are written whole or not at all, forced to the disk, and stand after a power cut."""

import errno
import os
from pathlib import Path

import pytest

from leukodiff.core.files import (
    all_to_disk,
    replacing,
    sha256_of,
    to_disk,
    write_atomic,
    write_cache_file,
)
from leukodiff.pipeline.runs.output import OutputError, SlideFolder, write_whole

from ..pipeline.runs.limits import frail_disk

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders can't be asked for here")


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str | int]:
    """Inodes as the disk takes them, and the names that what was half made gets."""
    found: list[str | int] = []
    fsync, replace = os.fsync, os.replace

    def forced(handle: int) -> None:
        fsync(handle)
        found.append(os.fstat(handle).st_ino)

    def renamed(old: Path, new: Path) -> None:
        replace(old, new)
        found.append(Path(new).name)

    monkeypatch.setattr(os, "fsync", forced)
    monkeypatch.setattr(os, "replace", renamed)
    return found


def test_a_slide_gets_its_name_when_the_disk_has_all_of_it(
    tmp_path: Path, events: list[str | int]
) -> None:
    for content in ("old", "new"):
        folder = SlideFolder(tmp_path, "smear")
        folder.start()
        for name in ("cells.csv", "overlays/a.jpg", "overlays/b.jpg", "slide.json"):
            folder.write(name, content)
        inodes = {path.stat().st_ino for path in (folder.partial, *folder.partial.rglob("*"))}
        events.clear()
        folder.publish()
        at = events.index("smear")
        assert inodes <= set(events[:at])
        assert events[at + 1 :] == [tmp_path.stat().st_ino]
    assert (tmp_path / "smear/cells.csv").read_text() == "new"


def test_a_table_gets_its_name_when_the_disk_has_it(
    tmp_path: Path, events: list[str | int]
) -> None:
    write_whole(tmp_path / "slides.csv", "slide_id\n")
    inodes = [path.stat().st_ino for path in (tmp_path / "slides.csv", tmp_path)]
    assert events == [inodes[0], "slides.csv", inodes[1]]


def test_what_stands_is_whole_after_a_power_cut(tmp_path: Path) -> None:
    written = {f"overlays/{i}.jpg": f"{i}" * 5000 for i in range(20)} | {"slide.json": "{}"}
    with frail_disk(tmp_path) as disk:
        folder = SlideFolder(disk.path, "smear")
        folder.start()
        for name, content in written.items():
            folder.write(name, content)
        folder.publish()
        write_whole(disk.path / "slides.csv", "slide_id\nsmear\n")
        with disk.after_a_power_cut() as found:
            smear = found / "smear"
            files = {str(p.relative_to(smear)): p.read_text() for p in smear.rglob("*.*")}
            assert files == written
            assert (found / "slides.csv").read_text() == "slide_id\nsmear\n"


def refusing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refused(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refused)


def test_a_file_system_that_can_not_be_asked_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, errno.EINVAL)
    to_disk(tmp_path)
    all_to_disk(tmp_path)


def test_a_slide_that_the_disk_does_not_take_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network's file system may say only now that there is no room."""
    refusing(monkeypatch, errno.ENOSPC)
    folder = SlideFolder(tmp_path, "smear")
    folder.start()
    folder.write("slide.json", "{}")
    with pytest.raises(OutputError, match="smear: can't be written: No space left on device"):
        folder.publish()
    assert not folder.final.exists()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    write_atomic(path, b"old")

    def fail() -> None:
        with replacing(path) as partial:
            partial.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_the_disk_does_not_take_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, errno.ENOSPC)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "model.json", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_cache_file_is_written_whole_into_a_new_folder(
    tmp_path: Path, events: list[str | int]
) -> None:
    path = tmp_path / "crops" / "a.jpg"
    for content in (b"one", b"other"):
        write_cache_file(path, content)
    assert path.read_bytes() == b"other"
    assert list(path.parent.iterdir()) == [path]
    assert events == ["a.jpg", "a.jpg"]  # renamed, not forced to the disk


@pytest.mark.parametrize(
    ("content", "digest"),
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ],
)
def test_sha256(tmp_path: Path, content: bytes, digest: str) -> None:
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == digest
