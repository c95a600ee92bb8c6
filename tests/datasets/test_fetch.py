import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from leukodiff.core.errors import DataError, InputError
from leukodiff.datasets.fetch import fetch
from leukodiff.datasets.registry import DATASETS, Archive


def chula_zip(label: str = "0 0.5 0.5 0.2 0.2\n") -> bytes:
    image = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("WBC_Dataset-HEAD/WBC_Samples/train/images/A-1_0001.jpg", image)
        file.writestr("WBC_Dataset-HEAD/WBC_Samples/train/labels/A-1_0001.txt", label)
        file.writestr("WBC_Dataset-HEAD/README.md", bytes(300_000))
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """Serves one file, in parts if asked; `cut` ends the first answer after so many bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.cut, self.ranges = content, None, []

    content: bytes
    cut: int | None
    ranges: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        body = self.server.content[start:]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut])
        self.server.cut = None
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(chula_zip())
    publish(monkeypatch, server, None)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def publish(monkeypatch: pytest.MonkeyPatch, server: Server, sha256: str | None) -> None:
    url = f"http://127.0.0.1:{server.server_port}/chula.zip"
    info = replace(DATASETS["chula"], archives={"chula.zip": Archive(url, sha256)})
    monkeypatch.setitem(DATASETS, "chula", info)


def test_fetch_unpacks_and_keeps_no_archive(server: Server, tmp_path: Path) -> None:
    folder = fetch("chula", tmp_path / "chula_wbc", progress=False)
    assert len(DATASETS["chula"].load(folder)) == 1
    assert not list(folder.glob("*.zip*"))
    # A second time it is there already.
    assert fetch("chula", folder, progress=False) == folder
    assert len(server.ranges) == 1


def test_fetch_goes_on_where_it_was_cut_off(server: Server, tmp_path: Path) -> None:
    server.cut = 150_000
    with pytest.raises(DataError, match="can't be fetched"):
        fetch("chula", tmp_path, progress=False)
    fetch("chula", tmp_path, progress=False)
    assert server.ranges == [None, "bytes=131072-"]


CHECKSUMS = {"right": (hashlib.sha256(chula_zip()).hexdigest(), True), "wrong": ("0" * 64, False)}


@pytest.mark.parametrize(("sha256", "accepted"), CHECKSUMS.values(), ids=CHECKSUMS.keys())
def test_checksum(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sha256: str,
    accepted: bool,
) -> None:
    server.content = chula_zip()
    publish(monkeypatch, server, hashlib.sha256(server.content).hexdigest() if accepted else sha256)
    if accepted:
        fetch("chula", tmp_path, progress=False)
    else:
        with pytest.raises(DataError, match="place") as caught:
            fetch("chula", tmp_path, progress=False)
        assert "\n" not in str(caught.value)
        assert not list(tmp_path.glob("**/*.jpg"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<html>log in</html>", id="a login page"),
        pytest.param(chula_zip()[:-200], id="cut off"),
    ],
)
def test_what_is_no_zip_is_refused_and_removed(
    server: Server, tmp_path: Path, content: bytes
) -> None:
    whole, server.content = server.content, content
    with pytest.raises(DataError, match="no whole ZIP") as caught:
        fetch("chula", tmp_path, progress=False)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.zip*"))
    server.content = whole
    fetch("chula", tmp_path, progress=False)


def test_other_layout_is_refused(server: Server, tmp_path: Path) -> None:
    server.content = chula_zip("nonsense\n")
    with pytest.raises(DataError, match="not laid out as expected"):
        fetch("chula", tmp_path, progress=False)


@pytest.mark.parametrize("name", DATASETS)
def test_offline_the_error_explains_how_to_place_the_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        fetch(name, tmp_path / "here", progress=False)
    message = str(caught.value)
    assert "\n" not in message
    assert DATASETS[name].address in message
    assert str(tmp_path / "here") in message
    assert not (tmp_path / "here").exists()


def test_unknown_name() -> None:
    with pytest.raises(InputError):
        fetch("nope")
