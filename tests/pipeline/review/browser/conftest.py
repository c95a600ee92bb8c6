"""A review of colored squares behind a real socket, and Debian's chromium in front of it."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest

from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.review.record import Event, Record
from leukodiff.pipeline.review.service.settings import ReviewSettings
from leukodiff.pipeline.review.web.app import make_app
from leukodiff.pipeline.review.web.app_state import ReviewApp
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
TIMEOUT_MS = 20_000
"""How long a page may take for anything, on a computer that has other things to do."""

PASSWORDS = {
    "Ada": "keys of the whole house",
    "Paul": "giemsa on a rainy day",
    "Petra": "monolayer of the smear",
    "Theo": "third reader decides",
}
ROLES = {"Ada": "administrator", "Paul": "pathologist", "Petra": "pathologist"}

Rgb = Any


@dataclass
class Server:
    """A review that can be stopped and started again at the same address."""

    out: Path
    models: Models
    port: int
    chosen: dict[str, Any] = field(default_factory=dict)
    review: ReviewApp = field(init=False)
    _server: Any = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        import uvicorn

        settings = ReviewSettings(self.out, port=self.port, threads=1, **self.chosen)
        self.review = ReviewApp(
            settings, Record(settings.record_url), lambda: self.models.classifier
        )
        config = uvicorn.Config(
            make_app(self.review),
            port=self.port,
            log_config=None,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        until(lambda: self._server.started)

    def stop(self) -> None:
        if self._thread:
            self.review.closing.set()
            self._server.should_exit = True
            self._thread.join(15)
            self._thread = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"{self.base}/?token={self.review.tokens.access}"

    def gallery(self, slide: str = "smear") -> str:
        return f"{self.base}/slides/{quote(slide, safe='')}"

    def viewer(self, slide: str = "smear") -> str:
        return f"{self.gallery(slide)}/view"

    def events(self, kind: str, slide: str = "smear") -> list[Event]:
        return [event for event in self.review.record.events(slide) if event.kind == kind]

    def counted_as(self, cell_id: str, slide: str = "smear") -> str | None:
        return self.review.record.state(slide).reviewed_as.get(cell_id)


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    """Waits for something that another thread does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """The browser, started once."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing (apt-get install chromium)")
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=options)
        yield browser
        browser.close()


@pytest.fixture
def analyzed(tmp_path: Path, smear: Callable[..., Path], models: Models) -> Path:
    """The output of `analyze` for a smear of two fields: 6 cells, one of them unidentified."""
    folder = smear(
        a=("neutrophil", "neutrophil", "lymphocyte", "red_cell"),
        b=("erythroblast", "unidentified", "neutrophil"),
    )
    out = tmp_path / "out"
    analyze([folder], out, AnalyzeSettings(threads=1), models=models)
    return out


@pytest.fixture
def serve(models: Models) -> Iterator[Callable[..., Server]]:
    """Serves a folder on a free port, with settings as they are chosen."""
    made: list[Server] = []

    def start(out: Path, **chosen: Any) -> Server:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        made.append(Server(out, models, port, chosen))
        made[-1].start()
        return made[-1]

    yield start
    for server in made:
        server.stop()


@pytest.fixture
def server(serve: Callable[..., Server], analyzed: Path) -> Server:
    """The review of one slide."""
    return serve(analyzed)


@pytest.fixture
def house(serve: Callable[..., Server], analyzed: Path) -> Callable[..., Server]:
    """The review of one slide where four people log in."""

    def start(readers: int = 1) -> Server:
        server = serve(analyzed, names=("127.0.0.1",), readers=readers)
        for name, password in PASSWORDS.items():
            role = ROLES.get(name, "pathologist")
            server.review.record.people.add_user(name, password, role)
        return server

    return start


@pytest.fixture
def open_page(chromium: "Browser") -> Iterator[Callable[..., "Page"]]:
    """Opens an address in a browser of its own; fails on any error of the page.

    With the token, or logged in as `name` where people log in.
    """
    contexts, faults = [], list[str]()

    def open_(
        server: Server,
        address: str = "",
        theme: str = "light",
        quiet: bool = True,
        name: str = "",
    ) -> "Page":
        contexts.append(
            chromium.new_context(
                viewport={"width": 1366, "height": 700},
                color_scheme="dark" if theme == "dark" else "light",
                accept_downloads=True,
            )
        )
        page = contexts[-1].new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: faults.append(str(error)))
        if quiet:
            page.on("console", lambda line: faults.append(line.text) if is_fault(line) else None)
        if name:
            log_in(page, server, name, PASSWORDS[name])
        else:
            page.goto(server.address)
        if address:
            page.goto(address)
        ready(page)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not faults


def log_in(page: "Page", server: Server, name: str, password: str) -> None:
    page.goto(f"{server.base}/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_load_state()


def is_fault(message: Any) -> bool:
    """True where the browser complains: of the policy, a script, or a file that is missing."""
    return message.type in ("error", "warning")


def ready(page: "Page") -> None:
    page.wait_for_selector("html[data-ready=yes]", state="attached")


@pytest.fixture
def squares(tmp_path: Path) -> Callable[[int], Path]:
    """Writes a field with many squares, a folder a smear."""
    from tests.pipeline.conftest import COLORS, SIDE, write_png

    def write(n: int) -> Path:
        across, pitch = 100, SIDE + 8
        height = 60 + pitch * -(-n // across)
        image = np.full((height, 20 + across * pitch, 3), 245, np.uint8)
        for x in range(2, image.shape[1] - 8, 16):
            image[4:30, x : x + 8] = (215, 170, 170)
        names = ("neutrophil", "neutrophil", "lymphocyte", "erythroblast", "unidentified")
        for i in range(n):
            y, x = 40 + pitch * (i // across), 8 + pitch * (i % across)
            image[y : y + SIDE, x : x + SIDE] = COLORS[names[i % len(names)]]
        folder = tmp_path / "many"
        folder.mkdir()
        write_png(folder / "field.png", image)
        return folder

    return write
