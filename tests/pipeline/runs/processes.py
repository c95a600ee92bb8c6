"""`leukodiff` as a process of its own, with the models of colored squares."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = """
import sys
sys.path[:0] = {paths}
from tests.pipeline import conftest
from leukodiff.pipeline.runs import analyze as run
from leukodiff.datasets import images
from leukodiff.detector.scale import ScaleEstimate
from leukodiff.pipeline import cli
from leukodiff.pipeline.analysis import models
from leukodiff.pipeline.slides import discover as slides

def loaded(*_, **__):
    measure = lambda images, *_, **__: ScaleEstimate(0.5, 0.1, 30) if images else None
    return models.Models(conftest.ColorDetector(), conftest.ColorClassifier(), measure)

run.load_models = loaded
{more}
cli.main()
"""
"""The command line, but for the models, which here need no second to start."""

DEADLY = """
import os, signal, time
read = slides.read_rgb

def deadly(path):
    if "killer" in path.name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hangs" in path.name:
        time.sleep(1000)
    if "vanishes" in path.name:
        path.unlink(missing_ok=True)
    return read(path)

slides.read_rgb = deadly
"""
"""Reading some images kills the process, as the system does when memory runs out; or never ends."""

HANGING_SCAN = """
import time
from leukodiff.pipeline.analysis import slide as slide_analysis
opened = slide_analysis.open_scan

def hang(path):
    if "hangs" in path.name:
        time.sleep(1000)
    return opened(path)

run.open_scan = slide_analysis.open_scan = hang
"""
"""Opening some scans never ends."""

SLOW = """
import time
read = slides.read_rgb

def slow(path):
    time.sleep(0.02)
    return read(path)

slides.read_rgb = slow
"""

REPOSITORY = Path(__file__).parents[3]


def start(*arguments: object, more: str = "", **settings: Any) -> "subprocess.Popen[str]":
    """Starts `leukodiff` with these arguments; `more` is run before it."""
    program = PROGRAM.format(paths=repr([str(REPOSITORY)]), more=more)
    command = [sys.executable, "-c", program, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | settings
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.Popen(command, text=True, env=environment, **pipes)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a process, once it has ended."""
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


def leukodiff(*arguments: object, more: str = "", **settings: Any) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of `leukodiff` with these arguments."""
    return ended(start(*arguments, more=more, **settings))


KILLED = """
import random
moments = random.Random({seed})

def one_run(kill_after):
    pid = os.fork()
    if pid == 0:
        cli.main({arguments})
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

kills = 0
while kills < {kills}:
    status = one_run(moments.uniform({low}, {high}))
    kills += status == -signal.SIGKILL
    print(status, flush=True)
    sys.stdin.readline()
one_run(None)
os._exit(0)
"""
"""Starts the same run over and over, and kills it each time; says how each ended, and waits for a
word. The modules are imported once: each run is forked off."""


def killed(
    *arguments: object, seed: int, kills: int, within: tuple[float, float], more: str = ""
) -> "subprocess.Popen[str]":
    """Starts a process that kills a run `kills` times, at random moments of so many seconds."""
    low, high = within
    words = {"seed": seed, "kills": kills, "low": low, "high": high}
    loop = KILLED.format(arguments=repr([str(one) for one in arguments]), **words)
    return start(more="import os, signal\n" + more + loop, stdin=subprocess.PIPE)
