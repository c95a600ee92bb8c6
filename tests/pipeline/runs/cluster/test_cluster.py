import json
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from leukodiff.core.errors import InputError
from leukodiff.pipeline.analysis import ReadingSettings, Workers, read_scan
from leukodiff.pipeline.analysis.models import load_models
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, RunSummary
from leukodiff.pipeline.runs.cluster import ClusterSettings
from leukodiff.pipeline.runs.cluster.shared_scan import RemoteHelper, RemoteHelpers, SharingWorkers
from leukodiff.pipeline.slides import open_scan
from leukodiff.pipeline.slides.discover import Field

from .conftest import N_SLIDES, NODE, OF_FIELDS, OF_SCANS

Sheets = Callable[[Path], dict[str, bytes]]


def run(
    inputs: Path,
    out: Path,
    settings: AnalyzeSettings = OF_FIELDS,
    reported: Callable[[int, int, str], None] | None = None,
    **cluster: Any,
) -> RunSummary:
    from leukodiff.pipeline.runs.cluster.run import analyze_on_cluster

    return analyze_on_cluster([inputs], out, settings, reported, ClusterSettings(**cluster))


def nodes_of(records: list[logging.LogRecord]) -> dict[str, set[str]]:
    """The slides that each node has made."""
    found: dict[str, set[str]] = {}
    for record in records:
        if made := re.match(r"(\S+): done on .*\((\w+)\)", record.getMessage()):
            found.setdefault(made[2], set()).add(made[1])
    return found


def test_slides_are_those_of_one_machine_to_the_byte(
    tmp_path: Path, driver: Any, smears: Path, of_smears: Path, sheet: Sheets
) -> None:
    driver.add_node(**NODE)
    out = tmp_path / "out"
    summary = run(smears, out)
    assert summary.exit_status == 0
    assert summary.out == out
    assert sheet(out) == sheet(of_smears)
    assert json.loads((out / "run.json").read_text())["status"] == "finished"
    again = run(smears, out)
    assert [one.skipped for one in again.slides] == [True] * N_SLIDES
    assert sheet(out) == sheet(of_smears)
    with pytest.raises(InputError, match="made from other files, by other models or"):
        run(smears, out, replace(OF_FIELDS, um_per_px=0.11))


def test_a_node_that_dies_costs_nothing_and_one_that_comes_takes_its_share(
    tmp_path: Path,
    driver: Any,
    smears: Path,
    of_smears: Path,
    sheet: Sheets,
    caplog: pytest.LogCaptureFixture,
) -> None:
    dying = driver.add_node(**NODE)
    coming: list[Any] = []

    def reported(done: int, total: int, slide_id: str) -> None:
        if not coming:
            driver.remove_node(dying, allow_graceful=False)
            coming.append(driver.add_node(**NODE))

    with caplog.at_level(logging.INFO, "leukodiff"):
        summary = run(smears, tmp_path / "out", reported=reported)
    assert summary.exit_status == 0
    assert sheet(tmp_path / "out") == sheet(of_smears)
    made = nodes_of(caplog.records)
    assert set().union(*made.values()) == {f"s{i + 1}" for i in range(N_SLIDES)}


def test_a_scan_shared_between_nodes_is_that_of_one_machine(
    tmp_path: Path, driver: Any, scan: Path, of_scan: Path, sheet: Sheets
) -> None:
    driver.add_node(**NODE)
    assert run(scan, tmp_path / "out", OF_SCANS, share_from=1).exit_status == 0
    assert sheet(tmp_path / "out") == sheet(of_scan)


def test_a_helper_on_a_node_takes_regions_until_it_dies(
    tmp_path: Path, driver: Any, scan: Path
) -> None:
    """The one who reads the scan is this process; the cluster's core is its helper's."""
    from leukodiff.pipeline.runs.cluster.run import worker_config
    from leukodiff.pipeline.runs.cluster.stores import FolderStore
    from leukodiff.pipeline.runs.cluster.worker import helper_factory

    models, store = load_models(workers=1), FolderStore(tmp_path)
    store.prepare()
    config = worker_config(OF_SCANS, ClusterSettings(), store, models)
    start_helpers = helper_factory(config, Field(scan.name, scan, scan.stem, is_scan=True))
    taken: list[int] = []

    def counted() -> list[RemoteHelper]:
        return [replace(one, call=partial(watched, one)) for one in start_helpers()]

    def watched(helper: RemoteHelper, do: bytes, items: Sequence[Any]) -> Future[list[Any]]:
        taken.append(len(items))
        if len(taken) == 2:
            helper.end()
        return helper.call(do, items)

    helpers = RemoteHelpers(counted)
    with ThreadPoolExecutor(1) as pool, open_scan(scan) as opened:
        how, on_progress = ReadingSettings(), lambda share, what: None
        alone = read_scan(opened, models, how, Workers(pool, 1), on_progress)
        helpers.request_more()
        wait(helpers.starting())
        workers = SharingWorkers(pool, 1, helpers=helpers, share_from=1)
        shared = read_scan(opened, models, how, workers, on_progress)
    helpers.close()
    store.tidy()
    assert len(taken) >= 2
    assert shared.white.xyxy.tobytes() == alone.white.xyxy.tobytes()
    assert shared.predictions.probabilities.tobytes() == alone.predictions.probabilities.tobytes()
