"""The worklist: finding a slide, and having one analyzed."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import pytest

from leukodiff.datasets.phantom import PhantomSettings, render

from .conftest import Server, until

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


def test_a_dropped_image_is_analyzed_and_counted(
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


def drop(page: "Page", path: Path) -> None:
    """Drops a file or folder of this computer on the page, as a person's hand does."""
    box = page.locator("#drop").bounding_box()
    assert box
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    where = {"x": box["x"] + 20, "y": box["y"] + 20, "data": data}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **where})


WORKER = "leukodiff.pipeline.runs.worker"
ENDLESS = """import time
from leukodiff.pipeline.runs.child_process import connect_to_parent
_, pipe = connect_to_parent()
pipe.send("progress", 3, 12, "fields")
try:
    time.sleep(1000)
except KeyboardInterrupt:
    pipe.send("finished", [], [], True)
"""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Analyzes tell of their progress and end only when they are stopped."""
    real = subprocess.Popen

    def start(command: Sequence[str], **more: Any) -> "subprocess.Popen[str]":
        endless = [command[0], "-c", ENDLESS] if WORKER in command else command
        return real(endless, **more)

    monkeypatch.setattr(subprocess, "Popen", start)


@pytest.mark.usefixtures("slow")
def test_a_dropped_folder_is_one_slide_and_is_stopped(
    serve: Callable[..., Server], smear: Callable[..., Path], tmp_path: Path, open_page: OpenPage
) -> None:
    folder = smear("Ward 7", a=("neutrophil",), b=("lymphocyte",), c=())
    (folder / "notes.txt").write_text("no image")
    server = serve(tmp_path / "out")
    page = open_page(server, quiet=False)
    drop(page, folder)
    page.locator("#add-error", has_text="notes.txt").wait_for()
    (job,) = server.review.queue.jobs()
    assert job.name == "Ward 7"
    assert sorted(one.name for one in Path(job.inputs[0]).iterdir()) == ["a.png", "b.png", "c.png"]
    item = page.locator("#queue li")
    item.get_by_text("3 of 12 fields").wait_for()
    assert item.get_by_text("left").is_visible()
    page.locator("#slides .state", has_text="analysing").wait_for()
    item.get_by_role("button", name="Stop Ward 7").click()
    item.get_by_text("stopped").wait_for()
    item.get_by_role("button", name="Hide").click()
    assert page.locator("#queue li").count() == 0


@pytest.mark.usefixtures("slow")
def test_a_scan_is_named_by_its_path(
    serve: Callable[..., Server], smear: Callable[..., Path], tmp_path: Path, open_page: OpenPage
) -> None:
    folder = smear("allowed", a=("neutrophil",))
    outside = smear("outside", a=("neutrophil",))
    server = serve(tmp_path / "out", allow=(folder,))
    page = open_page(server, quiet=False)
    page.locator("#path").fill(str(outside / "a.png"))
    page.keyboard.press("Enter")
    page.locator("#add-error", has_text="only files in an allowed folder are read").wait_for()
    page.locator("#path").fill(str(folder / "a.png"))
    page.keyboard.press("Enter")
    page.locator("#queue li", has_text="a.png").wait_for()
    assert page.locator("#path").input_value() == ""
    until(lambda: [job.inputs for job in server.review.queue.jobs()] == [(str(folder / "a.png"),)])
