"""Where people log in: the login, who may, one's own password, and three readers of one slide."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from .conftest import PASSWORDS, Server, log_in, ready, until
from .test_page_quality import serious

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]
House = Callable[..., Server]

GOOD = "a brush for the stain"


def test_a_login_goes_where_one_was_going(house: House, open_page: OpenPage) -> None:
    server = house()
    page = open_page(server, name="Paul")
    ready(page)
    assert page.locator(".who").inner_text() == "Paul · pathologist"
    assert page.get_by_role("link", name="People").count() == 0
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto(server.gallery())
    assert "/login?next=" in page.url
    page.keyboard.type("Paul")  # the cursor stands in the first field
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORDS["Paul"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/slides/smear")


def test_who_guesses_is_locked_out_with_a_message(house: House, open_page: OpenPage) -> None:
    server = house()
    page = open_page(server, name="Petra", quiet=False)
    page.context.clear_cookies()
    for _ in range(5):
        log_in(page, server, "Paul", "not the password")
        assert page.get_by_role("alert").inner_text() == "Name or password is wrong."
    log_in(page, server, "Paul", PASSWORDS["Paul"])
    assert "too many logins failed; try again in 15 min" in page.get_by_role("alert").inner_text()


def test_an_administrator_manages_people(house: House, open_page: OpenPage) -> None:
    server = house()
    page = open_page(server, name="Ada", quiet=False)
    ready(page)
    assert not page.locator("#drop").is_visible()  # who manages people analyzes nothing
    page.get_by_role("link", name="People").click()
    page.wait_for_url("**/people")
    ready(page)
    page.locator("#add-name").fill("<i>Nora</i>")
    page.locator("#add-password").fill(GOOD)
    page.locator("#add-form").get_by_role("button", name="Add").click()
    row = page.locator("#people tbody tr", has_text="<i>Nora</i>")
    row.wait_for()
    row.get_by_role("combobox").select_option("pathologist")
    until(lambda: "pathologist" in roles(server)["<i>Nora</i>"])

    row.get_by_role("button", name="New password").click()
    page.locator("#reset-password").fill("too short")
    page.locator("#reset-dialog .primary").click()
    assert page.locator("#reset-dialog").is_visible()  # too short
    page.locator("#reset-password").fill("another one of hers")
    page.keyboard.press("Enter")
    page.locator("#reset-dialog").wait_for(state="hidden")

    row.get_by_role("button", name="Disable").click()
    row.get_by_text("disabled").wait_for()
    assert roles(server)["<i>Nora</i>"] == ("pathologist", False)
    row.get_by_role("button", name="Enable").click()
    row.get_by_text("may log in").wait_for()
    page.get_by_role("button", name="Disable: Ada").click()
    page.locator("#people-error", has_text="last administrator").wait_for()
    page.locator("#log tr.failed", has_text="refused (people)").wait_for()
    log = page.locator("#log").inner_text()
    assert "got another password: <i>Nora</i>" in log


def roles(server: Server) -> dict[str, tuple[str, bool]]:
    return {one.name: (one.role, one.active) for one in server.review.record.people.users()}


def test_others_find_no_such_page(house: House, server: Server, open_page: OpenPage) -> None:
    page = open_page(house(), name="Paul", quiet=False)
    for base in (page.url.rstrip("/"), server.base):
        page.goto(f"{base}/people")
        assert page.locator("#people").count() == 0
        page.goto(server.address)


def test_one_gives_oneself_another_password(house: House, open_page: OpenPage) -> None:
    server = house()
    page = open_page(server, f"{server.base}/password", name="Paul", quiet=False)
    page.locator("#old-password").fill(PASSWORDS["Paul"])
    page.locator("#new-password").fill(GOOD)
    page.locator("#new-again").fill("a brush for the stairs")
    page.keyboard.press("Enter")
    assert "in two ways" in page.get_by_role("alert").inner_text()
    page.locator("#new-again").fill(GOOD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/login")
    log_in(page, server, "Paul", GOOD)
    assert page.locator(".who").inner_text() == "Paul · pathologist"


@pytest.fixture
def two_signed(house: House, open_page: OpenPage) -> Server:
    """Two have read and signed; one cell named otherwise, one removed."""
    server = house(readers=2)
    pages = {name: open_page(server, server.gallery(), name=name) for name in ("Paul", "Petra")}
    for (name, page), key in zip(pages.items(), "mb", strict=True):
        page.locator('.tile[aria-label^="lymphocyte"]').first.click()
        page.keyboard.press(key)
        if name == "Petra":
            page.locator('.tile[aria-label^="erythroblast"]').first.click()
            page.keyboard.press("Delete")
            page.locator("#remove-dialog .primary").click()
        page.locator("#sign-button").click()
        page.locator("#sign-reason").fill("some can't be told")
        page.locator("#sign-password").fill(PASSWORDS[name])
        page.locator("#sign-submit").click()
        page.wait_for_selector("body.signed")
    return server


def test_a_third_reader_decides_by_keys(two_signed: Server, open_page: OpenPage) -> None:
    server = two_signed
    one_of_two = open_page(server, f"{server.gallery()}/differences", name="Paul")
    assert one_of_two.locator(".difference").count() == 2
    assert one_of_two.locator(".words button:enabled").count() == 0
    one_of_two.keyboard.press("1")
    assert "Only the third reader" in one_of_two.locator("#toast").inner_text()

    page = open_page(server, name="Theo")
    page.get_by_role("link", name="two readers differ: a third decides").click()
    page.wait_for_url("**/differences")
    ready(page)
    assert page.locator("#differences-left").inner_text() == "2 differences, 2 to decide"
    first = page.locator(".difference").first
    assert "Monocyte" in first.inner_text()
    assert "Basophil" in first.inner_text()
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    assert not serious(axe, page, "differences")
    page.keyboard.press("2")
    first.get_by_text("Decided: basophil").wait_for()
    second = page.locator(".difference").nth(1)
    page.keyboard.press("Delete")  # the next one was gone to
    second.get_by_text("Decided: not a cell").wait_for()
    page.keyboard.press("Control+z")
    second.get_by_text("Not decided").wait_for()
    second.get_by_role("button", name="Erythroblast").click()
    second.get_by_text("Decided: erythroblast").wait_for()
    assert page.locator("#differences-left").inner_text() == "2 differences, all decided"

    page.locator("#sign-button").click()
    page.locator("#sign-reason").fill("one can't be told")
    page.locator("#sign-password").fill(PASSWORDS["Theo"])
    page.locator("#sign-submit").click()
    page.wait_for_selector("body.signed")
    page.get_by_text("Decided and signed by Theo.").wait_for()
    page.get_by_role("link", name="Cells", exact=True).click()
    page.wait_for_url("**/slides/smear")
    ready(page)
    assert page.get_by_role("link", name="Differences", exact=True).is_visible()
    assert [one.actor for one in server.events("signed")] == ["Paul", "Petra", "Theo"]
