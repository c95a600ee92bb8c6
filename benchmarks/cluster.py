"""What a cluster costs and what it brings: measured on nodes that are processes of this machine.

    python benchmarks/cluster.py [--slides 12] [--fields 6] [--scan-blocks 5] [--many 10000]

Needs the `cluster` extra. In order: the work of one slide and one cell (processor time, so that it
hardly matters what else the machine does); the same slides on one node of one core and on two; a
node that comes half-way and one that is killed half-way; one scan alone and shared by two nodes;
how fast slides are dealt out, and what the driver does for so `--many` of them.
"""

import argparse
import json
import logging
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray.cluster_utils import Cluster

from leukodiff.datasets.phantom import PhantomSettings, ScanSettings, render_scan, render_smear
from leukodiff.pipeline.analyze import AnalyzeSettings, RunSummary, analyze
from leukodiff.pipeline.cluster import ClusterSettings
from leukodiff.pipeline.cluster import crew as crew_of
from leukodiff.pipeline.cluster.crew import Crew, Work
from leukodiff.pipeline.cluster.run import analyze_on_cluster
from leukodiff.pipeline.output import RECORD, standing_records
from leukodiff.pipeline.slides import find_slides

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
Told = Callable[[int, int, str], None]


def _of_ray(call: Any, *args: Any) -> None:
    """Calls what has no types."""
    call(*args)


@contextmanager
def cluster_of(n: int) -> Iterator[Cluster]:
    """A cluster of `n` nodes of one core, this process its driver."""
    found = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    for _ in range(n - 1):
        found.add_node(**NODE)
    ray.init(found.address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield found
    finally:
        ray.shutdown()
        _of_ray(found.shutdown)


def figures(name: str, **found: Any) -> None:
    """Prints a measurement, as a line of JSON."""
    print(json.dumps({"what": name, **found}), flush=True)


def cpu_s() -> float:
    """Processor time of this process, s."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def n_cells(summary: RunSummary) -> int:
    """The cells of all slides of a run."""
    return sum(int(str(row["n_cells"])) for row in summary.rows)


def one_core(inputs: Path, out: Path) -> None:
    """The work of a slide and of a cell, without a cluster."""
    analyze([inputs], out / "warm", AnalyzeSettings(threads=1))  # compiles and imports
    began, used = time.monotonic(), cpu_s()
    summary = analyze([inputs], out / "one", AnalyzeSettings(threads=1))
    slides, cells, work = len(summary.slides), n_cells(summary), cpu_s() - used
    size = sum(p.stat().st_size for p in (out / "one").rglob("*") if p.is_file())
    figures(
        "one core",
        slides=slides,
        cells=cells,
        cpu_s_per_slide=round(work / slides, 2),
        cpu_s_per_cell=round(work / cells, 3),
        wall_s=round(time.monotonic() - began, 1),
        written_mb_per_slide=round(size / slides / 1e6, 2),
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


def on_nodes(n: int, inputs: Path, out: Path, name: str, **cluster: Any) -> None:
    """The same on nodes."""
    ended: list[float] = []
    with cluster_of(n):
        began = time.monotonic()
        run(inputs, out, lambda *_: ended.append(time.monotonic() - began), **cluster)
        figures(name, nodes=n, wall_s=round(time.monotonic() - began, 1), **pace(ended))


def pace(ended: list[float]) -> dict[str, Any]:
    """When the first slide was done, and slides a minute from then on."""
    rest = ended[-1] - ended[0]
    rate = round(60 * (len(ended) - 1) / rest, 1) if rest else None
    return {"first_after_s": round(ended[0], 1), "slides_per_min_after": rate}


def run(inputs: Path, out: Path, told: Told, **cluster: Any) -> RunSummary:
    """A run on the cluster at hand."""
    return analyze_on_cluster([inputs], out, None, told, ClusterSettings(**cluster))


def changing(inputs: Path, out: Path, kill: bool) -> None:
    """A node comes, or is killed, after a third of the slides."""
    with cluster_of(2 if kill else 1) as nodes:
        began, ended, at = time.monotonic(), list[float](), list[float]()

        def told(done: int, total: int, slide_id: str) -> None:
            ended.append(time.monotonic() - began)
            if done >= total / 3 and not at:
                at.append(ended[-1])
                if kill:
                    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
                else:
                    nodes.add_node(**NODE)

        summary = run(inputs, out, told)
        before = [one for one in ended if one <= at[0]]
        after = [one for one in ended if one > at[0]]
        figures(
            "node killed" if kill else "node added",
            after_s=round(at[0], 1),
            wall_s=round(time.monotonic() - began, 1),
            failed=len(summary.failures),
            slides_per_min_before=round(60 * len(before) / at[0], 1),
            slides_per_min_after=round(60 * len(after) / (ended[-1] - at[0]), 1),
        )


class Idle:
    """A worker whose slides cost no work, only a wait such as for a slow store."""

    def __init__(self, orders: Any) -> None:
        self.orders = orders

    def ready(self) -> None:
        """At once."""

    def close(self) -> None:
        """Nothing to do."""

    def analyze(self, content: bytes, wait_s: float) -> bytes:
        """Waits, and sends back what it got."""
        time.sleep(wait_s)
        return content


@contextmanager
def idle_crew(n: int) -> Iterator[Crew]:
    """A crew of such workers on `n` nodes."""
    names = vars(crew_of)
    real, names["Worker"] = names["Worker"], Idle
    _of_ray(ray.cloudpickle.register_pickle_by_value, sys.modules[__name__])
    try:
        with cluster_of(n):
            crew = Crew(None, 1)  # type: ignore[arg-type]
            yield crew
            crew.close()
    finally:
        names["Worker"] = real


def dealing(n: int, nodes: int, wait_s: float) -> None:
    """How many pieces of work a second are dealt out that cost nothing but a wait."""
    content = bytes(20_000)  # about what a slide's outcome and record are
    with idle_crew(nodes) as crew:
        todo = [Work("analyze", (content, wait_s)) for _ in range(n)]
        ended = [time.monotonic() for _ in crew.each(todo)]
    rate = (n - 1) / (ended[-1] - ended[0])
    figures("dealing", pieces=n, nodes=nodes, wait_s=wait_s, a_second=round(rate, 1))


def many(n: int, one: Path, work: Path) -> None:
    """What the driver itself does for many slides: finds them, and reads the records of all."""
    inputs, out = work / "many", work / "records"
    record = (one / RECORD).read_text()
    for i in range(n):
        (inputs / f"s{i}").mkdir(parents=True)
        (inputs / f"s{i}/a.png").write_bytes(b"x")
        (out / f"s{i}").mkdir(parents=True)
        (out / f"s{i}" / RECORD).write_text(record.replace('"s1"', f'"s{i}"'))
    began = time.monotonic()
    found = find_slides([inputs])
    listed = time.monotonic() - began
    began = time.monotonic()
    records = standing_records(out)
    figures(
        "many",
        slides=len(found),
        find_s=round(listed, 2),
        records=len(records),
        records_s=round(time.monotonic() - began, 2),
        record_kb=round(len(record) / 1000, 1),
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


def main() -> None:
    """All of it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("slides", 12), ("fields", 6), ("scan-blocks", 5), ("many", 10_000)):
        options.add_argument(f"--{name}", type=int, default=default)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="leukodiff-cluster-") as folder:
        work = Path(folder)
        look = PhantomSettings(n_white=10, stain="camera")
        for i in range(asked.slides):
            render_smear(work / f"slides/s{i + 1}", replace(look, seed=i), asked.fields, ".jpg")
        block = PhantomSettings(width=2048, height=2048, um_per_px=0.25, n_white=20, seed=3)
        plan = ("m" * asked.scan_blocks,) * asked.scan_blocks
        render_scan(work / "scan/scan.tif", block, ScanSettings(plan=plan))
        figures("load", load=[round(one, 1) for one in os.getloadavg()], python=sys.version[:6])
        one_core(work / "slides", work / "out")
        many(asked.many, work / "out/one/s1", work)
        dealing(2000, 2, 0.0)
        for n in (1, 2):
            dealing(60, n, 0.5)
        for n in (1, 2):
            on_nodes(n, work / "slides", work / f"out/{n}", "slides on nodes")
        changing(work / "slides", work / "out/added", kill=False)
        changing(work / "slides", work / "out/killed", kill=True)
        for n in (1, 2):
            on_nodes(n, work / "scan", work / f"out/scan{n}", "a scan on nodes", share_from=16)
        figures("load", load=[round(one, 1) for one in os.getloadavg()])


if __name__ == "__main__":
    main()
