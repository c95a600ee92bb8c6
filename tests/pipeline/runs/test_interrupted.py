"""Ctrl-C: what was finished is kept, and nothing is left half made."""

import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.exports.bundle import report_files
from leukodiff.pipeline.runs import run, slide_writer
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze
from leukodiff.pipeline.runs.output import OutputError, SlideFolder, write_whole
from leukodiff.pipeline.runs.signals import defer_signals

from ..conftest import COLORS, ColorDetector

pytestmark = pytest.mark.slow

Smear = Callable[..., Path]
ONE = AnalyzeSettings(threads=1)
TABLES = {"run.json", "slides.csv", "counts.csv"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_ctrl_c_keeps_the_slides_that_were_finished(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    for i in range(6):
        smear(f"all/s{i}", a=("neutrophil",), b=())
    out = tmp_path / "out"

    def stop(done: int, total: int, slide_id: str) -> None:
        if slide_id == "s1" and done == 4:
            raise KeyboardInterrupt

    summary = analyze([tmp_path / "all"], out, ONE, stop, models)
    assert summary.interrupted
    assert summary.exit_status == 1
    finished = [str(row["slide_id"]) for row in summary.rows]
    assert {"s0", "s1"} <= set(finished) < {f"s{i}" for i in range(6)}
    assert names(out) == TABLES | set(finished)
    assert all((out / slide_id / "slide.json").is_file() for slide_id in finished)
    assert json.loads((out / "run.json").read_text())["status"] == "interrupted"

    again = analyze([tmp_path / "all"], out, ONE, models=models)
    assert again.exit_status == 0
    assert {str(s.row["slide_id"]) for s in again.slides if s.skipped} == set(finished)


def test_ctrl_c_does_not_wait_for_a_field_that_takes_long(
    tmp_path: Path, smear: Smear, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That field ends after the run has, and leaves nothing half made."""
    held, goes_on = threading.Event(), threading.Event()

    class Slow(ColorDetector):
        def detect(self, image: Any, *how: Any) -> Any:
            if image[45, 10].tolist() == list(COLORS["red_cell"]):
                held.set()
                assert goes_on.wait(10)
            return super().detect(image, *how)

    def stop(done: int, total: int, slide_id: str) -> None:
        assert held.wait(10)
        raise KeyboardInterrupt

    monkeypatch.setattr("leukodiff.pipeline.runs.scheduler.STOP_WAIT_S", 0.01)
    folder = smear(a=("neutrophil",), b=("red_cell",), c=())
    slow = replace(models, detector=Slow())
    out = tmp_path / "out"
    settings = AnalyzeSettings(threads=2, um_per_px=0.5)
    assert analyze([folder], out, settings, stop, slow).interrupted
    assert names(out) == TABLES
    goes_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("leukodiff"):
            thread.join()
    assert names(out) == TABLES


def test_a_thread_of_a_stopped_run_writes_nothing_into_the_next(
    tmp_path: Path, smear: Smear, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    straying, goes_on = threading.Event(), threading.Event()
    strays: list[threading.Thread] = []

    def files(*args: Any) -> Mapping[str, str | bytes]:
        if not strays:
            strays.append(threading.current_thread())
            straying.set()
            assert goes_on.wait(10)
            return {"stray.csv": ""}
        goes_on.set()
        strays[0].join(10)
        return report_files(*args)

    def stop(done: int, total: int, slide_id: str) -> None:
        assert straying.wait(10)
        raise KeyboardInterrupt

    monkeypatch.setattr(slide_writer, "report_files", files)
    monkeypatch.setattr("leukodiff.pipeline.runs.scheduler.STOP_WAIT_S", 0.01)
    out, settings = tmp_path / "out", AnalyzeSettings(threads=2)
    folder = smear(a=("neutrophil",), b=())
    assert analyze([folder], out, settings, stop, models).interrupted
    assert analyze([folder], out, settings, models=models).exit_status == 0
    assert "cells.csv" in names(out / "smear")
    assert "stray.csv" not in names(out / "smear")


def test_what_was_taken_away_is_not_made_again(tmp_path: Path) -> None:
    folder = SlideFolder(tmp_path, "smear")
    for _ in range(2):
        folder.start()
        folder.write("overlays/a.jpg", b"x")
        folder.discard()
        for name in ("overlays/b.jpg", "cells.csv"):
            with pytest.raises(OutputError):
                folder.write(name, b"x")
        assert names(tmp_path) == set()


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        pytest.param(None, "finished", id="all the work is done"),
        pytest.param(KeyboardInterrupt(), "interrupted", id="a second Ctrl-C"),
        pytest.param(ZeroDivisionError(), "failed", id="an error of ours"),
    ],
)
def test_ctrl_c_while_the_tables_are_written_changes_nothing(
    tmp_path: Path,
    smear: Smear,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
    ends: BaseException | None,
    status: str,
) -> None:
    def write(path: Path, content: str | bytes) -> None:
        if path.name in TABLES and json_status() == "running":
            signal.raise_signal(signal.SIGINT)
        write_whole(path, content)

    def json_status() -> str | None:
        path = out / "run.json"
        return str(json.loads(path.read_text())["status"]) if path.is_file() else None

    def stop(done: int, total: int, slide_id: str) -> None:
        if ends:
            raise ends

    out = tmp_path / "out"
    monkeypatch.setattr(run, "write_whole", write)
    folder = smear(a=("neutrophil",))
    if status == "failed":
        with pytest.raises(ZeroDivisionError):
            analyze([folder], out, ONE, stop, models)
    else:
        interrupted = analyze([folder], out, ONE, stop, models).interrupted
        assert interrupted == (status == "interrupted")
    assert json_status() == status
    assert names(out) == TABLES | {"smear"}


def test_ctrl_c_just_before_the_tables_are_written(
    tmp_path: Path, smear: Smear, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds the run at its end, before anybody is deaf to it."""
    closed: list[str] = []

    def close(self: run.Run, status: str) -> None:
        closed.append(status)
        if len(closed) == 1:
            raise KeyboardInterrupt
        now_close(self, status)

    now_close = run.Run.write_files
    monkeypatch.setattr(run.Run, "write_files", close)
    summary = analyze([smear(a=())], tmp_path / "out", ONE, models=models)
    assert not summary.interrupted
    assert closed == ["finished", "finished"]


def test_a_second_ctrl_c_leaves_nothing_half_made(
    tmp_path: Path, smear: Smear, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    def discard(self: SlideFolder) -> None:
        signal.raise_signal(signal.SIGINT)
        now_discard(self)

    def stop(done: int, total: int, slide_id: str) -> None:
        monkeypatch.setattr(SlideFolder, "discard", discard)
        raise KeyboardInterrupt

    now_discard = SlideFolder.discard
    out = tmp_path / "out"
    fields = dict.fromkeys("abcdefgh", ("neutrophil",))
    summary = analyze([smear(**fields)], out, AnalyzeSettings(threads=2), stop, models)
    assert summary.interrupted
    assert names(out) == TABLES


@pytest.fixture
def bare_signals() -> Iterator[None]:
    """Signals as a process begins with them.

    Ray, where a test has joined a cluster, hears SIGTERM; a shell's job in the background hears no
    Ctrl-C.
    """
    bare: dict[signal.Signals, Any] = {
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGINT: signal.default_int_handler,
    }
    received = {one: signal.signal(one, handler) for one, handler in bare.items()}
    yield
    for one, handler in received.items():
        signal.signal(one, handler)


@pytest.mark.usefixtures("bare_signals")
def test_what_hears_ctrl_c_hears_it_again_afterwards() -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with defer_signals():
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "it has no handler: it ends us"
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("bare_signals")
def test_what_hangs_is_ended_by_a_late_ctrl_c(
    tmp_path: Path, smear: Smear, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    def close(self: run.Run, status: str) -> None:
        closed.append(status)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(run.Run, "write_files", close)
    for module in ("run", "signals"):
        monkeypatch.setattr(f"leukodiff.pipeline.runs.{module}.SIGNAL_GRACE_S", -1.0)
    with pytest.raises(KeyboardInterrupt):
        analyze([smear(a=())], tmp_path / "out", ONE, models=models)
    assert closed == ["finished"]


def test_another_thread_hears_no_ctrl_c() -> None:
    received: list[object] = []

    def work() -> None:
        with defer_signals():
            received.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert received == [signal.getsignal(signal.SIGINT)]
