"""What every test shares: the real data where it lies, and no network anywhere."""

import os
import re
import socket
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# Before any test imports them: no window, and no settings read from or written to the user's home.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp(prefix="leukodiff-tests-"))
os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("LEUKODIFF_ENGINE_CACHE", "")

hypothesis.settings.register_profile("leukodiff", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("leukodiff")

MARKED_FIXTURES = {
    "data_root": "data",
    "chromium": "browser",
    "nodes": "cluster",
    "postgresql": "database",
    "lasting_postgresql": "database",
}
"""The marker that a test gets by a fixture which it uses, itself or by way of others."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests by what they need: a fixture, or a parameter of that name.

    Where tests run in several processes, those of a file stay together, and so do those that share
    a cluster or a browser.
    """
    for item in items:
        parameters = getattr(item, "callspec", None)
        needs = {*getattr(item, "fixturenames", ())}
        needs |= {one for one in getattr(parameters, "params", {}).values() if type(one) is str}
        for name in needs & MARKED_FIXTURES.keys():
            item.add_marker(MARKED_FIXTURES[name])
        shared = [one for one in ("browser", "cluster") if item.get_closest_marker(one)]
        item.add_marker(
            pytest.mark.xdist_group(shared[0] if shared else item.nodeid.partition("::")[0])
        )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves files out that a quick run would import for nothing: torch takes ten seconds."""
    if not config.option.markexpr.startswith("not (slow") or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8")
    return True if re.search(r"^pytestmark = \[?\s*pytest\.mark\.slow", text, re.M) else None


_connect = socket.socket.connect


def _connect_at_home(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):
        raise OSError(f"tests don't use the network: {address}")
    _connect(self, address)


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Any:
    """Refuse every connection that leaves this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _connect_at_home)
        yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of the public data sets, laid out as docs/data.md says."""
    folder = os.environ.get("LEUKODIFF_DATA")
    if not folder:
        pytest.skip("LEUKODIFF_DATA does not point at the public data sets")
    root = Path(folder).resolve()
    if not root.is_dir():
        pytest.fail(f"LEUKODIFF_DATA={folder}: no such folder")
    return root


@pytest.fixture
def write_classifier(tmp_path: Path) -> Any:
    """Writes a random classifier that sees the mean color of crops of 64 px, 24 um wide.

    With `atypical` it has that output too: 1 for a black crop, 0 for a white one.
    """
    onnx = pytest.importorskip("onnx")
    import numpy as np

    from leukodiff.core.files import sha256_of
    from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES
    from leukodiff.runtime.metadata import ModelMetadata, metadata_path, write_metadata

    helper, kinds = onnx.helper, onnx.TensorProto
    weights = np.random.default_rng(2).normal(size=(3, 8)).astype(np.float32) / 160
    numbers = {
        "weights": weights,
        "part": np.full((3, 1), -1 / 765, np.float32),
        "one": np.ones(1, np.float32),
    }

    def write(name: str = "tiny.onnx", atypical: bool = False, **facts: Any) -> Path:
        nodes = [
            helper.make_node("Cast", ["images"], ["pixels"], to=kinds.FLOAT),
            helper.make_node("ReduceMean", ["pixels"], ["color"], axes=[1, 2], keepdims=0),
            helper.make_node("MatMul", ["color", "weights"], ["logits"]),
        ]
        outputs = [helper.make_tensor_value_info("logits", kinds.FLOAT, ["n", 8])]
        if atypical:
            nodes += [
                helper.make_node("MatMul", ["color", "part"], ["darkness"]),
                helper.make_node("Add", ["darkness", "one"], ["atypical"]),
            ]
            outputs.append(helper.make_tensor_value_info("atypical", kinds.FLOAT, ["n", 1]))
        images = helper.make_tensor_value_info("images", kinds.UINT8, ["n", "h", "w", 3])
        used = [onnx.numpy_helper.from_array(value, key) for key, value in numbers.items()]
        graph = helper.make_graph(nodes, "tiny", [images], outputs, used if atypical else used[:1])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path = tmp_path / name
        path.write_bytes(model.SerializeToString())
        known = {"thresholds": {"reject": 0.0}, "sha256": sha256_of(path)} | facts
        made = ModelMetadata("tiny", "1", "classifier", CLASSIFIER_CLASSES, 64, 0.375, **known)
        write_metadata(metadata_path(path), made)
        return path

    return write
