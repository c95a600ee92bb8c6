"""Cells in their place: adding, removing, measuring."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from leukodiff.pipeline.review.web.pages import STATIC

from .conftest import Server, ready, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]

pytestmark = pytest.mark.skipif(
    not (STATIC / "lib" / "openseadragon.min.js").exists(),
    reason="OpenSeadragon is missing (npm ci && npm run build in pipeline/review/web)",
)


def drawn(page: "Page", mode: str) -> None:
    """Draws from one point of the slide to another."""
    frame = page.locator("#overlay").bounding_box()
    assert frame
    middle = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    page.keyboard.press(mode)
    page.mouse.move(middle[0] - 60, middle[1] - 60)
    page.mouse.down()
    page.mouse.move(middle[0] + 60, middle[1] + 60, steps=4)
    page.mouse.up()


def test_a_missed_cell_is_added_and_undone(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.viewer())
    drawn(page, "2")
    page.wait_for_selector("#cell .cell-facts")
    until(lambda: server.events("cell_added"))
    assert len(server.review.record.state("smear").added) == 1
    page.keyboard.press("Control+z")
    until(lambda: server.review.record.state("smear").removed)
    page.wait_for_function("() => document.querySelector('#cell').innerText.includes('removed')")


def test_a_false_cell_is_removed_with_a_reason(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.viewer())
    page.keyboard.press("j")
    page.wait_for_selector("#cell .cell-facts")
    page.keyboard.press("Delete")
    page.locator("#remove-reason").select_option("a clump of platelets")
    page.locator("#remove-dialog .primary").click()
    until(lambda: server.events("cell_removed"))
    assert server.events("cell_removed")[0].payload["reason"] == "a clump of platelets"


def test_a_length_is_shown_in_um(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.viewer())
    drawn(page, "3")
    assert page.locator("#view-status").inner_text().endswith(" µm")


def test_from_the_gallery_to_the_place_and_back(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.gallery())
    page.locator('.tile[aria-label^="erythroblast"]').first.click()
    page.keyboard.press("v")
    page.wait_for_url("**/view?cell=*")
    ready(page)
    assert "Erythroblast" in page.locator("#cell").inner_text()
    page.keyboard.press("n")
    until(lambda: server.events("reclassified"))
    page.keyboard.press("v")
    page.wait_for_url("**/smear?cell=*")
    ready(page)
    chosen = page.locator(".tile.cursor")
    chosen.wait_for()
    assert (chosen.get_attribute("aria-label") or "").startswith("neutrophil")
    assert "the machine said erythroblast" in (chosen.get_attribute("aria-label") or "")


def test_without_the_library_the_page_names_the_command_to_run(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server, quiet=False)
    page.route("**/openseadragon.min.js", lambda route: route.fulfill(status=404))
    page.goto(server.viewer())
    ready(page)
    assert "npm run build" in page.locator("#view-message").inner_text()
    page.keyboard.press("j")
    assert page.locator("#cell .cell-facts").is_visible()


def test_cells_are_filtered_by_class_and_certainty(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.viewer())
    shown = page.locator("#cells-here li")
    assert shown.count() == 3
    page.get_by_role("checkbox", name="neutrophil").uncheck()
    page.wait_for_function("() => document.querySelectorAll('#cells-here li').length === 1")
    assert "lymphocyte" in shown.inner_text()
    page.get_by_role("checkbox", name="neutrophil").check()
    certain = page.locator("#confidence")
    certain.focus()
    for _ in range(60):  # the models of these tests are 87 % sure, or 12 %
        page.keyboard.press("ArrowLeft")
    assert page.locator("#confidence-value").inner_text() == "40 %"
    page.locator("#cells-here", has_text="lymphocyte").wait_for(state="hidden")
    page.get_by_role("button", name="Next").click()
    page.wait_for_function("() => document.querySelectorAll('#cells-here li').length === 1")
    assert "unidentified" in shown.inner_text()


def test_a_box_is_chosen_by_a_click(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.viewer())
    page.wait_for_timeout(500)  # the view comes to rest
    frame = page.locator("#overlay").bounding_box()
    assert frame
    scale = min(frame["width"] / 160, frame["height"] / 90)
    middle = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    page.mouse.click(middle[0] + scale * (16 - 80), middle[1] + scale * (48 - 45))
    page.locator("#cell", has_text="Neutrophil").wait_for()
    page.mouse.click(middle[0] + scale * (64 - 80), middle[1] + scale * (48 - 45))
    page.locator("#cell", has_text="Lymphocyte").wait_for()
