"""A read that hangs on a node costs what it costs on one machine: the field, or the slide."""

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze_slides
from leukodiff.pipeline.runs.cluster import ClusterSettings
from leukodiff.pipeline.runs.observer import RunObserver
from leukodiff.pipeline.slides.discover import Slide, find_slides

from .conftest import N_SLIDES, OF_FIELDS, OF_SCANS, node_workers

Sheets = Callable[[Path], dict[str, bytes]]

LIMIT_S = 12.0
"""Far more than a field takes, even where the processor has other things to do."""
REASON = "no answer within 12 s (--field-timeout)"


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Slide]]:
    """Has images hang once their slides are found: a pipe with nobody at its other end."""
    from leukodiff.pipeline.runs.cluster import run as module

    def hang(inputs: Path, *images: Path) -> list[Slide]:
        slides = find_slides([inputs])
        for image in images:
            image.unlink()
            os.mkfifo(image)
        monkeypatch.setattr(module, "find_slides", lambda *_, **__: slides)
        return slides

    return hang


def run(inputs: Path, out: Path, settings: AnalyzeSettings = OF_FIELDS) -> Any:
    from leukodiff.pipeline.runs.cluster.run import analyze_on_cluster

    cluster = ClusterSettings(field_timeout_s=LIMIT_S)
    return analyze_on_cluster([inputs], out, settings, cluster=cluster)


def one_machine(slides: list[Slide], out: Path, *hung: str, settings: Any = OF_FIELDS) -> Any:
    """What a run's child process does that is told what has hung before."""
    failed_items = {(slide_id, field_id): REASON for slide_id, _, field_id in map(split, hung)}
    return analyze_slides(slides, out, settings, observer=RunObserver(failed_items=failed_items))


def split(work: str) -> tuple[str, str, str]:
    return work.partition("/")


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        pytest.param(["001"], "incomplete", f"field_001.png: {REASON}", id="a field"),
        pytest.param(["001", "002"], "failed", REASON, id="all fields"),
    ],
)
def test_a_field_that_hangs_fails_alone(
    tmp_path: Path,
    driver: Any,
    smears: Path,
    sheet: Sheets,
    hanging: Callable[..., list[Slide]],
    caplog: pytest.LogCaptureFixture,
    fields: Sequence[str],
    status: str,
    error: str,
) -> None:
    """The cluster has one core: what hangs on it must go before anything else is done."""
    inputs = tmp_path / "smears"
    shutil.copytree(smears, inputs)
    hung = [f"s2/field_{number}.png" for number in fields]
    slides = hanging(inputs, *(inputs / one for one in hung))
    with caplog.at_level(logging.WARNING, "leukodiff"):
        summary = run(inputs, tmp_path / "out")
    alone = one_machine(slides, tmp_path / "one", *hung)
    assert summary.exit_status == alone.exit_status == 1
    assert [row["status"] for row in summary.rows] == ["done", status, "done", "done"]
    assert error in str(summary.rows[1]["error"])
    assert summary.failures == alone.failures
    assert sheet(tmp_path / "out") == sheet(tmp_path / "one")
    reported = [f"{one}: {REASON}; going on with the rest" for one in hung]
    assert sorted(record.getMessage() for record in caplog.records) == reported
    assert node_workers() == []

    again = run(inputs, tmp_path / "out")
    assert [one.skipped for one in again.slides] == [True] * N_SLIDES


def test_a_scan_that_hangs_fails_and_the_next_one_is_done(
    tmp_path: Path,
    driver: Any,
    scan: Path,
    sheet: Sheets,
    hanging: Callable[..., list[Slide]],
) -> None:
    inputs = tmp_path / "scans"
    inputs.mkdir()
    for name in ("a", "b"):
        shutil.copy(scan, inputs / f"{name}.svs")
    slides = hanging(inputs, inputs / "a.svs")
    summary = run(inputs, tmp_path / "out", OF_SCANS)
    one_machine(slides, tmp_path / "one", "a/a.svs", settings=OF_SCANS)
    assert [row["status"] for row in summary.rows] == ["failed", "done"]
    assert summary.rows[0]["error"] == REASON
    assert sheet(tmp_path / "out") == sheet(tmp_path / "one")


def test_what_hangs_as_a_run_is_taken_up_again_fails_and_its_result_stands(
    tmp_path: Path, driver: Any, smears: Path, sheet: Sheets, hanging: Callable[..., list[Slide]]
) -> None:
    inputs = tmp_path / "smears"
    shutil.copytree(smears, inputs)
    shutil.rmtree(inputs / "s3")
    assert run(inputs, tmp_path / "out").exit_status == 0
    shutil.copytree(tmp_path / "out", tmp_path / "one")
    slides = hanging(inputs, inputs / "s2/field_001.png")
    summary = run(inputs, tmp_path / "out")
    alone = one_machine(slides, tmp_path / "one", "s2/")
    assert summary.exit_status == alone.exit_status == 1
    assert [one.status for one in summary.slides] == ["done", "failed", "done"]
    assert [one.skipped for one in summary.slides] == [True, False, True]
    assert sheet(tmp_path / "out") == sheet(tmp_path / "one")
