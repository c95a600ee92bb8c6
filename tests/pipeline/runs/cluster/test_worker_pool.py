"""Workers that die, and nodes that are not fit: what the rest of the run sees of it."""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leukodiff.core.errors import InputError

from .conftest import NODE


def stand_in(**methods: Any) -> type:
    """A worker that does nothing but what it is told here; made here, so it travels by value."""
    plain = {
        "__init__": lambda self, config: None,
        "ready": lambda self: None,
        "close": lambda self: None,
        "stop": lambda self: None,
        "analyze": lambda self, what: what.upper(),
    }
    return type("StandIn", (), {**plain, **methods})


def refuse(self: Any) -> None:
    raise InputError("node nine does not see /out")


def die_of_c(self: Any, what: str) -> str:
    if what == "c":
        os.kill(os.getpid(), signal.SIGKILL)
    return what.upper()


def fail_at_c(self: Any, what: str) -> str:
    if what == "c":
        raise OSError("the store does not answer")
    return what.upper()


@pytest.fixture
def pool(driver: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray import cloudpickle

    from leukodiff.pipeline.runs.cluster import worker_pool as module

    made = []

    def start(worker: type) -> Any:
        cloudpickle.register_pickle_by_value(sys.modules[__name__])
        monkeypatch.setattr(module, "Worker", worker)
        made.append(module.WorkerPool(None, 1))  # type: ignore[arg-type]
        return made[-1]

    yield start
    for one in made:
        one.close()


def outcomes(pool: Any, *names: str) -> dict[str, Any]:
    from leukodiff.pipeline.runs.cluster.worker_pool import Work

    return {
        work.args[0]: found for work, found in pool.each([Work("analyze", (n,)) for n in names])
    }


@pytest.mark.parametrize(
    ("analyze", "reason", "died"),
    [
        pytest.param(die_of_c, "The actor died", True, id="kills its worker"),
        pytest.param(fail_at_c, "the store", False, id="fails on every worker"),
    ],
)
def test_what_costs_three_workers_is_given_up_and_the_rest_is_done(
    pool: Any, analyze: Any, reason: str, died: bool
) -> None:
    found = outcomes(pool(stand_in(analyze=analyze)), "a", "b", "c", "d")
    given_up = found.pop("c")
    assert given_up.reason.startswith(f"given up after 3 tries: {reason}")
    assert given_up.died == died
    assert found == {"a": "A", "b": "B", "d": "D"}


def test_a_worker_that_ray_ends_for_want_of_memory_has_died(
    pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray
    from ray.exceptions import OutOfMemoryError, RayActorError

    real = ray.get

    def get(ref: Any) -> Any:
        try:
            return real(ref)
        except RayActorError as error:
            raise OutOfMemoryError(
                "Task was killed due to the node running low on memory"
            ) from error

    monkeypatch.setattr(ray, "get", get)
    given_up = outcomes(pool(stand_in(analyze=die_of_c)), "c")["c"]
    assert "running low on memory" in given_up.reason
    assert given_up.died


def test_where_no_node_is_fit_the_reason_is_raised(pool: Any) -> None:
    with pytest.raises(InputError, match="node nine does not see /out"):
        outcomes(pool(stand_in(ready=refuse)), "a")


def test_a_node_that_is_not_fit_is_left_out(
    pool: Any, driver: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driver.add_node(**NODE)
    first = tmp_path / "first"

    def ready(self: Any) -> None:
        try:
            first.mkdir()
        except FileExistsError:
            return
        raise InputError("node nine does not see /out")

    with caplog.at_level(logging.WARNING, "leukodiff"):
        assert outcomes(pool(stand_in(ready=ready)), "a", "b") == {"a": "A", "b": "B"}
    assert "left out: node nine does not see /out" in caplog.text


def test_nothing_to_do(pool: Any) -> None:
    assert outcomes(pool(stand_in())) == {}


def where(self: Any, what: str) -> str:
    import ray

    time.sleep(0.3)  # else all is done before the node is there
    return str(ray.get_runtime_context().get_node_id())


def test_a_node_that_comes_takes_its_share(pool: Any, driver: Any) -> None:
    from leukodiff.pipeline.runs.cluster.worker_pool import Work

    made: list[str] = []
    for _, node in pool(stand_in(analyze=where)).each([Work("analyze", ("a",))] * 60):
        if not made:
            driver.add_node(**NODE)
        made.append(node)
    assert len(made) == 60
    assert len(set(made)) == 2
