"""A model file, loaded as a function from arrays to arrays."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.cpu import cores
from leukodiff.core.errors import InputError, LeukodiffError, ModelFileError
from leukodiff.core.files import sha256_of

from .metadata import ModelMetadata, metadata_path, read_metadata

ENGINES = ("openvino", "onnxruntime")

CPU = "CPU"
CUDA = "CUDA"
BATCH = {CPU: 4, CUDA: 32}
"""Images in one call, by device: on a CPU each core has a call of its own."""

CONVERTER = "openvino.tools.ovc"
"""OpenVINO's converter of models from other formats, which no model needs to run."""

Outputs = dict[str, NDArray[np.float32]]
Run = Callable[[NDArray[np.uint8]], Outputs]
Started = TypeVar("Started")


class Model:
    """A loaded model: calling it runs a batch, from any number of threads at once.

    `metadata` is what the file says of itself; `engine` is what runs it, on `device`.
    """

    def __init__(
        self, path: Path, metadata: ModelMetadata, engine: str, run: Run, device: str = CPU
    ) -> None:
        self.path = path
        self.metadata = metadata
        self.engine = engine
        self.device = device
        self._run = run

    @property
    def batch(self) -> int:
        """Number of images best given to one call."""
        return BATCH[self.device]

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The model's first output for images (N, H, W, 3), uint8 RGB; an array of its own."""
        return next(iter(self.outputs(images).values()))

    def outputs(self, images: NDArray[np.uint8]) -> Outputs:
        """Every output by name, in the file's order, for images (N, H, W, 3), uint8 RGB.

        Raises:
            ModelFileError: the engine can't run it, or what comes out is not of its classes.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise ValueError(f"expected uint8 (N, H, W, 3), got {images.dtype} {images.shape}")
        try:
            outputs = self._run(np.ascontiguousarray(images))
        except (LeukodiffError, MemoryError):
            raise
        except Exception as error:  # the engines' own errors have no common base but this one
            raise _cannot(self.path, self.engine, "run", error) from error
        self._require_shape(next(iter(outputs.values())), len(images))
        return outputs

    def _require_shape(self, first: NDArray[np.float32], n: int) -> None:
        """A YOLO's output is (N, A, 4 + C), a classifier's (N, C), for C classes."""
        c = len(self.metadata.classes)
        rank, width = (3, 4 + c) if self.metadata.kind == "detector" else (2, c)
        if first.ndim != rank or first.shape[0] != n or first.shape[-1] != width:
            raise ModelFileError(
                f"{self.path}: no {self.metadata.kind} of {c} classes: {n} images in, "
                f"{first.shape} out"
            )


def load_model(
    path: Path,
    kind: str,
    *,
    engine: str = "openvino",
    threads: int | None = None,
    background: Executor | None = None,
) -> Model:
    """Load an ONNX file whose checksum is the one in the metadata beside it.

    `kind` is `detector` or `classifier`. `threads` is how many cores one engine may use in all
    (`None`: every core); a batch runs on one of them, so calls from several threads fill the
    machine. `background`: OpenVINO is started there; the model is handed back at once, its first
    call waits, and raises where the engine can't load the file.

    Raises:
        ModelFileError: the file or its metadata is missing, damaged, or of the other kind.
        InputError: the engine is unknown or can't be had here.
    """
    if engine not in ENGINES:
        raise InputError(f"engine {engine!r} is unknown; choose from {', '.join(ENGINES)}")
    metadata = checked_metadata(path, kind)
    if engine == "onnxruntime":
        run, device = _started(path, engine, lambda: _onnxruntime(path, threads))
        return Model(path, metadata, engine, run, device)

    def start() -> Run:
        return _started(path, engine, lambda: _openvino(path, metadata.sha256, threads))

    if background is None:
        return Model(path, metadata, engine, start())
    starting = background.submit(start)
    return Model(path, metadata, engine, lambda images: starting.result()(images))


def _started(path: Path, engine: str, start: Callable[[], Started]) -> Started:
    try:
        return start()
    except InputError:
        raise
    except Exception as error:  # the engines' own errors have no common base but this one
        raise _cannot(path, engine, "load", error) from error


def _cannot(path: Path, engine: str, what: str, error: Exception) -> ModelFileError:
    reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
    return ModelFileError(f"{path}: {engine} can't {what} this model ({reason[0]})")


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
    """Folder of compiled models, which make the next start quicker; `None` to keep none.

    `LEUKODIFF_ENGINE_CACHE` names another folder, or none when it is empty. A folder that can't be
    made is done without.
    """
    named = os.environ.get("LEUKODIFF_ENGINE_CACHE")
    if named == "":
        return None
    folder = Path(named) if named else _user_cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _user_cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("leukodiff") / "openvino"


_STAY: list[Any] = []
"""Engines that stay until the process ends: one that goes takes the stack with it on which the main
thread hears signals (OpenVINO 2026.4.1, `sigaltstack`), and the next Ctrl-C is a crash."""


def _openvino(path: Path, sha256: str, threads: int | None) -> Run:
    openvino = _imported_openvino()
    core = openvino.Core()
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
    if cache := engine_cache():
        # The engine knows a compiled model by its file's name, size and time: not by what is in it.
        settings |= {"CACHE_DIR": str(cache / sha256[:16])}
    if threads:
        settings |= {"INFERENCE_NUM_THREADS": threads}
    settings["NUM_STREAMS"] = threads or cores()
    compiled = core.compile_model(path, "CPU", settings)
    _STAY.append(core)
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


def _imported_openvino() -> ModuleType:
    """OpenVINO, fit for the first calls of several threads to come at once.

    Its table of number types is set up by the first call, and a second one that comes meanwhile
    waits for it for ever, with Python's lock in its hands (2026.4.1). So it is set up here.
    """
    with _importing, _without_converter():
        import openvino

        openvino.Type.u8.to_dtype()
    return cast(ModuleType, openvino)


_importing = threading.Lock()


@contextmanager
def _without_converter() -> Iterator[None]:
    """Leaves out OpenVINO's converter when OpenVINO is imported, and with it its telemetry.

    It takes two thirds of the import's time (0.07 of 0.1 s).
    """
    if "openvino" in sys.modules or CONVERTER in sys.modules:
        yield
        return
    sys.modules[CONVERTER] = None  # type: ignore[assignment]  # Python's way to say: not there
    try:
        yield
    finally:
        sys.modules.pop(CONVERTER, None)  # two threads may have come this way


def _onnxruntime(path: Path, threads: int | None) -> tuple[Run, str]:
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

    on_cuda = any(name.startswith(CUDA) for name in session.get_providers())
    return run, CUDA if on_cuda else CPU
