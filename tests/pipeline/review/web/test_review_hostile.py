"""Hostile content and hostile people: what is refused is in the log, what is kept does no harm."""

import csv
import io
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest

from leukodiff.pipeline.review.web.app_state import ReviewApp

from .conftest import PASSWORDS, Browser, House, events_of
from .test_review_uploads import bomb, png, zipped

pytestmark = pytest.mark.slow

SLIDE = "/api/slides/smear"
FORMULA = "=cmd|'/C calc'!A0"
MARKUP = "<img src=x onerror=alert(1)>"
Refusals = Callable[[], list[str]]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        pytest.param("a.zip", zipped(), "not an image", id="a zip"),
        pytest.param("a.png", zipped(), "no image", id="a zip that says it is an image"),
        pytest.param("a.png", bomb(60_000, 60_000), "megapixels", id="a bomb"),
        pytest.param("a.svg", b"<svg onload=alert(1)>", "not an image", id="a script in a picture"),
        pytest.param("../../etc/cron.d/x.sh", b"#!/bin/sh", "not an image", id="a path"),
    ],
)
def test_an_upload_that_is_refused_is_in_the_log(
    browser: Browser, review: ReviewApp, name: str, data: bytes, why: str
) -> None:
    answer = browser.post("/api/upload", files=[("files", (name, data))])
    assert answer.status_code == 415
    (event,) = events_of(review, "refused")
    assert event.payload["what"] == "upload"
    assert why in event.payload["why"]
    assert browser.get("/api/queue").json()["jobs"] == []
    assert not review.settings.uploads.exists()


@pytest.mark.parametrize("name", ["../../../etc/passwd.png", "/etc/passwd.png", "..\\..\\x.png"])
def test_an_upload_stays_in_its_folder(browser: Browser, review: ReviewApp, name: str) -> None:
    answer = browser.post("/api/upload", files=[("files", (name, png()))])
    assert answer.status_code == 200
    (stored,) = review.settings.uploads.rglob("*.png")
    assert stored.resolve().is_relative_to(review.settings.uploads.resolve())
    number = answer.json()["jobs"][0]["number"]
    assert browser.post(f"/api/queue/{number}/stop", {}).status_code == 200


def test_an_upload_of_the_wrong_kind_is_in_the_log(browser: Browser, refusals: Refusals) -> None:
    for kind in ("application/zip", "application/json", "text/html"):
        headers = {"Content-Type": kind}
        answer = browser.post("/api/upload", content=zipped(), headers=headers)
        assert answer.status_code == 415
    assert refusals() == ["type"] * 3


@pytest.mark.parametrize("number", ["0", "-1", "999999999999999999", "1e3", "..%2F1", "x"])
def test_anothers_job_is_not_had_by_its_number(
    browser: Browser, refusals: Refusals, number: str
) -> None:
    assert browser.post(f"/api/queue/{number}/stop", {}).status_code == 404
    assert refusals() == ["address"]


@pytest.mark.parametrize("name", ["1", "2", "smear%20", "SMEAR", "smear%00", "%252e%252e"])
def test_anothers_slide_is_not_had_by_its_number(
    browser: Browser, refusals: Refusals, name: str
) -> None:
    for path in (f"/api/slides/{name}", f"/crops/{name}/a-1.jpg", f"/tiles/{name}/a.png.json"):
        assert browser.get(path).status_code == 404
    assert browser.post(f"/api/slides/{name}/sign", {"name": "Dr A"}).status_code == 404
    assert refusals() == ["address"] * 4


def test_formulas_and_markup_of_people_stay_text(browser: Browser) -> None:
    browser.change("commented", {"text": FORMULA + MARKUP}, 1)
    version = browser.slide()["version"]
    body = {"name": FORMULA, "version": version, "reason": f"@SUM(A1){MARKUP}"}
    assert browser.post(f"{SLIDE}/sign", body).status_code == 200
    for table in ("cells", "fields", "counts", "measurements"):
        text = browser.get(f"{SLIDE}/export/csv?table={table}").text
        values = [one for row in csv.reader(io.StringIO(text)) for one in row]
        assert not any(one.startswith(("=", "@", "\t")) for one in values), table
    book = openpyxl.load_workbook(io.BytesIO(browser.get(f"{SLIDE}/export/xlsx").content))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert any(FORMULA in str(cell.value) for cell in cells)
    assert not any(cell.data_type == "f" for cell in cells)
    for page in ("/slides/smear", "/slides/smear/report", "/"):
        assert MARKUP not in browser.page(page).text
    assert f"signed by {FORMULA}" in browser.get(f"{SLIDE}/export/hl7").text.replace("\\F\\", "|")


def test_a_user_called_markup_is_shown_as_text(house: House) -> None:
    house.review.record.people.add_user(MARKUP, "a name that is markup", "pathologist")
    browser = house.login(MARKUP, "a name that is markup")
    for path in ("/", "/slides/smear", "/slides/smear/view"):
        page = browser.page(path)
        assert page.status_code == 200
        assert MARKUP not in page.text


def test_a_forged_login_is_in_the_log(house: House) -> None:
    name, password = "Paul", PASSWORDS["Paul"][1]
    assert house.try_login(house.visitor(), name, password, csrf="0" * 64).status_code == 403
    (event,) = events_of(house.review, "refused")
    assert (event.payload["what"], event.actor) == ("csrf", "?")
    assert events_of(house.review, "logged_in") == []


def test_one_who_is_locked_out_stays_out_by_every_way(house: House) -> None:
    """A session that was open goes on, but signs nothing; another address makes no difference."""
    paul = house.login("Paul")
    for _ in range(5):
        house.try_login(house.visitor(), "paul", "not the password")
    right = PASSWORDS["Paul"][1]
    assert house.try_login(house.visitor(), "PAUL ", right).status_code == 403
    body = {"name": "Paul", "password": right, "version": 1, "reason": "urgent"}
    refused = paul.post(f"{SLIDE}/sign", body)
    assert refused.status_code == 403
    assert "too many" in refused.json()["error"]
    assert paul.slide()["signatures"] == []
    assert {e.payload["what"] for e in events_of(house.review, "refused")} == {
        "login",
        "signature",
    }


def test_one_reader_does_not_write_in_the_others_name(make_house: Any) -> None:
    house: House = make_house(readers=2)
    paul, petra = house.login("Paul"), house.login("Petra")
    paul.page("/slides/smear")
    petra.page("/slides/smear")
    version = petra.slide()["version"]
    payload = {"cells": {"a-1": {"to": "monocyte"}}, "reader": 1}
    assert petra.change("reclassified", payload, version).status_code == 200
    assert paul.slide()["cells"][0]["person"] is None
    (event,) = events_of(house.review, "reclassified")
    assert (event.actor, event.reader) == ("Petra", 2)


def test_a_signature_of_another_session_is_not_replayed(house: House) -> None:
    """Signed, opened again, and the very same request sent once more."""
    paul = house.login("Paul")
    body = {"name": "Paul", "password": PASSWORDS["Paul"][1], "version": 1, "reason": "urgent"}
    assert paul.post(f"{SLIDE}/sign", body).status_code == 200
    assert paul.post(f"{SLIDE}/reopen", {"reason": "a mistake"}).status_code == 200
    petra = house.login("Petra")
    for browser in (paul, petra):
        assert browser.post(f"{SLIDE}/sign", body).status_code == 409
    assert paul.slide()["status"] == "in review"
    assert [e.payload["what"] for e in events_of(house.review, "refused")] == ["signature"] * 2


@pytest.mark.parametrize(
    ("believed", "status"),
    [
        pytest.param({"from": "monocyte"}, 200, id="as it is"),
        pytest.param({"from": None}, 409, id="as the machine said, but it is not"),
        pytest.param({"from": "basophil"}, 409, id="another"),
        pytest.param({}, 200, id="not said"),
        pytest.param({"from": "blast"}, 400, id="no such type"),
    ],
)
def test_the_type_that_a_page_took_a_cell_for_is_checked(
    browser: Browser, believed: dict[str, Any], status: int
) -> None:
    browser.name("a-1", "monocyte", 1)
    payload = {"cells": {"a-1": {"to": "eosinophil", **believed}}}
    answer = browser.change("reclassified", payload, 2)
    assert answer.status_code == status
    if status == 409:
        assert answer.json()["theirs"] == {"a-1": "monocyte"}
        assert browser.slide()["version"] == 2
