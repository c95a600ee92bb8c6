"""A run on a cluster that is stopped or killed: what is whole stays, and the next run goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from leukodiff.pipeline.runs.cluster import ClusterSettings
from leukodiff.pipeline.runs.cluster.remote_paths import at

from .conftest import N_SLIDES, OF_FIELDS, heads, node_workers

Sheets = Callable[[Path], dict[str, bytes]]

PROGRAM = "from leukodiff.pipeline.cli import main; main()"
TABLES = {"run.json", "slides.csv", "counts.csv"}
STOPPED_WITHIN_S = 20.0
"""Far more than the one or two that it takes, for machines that have other things to do."""


@contextmanager
def started(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """`leukodiff analyze` as a program; whatever happens, nothing of it is left."""
    command = [sys.executable, "-c", PROGRAM, "analyze", *map(str, arguments), "--um-per-px", "0.1"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def after(process: "subprocess.Popen[str]", n: int) -> list[str]:
    """Waits until a run has told of `n` slides; which they are."""
    reported: list[str] = []
    assert process.stderr
    while len(reported) < n:
        line = process.stderr.readline()
        assert line, "the run ended too soon"
        reported += re.findall(r"^(s\d): done", line)
    return reported


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


def run(inputs: Path, out: Path | str) -> Any:
    from leukodiff.pipeline.runs.cluster.run import analyze_on_cluster

    return analyze_on_cluster([inputs], out, OF_FIELDS, cluster=ClusterSettings())


@pytest.fixture(params=["a folder", "a store"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "a folder":
        return str(tmp_path / "out")
    request.getfixturevalue("s3")
    at("s3://laboratory").mkdir(exist_ok=True)
    return f"s3://laboratory/{tmp_path.name}"


def here(out: str, into: Path) -> Path:
    """An output as a folder here."""
    place: Any = at(out)
    if not isinstance(place, Path):
        place.fs.invalidate_cache()
        shutil.rmtree(into, ignore_errors=True)
        place.fs.get(place.path, str(into), recursive=True)
    return place if isinstance(place, Path) else into


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_ctrl_c_stops_a_run_on_which_a_read_hangs(
    tmp_path: Path, out: str, driver: Any, smears: Path, of_smears: Path, sheet: Sheets
) -> None:
    inputs = tmp_path / "smears"
    shutil.copytree(smears, inputs)
    hangs = inputs / "s4/field_002.png"
    with started(inputs, "--out", out, f"--cluster={driver.address}") as process:
        after(process, 1)
        hangs.unlink()
        os.mkfifo(hangs)
        after(process, 2)
        time.sleep(1)  # now its worker is at the fourth, which never ends
        assert node_workers(0) != []
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        status, printed, err = ended(process)
        assert time.monotonic() - began < STOPPED_WITHIN_S
    assert status == 1
    assert [f"s{i}" for i in (1, 2, 3, 4) if re.search(rf"s{i} +done", printed)] == [
        "s1",
        "s2",
        "s3",
    ]
    assert "stopped; the slides in the table are whole" in err
    assert node_workers() == []
    found = here(out, tmp_path / "got")
    assert json.loads((found / "run.json").read_text())["status"] == "interrupted"
    assert names(found) == TABLES | {"s1", "s2", "s3"}

    hangs.unlink()
    shutil.copy(smears / "s4/field_002.png", hangs)
    again = run(inputs, out)
    assert again.exit_status == 0
    assert [one.skipped for one in again.slides] == [True, True, True, False]
    assert names(here(out, tmp_path / "got")) == names(of_smears)
    assert but_for_records(sheet(here(out, tmp_path / "got"))) == but_for_records(sheet(of_smears))


def but_for_records(files: dict[str, bytes]) -> dict[str, bytes]:
    """Without what names the folder of the slides."""
    return {name: content for name, content in files.items() if not name.endswith("slide.json")}


def test_a_driver_that_is_killed_and_started_again(
    tmp_path: Path, out: str, driver: Any, smears: Path, of_smears: Path, sheet: Sheets
) -> None:
    expected = sheet(of_smears)
    for _ in range(2):
        with started(smears, "--out", out, f"--cluster={driver.address}") as process:
            after(process, 1)
            process.kill()
            assert ended(process)[0] == -signal.SIGKILL
        found = sheet(here(out, tmp_path / "got"))
        for slide in (name.partition("/")[0] for name in found if name.endswith("slide.json")):
            assert of(slide, found) == of(slide, expected)
    summary = run(smears, out)
    assert summary.exit_status == 0
    assert sum(one.skipped for one in summary.slides) >= 2
    assert sheet(here(out, tmp_path / "got")) == expected
    assert node_workers() == []


def of(slide: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if name.startswith(f"{slide}/")}


@pytest.mark.slow
def test_a_cluster_of_its_own_on_this_machine(
    tmp_path: Path, environment: None, smears: Path, of_smears: Path, sheet: Sheets
) -> None:
    """Stopped at its first slide; started again, it goes on; both times nothing of it is left."""
    pytest.importorskip("ray", reason="Ray is not installed: the `cluster` extra brings it")
    before, out = heads(), tmp_path / "out"
    with started(smears, "--out", out, "--cluster=local") as process:
        done = after(process, 1)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)  # as a system that shuts down does
        status, printed, err = ended(process)
        assert time.monotonic() - began < STOPPED_WITHIN_S
    assert status == 1, err
    assert "stopped; the slides in the table are whole" in err
    assert all(f" {slide} " in printed for slide in done)
    finished = names(out) - TABLES
    assert {*done} <= finished < {f"s{i + 1}" for i in range(N_SLIDES)}
    assert heads() == before
    with started(smears, "--out", out, "--cluster=local") as process:
        status, printed, err = ended(process)
    assert status == 0, err
    assert f"({len(finished)} of {N_SLIDES} slides were whole already)" in printed
    assert sheet(out) == sheet(of_smears)
    assert heads() == before
    assert node_workers() == []
