"""A slide is whole in a store or not there; whoever comes late leaves what stands."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from leukodiff.core.errors import InputError
from leukodiff.pipeline.runs.cluster.remote_paths import at
from leukodiff.pipeline.runs.cluster.stores import OutputStore, output_store
from leukodiff.pipeline.runs.output import RECORD, OutputError

OLD, NEW = (
    f'{{"made_of": {n}, "row": {{"slide_id": "s1", "status": "done"}}, "counts": []}}'
    for n in (1, 2)
)


@pytest.fixture(params=["a folder", "a store"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "a folder":
        return tmp_path / "out"
    pytest.importorskip("upath", reason="no universal-pathlib: the `cluster` extra brings it")
    return at(f"memory://{tmp_path.name}")


@pytest.fixture
def goes_to(out: Path) -> Iterator[OutputStore]:
    found = output_store(out)
    found.prepare()
    yield found
    found.tidy()


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    def make(record: str, *names: str) -> Path:
        folder = tmp_path / f"made-{len(list(tmp_path.iterdir()))}"
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
        (folder / RECORD).write_text(record)
        return folder

    return make


def files(out: Path) -> set[str]:
    return {str(one).rpartition("/s1/")[2] for one in (out / "s1").rglob("*") if one.is_file()}


def inputs_of(goes_to: OutputStore) -> object:
    record = goes_to.record("s1")
    return record and record.inputs


def test_a_slide_is_brought_and_replaced(
    out: Path, goes_to: OutputStore, made: Callable[..., Path]
) -> None:
    assert goes_to.record("s1") is None
    goes_to.deliver("s1", made(OLD, "cells.csv", "overlays/a.jpg", "overlays/b.jpg"), None)
    old = goes_to.record("s1")
    assert old is not None
    assert inputs_of(goes_to) == 1
    goes_to.deliver("s1", made(NEW, "cells.csv", "overlays/a.jpg"), old)
    assert files(out) == {"cells.csv", "overlays/a.jpg", RECORD}
    assert inputs_of(goes_to) == 2


def test_who_comes_late_leaves_what_stands(
    out: Path, goes_to: OutputStore, made: Callable[..., Path]
) -> None:
    goes_to.deliver("s1", made(NEW, "cells.csv"), None)
    goes_to.deliver("s1", made(OLD, "other.csv"), None)
    assert inputs_of(goes_to) == 2
    assert files(out) == {"cells.csv", RECORD}


def test_a_store_that_refuses_half_way_has_no_slide(
    tmp_path: Path, made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("upath", reason="no universal-pathlib: the `cluster` extra brings it")
    goes_to: Any = output_store(at(f"memory://{tmp_path.name}"))
    goes_to.prepare()
    goes_to.deliver("s1", made(OLD, "cells.csv"), None)
    old = goes_to.record("s1")

    def refuse(*args: Any, **more: Any) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(type(goes_to.out.fs), "put", refuse)
        with pytest.raises(OutputError, match=r"s1: can't be written: no room"):
            goes_to.deliver("s1", made(NEW, "cells.csv"), old)
    assert goes_to.record("s1") is None
    goes_to.deliver("s1", made(NEW, "cells.csv"), None)
    assert inputs_of(goes_to) == 2
    goes_to.tidy()


def test_of_a_worker_that_is_ended_half_a_slide_goes_and_a_whole_one_stays(
    tmp_path: Path, made: Callable[..., Path]
) -> None:
    pytest.importorskip("upath", reason="no universal-pathlib: the `cluster` extra brings it")
    out = at(f"memory://{tmp_path.name}")
    goes_to = output_store(out)
    goes_to.prepare()
    goes_to.deliver("s1", made(OLD, "cells.csv"), None)
    for half in ("s2", "s10"):
        (out / half / "overlays").mkdir(parents=True)
        (out / half / "overlays/a.jpg").write_bytes(b"x")
    for slide_id in ("s1", "s2", "never begun"):
        goes_to.discard(slide_id)
    goes_to.tidy()
    assert {path.name for path in out.iterdir()} == {"s1", "s10"}
    assert files(out) == {"cells.csv", RECORD}


def test_each_file_that_is_brought_is_a_step(
    goes_to: OutputStore, made: Callable[..., Path]
) -> None:
    steps: list[None] = []
    goes_to.deliver("s1", made(OLD, "a.csv", "overlays/a.jpg"), None, lambda: steps.append(None))
    assert len(steps) >= 2


def test_nothing_but_results_is_left(out: Path, goes_to: OutputStore) -> None:
    assert goes_to.run_marker.exists()
    goes_to.run_marker.with_name(".run-0123abcd").write_bytes(b"")  # of a run that was killed
    goes_to.tidy()
    assert not goes_to.run_marker.exists()
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.parametrize("place", ["nowhere://a/b", "nosuch+store://a"])
def test_a_store_that_there_is_not(place: str) -> None:
    pytest.importorskip("upath", reason="no universal-pathlib: the `cluster` extra brings it")
    with pytest.raises(InputError, match="can't be reached"):
        at(place)
