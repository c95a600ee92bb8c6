"""A model file, loaded as a function from arrays to arrays."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checksum import sha256_of
from .errors import InputError, ModelFileError
from .machine import cores
from .metadata import ModelMetadata, metadata_path, read_metadata

ENGINES = ("openvino", "onnxruntime")

Outputs = dict[str, NDArray[np.float32]]
Run = Callable[[NDArray[np.uint8]], Outputs]


class Model:
    """A loaded model: calling it runs a batch, from any number of threads at once.

    `metadata` is what the file says of itself; `engine` is what runs it.
    """

    def __init__(self, path: Path, metadata: ModelMetadata, engine: str, run: Run) -> None:
        self.path = path
        self.metadata = metadata
        self.engine = engine
        self._run = run

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The model's first output for images (N, H, W, 3), uint8 RGB; an array of its own."""
        return next(iter(self.outputs(images).values()))

    def outputs(self, images: NDArray[np.uint8]) -> Outputs:
        """Every output by name, in the file's order, for images (N, H, W, 3), uint8 RGB."""
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise ValueError(f"expected uint8 (N, H, W, 3), got {images.dtype} {images.shape}")
        return self._run(np.ascontiguousarray(images))


def load_model(
    path: Path, kind: str, *, engine: str = "openvino", threads: int | None = None
) -> Model:
    """Load an ONNX file whose checksum is the one in the metadata beside it.

    `kind` is `detector` or `classifier`. `threads` is how many cores one engine may use in all
    (`None`: every core); a batch runs on one of them, so calls from several threads fill the
    machine.

    Raises:
        ModelFileError: the file or its metadata is missing, damaged, or of the other kind.
        InputError: the engine is unknown or can't be had here.
    """
    if engine not in ENGINES:
        raise InputError(f"engine {engine!r} is unknown; choose from {', '.join(ENGINES)}")
    metadata = checked_metadata(path, kind)
    start = _openvino if engine == "openvino" else _onnxruntime
    try:
        return Model(path, metadata, engine, start(path, threads))
    except InputError:
        raise
    except Exception as error:  # the engines' own errors have no common base but this one
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise ModelFileError(f"{path}: {engine} can't load this model ({reason[0]})") from error


def checked_metadata(path: Path, kind: str) -> ModelMetadata:
    """The metadata of a model file, once the file is found to be the one it speaks of."""
    if not path.is_file():
        raise ModelFileError(f"{path}: no such model file")
    metadata = read_metadata(metadata_path(path))
    if metadata.kind != kind:
        raise ModelFileError(f"{path}: this is a {metadata.kind}, a {kind} is needed")
    if sha256_of(path) != metadata.sha256:
        raise ModelFileError(
            f"{path}: damaged, or not the file its metadata speaks of (its sha256 differs)"
        )
    return metadata


def engine_cache() -> Path | None:
    """Where compiled models are kept, so that the next start is quicker; `None` to keep none.

    `LEUKODIFF_ENGINE_CACHE` names another folder, or none when it is empty. A folder that can't be
    made is done without.
    """
    named = os.environ.get("LEUKODIFF_ENGINE_CACHE")
    if named == "":
        return None
    from platformdirs import user_cache_path

    folder = Path(named) if named else user_cache_path("leukodiff") / "openvino"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _openvino(path: Path, threads: int | None) -> Run:
    import openvino

    core = openvino.Core()
    cache = engine_cache()
    if cache:
        core.set_property({"CACHE_DIR": str(cache)})
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        settings |= {"INFERENCE_NUM_THREADS": threads}
    settings["NUM_STREAMS"] = threads or cores()
    compiled = core.compile_model(core.read_model(path), "CPU", settings)
    names = [output.get_any_name() for output in compiled.outputs]
    local = threading.local()

    def run(images: NDArray[np.uint8]) -> Outputs:
        # A request may not be shared: each thread keeps its own, for as long as the thread lives.
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        local.request.infer({"images": images}, share_inputs=True)
        return {
            name: np.array(local.request.get_output_tensor(i).data, np.float32)
            for i, name in enumerate(names)
        }

    return run


def _onnxruntime(path: Path, threads: int | None) -> Run:
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            "engine onnxruntime is not installed; install leukodiff[gpu], or use openvino"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    on_gpu = [name for name in onnxruntime.get_available_providers() if name.startswith("CUDA")]
    session = onnxruntime.InferenceSession(
        str(path), options, providers=[*on_gpu, "CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]

    def run(images: NDArray[np.uint8]) -> Outputs:
        results = session.run(names, {"images": images})
        return dict(zip(names, (np.asarray(r, np.float32) for r in results), strict=True))

    return run
