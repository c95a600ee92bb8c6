"""Naming cells in the gallery, as a person does it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

from .conftest import Server, ready, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]


def count_of(page: "Page", title: str) -> str:
    row = page.locator("#counts tbody tr", has=page.get_by_role("rowheader", name=title))
    return row.locator("td").first.inner_text()


def cell_of(page: "Page", start: str) -> str:
    """The id of the first cell whose description starts with a class."""
    tile = page.locator(f'.tile[aria-label^="{start}"]').first
    return tile.get_attribute("data-id") or ""


def expect_count(page: "Page", title: str, n: str) -> None:
    """Waits for a class's count, be it called high or low beside its name or not."""
    page.wait_for_function(
        "([title, n]) => [...document.querySelectorAll('#counts tbody tr')].some("
        "(row) => row.querySelector('th').innerText.split('(')[0].trim() === title"
        " && row.querySelector('td').innerText === n)",
        arg=[title, n],
    )


def test_what_a_person_must_decide_stands_on_top(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.gallery())
    groups = page.locator("#grid [role=group]").evaluate_all(
        "(all) => all.map((one) => one.getAttribute('aria-label'))"
    )
    assert groups[0] == "Unidentified, 1 cell"
    assert "Neutrophil, 3 cells" in groups


def test_a_key_names_a_cell_and_can_be_undone(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.gallery())
    cell = cell_of(page, "unidentified")
    expect_count(page, "neutrophil", "3")

    page.locator(f'.tile[data-id="{cell}"]').click()
    page.keyboard.press("m")
    expect_count(page, "monocyte", "1")
    until(lambda: server.counted_as(cell) == "monocyte")
    page.wait_for_selector("#counts td.interval:not(.stale)")
    assert page.locator(f'.tile[data-id="{cell}"] .mark').inner_text() == "machine ?"

    page.keyboard.press("Control+z")
    expect_count(page, "monocyte", "0")
    until(lambda: server.counted_as(cell) is None)
    page.keyboard.press("Control+Shift+Z")
    expect_count(page, "monocyte", "1")
    until(lambda: server.counted_as(cell) == "monocyte")


def test_many_at_once_are_one_event(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.gallery())
    page.locator('.tile[aria-label^="neutrophil"]').first.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("e")
    expect_count(page, "eosinophil", "3")
    until(lambda: len(server.events("reclassified")) == 1)
    assert len(server.events("reclassified")[0].payload["cells"]) == 3


def test_a_cell_is_dragged_onto_a_class(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.gallery())
    tile = page.locator('.tile[aria-label^="lymphocyte"]').first
    tile.scroll_into_view_if_needed()
    cell = tile.get_attribute("data-id") or ""
    start, end = (
        tile.bounding_box(),
        page.locator('.rail-item[data-type="basophil"]').bounding_box(),
    )
    assert start
    assert end
    page.mouse.move(start["x"] + 20, start["y"] + 20)
    page.mouse.down()
    page.mouse.move(end["x"] + 60, end["y"] + 20, steps=5)
    assert page.locator(".drag-ghost").inner_text() == "1 cell → basophil"
    page.mouse.move(end["x"] + 40, end["y"] + 10)
    page.mouse.up()
    expect_count(page, "basophil", "1")
    until(lambda: server.counted_as(cell) == "basophil")


def test_confirmed_cells_count_as_viewed(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.gallery())
    for key in ("Enter", "End", "Enter"):
        page.keyboard.press(key)
        page.wait_for_timeout(200)  # the page scrolls
    until(lambda: len(server.review.record.state("smear").viewed) == 6)
    page.wait_for_function(
        "() => document.querySelector('#selection').innerText.includes('all looked at')"
    )


def test_an_untouched_page_views_nothing(server: Server, open_page: OpenPage) -> None:
    """A page that is merely open, with nobody there, views no cell."""
    page = open_page(server, server.gallery())
    page.wait_for_timeout(2500)
    assert not server.events("looked_at")


def test_the_choice_of_display_is_kept(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.gallery())
    page.locator("#brightness").fill("130")
    page.locator("#theme").click()
    page.reload()
    ready(page)
    assert page.locator("#brightness").input_value() == "130"
    assert page.locator("html").get_attribute("data-theme") == "light"


def test_sign_export_and_open_again(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.gallery(), quiet=False)
    page.locator("#sign-button").click()
    assert "unidentified" in page.locator("#sign-open").inner_text()
    page.locator("#sign-name").fill("P. Athologist")
    page.locator("#sign-submit").click()
    assert not server.events("signed")  # no reason was given
    page.locator("#sign-reason").fill("=clot, no second smear")
    page.locator("#sign-comment").fill("<b>see the chart</b>")
    page.locator("#sign-submit").click()
    page.wait_for_selector("body.signed")
    assert server.events("signed")[0].payload["name"] == "P. Athologist"

    page.locator("#grid").focus()
    page.keyboard.press("m")
    assert "signed" in page.locator("#toast").inner_text()
    assert not server.events("reclassified")

    page.locator("#export summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Cells (CSV)").click()
    assert download.value.suggested_filename.endswith(".csv")

    page.locator("#sign-button").click()
    page.locator("#reopen-reason").fill("the other tube came")
    page.locator("#reopen-dialog .primary").click()
    page.wait_for_selector("body:not(.signed)")
    until(lambda: server.events("reopened"))


def test_two_browsers_see_each_other(server: Server, open_page: OpenPage) -> None:
    one, two = open_page(server, server.gallery()), open_page(server, server.gallery())
    one.locator('.tile[aria-label^="lymphocyte"]').first.click()
    one.keyboard.press("m")
    expect_count(two, "monocyte", "1")


def test_a_conflict_shows_both_versions(server: Server, open_page: OpenPage) -> None:
    one = open_page(server, server.gallery())
    two = open_page(server, server.gallery(), quiet=False)
    cell = cell_of(one, "lymphocyte")
    two.route(
        re.compile(r"/events\?after="),
        lambda route: route.fulfill(json={"events": [], "version": 0}),
    )
    one.locator(f'.tile[data-id="{cell}"]').click()
    one.keyboard.press("m")
    until(lambda: server.counted_as(cell) == "monocyte")

    two.locator(f'.tile[data-id="{cell}"]').click()
    two.keyboard.press("b")
    row = two.locator("#conflict-cells .conflict-cell")
    row.wait_for()
    assert "monocyte" in row.inner_text()
    assert "basophil" in row.inner_text()
    assert server.counted_as(cell) == "monocyte"
    two.locator("#conflict-mine").click()
    two.locator("#conflict-dialog [type=submit]").click()
    until(lambda: server.counted_as(cell) == "basophil")


def test_what_is_done_without_a_server_waits_for_it(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, server.gallery(), quiet=False)
    cell = cell_of(page, "lymphocyte")
    server.stop()
    page.locator(f'.tile[data-id="{cell}"]').click()
    page.keyboard.press("m")
    expect_count(page, "monocyte", "1")
    page.wait_for_function(
        "() => document.querySelector('#banner').innerText.includes('1 change waits')"
    )

    server.start()
    until(lambda: server.counted_as(cell) == "monocyte", 30)
    assert len(server.events("reclassified")) == 1
    page.wait_for_function("() => document.querySelector('#banner').innerText.includes('is back')")


def test_the_counter_follows_and_shows_when_it_is_reached(
    serve: Callable[..., Server],
    squares: Callable[[int], Path],
    tmp_path: Path,
    models: Models,
    open_page: OpenPage,
) -> None:
    out = tmp_path / "out"
    analyze([squares(180)], out, AnalyzeSettings(threads=1), models=models)
    server = serve(out)
    page = open_page(server, server.gallery("many"))
    counter = page.locator("#counter")
    assert "0 of 100 looked at" in counter.inner_text()
    page.locator('.rail-item[data-type="neutrophil"]').click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Space")  # 72 neutrophils
    counter.get_by_text("72 of 100 looked at").wait_for()
    page.locator('.rail-item[data-type="lymphocyte"]').click()
    page.keyboard.press("Control+a")
    page.keyboard.press("m")  # 36 lymphocytes
    counter.get_by_text("108 looked at: 100 reached").wait_for()
    assert "100 cells of the differential were looked at" in page.locator("#toast").inner_text()
    page.get_by_role("button", name="Count to 200").click()
    counter.get_by_text("108 of 200 looked at (the slide has 108)").wait_for()
