"""The worklist: finding a slide, and having one analysed."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from leukodiff.datasets.phantom import PhantomSettings, render

from .conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]

DROP = """async ([name, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type: "image/png" }));
  document.querySelector("#drop").dispatchEvent(
    new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def test_a_slide_is_found_and_opened_by_keys(server: Server, open_page: OpenPage) -> None:
    page = open_page(server)
    page.wait_for_selector("#counts tbody tr")
    page.keyboard.press("/")
    page.keyboard.type("nothing like it")
    page.wait_for_selector("#no-slides:not([hidden])")
    page.keyboard.press("Escape")
    page.wait_for_selector("#slides tbody tr.chosen")
    page.keyboard.press("Enter")
    page.wait_for_url("**/slides/smear")


def test_a_dropped_image_is_analysed_and_counted(
    serve: Callable[[Path], Server], tmp_path: Path, open_page: OpenPage
) -> None:
    """By the shipped models, in the server's own child process."""
    import base64

    phantom = render(PhantomSettings(900, 700, seed=3, n_white=4))
    _, png = cv2.imencode(".png", phantom.image[:, :, ::-1])
    server = serve(tmp_path / "new")
    page = open_page(server)
    page.wait_for_selector("#no-slides:not([hidden])")
    page.evaluate(DROP, ["drop.png", base64.b64encode(png.tobytes()).decode()])
    page.wait_for_selector("#queue li")
    page.wait_for_selector("#counts tbody tr", timeout=90_000)
    page.wait_for_function(
        "() => [...document.querySelectorAll('#slides tbody .number')][0]?.innerText === '4'"
    )
    page.wait_for_function("() => document.querySelectorAll('#slides tbody tr').length === 1")
