"""However a run is ended, the next one goes on, and what stands in the end is the same."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leukodiff.pipeline.runs.lock import clear_up, held
from leukodiff.pipeline.runs.output import OutputError, SlideFolder

from .processes import DEADLY, SLOW, ended, killed, leukodiff, start
from .standing import check_standing, contents

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no process of its own here"),
]

Smear = Callable[..., Path]


def test_killed_at_twenty_moments_it_ends_with_the_same_files(tmp_path: Path, smear: Smear) -> None:
    for i in range(10):
        smear(f"all/s{i}", **{f"f{j}": ("neutrophil",) * (1 + j % 4) for j in range(5)})
    smear("all/bad", a=())
    (tmp_path / "all/bad/a.png").write_text("no image")
    options = ("analyze", tmp_path / "all", "--workers", "2", "--out")
    assert leukodiff(*options, tmp_path / "expected")[0] == 1
    expected = contents(tmp_path / "expected")

    out = tmp_path / "out"
    n_killed = 0
    with killed(*options, out, seed=4, kills=20, within=(0.03, 0.4), more=SLOW) as process:
        assert process.stdin
        assert process.stdout
        for line in process.stdout:
            if not line.strip().lstrip("-").isdigit():
                continue  # of the table of a run that was quicker than its end
            n_killed += int(line) == -signal.SIGKILL
            check_standing(out, expected)
            if int(line) == 1:
                shutil.rmtree(out)  # it got to its end: the next begins anew
            process.stdin.write("go on\n")
            process.stdin.flush()
    assert n_killed == 20
    assert contents(out) == expected


def await_file(path: Path) -> None:
    until = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_process_whose_parent_is_dead_blames_no_field() -> None:
    program = """
import os
from functools import partial
from leukodiff.pipeline.runs.child_process import ProgressPipe, write_to
receives, sends = os.pipe()
os.close(receives)
try:
    ProgressPipe(partial(write_to, sends)).under_way("s1", "a").__enter__()
except OSError:
    print("a field's failure")
"""
    ended = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, b"")


OUTLIVES = """
from pathlib import Path
from leukodiff.pipeline.runs import child_process

def outlive(lifeline):
    while not Path({release!r}).exists():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)

def hang(path):
    if "hangs" in path.name:
        Path({hanging!r}).touch()
    return deadly(path)

child_process.follow_parent = outlive
slides.read_rgb = hang
"""
"""The process that does the work is slow to notice that its parent is dead."""


def test_no_other_run_begins_while_a_killed_one_goes_on(tmp_path: Path, smear: Smear) -> None:
    smear("all/s1", a=("neutrophil",))
    smear("all/s2", hangs=("neutrophil",))
    out, release, hanging = (tmp_path / name for name in ("out", "let go", "hanging"))
    outlives = OUTLIVES.format(release=str(release), hanging=str(hanging))
    command = ("analyze", tmp_path / "all", "--workers", "1", "--out", out)
    with start(*command, more=DEADLY + outlives) as process:
        await_file(hanging)
        process.kill()
        process.wait()
        status, _, err = leukodiff(*command)
        assert status == 2
        assert f"{out}: another run is writing to it; wait for it" in err
        release.touch()
    assert leukodiff(*command)[0] == 0


def test_ctrl_c_stops_with_a_summary_even_where_a_read_hangs(tmp_path: Path, smear: Smear) -> None:
    smear("all/s1", a=("neutrophil",))
    smear("all/s2", b=(), hangs=("neutrophil",))
    out = tmp_path / "out"
    command = ("analyze", tmp_path / "all", "--workers", "2", "--um-per-px", "0.5", "--out", out)
    with start(*command, more=DEADLY) as process:
        assert process.stderr
        assert process.stderr.readline().startswith("s1: done, 1 cells, ")
        process.send_signal(signal.SIGINT)
        status, printed, err = ended(process)  # within a minute or two: the read takes 1000 s
    assert status == 1
    assert re.search(r"s1 +done", printed)
    assert "stopped; the slides in the table are whole" in err
    assert json.loads((out / "run.json").read_text())["status"] == "interrupted"
    assert {path.name for path in out.iterdir()} == {"run.json", "slides.csv", "counts.csv", "s1"}


def test_what_dead_runs_left_is_cleared_up(tmp_path: Path) -> None:
    mine, other = SlideFolder(tmp_path, "s1"), SlideFolder(tmp_path, "s2")
    gone = other.partial.with_name(f"{other.partial.name}-gone")
    for folder in (mine.partial / "overlays", gone, tmp_path / "s3", tmp_path / ".hidden"):
        folder.mkdir(parents=True)
    for name in (".slides.csv.partial", ".probe-a_3", "mine.partial", ".failed.jsonl"):
        (tmp_path / name).write_text("x")
    clear_up(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"s3", ".hidden", "mine.partial", ".failed.jsonl"}


@pytest.mark.parametrize("is_new_there", [False, True])
def test_a_run_killed_while_it_replaces_a_slide_has_one_of_the_two(
    tmp_path: Path, is_new_there: bool
) -> None:
    folder = SlideFolder(tmp_path, "a slide")
    old = folder.partial.with_name(f"{folder.partial.name}-old")
    for path in (old, *([folder.final] if is_new_there else [])):
        path.mkdir()
        (path / "slide.json").write_text('{"row": {"slide_id": "a slide"}}')
        (path / "which").write_text(path.name)
    clear_up(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a slide"]
    assert (folder.final / "which").read_text() == ("a slide" if is_new_there else old.name)


def test_one_run_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leukodiff.pipeline.runs.lock.LOCK_WAIT_S", 0.0)
    with (
        held(tmp_path),
        pytest.raises(OutputError, match="another run is writing"),
        held(tmp_path),
    ):
        pass
    with held(tmp_path):
        pass
