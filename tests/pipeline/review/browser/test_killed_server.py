"""The server killed under a page: what was done meanwhile is not lost, and the page says so."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pipeline.review.web.test_review_process import Server as Process

from .conftest import TIMEOUT_MS, ready
from .test_gallery_page import cell_of, count_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def page(chromium: "Browser") -> Iterator["Page"]:
    context = chromium.new_context(viewport={"width": 1366, "height": 700})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    yield page
    context.close()


def wait_for_banner(page: "Page", text: str) -> None:
    page.wait_for_function(
        "(text) => document.querySelector('#banner').innerText.includes(text)", arg=text
    )


def test_a_killed_server_comes_back_to_an_open_page(analyzed: Path, page: "Page") -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    first = Process(analyzed, port)
    page.goto(f"{first.base}/?token={first.token}")
    page.goto(f"{first.base}/slides/smear")
    ready(page)
    one, other = cell_of(page, "lymphocyte"), cell_of(page, "erythroblast")
    page.locator(f'.tile[data-id="{one}"]').click()
    with page.expect_response(lambda answer: answer.url.endswith("/events")):
        page.keyboard.press("m")
    first.kill()
    page.locator(f'.tile[data-id="{other}"]').click()
    page.keyboard.press("m")
    wait_for_banner(page, "1 change waits")

    second = Process(analyzed, port)
    try:
        wait_for_banner(page, "is back")
        page.reload()
        ready(page)
        assert count_of(page, "monocyte") == "2"
    finally:
        second.kill()
