"""Cost and gain of a cluster: measured on nodes that are processes of this machine.

    python benchmarks/cluster.py [--slides 24] [--fields 6] [--scan-blocks 4] [--many 10000]

Needs the `cluster` extra. Each node has one core, and its processes are kept to a core of their own
(where the machine has so many): a second node brings a second core. In order: the work of one slide
and one cell (processor time, so that it hardly matters what else the machine does); what the driver
does for so `--many` slides; how fast slides are dealt out; the same slides on one node and on two;
a node that comes, and one that is killed, after a third of them; one scan alone and shared by two
nodes. All of it goes into `cluster.json` in `--out`.
"""

import argparse
import json
import logging
import os
import resource
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from cluster_course import Course, busy_and_all
from ray.cluster_utils import Cluster

from leukodiff.datasets.phantom import PhantomSettings, ScanSettings, render_scan, render_smear
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, RunSummary, analyze
from leukodiff.pipeline.runs.cluster import ClusterSettings, worker_pool
from leukodiff.pipeline.runs.cluster.run import analyze_on_cluster
from leukodiff.pipeline.runs.cluster.worker_pool import Work, WorkerPool
from leukodiff.pipeline.runs.output import RECORD, standing_records
from leukodiff.pipeline.slides.discover import find_slides

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
CORES = sorted(os.sched_getaffinity(0))

found_so_far: list[dict[str, Any]] = []


def _call(call: Any, *args: Any) -> None:
    """Calls what has no types."""
    call(*args)


@contextmanager
def core(n: int) -> Iterator[None]:
    """Keeps what is started within to one core, the `n`th that there is."""
    os.sched_setaffinity(0, {CORES[n % len(CORES)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def add_node(nodes: Cluster, n: int) -> None:
    """A node of one core, the `n`th of the machine."""
    with core(n):
        _call(partial(nodes.add_node, **NODE))


@contextmanager
def cluster_of(n: int) -> Iterator[Cluster]:
    """A cluster of `n` nodes of one core, this process its driver."""
    with core(0):
        found = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    for i in range(1, n):
        add_node(found, i)
    ray.init(found.address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield found
    finally:
        ray.shutdown()
        _call(found.shutdown)


def figures(name: str, **found: Any) -> None:
    """Keeps a measurement, and prints it as a line of JSON."""
    found_so_far.append({"what": name, **found})
    print(json.dumps(found_so_far[-1]), flush=True)


def others(when: str, watch_s: float = 5.0) -> None:
    """Load of each core by other work while we do nothing."""
    before = busy_and_all()
    time.sleep(watch_s)
    after = busy_and_all()
    shares = [
        round((busy - b) / max(1, total - t), 2)
        for (busy, total), (b, t) in zip(after, before, strict=True)
    ]
    load = [round(one, 1) for one in os.getloadavg()]
    figures(f"other work, {when}", busy_share_of_cores=shares, load=load)


def cpu_s() -> float:
    """Processor time of this process, s."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def n_cells(summary: RunSummary) -> int:
    """The cells of all slides of a run."""
    return sum(int(str(row["n_cells"])) for row in summary.rows)


def one_core(inputs: Path, out: Path, fields: int) -> None:
    """The work of a slide and of a cell, without a cluster."""
    analyze([inputs], out / "warm", AnalyzeSettings(threads=1))  # compiles and imports
    began, used = time.monotonic(), cpu_s()
    summary = analyze([inputs], out / "one", AnalyzeSettings(threads=1))
    slides, cells, work = len(summary.slides), n_cells(summary), cpu_s() - used
    size = sum(p.stat().st_size for p in (out / "one").rglob("*") if p.is_file())
    figures(
        "one core",
        slides=slides,
        fields_per_slide=fields,
        cells=cells,
        cpu_s_per_slide=round(work / slides, 2),
        cpu_s_per_cell=round(work / cells, 3),
        cpu_s_per_field=round(work / slides / fields, 2),
        wall_s=round(time.monotonic() - began, 1),
        written_mb_per_slide=round(size / slides / 1e6, 2),
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


Observe = Callable[[Course], None]


def on_nodes(n: int, inputs: Path, out: Path, name: str, **cluster: Any) -> None:
    """The same on nodes."""
    with cluster_of(n):
        course, summary = run(inputs, out, lambda _: None, **cluster)
        figures(
            name,
            nodes=n,
            slides=len(summary.slides),
            failed=len(summary.failures),
            wall_s=round(course.now(), 1),
            first_after_s=round(course.ended[0][0], 1),
            slides_per_min_after_first=course.pace(),
            by_node=course.by_node(),
            cores_had=course.cores_had(),
            worker_cpu_s=round(course.workers.used(), 1),
            worker_mb_at_first=course.workers.own_mb[0],
            worker_mb_at_last=course.workers.own_mb[-1],
            worker_mb_at_most=max(course.workers.own_mb),
        )


def run(inputs: Path, out: Path, observe: Observe, **cluster: Any) -> tuple[Course, RunSummary]:
    """A run on the cluster at hand; `observe` is called after each slide."""
    course, log = Course(), logging.getLogger("leukodiff")
    log.setLevel(logging.INFO)
    log.addHandler(course)
    try:
        where = ClusterSettings(**cluster)
        return course, analyze_on_cluster([inputs], out, None, lambda *_: observe(course), where)
    finally:
        log.removeHandler(course)


def changing(inputs: Path, out: Path, kill: bool) -> None:
    """A node comes, or is killed, after a third of the slides."""
    n = len(list(inputs.iterdir()))
    changed: list[float] = []
    with cluster_of(2 if kill else 1) as nodes:

        def observe(course: Course) -> None:
            if len(course.ended) < n / 3 or changed:
                return
            changed.append(course.now())
            if kill:
                nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
            else:
                add_node(nodes, 1)

        went, summary = run(inputs, out, observe)
    first = went.ended[0][1]
    helped = next((at for at, node in went.ended if node != first and at > changed[0]), None)
    figures(
        "node killed" if kill else "node added",
        slides=len(summary.slides),
        failed=len(summary.failures),
        changed_after_s=round(changed[0], 1),
        wall_s=round(went.now(), 1),
        by_node=went.by_node(),
        cores_had_before=went.cores_had(until=changed[0]),
        cores_had_after=went.cores_had(since=changed[0] if kill else helped or inf),
        slides_per_min_before=went.pace(until=changed[0]),
        slides_per_min_after=went.pace(since=changed[0] if kill else helped or inf),
        newcomer_after_s=None if kill or helped is None else round(helped - changed[0], 1),
    )


class Idle:
    """A worker whose slides cost no work, only a wait such as for a slow store."""

    def __init__(self, config: Any) -> None:
        self.config = config

    def ready(self) -> None:
        """At once."""

    def close(self) -> None:
        """Nothing to do."""

    def analyze(self, content: bytes, wait_s: float) -> bytes:
        """Waits, and sends back what it got."""
        time.sleep(wait_s)
        return content


@contextmanager
def idle_pool(n: int) -> Iterator[WorkerPool]:
    """A pool of such workers on `n` nodes."""
    names = vars(worker_pool)
    real, names["Worker"] = names["Worker"], Idle
    _call(ray.cloudpickle.register_pickle_by_value, sys.modules[__name__])
    try:
        with cluster_of(n):
            pool = WorkerPool(None, 1)  # type: ignore[arg-type]
            yield pool
            pool.close()
    finally:
        names["Worker"] = real


def dealing(n: int, nodes: int, wait_s: float) -> None:
    """Pieces of work dealt out in a second that cost nothing but a wait."""
    content = bytes(20_000)  # about what a slide's outcome and record are
    with idle_pool(nodes) as pool:
        todo = [Work("analyze", (content, wait_s)) for _ in range(n)]
        ended = [time.monotonic() for _ in pool.each(todo)]
    rate = (n - 1) / (ended[-1] - ended[0])
    figures("dealing", pieces=n, nodes=nodes, wait_s=wait_s, a_second=round(rate, 1))


def many(n: int, one: Path, work: Path) -> None:
    """The driver's own work for many slides: finds them, and reads the records of all."""
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
    read = time.monotonic() - began
    figures(
        "many",
        slides=len(found),
        find_s=round(listed, 2),
        records=len(records),
        records_s=round(read, 2),
        record_kb=round(len(record) / 1000, 1),
        kb_per_slide_of_one_field=round(_held(inputs) / n / 1000, 2),
    )


def _held(inputs: Path) -> int:
    """The memory that the slides of a folder take, bytes."""
    tracemalloc.start()
    found = find_slides([inputs])
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert found
    return size


def main() -> None:
    """All of it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("slides", 24), ("fields", 6), ("scan-blocks", 4), ("many", 10_000)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--out", type=Path, default=Path("docs/results"))
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="leukodiff-cluster-") as folder:
        work = Path(folder)
        render(work, asked.slides, asked.fields, asked.scan_blocks)
        others("before")
        one_core(work / "slides", work / "out", asked.fields)
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
        others("after")
    found = {"made": date.today().isoformat(), "cores": len(CORES), "ray": ray.__version__}
    text = json.dumps({**found, "figures": found_so_far}, indent=1)
    (asked.out / "cluster.json").write_text(text + "\n", encoding="utf-8")


def render(work: Path, slides: int, fields: int, blocks: int) -> None:
    """Slides of fields, and a scan of so many blocks of 2048 px each way."""
    settings = PhantomSettings(n_white=10, stain="camera")
    for i in range(slides):
        render_smear(work / f"slides/s{i + 1}", replace(settings, seed=i), fields, ".jpg")
    block = PhantomSettings(width=2048, height=2048, um_per_px=0.25, n_white=20, seed=3)
    render_scan(work / "scan/scan.tif", block, ScanSettings(plan=("m" * blocks,) * blocks))


if __name__ == "__main__":
    main()
