"""What kills the workers that do it costs what it costs on one machine: the field."""

import logging
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from leukodiff.pipeline.runs.analyze import analyze_slides
from leukodiff.pipeline.runs.cluster import ClusterSettings
from leukodiff.pipeline.runs.observer import RunObserver
from leukodiff.pipeline.slides.discover import find_slides

from .conftest import OF_FIELDS, node_workers


def die() -> None:
    """As where the system takes away what holds too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def ready_to_die(worker: Any) -> None:
    """From now on reading some images ends this process."""
    from leukodiff.pipeline.runs.cluster.worker import Worker
    from leukodiff.pipeline.slides import discover as slides

    read = vars(slides)["read_rgb"]

    def deadly(path: Path) -> Any:
        if "killer" in path.name:
            die()
        return read(path)

    vars(slides)["read_rgb"] = deadly
    Worker.ready(worker)


def analyze_and_die(worker: Any, slide: Any, replaces: Any, failed_items: Any) -> None:
    die()


@pytest.fixture
def workers(driver: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Lets a run start workers with some of their methods changed."""
    from ray import cloudpickle

    from leukodiff.pipeline.runs.cluster import worker_pool
    from leukodiff.pipeline.runs.cluster.worker import Worker

    cloudpickle.register_pickle_by_value(sys.modules[__name__])

    def change(**methods: Any) -> None:
        monkeypatch.setattr(worker_pool, "Worker", type("Changed", (Worker,), methods))

    yield change
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def run(inputs: Path, out: Path) -> Any:
    from leukodiff.pipeline.runs.cluster.run import analyze_on_cluster

    return analyze_on_cluster([inputs], out, OF_FIELDS, cluster=ClusterSettings())


def test_a_field_that_kills_its_worker_fails_alone(
    tmp_path: Path,
    workers: Callable[..., None],
    smears: Path,
    sheet: Callable[[Path], dict[str, bytes]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    inputs = tmp_path / "smears"
    shutil.copytree(smears, inputs)
    (inputs / "s2/field_002.png").rename(inputs / "s2/killer.png")
    workers(ready=ready_to_die)
    with caplog.at_level(logging.WARNING, "leukodiff"):
        summary = run(inputs, tmp_path / "out")
    assert summary.exit_status == 1
    assert [row["status"] for row in summary.rows] == ["done", "incomplete", "done", "done"]
    (failure,) = summary.failures
    reason = failure["error"]
    assert (failure["slide_id"], failure["field_id"]) == ("s2", "killer.png")
    assert reason.startswith("given up after 3 tries: The actor died")
    began, found = (one.getMessage() for one in caplog.records)
    assert re.fullmatch("s2: given up after 3 tries: .*; trying its fields one by one", began)
    assert found == f"s2/killer.png: {reason}; going on with the rest"
    observer = RunObserver(failed_items={("s2", "killer.png"): reason})
    analyze_slides(find_slides([inputs]), tmp_path / "one", OF_FIELDS, observer=observer)
    assert sheet(tmp_path / "out") == sheet(tmp_path / "one")
    assert node_workers() == []


def test_a_slide_that_kills_its_worker_by_no_one_field_fails(
    tmp_path: Path, workers: Callable[..., None], smears: Path
) -> None:
    shutil.copytree(smears / "s1", tmp_path / "smears/s1")
    workers(analyze=analyze_and_die)
    summary = run(tmp_path / "smears", tmp_path / "out")
    (row,) = summary.rows
    assert row["status"] == "failed"
    assert str(row["error"]).startswith("given up after 3 tries: The actor died")
