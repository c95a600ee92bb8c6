"""Slides from an object store and results into one: S3, as a server on this machine speaks it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leukodiff.pipeline.runs.cluster import ClusterSettings

from .conftest import N_SLIDES, NODE, OF_FIELDS, OF_SCANS

Sheets = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def place(s3: None, request: pytest.FixtureRequest) -> Any:
    """A folder of a bucket, for one test."""
    from upath import UPath

    bucket = UPath("s3://laboratory")
    bucket.mkdir(exist_ok=True)
    return bucket / request.node.name


def run(inputs: str, out: str, settings: Any = OF_FIELDS, **cluster: Any) -> Any:
    from leukodiff.pipeline.runs.cluster.run import analyze_on_cluster

    return analyze_on_cluster([inputs], out, settings, cluster=ClusterSettings(**cluster))


def downloaded(place: Any, into: Path) -> Path:
    place.fs.invalidate_cache()
    place.fs.get(place.path, str(into), recursive=True)
    return into


def test_slides_and_results_in_a_store(
    tmp_path: Path, place: Any, driver: Any, smears: Path, of_smears: Path, sheet: Sheets
) -> None:
    place.fs.put(str(smears), f"{place.path}/smears", recursive=True)
    half = place / "out/s2/overlays/half.jpg"  # what a node left that died as it uploaded
    half.write_bytes(b"x")
    summary = run(f"{place}/smears", f"{place}/out")
    assert summary.exit_status == 0
    assert str(summary.out) == f"{place}/out"
    got, expected = sheet(downloaded(place / "out", tmp_path / "got")), sheet(of_smears)
    assert paths_of(got.pop("s1/slide.json")) == [
        f"{place}/smears/s1/field_{i:03d}.png" for i in (1, 2)
    ]
    others = [name for name in expected if name.endswith("slide.json")]
    assert got.keys() == expected.keys() - {"s1/slide.json"}
    assert {name for name in got if got[name] != expected[name]} == {*others} - {"s1/slide.json"}
    for name in {*others} - {"s1/slide.json"}:
        assert but_for_paths(got[name]) == but_for_paths(expected[name])
    again = run(f"{place}/smears", f"{place}/out")
    assert [one.skipped for one in again.slides] == [True] * N_SLIDES


def paths_of(record: bytes) -> list[str]:
    return list(json.loads(record)["paths"])


def but_for_paths(record: bytes) -> dict[str, Any]:
    return {**json.loads(record), "paths": []}


def test_a_node_that_dies_while_results_go_to_a_store(
    tmp_path: Path, place: Any, driver: Any, smears: Path, of_smears: Path, sheet: Sheets
) -> None:
    from leukodiff.pipeline.runs.cluster.run import analyze_on_cluster

    nodes = [driver.add_node(**NODE)]

    def reported(done: int, total: int, slide_id: str) -> None:
        if nodes:
            driver.remove_node(nodes.pop(), allow_graceful=False)

    summary = analyze_on_cluster([smears], f"{place}/out", OF_FIELDS, reported, ClusterSettings())
    assert nodes == []
    assert summary.exit_status == 0
    assert sheet(downloaded(place / "out", tmp_path / "got")) == sheet(of_smears)


def test_a_scan_in_a_store(
    tmp_path: Path, place: Any, driver: Any, scan: Path, of_scan: Path, sheet: Sheets
) -> None:
    driver.add_node(**NODE)
    far = place / "scans/scan.tif"
    far.write_bytes(scan.read_bytes())
    run(str(far), f"{place}/out", OF_SCANS, share_from=1)
    got, expected = sheet(downloaded(place / "out", tmp_path / "got")), sheet(of_scan)
    records = [one.pop("scan/slide.json") for one in (got, expected)]
    assert got == expected
    assert but_for_paths(records[0]) == but_for_paths(records[1])
