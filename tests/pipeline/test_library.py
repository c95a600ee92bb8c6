"""leukodiff from a program of one's own: by name, as frames, from threads."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, assert_type

import cv2
import pandas as pd
import pytest

import leukodiff.pipeline
from leukodiff.core.errors import InputError
from leukodiff.pipeline import (
    AnalyzeSettings,
    Results,
    RunSummary,
    analyze,
    load_models,
    read_results,
)
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.exports import tables
from leukodiff.pipeline.exports.tables import to_csv
from leukodiff.pipeline.runs.results import WHOLE, WORDS, YES_OR_NO
from leukodiff.pipeline.runs.scheduler import one_opencv_thread

Smear = Callable[..., Path]
DOCS = Path(__file__).parents[2] / "docs"
FRAMES = ("slides", "counts", "cells", "fields", "measurements", "areas")
KINDS = ("neutrophil", "lymphocyte", "erythroblast")


def in_a_new_process(code: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def two_slides(tmp_path: Path, smear: Smear, models: Models) -> Path:
    """The output of two whole slides and one that could not be read."""
    smear("=1+1", **{"1": ("neutrophil", "neutrophil", "red_cell"), "2": ("unidentified",)})
    broken = smear("broken", a=())
    (broken / "a.png").write_bytes(b"no image")
    smear("nan", a=("lymphocyte", "platelet"))
    folders = [tmp_path / name for name in ("=1+1", "broken", "nan")]
    assert analyze(folders, tmp_path / "out", models=models).exit_status == 1
    return tmp_path / "out"


def test_the_names_that_are_promised_are_there() -> None:
    assert {name for name in leukodiff.pipeline.__all__ if hasattr(leukodiff.pipeline, name)} == (
        set(leukodiff.pipeline.__all__)
    )
    assert set(leukodiff.pipeline.__all__) <= set(dir(leukodiff.pipeline))
    with pytest.raises(AttributeError, match="no attribute 'classify'"):
        leukodiff.pipeline.classify  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "from leukodiff.pipeline import analyze",
        "from leukodiff.pipeline.runs.analyze import AnalyzeSettings\n"
        "from leukodiff.pipeline import analyze",
        "from leukodiff.pipeline import AnalyzeSettings, analyze",
        "from leukodiff.pipeline.runs.analyze import analyze",
    ],
    ids=["room", "module first", "both", "module"],
)
def test_analyze_can_be_called_however_it_is_imported(code: str) -> None:
    call = "try: analyze([], 'nowhere')\nexcept Exception as error: print(error)"
    assert "nothing to analyze" in in_a_new_process(f"{code}\n{call}")


def test_the_room_alone_loads_no_science() -> None:
    code = "import sys, leukodiff.pipeline; print(*sys.modules)"
    assert not set(in_a_new_process(code).split()) & {"numpy", "pandas", "cv2", "openvino", "click"}


def test_frames_of_a_folder(two_slides: Path) -> None:
    found = read_results(two_slides)
    assert found.slides["slide_id"].tolist() == ["=1+1", "broken", "nan"]
    assert found.slides["status"].tolist() == ["done", "failed", "done"]
    assert found.cells["cell_type"].tolist() == [
        *("neutrophil", "neutrophil", "unidentified", "lymphocyte")
    ]
    assert found.cells["slide_id"].tolist() == [*["=1+1"] * 3, "nan"]
    assert found.cells["p_neutrophil"].tolist() == [1, 1, 0.125, 0]
    assert found.fields["n_rbc"].tolist() == [1, 0, 0]
    counts = found.counts.set_index(["slide_id", "cell_type"])
    assert counts.loc[("=1+1", "neutrophil"), "percent"] == 100
    assert counts.loc[("nan", "platelet"), "count"] == 1
    assert counts["percent_low"].isna().any()
    assert set(found.measurements["slide_id"]) == {"=1+1", "nan"}
    assert found.areas.empty
    assert list(found.areas.columns) == ["slide_id", *tables.AREA_COLUMNS]


def test_frames_of_one_slide(two_slides: Path) -> None:
    found = read_results(two_slides / "nan")
    assert found.slides["slide_id"].tolist() == ["nan"]
    assert found.cells["cell_type"].tolist() == ["lymphocyte"]


def test_frames_of_a_run_are_its_own_slides(
    tmp_path: Path, two_slides: Path, smear: Smear, models: Models
) -> None:
    third = smear("third", a=("neutrophil",))
    found = read_results(analyze(third, str(two_slides), models=models))
    assert found.slides["slide_id"].tolist() == ["third"]
    assert set(found.counts["slide_id"]) == {"third"}
    assert read_results(two_slides).slides["slide_id"].tolist() == ["=1+1", "nan", "third"]


def test_frames_of_nothing_but_failures(tmp_path: Path, smear: Smear, models: Models) -> None:
    (smear("broken", a=()) / "a.png").write_bytes(b"no image")
    run = analyze(tmp_path / "broken", tmp_path / "out", models=models)
    for found in (read_results(run), read_results(tmp_path / "out")):
        assert found.slides["status"].tolist() == ["failed"]
        assert [len(getattr(found, name)) for name in FRAMES] == [1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("name", FRAMES)
def test_types_of_columns(two_slides: Path, name: str) -> None:
    frame = getattr(read_results(two_slides), name)
    assert frame.columns[0] == "slide_id"
    kinds = {column: _kind(column) for column in frame}
    assert {column: str(kind) for column, kind in frame.dtypes.items()} == kinds


def _kind(column: str) -> str:
    if column in WORDS:
        return "str" if pd.__version__ >= "3" else "object"
    if column in YES_OR_NO:
        return "bool"
    return "Int64" if column in WHOLE else "Float64"


def test_every_column_has_a_type() -> None:
    """A new column of text would be refused as no number: it is to be named in `WORDS`."""
    columns = {one for name in vars(tables) if name.endswith("_COLUMNS") for one in _columns(name)}
    assert (WORDS | WHOLE | YES_OR_NO) - columns == set()


def _columns(name: str) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(tables, name)
    return found


@pytest.mark.parametrize(
    ("write", "reported"),
    [
        (lambda out: out.rename(out.with_name("moved")), "no slide here"),
        (lambda out: (out / "slides.csv").write_text("slide_id,n_cells\na,many\n"), "slides.csv"),
        (lambda out: (out / "slides.csv").write_bytes(b"\xff\xfe"), "slides.csv: damaged"),
        (lambda out: (out / "slides.csv").write_text('a\n"b'), "slides.csv: damaged"),
    ],
    ids=["missing", "no number", "no text", "cut off"],
)
def test_what_is_no_result_is_refused(
    two_slides: Path, write: Callable[[Path], object], reported: str
) -> None:
    write(two_slides)
    with pytest.raises(InputError, match=reported):
        read_results(two_slides)


def test_a_damaged_table_of_a_slide_is_named(two_slides: Path) -> None:
    (two_slides / "nan/cells.csv").write_text(to_csv(["x_min"], [{"x_min": "left"}]))
    with pytest.raises(InputError, match=r"nan.cells\.csv: damaged"):
        read_results(two_slides).cells  # noqa: B018


def test_progress_is_reported_in_the_calling_thread(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    reported: list[tuple[int, int, str]] = []
    threads = set()

    def on_progress(done: int, total: int, what: str) -> None:
        threads.add(threading.get_ident())
        reported.append((done, total, what))

    folder = smear("s", a=(), b=(), c=())
    analyze(folder, tmp_path / "out", on_progress=on_progress, models=models)
    assert threads == {threading.get_ident()}
    assert [done for done, *_ in reported] == sorted(done for done, *_ in reported)
    assert reported[-1] == (3, 3, "s")


def comparable(out: Path) -> dict[str, bytes]:
    """The files of a run that name neither times nor places."""
    kept = ("cells.csv", "counts.csv", "fields.csv", "measurements.csv", "cells.geojson")
    found = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.is_file()}
    return {n: p.read_bytes() for n, p in found.items() if p.name in kept or p.suffix == ".jpg"}


def test_two_pipelines_in_two_threads_do_not_disturb_each_other(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    """Different slides and settings at once give, to the byte, what each gives alone."""
    for i in range(4):
        smear(f"slides/{i}", **{f"f{j}": (KINDS[(i + j) % 3],) * (i + j + 1) for j in range(3)})
    folders = [tmp_path / f"slides/{i}" for i in range(4)]
    settings = [AnalyzeSettings(threads=1 + i % 2, um_per_px=(None, 0.5)[i // 2]) for i in range(4)]
    before = cv2.getNumThreads()
    start = threading.Barrier(4)

    def one(i: int) -> None:
        start.wait()
        analyze(folders[i], tmp_path / f"together/{i}", settings[i], models=models)

    for i in range(4):
        analyze(folders[i], tmp_path / f"alone/{i}", settings[i], models=models)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))
    assert cv2.getNumThreads() == before
    for i in range(4):
        alone, together = (comparable(tmp_path / how / str(i)) for how in ("alone", "together"))
        assert alone == together
        assert len(alone) >= 8


@pytest.mark.slow
def test_two_loaded_pipelines_serve_many_threads(tmp_path: Path) -> None:
    """The shipped models, loaded twice: four threads, two models, one result."""
    from leukodiff.datasets.phantom import PhantomSettings, render_smear

    render_smear(tmp_path / "smear", PhantomSettings(n_white=2, stain="camera"), 1)
    settings = AnalyzeSettings(threads=1, overlays=False)
    loaded = [load_models(workers=1) for _ in range(2)]

    def one(i: int) -> Any:
        out = tmp_path / f"out-{i}"
        run = analyze(tmp_path / "smear", out, settings, models=loaded[i % 2])
        return read_results(run).cells

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(one, range(4))
    assert len(first) == 2
    for other in others:
        pd.testing.assert_frame_equal(first, other)


def test_runs_that_overlap_leave_opencv_as_it_was() -> None:
    before = cv2.getNumThreads()
    first, second = one_opencv_thread(), one_opencv_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert cv2.getNumThreads() == 1
    second.__exit__(None, None, None)
    assert cv2.getNumThreads() == before


def examples() -> list[str]:
    page = (DOCS / "library.md").read_text(encoding="utf-8")
    return [part.partition("```")[0] for part in page.split("```python\n")[1:]]


@pytest.mark.slow
def test_the_examples_of_the_documentation_run(tmp_path: Path) -> None:
    """All of them, one after the other as they stand, in a folder with a smear."""
    code = "\n".join(examples())
    assert code.count("\n") > 10
    shown = in_a_new_process(code, tmp_path)
    assert "neutrophil" in shown
    assert (tmp_path / "results/slides.csv").is_file()


def test_the_first_example_takes_five_lines() -> None:
    lines = [line for line in examples()[1].splitlines() if line]
    assert len(lines) <= 5


def test_what_a_type_checker_sees(two_slides: Path) -> None:
    """The asserted types are looked at by mypy; here the calls are made."""
    assert_type(read_results(two_slides), Results)
    assert_type(read_results(two_slides).cells, pd.DataFrame)
    with pytest.raises(TypeError):
        assert_type(analyze(1, two_slides), RunSummary)  # type: ignore[arg-type]
