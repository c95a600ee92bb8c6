"""A scan that several workers read is the scan that one reads."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from leukodiff.pipeline.analysis import ReadingSettings, ScanFound, Workers, read_scan
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.analysis.windows import ScanContext
from leukodiff.pipeline.runs.cluster.shared_scan import (
    MAX_CALLS_A_HELPER,
    RemoteHelper,
    RemoteHelpers,
    SharingWorkers,
    packed,
    unpacked,
)
from leukodiff.pipeline.slides import open_scan

pytestmark = pytest.mark.slow

Rgb = NDArray[np.uint8]


class Aside:
    """A helper in this process: does calls on a thread, with a scan of its own."""

    def __init__(self, path: Path, models: Models, fails: Callable[[int], bool]) -> None:
        self.scan, self.models, self.fails = open_scan(path), models, fails
        self.pool = ThreadPoolExecutor(1)
        self.calls, self.ended = 0, False

    def call(self, do: bytes, items: Sequence[Any]) -> Future[list[Any]]:
        self.calls += 1
        return self.pool.submit(self._done, self.calls, do, items)

    def _done(self, number: int, do: bytes, items: Sequence[Any]) -> list[Any]:
        if self.fails(number):
            raise OSError("the node is gone")
        call = unpacked(do, self.scan, self.models)
        return [call(item) for item in items]

    def end(self) -> None:
        self.ended = True
        self.pool.shutdown()
        self.scan.close()


def refuse(item: int) -> int:
    raise OSError(f"item {item}")


def ready(error: Exception | None = None) -> Future[None]:
    future: Future[None] = Future()
    if error:
        future.set_exception(error)
    else:
        future.set_result(None)
    return future


def same(one: ScanFound, other: ScanFound) -> bool:
    return (
        one.scale == other.scale
        and one.reading == other.reading
        and one.n_other == other.n_other
        and one.white.xyxy.tobytes() == other.white.xyxy.tobytes()
        and one.predictions.probabilities.tobytes() == other.predictions.probabilities.tobytes()
    )


def read(path: Path, models: Models, how: ReadingSettings, workers: Workers) -> ScanFound:
    with open_scan(path) as scan:
        return read_scan(scan, models, how, workers, lambda share, what: None)


CELLS = {(x, y): "neutrophil" for x in range(100, 2000, 190) for y in range(100, 1100, 190)}


@pytest.fixture
def path(draw_scan: Callable[..., Rgb], write_scan: Callable[..., Path]) -> Path:
    return write_scan(draw_scan(CELLS, width=2100, height=1200))


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(ReadingSettings(), id="all of it"),
        pytest.param(ReadingSettings(target_cells=20), id="lap by lap"),
        pytest.param(ReadingSettings(full_pass=True), id="everywhere"),
    ],
)
@pytest.mark.parametrize(
    ("starts", "fails", "helped"),
    [
        pytest.param(None, lambda call: False, True, id="a helper"),
        pytest.param(None, lambda call: call > 1, True, id="one that dies"),
        pytest.param(OSError("no node"), lambda call: False, False, id="one that never starts"),
    ],
)
def test_a_shared_scan_is_read_as_by_one(
    path: Path,
    models: Models,
    how: ReadingSettings,
    starts: Exception | None,
    fails: Callable[[int], bool],
    helped: bool,
) -> None:
    aside: list[Aside] = []

    def start_more() -> list[RemoteHelper]:
        if aside:
            return []
        aside.append(Aside(path, models, fails))
        return [RemoteHelper(aside[0].call, ready(starts), aside[0].end)]

    with ThreadPoolExecutor(1) as pool:
        alone = read(path, models, how, Workers(pool, 1))
        helpers = RemoteHelpers(start_more)
        shared = read(path, models, how, SharingWorkers(pool, 1, helpers=helpers, share_from=1))
        helpers.close()
    assert same(alone, shared)
    assert len(alone.white) > 0
    assert bool(aside[0].calls) == helped
    assert aside[0].ended


def test_a_helper_that_hangs_is_sent_home_and_its_part_done_here(
    path: Path, models: Models
) -> None:
    calls: list[Future[list[Any]]] = []
    begun: list[None] = []

    @contextmanager
    def at_work() -> Iterator[None]:
        begun.append(None)
        yield

    def call(do: bytes, items: Sequence[Any]) -> Future[list[Any]]:
        calls.append(Future())
        return calls[-1]

    def end() -> None:
        for one in calls:
            one.set_exception(OSError("the worker was ended"))

    with ThreadPoolExecutor(1) as pool:
        alone = read(path, models, ReadingSettings(), Workers(pool, 1))
        helpers_to_start = [[RemoteHelper(call, ready(), end)]]
        helpers = RemoteHelpers(lambda: helpers_to_start.pop() if helpers_to_start else [])
        workers = SharingWorkers(pool, 1, helpers=helpers, share_from=1, call_limit_s=0.2)
        workers = replace(workers, at_work=at_work)
        shared = read(path, models, ReadingSettings(), workers)
    assert same(alone, shared)
    assert len(calls) == MAX_CALLS_A_HELPER
    assert begun


def test_little_work_is_not_shared(path: Path, models: Models) -> None:
    def start_more() -> list[RemoteHelper]:
        raise AssertionError("nobody was to be asked")

    with ThreadPoolExecutor(1) as pool:
        workers = SharingWorkers(pool, 1, helpers=RemoteHelpers(start_more), share_from=10**6)
        assert len(read(path, models, ReadingSettings(), workers).white) > 0


def test_what_can_not_be_done_here_either_is_raised(models: Models) -> None:
    with ThreadPoolExecutor(1) as pool:
        workers = SharingWorkers(pool, 1, helpers=RemoteHelpers(list), share_from=1)
        with pytest.raises(OSError, match="item 0"):
            list(workers.over_scan(refuse, range(9)))


def test_scan_and_models_are_left_out_of_what_is_sent(path: Path, models: Models) -> None:
    with open_scan(path) as scan:
        context = ScanContext(scan, 0.5, models)
        small = packed(context.detect)
        assert len(small) < 1000
        other = replace(models, estimate_um_per_px=models.estimate_um_per_px)
        call: Any = unpacked(small, scan, other)
        assert call.__self__.models is other
