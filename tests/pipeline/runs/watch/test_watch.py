"""`leukodiff watch` as a process, with the shipped models."""

import csv
import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leukodiff.datasets.phantom import PhantomSettings, render_smear
from leukodiff.pipeline.runs.watch.monitoring import Metrics, served

pytestmark = pytest.mark.slow

MAIN = "from leukodiff.pipeline.cli import main; main()"
SMEAR = PhantomSettings(width=640, height=480, n_white=2, stain="camera")


@contextmanager
def watching(folder: Path, out: Path) -> Iterator["subprocess.Popen[str]"]:
    options = ("--settle", "0.3", "--every", "0.1", "--http", "0", "--no-overlays")
    command = [sys.executable, "-c", MAIN, "watch", str(folder), "--out", str(out), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        too_long = threading.Timer(150, process.kill)
        too_long.start()
        try:
            yield process
        finally:
            too_long.cancel()
            process.kill()


def printed(process: "subprocess.Popen[str]", start: str) -> str:
    """The next line that begins so."""
    assert process.stderr
    for line in process.stderr:
        if line.startswith(start):
            return line.strip()
    raise AssertionError(f"it ended without saying {start!r}")


def fetched(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def slide_ids(out: Path) -> list[str]:
    with (out / "slides.csv").open(newline="", encoding="utf-8") as file:
        return [row["slide_id"] for row in csv.DictReader(file)]


def test_slides_are_analyzed_as_they_come_and_a_restart_goes_on(tmp_path: Path) -> None:
    folder, out = tmp_path / "scanner", tmp_path / "out"
    folder.mkdir()
    with watching(folder, out) as process:
        url = printed(process, "/healthz").rpartition(" ")[2]
        assert json.loads(fetched(f"{url}/healthz")[1])["status"] == "ok"
        render_smear(folder / "s1", SMEAR, 1)
        assert printed(process, "s1: done, ")
        (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n half")
        assert printed(process, "broken: failed, ")
        status, text = fetched(f"{url}/metrics")
        assert status == 200
        assert 'leukodiff_slides_total{status="done"} 1.0' in text
        assert 'leukodiff_slides_total{status="failed"} 1.0' in text
        while json.loads(fetched(f"{url}/healthz")[1])["analyzing"]:
            threading.Event().wait(0.05)
        assert slide_ids(out) == ["broken", "s1"]
        process.kill()
    made = (out / "s1/slide.json").stat().st_mtime_ns

    with watching(folder, out) as process:
        render_smear(tmp_path / "s2", SMEAR, 1)
        render_smear(tmp_path / "s2/more", SMEAR, 1)
        (tmp_path / "s2").rename(folder / "s2")
        reported = printed(process, f"{folder / 's2'}: there are images in it")
        assert reported.endswith("hold some too: more; to have these analyzed, put them beside it")
        assert printed(process, "s2: done, ")
        process.send_signal(signal.SIGTERM)
        assert printed(process, "stopped")
        assert process.wait() == 0
    assert {"s1", "s2"} <= set(slide_ids(out))
    assert (out / "s1/slide.json").stat().st_mtime_ns == made


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with watching(tmp_path / "none", tmp_path / "out") as process:
        assert printed(process, "Error: ").endswith(
            "no such folder; give the one the scanner fills"
        )
        assert process.wait() == 2


def test_health_and_metrics() -> None:
    metrics, well = Metrics(), [True]
    metrics.count({"status": "done", "n_cells": 7, "seconds": "1.5"})
    metrics.count({"status": "failed", "n_cells": None, "seconds": None})
    with served("127.0.0.1", 0, lambda: (well[0], {"trouble": ""}), metrics.text) as port:
        url = f"http://127.0.0.1:{port}"
        assert fetched(f"{url}/healthz") == (200, '{"status": "ok", "trouble": ""}\n')
        well[0] = False
        assert fetched(f"{url}/healthz")[0] == 503
        assert fetched(f"{url}/else")[0] == 404
        text = fetched(f"{url}/metrics")[1]
    assert "leukodiff_cells_total 7.0" in text
    assert 'leukodiff_slide_seconds_bucket{le="2.0"} 1.0' in text
    assert "process_resident_memory_bytes" in text
