"""A model file runs, the same on every engine and from every thread; a wrong one is refused."""

import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from leukodiff.runtime.errors import InputError, ModelFileError
from leukodiff.runtime.metadata import metadata_path
from leukodiff.runtime.model import ENGINES, Model, load_model


def images(n: int, side: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), np.uint8)


def load(path: Path, engine: str = "openvino") -> Model:
    return load_model(path, "classifier", engine=engine, threads=1)


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
    path = write_model()
    text = metadata_path(path).read_text()
    path.write_bytes(b"no model")
    facts = json.loads(text) | {"sha256": hashlib.sha256(b"no model").hexdigest()}
    metadata_path(path).write_text(json.dumps(facts))
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
