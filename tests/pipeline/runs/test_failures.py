"""What goes wrong costs a field or a slide, has a line in slides.csv and the right exit status."""

import os
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from .processes import DEADLY, HANGING_SCAN, leukodiff
from .standing import check_second_alone, rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no process of its own here"),
]

Smear = Callable[..., Path]
QUICK = ("--field-timeout", "6", "--no-overlays")


@pytest.mark.parametrize(
    ("workers", "fields", "status", "error"),
    [
        pytest.param(3, ["killer"], "failed", "killed (signal 9: too little memory?)", id="killed"),
        pytest.param(1, ["hangs"], "failed", "no answer within 6 s", id="hung"),
        pytest.param(3, ["vanishes"], "failed", "can't be read", id="vanished"),
        pytest.param(1, ["a", "killer"], "incomplete", "killer.png", id="one field kills"),
        pytest.param(3, ["a", "hangs", "z"], "incomplete", "hangs.png", id="one field hangs"),
        pytest.param(3, ["killer", "hangs"], "failed", "all 2 fields failed", id="both"),
    ],
)
def test_a_bad_slide_among_good_ones(
    tmp_path: Path, smear: Smear, workers: int, fields: Sequence[str], status: str, error: str
) -> None:
    for name in ("s1", "s3", "s4"):
        smear(f"all/{name}", a=("neutrophil",), b=("lymphocyte",))
    smear("all/s2", **dict.fromkeys(fields, ("neutrophil",)))
    out = tmp_path / "out"
    options = ("--out", out, "--workers", workers, *QUICK)
    ended, _, err = leukodiff("analyze", tmp_path / "all", *options, more=DEADLY)
    assert ended == 1, err
    check_second_alone(out, status, error)
    assert (out / "s2").exists() == (status == "incomplete")
    assert not [path.name for path in out.iterdir() if "partial" in path.name]


def test_what_is_passed_over_is_reported_once_though_a_process_dies(
    tmp_path: Path, smear: Smear
) -> None:
    smear("all", a=("neutrophil",), killer=("neutrophil",))
    smear("all/deeper", a=("neutrophil",))
    command = ("analyze", tmp_path / "all", "--out", tmp_path / "out")
    status, _, err = leukodiff(*command, more=DEADLY)
    assert status == 1
    assert "the process was killed" in err
    assert err.count("its sub-folders are passed over") == 1


def test_a_scan_that_hangs_as_it_is_opened_fails_alone(
    tmp_path: Path, draw_scan: Callable[..., Any], write_scan: Callable[..., Path]
) -> None:
    """The first one is opened as the models are loaded, too."""
    for name in ("a hangs", "b"):
        write_scan(draw_scan({(300, 300): "neutrophil"}), f"all/{name}.svs")
    command = ("analyze", tmp_path / "all", "--out", tmp_path / "out", *QUICK)
    ended, _, err = leukodiff(*command, more=HANGING_SCAN)
    assert ended == 1, err
    found = rows(tmp_path / "out")
    assert [row["status"] for row in found.values()] == ["failed", "done"]
    assert found["a hangs"]["error"] == "no answer within 6 s (--field-timeout)"


def test_what_failed_is_tried_again_only_when_asked(tmp_path: Path, smear: Smear) -> None:
    smear("all/s1", a=("neutrophil",), killer=("neutrophil",))
    smear("all/s2", killer=("neutrophil",))
    smear("all/s3", a=("neutrophil",))
    command = ("analyze", tmp_path / "all", "--out", tmp_path / "out")
    assert leukodiff(*command, more=DEADLY)[0] == 1
    before = rows(tmp_path / "out")
    assert [row["status"] for row in before.values()] == ["incomplete", "failed", "done"]

    ended, out, err = leukodiff(*command)
    assert ended == 1
    assert rows(tmp_path / "out") == before
    assert "1 of 3 slides were whole already" in out
    assert "2 failed before and were not tried again: --retry-failed" in err

    assert leukodiff(*command, "--retry-failed")[0] == 0
    assert {row["status"] for row in rows(tmp_path / "out").values()} == {"done"}
    assert leukodiff(*command)[0] == 0


def test_a_failed_slide_whose_files_are_mended_is_tried_again(tmp_path: Path, smear: Smear) -> None:
    folder = smear(a=("neutrophil",))
    (folder / "a.png").write_text("no image")
    command = ("analyze", folder, "--out", tmp_path / "out")
    assert leukodiff(*command)[0] == 2
    smear(a=("neutrophil",))
    assert leukodiff(*command)[0] == 0


def test_a_slide_for_which_there_is_no_room(tmp_path: Path, smear: Smear) -> None:
    """A limit on the size of files stands in for the disk's: the same call fails."""
    for name, n in (("s1", 1), ("s2", 250), ("s3", 1)):
        smear(f"all/{name}", **{f"f{i}": ("neutrophil",) * 5 for i in range(n)})

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    out = tmp_path / "out"
    command = ("analyze", tmp_path / "all", "--out", out, "--no-overlays")
    ended, _, err = leukodiff(*command, preexec_fn=limited)
    assert ended == 1, err
    found = rows(out)
    assert [row["status"] for row in found.values()] == ["done", "failed", "done"]
    assert "File too large" in found["s2"]["error"]
    assert leukodiff(*command)[0] == 0, "with room it is tried again without being asked"
