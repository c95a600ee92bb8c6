"""The documentation as a site: whole, without a warning, and nothing comes from elsewhere."""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(REPOSITORY / "docs") for path in (REPOSITORY / "docs").rglob("*.md")
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does: a broken link or a page that is not in the nav fails it."""
    pytest.importorskip("mkdocs")
    out = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--quiet",
        "--strict",
        "--site-dir",
        str(out),
    ]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},  # what the theme tells of its future
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_every_page_is_in_the_nav(site: Path) -> None:
    nav = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    named = set(re.findall(r": (\S+\.md)$", nav, re.M))
    assert named == {path.as_posix() for path in PAGES} | {"commands.md", "columns.md"}
    start = (site / "index.html").read_text(encoding="utf-8")
    html = {name.replace("README", "index").replace(".md", ".html") for name in named}
    assert [name for name in html if f'href="{name}"' not in start and name != "index.html"] == []


def test_the_code_writes_its_own_reference(site: Path) -> None:
    commands = (site / "commands.html").read_text(encoding="utf-8")
    columns = (site / "columns.html").read_text(encoding="utf-8")
    assert "leukodiff train classifier" in commands
    assert "--target-cells" in commands
    for name in ("um_per_px_spread", "p_neutrophil", "corrected_low", "reviewed_as", "coverage"):
        assert f"<code>{name}</code>" in columns


def asked_for(sync_api: Any, chromium: str, address: str) -> list[str]:
    """Every address that a browser asks for while it opens three pages and searches."""
    asked: list[str] = []
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        for name in ("index.html", "tutorial.html", "commands.html"):
            page.goto(f"{address}/{name}", wait_until="networkidle")
            assert page.locator("h1").count() == 1
        search = page.locator("input.md-search__input")
        search.click()
        search.press_sequentially("erythroblast", delay=30)  # the page listens to keys
        page.locator(".md-search-result__item").first.wait_for()
        browser.close()
    return asked


@pytest.mark.browser
def test_pages_load_nothing_from_elsewhere(address: str) -> None:
    """A real browser opens pages and searches; every request goes to the site itself."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")
    # In a thread of its own: another module's browser may still have this one's event loop.
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(asked_for, sync_api, chromium, address).result()
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
    assert len(asked) > 10
