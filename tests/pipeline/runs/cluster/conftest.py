import csv
import io
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leukodiff.datasets.phantom import PhantomSettings, ScanSettings, render_scan, render_smear
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
FIELD = PhantomSettings(width=320, height=240, n_white=1, stain="camera", um_per_px=0.1)
BLOCK = PhantomSettings(width=1024, height=1024, um_per_px=0.25, n_white=6, seed=3)
OF_FIELDS, OF_SCANS = AnalyzeSettings(um_per_px=0.1), AnalyzeSettings()
N_SLIDES = 4

OURS = "LEUKODIFF_TESTS"
"""In the environment of what these tests start: by which process they are run."""

Sheet = dict[str, bytes]


@pytest.fixture(scope="session")
def server() -> Iterator[str | None]:
    """The address of an S3 server with nothing in it; `None` where none is installed."""
    try:
        from moto.server import ThreadedMotoServer
    except ModuleNotFoundError:
        yield None
        return
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    found = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    found.start()
    host, port = found.get_host_and_port()
    yield f"http://{host}:{port}"
    found.stop()


@pytest.fixture(scope="session")
def environment(server: str | None) -> Iterator[None]:
    """What every process of the cluster finds: no word to Ray's makers, the way to the server."""
    found = {"RAY_USAGE_STATS_ENABLED": "0", "AWS_DEFAULT_REGION": "us-east-1"}
    found |= {OURS: str(os.getpid())}
    found |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**found, "AWS_ENDPOINT_URL": server or ""}.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def s3(server: str | None, environment: None) -> None:
    """Skips a test where there is no S3 server, or nothing to speak to it with."""
    pytest.importorskip("s3fs", reason="s3fs is not installed: the `cluster` extra brings it")
    if server is None:
        pytest.skip("no S3 server for tests is installed: moto, flask and flask-cors")


@pytest.fixture(scope="session")
def nodes(environment: None) -> Iterator[Any]:
    """A Ray cluster of node processes of one core each: a head, and who else a test adds."""
    pytest.importorskip("ray", reason="Ray is not installed: the `cluster` extra brings it")
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    yield found
    found.shutdown()


@pytest.fixture
def driver(nodes: Any) -> Iterator[Any]:
    """This process as a part of the cluster."""
    import ray

    ray.init(nodes.address, log_to_driver=False, logging_level=logging.ERROR)
    yield nodes
    ray.shutdown()
    for node in list(nodes.worker_nodes):
        nodes.remove_node(node)


@pytest.fixture(scope="session")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slides of two small fields each."""
    root = tmp_path_factory.mktemp("cluster") / "smears"
    for i in range(N_SLIDES):
        render_smear(root / f"s{i + 1}", replace(FIELD, seed=i + 1), 2)
    return root


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan of 3 x 3 blocks."""
    path = tmp_path_factory.mktemp("cluster") / "scans/scan.tif"
    render_scan(path, BLOCK, ScanSettings(plan=("m" * 3,) * 3))
    return path


@pytest.fixture(scope="session")
def of_smears(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one machine makes of the smears."""
    out = tmp_path_factory.mktemp("one") / "out"
    analyze([smears], out, OF_FIELDS)
    return out


@pytest.fixture(scope="session")
def of_scan(scan: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one machine makes of the scan."""
    out = tmp_path_factory.mktemp("one") / "out"
    analyze([scan], out, OF_SCANS)
    return out


def node_workers(within_s: float = 5.0) -> list[str]:
    """The workers of runs on the clusters of these tests, once those that are ending have ended."""
    until = time.monotonic() + within_s
    while (found := _node_workers()) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def _node_workers() -> list[str]:
    nodes = _of_ours("raylet")
    found = []
    for process in _processes():
        with suppress(OSError):  # it has ended
            name = _name(process)
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            found += [name] if name.startswith("ray::Worker") and parent in nodes else []
    return found


def heads() -> set[str]:
    """The heads of the clusters of these tests, by process."""
    return _of_ours("gcs_server")


def _of_ours(program: str) -> set[str]:
    """The processes of a program of Ray that these tests have started, and not others beside."""
    found = set()
    for process in _processes():
        with suppress(OSError):
            ours = f"{OURS}={os.getpid()}".encode() in (process / "environ").read_bytes()
            found |= {process.name} if ours and f"/{program} " in _name(process) else set()
    return found


def _processes() -> Iterable[Path]:
    return Path("/proc").glob("[0-9]*")


def _name(process: Path) -> str:
    return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


TIMES = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([+-]\d\d:\d\d)?|took [\d.]+ s")
SECONDS = re.compile(rb'"seconds": ?"?[\d.e-]+"?')


def but_for_times(name: str, content: bytes) -> bytes:
    """A file of the output without the times in it."""
    if name.endswith("slides.csv"):
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        return "\n".join(str({**row, "seconds": ""}) for row in rows).encode()
    return SECONDS.sub(b'"seconds":0', TIMES.sub(b"-", content))


@pytest.fixture(scope="session")
def sheet() -> Callable[[Path], Sheet]:
    """Every file of an output but run.json, which tells of the run: its name, and its bytes but
    for times."""

    def read(out: Path) -> Sheet:
        files = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.is_file()}
        files.pop("run.json")
        return {name: but_for_times(name, path.read_bytes()) for name, path in files.items()}

    return read
