"""What every test shares: the real data where it lies, and no network anywhere."""

import os
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
