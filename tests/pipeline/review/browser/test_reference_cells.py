"""The laboratory's own reference cells beside the gallery."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]


def test_a_cell_of_a_signed_slide_becomes_a_reference(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.gallery())
    page.locator('.tile[aria-label^="lymphocyte"]').first.click()
    page.locator("#compare .reference.drawn").first.wait_for()
    keep = page.get_by_role("button", name="Keep as a reference")
    assert keep.count() == 0  # it is not signed
    page.locator("#sign-button").click()
    page.locator("#sign-name").fill("P. Athologist")
    page.locator("#sign-reason").fill("one can't be told")
    page.locator("#sign-submit").click()
    page.wait_for_selector("body.signed")

    page.locator('.tile[aria-label^="lymphocyte"]').first.click()
    keep.click()
    page.locator("#compare img.reference").wait_for()
    page.locator(".section-head img.reference").wait_for(state="attached")
    assert [one.cell_type for one in server.review.references.all()] == ["lymphocyte"]
    page.wait_for_function(
        "() => [...document.querySelectorAll('img.reference')].every((i) => i.naturalWidth > 99)"
    )

    page.get_by_role("button", name="Reference cells…").click()
    page.get_by_role("button", name="Take away").click()
    page.locator("#reference-cells", has_text="None yet").wait_for()
    page.keyboard.press("Escape")
    page.locator("#compare .reference.drawn").first.wait_for()
    assert not server.review.references.all()
