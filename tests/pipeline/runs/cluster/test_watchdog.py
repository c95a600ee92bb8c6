"""What takes too long in a worker is reported of; what gets on may take as long as it needs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, get_ident

import pytest

from leukodiff.pipeline.runs.cluster.remote_paths import at, fetched
from leukodiff.pipeline.runs.cluster.watchdog import TimedOut, Watchdog
from leukodiff.pipeline.runs.observer import RunObserver, Step
from leukodiff.pipeline.slides.discover import Field, Slide

LIMIT_S = 0.3


@pytest.fixture
def never() -> Iterator[Event]:
    """What is waited for in vain, until the test is over."""
    event = Event()
    yield event
    event.set()


def test_what_is_made_comes_back() -> None:
    assert Watchdog(LIMIT_S).wait_for(lambda: 7) == 7


def test_an_error_is_raised_where_it_is_waited_for() -> None:
    def refuse() -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        Watchdog(LIMIT_S).wait_for(refuse)


class Clock:
    """Time passes when a test says so, and is seen by whoever waits before more of it passes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.n_reads = 0
        self._waits = get_ident()

    def __call__(self) -> float:
        self.n_reads += get_ident() == self._waits
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds
        seen = self.n_reads + 3  # a look may be under way, and takes the time twice
        while self.n_reads < seen:
            time.sleep(0.005)


def steadily(clock: Clock, watchdog: Watchdog) -> None:
    with watchdog.progress.under_way("s1", "a.png") as step:
        for _ in range(4):
            clock.forward(LIMIT_S * 0.9)
            step()


def outside(clock: Clock, watchdog: Watchdog) -> None:
    with watchdog.progress.under_way("s1", "a.png"):
        pass
    clock.forward(2 * LIMIT_S)


@pytest.mark.parametrize("do", [steadily, outside], ids=["it gets on", "nothing is under way"])
def test_what_may_take_long(
    monkeypatch: pytest.MonkeyPatch, do: Callable[[Clock, Watchdog], None]
) -> None:
    monkeypatch.setattr("leukodiff.pipeline.runs.cluster.watchdog.HEARTBEAT_S", 0.01)
    clock = Clock()
    watchdog = Watchdog(LIMIT_S, clock)
    assert watchdog.wait_for(lambda: do(clock, watchdog)) is None


@pytest.mark.parametrize("field_id", ["a.png", ""])
def test_what_hangs_is_reported(never: Event, field_id: str) -> None:
    watchdog = Watchdog(LIMIT_S)

    def hang() -> None:
        with watchdog.progress.under_way("s1", ""), watchdog.progress.under_way("s1", field_id):
            never.wait()

    began = time.monotonic()
    assert watchdog.wait_for(hang) == TimedOut(field_id)
    assert time.monotonic() - began < LIMIT_S + 30


def test_what_is_fetched_is_reported_and_what_hangs_is_left_where_it_lies(tmp_path: Path) -> None:
    pytest.importorskip("upath", reason="no universal-pathlib: the `cluster` extra brings it")
    place = at(f"memory://{tmp_path.name}")
    fields = tuple(Field(f"{name}.png", place / f"{name}.png", name) for name in "ab")
    for one in fields:
        one.path.write_bytes(b"x" * 9)
    reported: list[str] = []

    @contextmanager
    def under_way(slide_id: str, field_id: str) -> Iterator[Step]:
        reported.append(f"{slide_id}/{field_id}")
        yield lambda: reported.append("step")

    slide = Slide("s1", place, fields)
    got = fetched(
        slide, tmp_path, RunObserver(under_way=under_way, failed_items={("s1", "b.png"): "slow"})
    )
    assert set(reported) == {"s1/a.png", "step"}
    assert [one.path.name for one in got.fields] == ["a.png", "b.png"]
    assert got.fields[0].path == tmp_path / "a.png"
    assert got.fields[1].path == fields[1].path
    assert [one.whereabouts for one in got.fields] == [str(one.path) for one in fields]
