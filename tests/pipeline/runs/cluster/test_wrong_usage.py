"""What can't be: one line that says what to do, and exit status 2."""

import time
from collections.abc import Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread

import pytest
from click.testing import CliRunner

from leukodiff.pipeline.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture
def field(tmp_path: Path) -> str:
    path = tmp_path / "a.png"
    path.write_bytes(b"not an image")
    return str(path)


@pytest.mark.parametrize(
    ("more", "reported"),
    [
        (["--cluster=127.0.0.1:1"], "no Ray cluster answers"),
        (["--cluster=somewhere"], "an address is HOST:PORT"),
        (["--cluster=127.0.0.1:head"], "an address is HOST:PORT"),
        (["--cluster=ray://127.0.0.1:1"], "run it on a node of the cluster, without ray://"),
    ],
)
def test_there_is_no_such_cluster(
    tmp_path: Path, field: str, more: list[str], reported: str
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: the `cluster` extra brings it")
    result = CliRunner().invoke(main, ["analyze", field, "--out", str(tmp_path / "out"), *more])
    assert result.exit_code == 2, result.output
    assert reported in result.output
    assert not (tmp_path / "out").exists()


@pytest.fixture(params=[b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["nothing", "HTTP"])
def stranger(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that is not Ray, and what it says to all who come."""

    class Message(BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(request.param)
            over.wait(60)

    over = Event()
    with ThreadingTCPServer(("127.0.0.1", 0), Message) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        over.set()
        server.shutdown()


@pytest.mark.parametrize("how", ["--cluster", "RAY_ADDRESS"])
def test_something_else_answers(
    tmp_path: Path, field: str, stranger: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: the `cluster` extra brings it")
    monkeypatch.setattr("leukodiff.pipeline.runs.cluster.connect.CONNECT_TIMEOUT_S", 1.0)
    monkeypatch.setenv("RAY_ADDRESS", stranger)
    address = stranger if how == "--cluster" else "auto"
    command = ["analyze", field, "--out", str(tmp_path / "out"), f"--cluster={address}"]
    began = time.monotonic()
    result = CliRunner().invoke(main, command)
    assert time.monotonic() - began < 15
    assert result.exit_code == 2, result.output
    assert f"{stranger.rpartition(':')[2]} is not Ray" in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [["s3://a/b", "--out", "OUT"], ["FIELD", "--out", "s3://a/out"]],
    ids=["input", "output"],
)
def test_a_url_needs_a_cluster(tmp_path: Path, field: str, arguments: list[str]) -> None:
    known = {"FIELD": field, "OUT": str(tmp_path / "out")}
    result = CliRunner().invoke(main, ["analyze", *(known.get(one, one) for one in arguments)])
    assert result.exit_code == 2
    assert "a URL needs --cluster" in result.output


def test_an_input_taken_for_the_address_is_reported(tmp_path: Path, field: str) -> None:
    result = CliRunner().invoke(main, ["analyze", "--cluster", field, "--out", str(tmp_path / "o")])
    assert result.exit_code == 2
    assert "Missing argument 'INPUT...'" in result.output
