"""The real thing: `leukodiff review` as a process, killed and started again, drop to counts."""

import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from leukodiff.pipeline.review.record import Record

pytestmark = pytest.mark.slow

STARTS_WITHIN = 120.0
SLIDE = "/api/slides/smear"
LEUKODIFF = (sys.executable, "-c", "from leukodiff.pipeline.cli import main; main()")


class Server:
    """A review that runs in a process of its own."""

    def __init__(self, out: Path, port: int, *more: str, scheme: str = "http") -> None:
        command = [*LEUKODIFF, "review", str(out)]
        self.process = subprocess.Popen(
            [*command, "--port", str(port), "--threads", "1", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout
        self.first_line = self.process.stdout.readline()
        address = rf"open ({scheme}://127\.0\.0\.1:\d+)/\?token=(\w+)\n"
        found = re.fullmatch(address, self.first_line)
        assert found, self.first_line + self.process.stdout.read()
        self.base, self.token = found.groups()
        self.browsers: list[httpx.Client] = []

    def browser(self) -> httpx.Client:
        client = httpx.Client(base_url=self.base, timeout=STARTS_WITHIN, follow_redirects=True)
        page = client.get(f"/?token={self.token}")
        assert page.status_code == 200
        csrf = page.text.partition('csrf-token" content="')[2].partition('"')[0]
        client.headers.update({"X-CSRF-Token": csrf, "Origin": self.base})
        self.browsers.append(client)
        return client

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=300)
        return self.process.returncode


@pytest.fixture
def port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def start(port: int) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def begin(out: Path, *more: str, scheme: str = "http") -> Server:
        started.append(Server(out, port, *more, scheme=scheme))
        return started[-1]

    yield begin
    for server in started:
        for browser in server.browsers:
            browser.close()
        if server.process.poll() is None:
            server.kill()


def test_killed_at_any_moment_it_loses_nothing_acknowledged(
    analyzed: Path, start: Callable[..., Server]
) -> None:
    server = start(analyzed)
    browser = server.browser()
    acknowledged: list[int] = []

    def work() -> None:
        version = browser.get(SLIDE).json()["version"]
        names = ("monocyte", "basophil")
        for i in range(10_000):
            payload = {"cells": {"a-1": {"to": names[i % 2]}}}
            body = {"kind": "reclassified", "payload": payload, "version": version}
            try:
                answer = browser.post(f"{SLIDE}/events", json=body)
            except httpx.TransportError:
                return
            assert answer.status_code == 200
            version = answer.json()["version"]
            acknowledged.append(version)

    worker = threading.Thread(target=work)
    worker.start()
    while len(acknowledged) < 15:
        assert worker.is_alive()
        time.sleep(0.01)
    server.kill()
    worker.join()

    record = Record(f"sqlite:///{analyzed / 'review.sqlite'}")
    kept = record.state("smear").version
    assert kept in (acknowledged[-1], acknowledged[-1] + 1)  # one may be kept and not answered
    assert record.verify() == []
    record.close()

    # The same page goes on: the token and the CSRF token are the same.
    again = start(analyzed)
    assert again.token == server.token
    slide = browser.get(SLIDE).json()
    assert slide["version"] == kept
    body = {"kind": "commented", "payload": {"text": "back"}, "version": kept}
    assert browser.post(f"{SLIDE}/events", json=body).status_code == 200
    assert again.stop() in (0, -signal.SIGINT, 1)


def test_two_browsers_receive_each_others_changes_at_once(
    analyzed: Path, start: Callable[..., Server]
) -> None:
    server = start(analyzed)
    one, two = server.browser(), server.browser()
    received: list[Any] = []
    listening = threading.Event()

    def listen() -> None:
        with two.stream("GET", f"{SLIDE}/stream?after=1") as stream:
            for line in stream.iter_lines():
                listening.set()
                if line.startswith("data: "):
                    received.append(json.loads(line[6:]))
                    return

    listener = threading.Thread(target=listen)
    listener.start()
    assert listening.wait(60)
    payload = {"cells": {"a-1": {"to": "monocyte"}}}
    body = {"kind": "reclassified", "payload": payload, "version": 1}
    assert one.post(f"{SLIDE}/events", json=body).status_code == 200
    listener.join(30)
    assert received
    assert received[0]["changed"] == {"a-1": "monocyte"}
    assert two.post(f"{SLIDE}/events", json=body).status_code == 409


def test_from_dropped_images_to_counts(tmp_path: Path, start: Callable[..., Server]) -> None:
    """The folder does not exist yet; the server is killed while the analysis runs."""
    from leukodiff.datasets.phantom import PhantomSettings, render_smear

    render_smear(tmp_path / "drop", PhantomSettings(seed=3, n_white=3, stain="camera"), 2)
    images = sorted((tmp_path / "drop").glob("*.png"))
    server = start(tmp_path / "new" / "out")
    browser = server.browser()
    assert browser.get("/api/slides").json() == {"slides": []}
    files = [("files", (f"Monday/{path.name}", path.read_bytes())) for path in images]
    answer = browser.post("/api/upload", files=files)
    assert answer.status_code == 200, answer.text
    assert [job["name"] for job in answer.json()["jobs"]] == ["Monday"]
    (row,) = browser.get("/api/slides").json()["slides"]
    assert row["progress"]["number"] == 1
    server.kill()

    start(tmp_path / "new" / "out")
    until = time.monotonic() + 300
    jobs: list[Any] = []
    while time.monotonic() < until and (not jobs or jobs[0]["state"] != "done"):
        time.sleep(0.3)
        jobs = browser.get("/api/queue").json()["jobs"]
        assert jobs[0]["state"] in ("queued", "running", "done"), jobs
    assert jobs[0]["slides"] == ["Monday"]
    (row,) = browser.get("/api/slides").json()["slides"]
    assert (row["slide_id"], row["status"]) == ("Monday", "analysed")
    slide = browser.get("/api/slides/Monday").json()
    assert slide["differential"]["n"] >= 4
    assert browser.get("/crops/Monday/sheet/0.jpg").status_code == 200
    # A missed cell goes to the shipped classifier, the one that named the others.
    um_per_px = slide["um_per_px"]
    side = round(10 / um_per_px)
    body = {"field": images[0].name, "box": [50, 50, 50 + side, 50 + side], "version": 1}
    made = browser.post("/api/slides/Monday/cells", json=body)
    assert made.status_code == 200, made.text
    assert made.json()["warning"] == ""
    assert len(made.json()["cell"]["leading"]) == 2


def test_on_another_address_people_are_needed(analyzed: Path) -> None:
    run = subprocess.run(
        [*LEUKODIFF, "review", str(analyzed), "--host", "0.0.0.0", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=STARTS_WITHIN,
    )
    assert run.returncode == 2
    assert "leukodiff users add NAME" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_port_that_is_taken(analyzed: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = subprocess.run(
            [*LEUKODIFF, "review", str(analyzed), "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=STARTS_WITHIN,
        )
    assert run.returncode == 2
    assert "try --port" in run.stderr


def certificate(folder: Path) -> tuple[Path, Path]:
    """One of its own for 127.0.0.1, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    folder.mkdir()
    pem, key = folder / "server.pem", folder / "server.key"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", pem], check=True, capture_output=True)
    return pem, key


def test_over_tls_with_a_certificate_of_its_own(
    analyzed: Path, start: Callable[..., Server], tmp_path: Path
) -> None:
    pem, key = certificate(tmp_path / "tls")
    server = start(analyzed, "--tls-cert", str(pem), "--tls-key", str(key), scheme="https")
    trusted = ssl.create_default_context(cafile=str(pem))
    with httpx.Client(base_url=server.base, verify=trusted, timeout=STARTS_WITHIN) as client:
        page = client.get(f"/?token={server.token}")
        assert "secure" in page.headers["set-cookie"].lower()
        assert client.get("/").status_code == 200
    with httpx.Client(timeout=STARTS_WITHIN) as stranger, pytest.raises(httpx.ConnectError):
        stranger.get(server.base)
    with httpx.Client(timeout=STARTS_WITHIN) as plain, pytest.raises(httpx.TransportError):
        plain.get(server.base.replace("https", "http"))
