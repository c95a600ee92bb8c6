"""A disk that is really full, and a process that the kernel really kills for memory."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from .limits import small_disk, small_memory
from .processes import leukodiff
from .standing import check_second_alone, check_standing, contents, rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no process of its own here"),
]

Smear = Callable[..., Path]

FILLS = """
read = slides.read_rgb

def fills(path):
    if "fills" in path.name:
        with suppress(OSError), open({path!r}, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    return read(path)

from contextlib import suppress
slides.read_rgb = fills
"""
"""Somebody else fills the disk to the last byte while an image is read."""

EATS = """
read = slides.read_rgb

def eats(path):
    eaten = [b"x" * 10_000_000 for _ in range(400 if "eats" in path.name else 0)]
    return read(path)

slides.read_rgb = eats
"""
"""Reading some images takes 4 GB."""

MEMORY = 700_000_000

TABLES = {"run.json", "slides.csv", "counts.csv"}


@pytest.mark.parametrize(
    ("size", "n_fields", "goes_on", "error"),
    [
        pytest.param(
            "1200k",
            {"s1": 1, "s2": 250, "s3": 1},
            True,
            "s2: failed, {out}/s2/overlays/f[0-9]+.jpg: can't be written: No space left on device",
            id="one slide is too large",
        ),
        pytest.param(
            "600k",
            {f"s{i}": 4 for i in range(1, 9)},
            False,
            "Error: {out}/s[2-8]/.*: can't be written: No space left on device",
            id="there is no room for the rest",
        ),
    ],
)
def test_a_disk_that_fills_up(
    tmp_path: Path,
    smear: Smear,
    size: str,
    n_fields: Mapping[str, int],
    goes_on: bool,
    error: str,
) -> None:
    for slide_id, n in n_fields.items():
        smear(f"all/{slide_id}", **{f"f{i}": ("neutrophil",) * 5 for i in range(n)})
    command = ("analyze", tmp_path / "all", "--workers", "1", "--out")
    assert leukodiff(*command, tmp_path / "expected")[0] == 0
    expected = contents(tmp_path / "expected")
    with small_disk(tmp_path / "disk", size) as disk:
        out = disk.path / "out"
        ended, _, err = leukodiff(*command, out)
        assert ended == 1, err
        assert re.search(error.format(out=re.escape(str(out))), err)
        assert "Traceback" not in err
        found = rows(out)
        whole = {name for name, row in found.items() if row["status"] == "done"}
        assert "s1" in whole
        assert (len(found) == len(n_fields)) == goes_on
        (failed,) = set(found) - whole
        assert found[failed]["status"] == "failed"
        assert "No space left on device" in found[failed]["error"]
        assert {path.name for path in out.iterdir()} == whole | TABLES
        check_standing(out, expected)
        disk.make_room("20m")
        ended, printed, err = leukodiff(*command, out)
        assert ended == 0, err
        assert f"{len(whole)} of {len(n_fields)} slides were whole already" in printed
        assert contents(out) == expected


def test_a_disk_that_another_fills_to_the_last_byte(tmp_path: Path, smear: Smear) -> None:
    """Not even the tables can be written: those of before stand, and it is told."""
    for slide_id, name in (("s1", "a"), ("s2", "fills"), ("s3", "a")):
        smear(f"all/{slide_id}", **{name: ("neutrophil",)})
    command = ("analyze", tmp_path / "all", "--workers", "1", "--out")
    assert leukodiff(*command, tmp_path / "expected")[0] == 0
    expected = contents(tmp_path / "expected")
    with small_disk(tmp_path / "disk", "1m") as disk:
        out, filling = disk.path / "out", disk.path / "filling"
        ended, _, err = leukodiff(*command, out, more=FILLS.format(path=str(filling)))
        assert ended == 1, err
        assert re.search(r"Error: .*/s2/.*: can't be written: No space left on device", err)
        assert "Traceback" not in err
        assert {path.name for path in out.iterdir()} == {"run.json", "s1"}
        check_standing(out, expected)
        ended, _, err = leukodiff(*command, out)
        assert (ended, err.count("\n")) == (2, 1)
        assert "run.json: can't be written: No space left on device" in err
        filling.unlink()
        assert leukodiff(*command, out)[0] == 0
        assert contents(out) == expected


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        pytest.param(["eats"], "failed", "killed (signal 9: too little memory?)", id="alone"),
        pytest.param(["a", "eats"], "incomplete", "eats.png", id="one field of two"),
    ],
)
def test_a_slide_for_which_the_kernel_kills_the_process(
    tmp_path: Path, smear: Smear, fields: list[str], status: str, error: str
) -> None:
    for slide_id in ("s1", "s3", "s4"):
        smear(f"all/{slide_id}", a=("neutrophil",), b=("lymphocyte",))
    smear("all/s2", **dict.fromkeys(fields, ("neutrophil",)))
    out = tmp_path / "out"
    command = ("analyze", tmp_path / "all", "--workers", "2", "--out", out)
    with small_memory(f"leukodiff-test-{os.getpid()}", MEMORY) as memory:
        ended, _, err = leukodiff(*command, more=EATS, preexec_fn=memory.join)
        assert memory.n_killed() >= 1
    assert ended == 1, err
    assert "the process was killed (signal 9: too little memory?) while at" in err
    check_second_alone(out, status, error)
