"""Children that are spawned: one is killed, one hangs, one is stopped, one loses its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leukodiff.pipeline.runs.child_process import STOPPED, TEXT, Message, Supervisor

CHILD = """
import os, signal, sys, time
from leukodiff.pipeline.runs.child_process import connect_to_parent
(items, known), pipe = connect_to_parent()
print("noise", flush=True)
pipe.send("pid", os.getpid())
for item in items:
    if ("s1", item) in known.failed_items:
        continue
    with pipe.under_way("s1", item):
        if item == "kills":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "hangs":
            pipe.send("hanging")
            time.sleep(1000)
    pipe.send("done", item)
sys.exit(7 if "fails" in items else 0)
"""

PARENT = """
from leukodiff.pipeline.runs.child_process import Supervisor
Supervisor(1000, print, lambda message: print(*message, flush=True)).run("child", ["hangs"])
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "child.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    return "child"


@pytest.mark.slow
def test_what_kills_and_what_hangs_costs_the_others_nothing(module: str) -> None:
    lines: list[str] = []
    messages: list[Message] = []
    supervisor = Supervisor(6.0, lines.append, messages.append)
    assert supervisor.run(module, ["a", "kills", "hangs", "b"]) == 0
    assert dict(supervisor.crash_log.failed_items) == {
        (
            "s1",
            "kills",
        ): "the process was killed (signal 9: too little memory?) while it was at this",
        ("s1", "hangs"): "no answer within 6 s (--field-timeout)",
    }
    assert [one[1] for one in messages if one[0] == "done"] == ["a", "a", "a", "b"]
    assert [TEXT, "noise"] in [list(one) for one in messages]
    assert len(lines) == 2


def test_its_exit_status_comes_back(module: str) -> None:
    assert Supervisor(100, print).run(module, ["fails"]) == 7


def test_one_that_is_stopped_ends_as_by_ctrl_c(module: str) -> None:
    printed: list[str] = []

    def receive(message: Message) -> None:
        if message[0] == "hanging":
            supervisor.stop()
        if message[0] == TEXT:
            printed.append(message[1])

    supervisor = Supervisor(1000, print, receive)
    assert supervisor.run(module, ["hangs", "b"]) == STOPPED
    assert printed[-1] == "KeyboardInterrupt"
    assert supervisor.run(module, ["a"]) == STOPPED  # it is not started again


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_one_ends_with_its_parent(module: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        (pid,) = [
            int(line.split()[1])
            for line in iter(parent.stdout.readline, "hanging\n")
            if "pid" in line
        ]
        parent.kill()
    until = time.monotonic() + 300
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        if (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) == "Z":
            break  # nobody here waits for orphans
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{pid}").exists()
