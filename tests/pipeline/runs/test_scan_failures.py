"""A scan that hangs, or whose reading kills the process, costs itself and no other slide."""

import json
import os
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from .processes import DEADLY, ended, leukodiff, start
from .standing import rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no process of its own here"),
]

Draw = Callable[..., Any]
Smear = Callable[..., Path]
Write = Callable[..., Path]

CELLS = {(100, 90): "neutrophil", (400, 110): "lymphocyte", (768, 512): "neutrophil"}
TIMEOUT = ("--field-timeout", "6")

DEADLY_SCANS = """
import os, signal, time
from leukodiff.pipeline.slides.tiff_scan import TiffScan
read_level = TiffScan.read_level

def deadly_level(self, level, x, y, width, height):
    last = x + width == self.width and y + height == self.height
    if "killer" in self.path.name and last:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hangs" in self.path.name and last:
        time.sleep(1000)
    if "slow" in self.path.name:
        time.sleep(0.05)
    return read_level(self, level, x, y, width, height)

TiffScan.read_level = deadly_level
"""
"""Reading the last corner of some scans kills the process, or never ends; of others it is slow."""


@pytest.mark.parametrize(
    ("workers", "bad", "error"),
    [
        pytest.param(1, ["killer"], "killed (signal 9: too little memory?)", id="killed"),
        pytest.param(
            3, ["killer"], "killed (signal 9: too little memory?)", id="killed, 3 threads"
        ),
        pytest.param(1, ["hangs"], "no answer within 6 s", id="hung"),
        pytest.param(3, ["hangs"], "no answer within 6 s", id="hung, 3 threads"),
        pytest.param(3, ["killer", "killer 2"], "killed (signal 9", id="two that kill"),
        pytest.param(3, ["hangs", "hangs 2"], "no answer within 6 s", id="two that hang"),
    ],
)
def test_a_bad_scan_among_good_slides(
    tmp_path: Path,
    smear: Smear,
    draw_scan: Draw,
    write_scan: Write,
    workers: int,
    bad: Sequence[str],
    error: str,
) -> None:
    smear("all/fields", a=("neutrophil",), b=("lymphocyte",))
    good = ["good 1", "good 2"]
    for name in (*good, *bad):
        write_scan(draw_scan(CELLS), f"all/scans/{name}.svs")
    out = tmp_path / "out"
    command = ("analyze", tmp_path / "all", "--workers", workers, *TIMEOUT, "--out", out)
    status, _, err = leukodiff(*command, more=DEADLY_SCANS)
    assert status == 1, err
    found = rows(out)
    expected = dict.fromkeys(("fields", *good), "done") | dict.fromkeys(bad, "failed")
    assert {name: row["status"] for name, row in found.items()} == expected
    assert all(error in found[name]["error"] for name in bad)
    assert all(found[name]["n_cells"] == "3" for name in good)
    whole = {"fields", *good}
    assert {path.name for path in out.iterdir() if path.is_dir()} == whole
    if len(bad) > 1:
        return
    status, printed, err = leukodiff(*command)
    assert status == 1
    assert "3 of 4 slides were whole already" in printed
    assert "1 failed before and were not tried again: --retry-failed" in err
    assert leukodiff(*command, "--retry-failed")[0] == 0


def test_a_scan_that_waits_for_threads_that_hang_is_not_to_blame(
    tmp_path: Path, smear: Smear, draw_scan: Draw, write_scan: Write
) -> None:
    """Both threads hang with the fields of another slide while the scan has pieces to be read."""
    scan = write_scan(draw_scan(CELLS), "slow.svs")
    folder = smear("fields", **{"a hangs": ("neutrophil",), "b hangs": ("neutrophil",)})
    out = tmp_path / "out"
    command = ("analyze", scan, folder, "--workers", "2", *TIMEOUT, "--um-per-px", "0.5")
    status, _, err = leukodiff(*command, "--out", out, more=DEADLY + DEADLY_SCANS)
    assert status == 1, err
    found = {name: row["status"] for name, row in rows(out).items()}
    assert found == {"slow": "done", "fields": "failed"}


def test_ctrl_c_stops_where_a_scan_hangs(
    tmp_path: Path, draw_scan: Draw, write_scan: Write
) -> None:
    for name in ("good", "hangs"):
        write_scan(draw_scan(CELLS), f"all/{name}.svs")
    out = tmp_path / "out"
    command = ("analyze", tmp_path / "all", "--workers", "1", "--out", out)
    with start(*command, more=DEADLY_SCANS) as process:
        assert process.stderr
        assert process.stderr.readline().startswith("good: done, 3 cells, ")
        process.send_signal(signal.SIGINT)
        status, printed, err = ended(process)
    assert status == 1
    assert re.search(r"good +done", printed)
    assert "stopped; the slides in the table are whole" in err
    assert json.loads((out / "run.json").read_text())["status"] == "interrupted"
    assert {path.name for path in out.iterdir()} == {"run.json", "slides.csv", "counts.csv", "good"}
