"""Ctrl-C: what was finished is kept, and nothing is left half made."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leukodiff.pipeline.analyze import AnalyzeSettings, analyze
from leukodiff.pipeline.models import Models
from leukodiff.pipeline.output import OutputError, SlideFolder

from .conftest import COLOURS, ColourDetector

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

    class Slow(ColourDetector):
        def detect(self, image: Any, um_per_px: float) -> Any:
            if image[45, 10].tolist() == list(COLOURS["red_cell"]):
                held.set()
                assert goes_on.wait(10)
            return super().detect(image, um_per_px)

    def stop(done: int, total: int, slide_id: str) -> None:
        assert held.wait(10)
        raise KeyboardInterrupt

    monkeypatch.setattr("leukodiff.pipeline.batch.crew.PATIENCE_S", 0.01)
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
