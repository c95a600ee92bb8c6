"""A model file runs, the same on every engine and from every thread; a wrong one is refused."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from leukodiff.core.errors import InputError, ModelFileError
from leukodiff.runtime.metadata import metadata_path
from leukodiff.runtime.model import CPU, CUDA, ENGINES, Model, load_model


def images(n: int, side: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), np.uint8)


def load(path: Path, engine: str = "openvino") -> Model:
    return load_model(path, "classifier", engine=engine, threads=1)


def no_model(path: Path) -> Path:
    """A file of which the metadata are right and which is no model."""
    path.write_bytes(b"no model")
    facts = json.loads(metadata_path(path).read_text())
    facts |= {"sha256": hashlib.sha256(b"no model").hexdigest()}
    metadata_path(path).write_text(json.dumps(facts))
    return path


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n", [pytest.param(0, id="empty"), 1, pytest.param(5, id="many")])
def test_outputs(write_model, engine: str, n: int) -> None:
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    batch = images(n)
    outputs = load(write_model(), engine).outputs(batch)
    assert list(outputs) == ["logits", "features"]
    assert outputs["logits"].shape == (n, 2)
    np.testing.assert_allclose(
        outputs["features"], batch.mean(axis=(1, 2)).reshape(n, 3), atol=1e-3
    )


def test_engines_agree(write_model) -> None:
    pytest.importorskip("onnxruntime")
    path, batch = write_model(), images(4, side=12)
    ours, other = (load(path, engine)(batch) for engine in ENGINES)
    np.testing.assert_allclose(ours, other, rtol=1e-4, atol=1e-3)


def test_the_engine_starts_in_the_background(write_model) -> None:
    path, batch = write_model(), images(3)
    may_start = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(may_start.wait)
        model = load_model(path, "classifier", threads=1, background=pool)
        assert model.metadata.name == "tiny"
        may_start.set()
        np.testing.assert_array_equal(model(batch), load(path)(batch))


def test_what_can_t_be_started_in_the_background_raises_at_the_first_call(write_model) -> None:
    path = no_model(write_model())
    with ThreadPoolExecutor(1) as pool:
        model = load_model(path, "classifier", background=pool)
        for _ in range(2):
            with pytest.raises(ModelFileError, match=r"tiny\.onnx: openvino can't load this model"):
                model(images(1))


def test_a_damaged_file_is_reported_at_once_all_the_same(write_model) -> None:
    path = write_model()
    path.write_bytes(path.read_bytes()[:-20])
    with ThreadPoolExecutor(1) as pool, pytest.raises(ModelFileError, match="damaged"):
        load_model(path, "classifier", background=pool)


@pytest.mark.parametrize(("device", "n"), [(CPU, 4), (CUDA, 32)])
def test_how_much_one_call_is_given(write_model, device: str, n: int) -> None:
    model = load(write_model())
    assert Model(model.path, model.metadata, "test", model.outputs, device).batch == n


@pytest.mark.parametrize("engine", ENGINES)
def test_the_device(write_model, engine: str) -> None:
    if engine == "onnxruntime":
        providers = pytest.importorskip("onnxruntime").get_available_providers()
        if "CUDAExecutionProvider" in providers:
            pytest.skip("this onnxruntime may find a GPU")
    assert load(write_model(), engine).device == CPU


def test_openvino_comes_without_its_converter(write_model) -> None:
    """In a process of its own: who imported it before has it whole."""
    program = (
        "import sys; from pathlib import Path; from leukodiff.runtime.model import load_model;"
        "load_model(Path(sys.argv[1]), 'classifier');"
        "print(*sorted({'openvino', 'openvino.tools.ovc', 'openvino_telemetry'} & {*sys.modules}))"
    )
    command = [sys.executable, "-c", program, str(write_model())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["openvino"]


AT_ONCE = """
import sys, threading
from pathlib import Path
from leukodiff.runtime.model import load_model

load_model(Path(sys.argv[1]), "classifier", threads=2)
together = threading.Barrier(4)
sys.setswitchinterval(1e-6)

def what_every_call_begins_with():
    import openvino
    together.wait()
    openvino.Type.u8.to_dtype()

for _ in range(4):
    threading.Thread(target=what_every_call_begins_with).start()
"""


def test_the_first_calls_may_come_at_once(write_model) -> None:
    """In a process of its own: OpenVINO by itself often hangs here."""
    command = [sys.executable, "-c", AT_ONCE, str(write_model())]
    assert subprocess.run(command, timeout=120, check=False).returncode == 0


def test_a_result_is_not_overwritten_by_the_next(write_model) -> None:
    model = load(write_model())
    first = model(images(2, seed=1))
    kept = first.copy()
    model(images(2, seed=2))
    np.testing.assert_array_equal(first, kept)


def test_many_threads_get_what_one_gets(write_model) -> None:
    model = load(write_model())
    batches = [images(1 + i % 3, seed=i) for i in range(40)]
    alone = [model(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(model, batches))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(np.zeros((1, 8, 8, 3), np.float32), id="floats"),
        pytest.param(np.zeros((8, 8, 3), np.uint8), id="one image, no batch"),
        pytest.param(np.zeros((1, 3, 8, 8), np.uint8), id="channels first"),
    ],
)
def test_wrong_arrays_are_refused(write_model, wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \(N, H, W, 3\), got"):
        load(write_model())(wrong)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.onnx: no such model file"):
        load(tmp_path / "gone.onnx")


def test_missing_metadata(write_model) -> None:
    path = write_model()
    metadata_path(path).unlink()
    with pytest.raises(ModelFileError, match=r"tiny\.json: no model metadata here"):
        load(path)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: whole[:-20], id="cut short"),
        pytest.param(lambda whole: b"", id="empty"),
        pytest.param(lambda whole: whole[:50] + b"\x00" + whole[51:], id="one byte changed"),
        pytest.param(lambda whole: b"<html>not found</html>", id="another file"),
    ],
)
def test_damaged_file(write_model, damage) -> None:
    path = write_model()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelFileError, match=r"tiny\.onnx: damaged, or not the file"):
        load(path)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_model_in_the_file_although_the_checksum_holds(write_model, engine: str) -> None:
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    path = no_model(write_model())
    with pytest.raises(
        ModelFileError, match=rf"tiny\.onnx: {engine} can't load this model"
    ) as error:
        load(path, engine)
    assert "\n" not in str(error.value)


def test_the_other_kind_is_refused(write_model) -> None:
    with pytest.raises(ModelFileError, match=r"tiny\.onnx: this is a classifier, a detector is"):
        load_model(write_model(), "detector")


def test_unknown_engine(write_model) -> None:
    with pytest.raises(InputError, match="engine 'abacus' is unknown; choose from openvino, onn"):
        load(write_model(), "abacus")


def test_an_engine_that_is_not_installed(write_model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"not installed; install leukodiff\[gpu\]"):
        load(write_model(), "onnxruntime")


@pytest.mark.parametrize("name", ["kept", None, "a file"])
def test_the_engine_s_cache(write_model, tmp_path: Path, monkeypatch, name: str | None) -> None:
    (tmp_path / "a file").write_text("in the way")
    folder = str(tmp_path / name) if name else ""
    monkeypatch.setenv("LEUKODIFF_ENGINE_CACHE", folder)
    model_path, image = write_model(), np.full((1, 8, 8, 3), 7, np.uint8)
    first = load_model(model_path, "classifier")(image)
    again = load_model(model_path, "classifier")(image)
    assert np.array_equal(first, again)
    assert bool(list((tmp_path / "kept").glob("*"))) is (name == "kept")


def test_the_cache_knows_a_model_by_what_is_in_it(write_model, tmp_path: Path, monkeypatch) -> None:
    """Another model under the same name, as long and as old as the one before."""
    monkeypatch.setenv("LEUKODIFF_ENGINE_CACHE", str(tmp_path / "kept"))
    path, batch = write_model(), images(2)
    was, first = path.stat(), load(path)(batch)
    other = write_model(seed=1)
    assert other == path
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert path.stat().st_size == was.st_size
    again = load(path)(batch)
    assert not np.allclose(first, again)
    monkeypatch.setenv("LEUKODIFF_ENGINE_CACHE", "")
    np.testing.assert_array_equal(load(path)(batch), again)
