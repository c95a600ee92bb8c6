"""Attacks: each refused, each in the record."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from leukodiff.pipeline.review.record import RateLimiter
from leukodiff.pipeline.review.service.settings import Limits
from leukodiff.pipeline.review.web.app import make_app
from leukodiff.pipeline.review.web.app_state import ReviewApp
from leukodiff.pipeline.review.web.endpoint import json_depth
from leukodiff.pipeline.review.web.security import kept_secret

from .conftest import BASE, PASSWORDS, Browser, House, events_of

pytestmark = pytest.mark.slow

SLIDE = "/api/slides/smear"
COMMENT = {"kind": "commented", "payload": {"text": "x"}, "version": 1}
Refusals = Callable[[], list[str]]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/slides/smear", "/api/slides", SLIDE, "/crops/smear/a-1.jpg", "/static/base.css"),
        *("/tiles/smear/a.png/8/0_0.jpg", "/slides/smear/report", "/api/queue", "/nowhere"),
    ],
)
def test_nothing_answers_without_the_token(
    stranger: Browser, refusals: Refusals, path: str
) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 403
    assert "smear" not in answer.text
    assert refusals() == ["token"]


@pytest.mark.parametrize("token", ["", "0" * 43, "é", "x" * 5000])
def test_a_forged_token(
    stranger: Browser, review: ReviewApp, refusals: Refusals, token: str
) -> None:
    assert stranger.client.get("/", params={"token": token}).status_code == 403
    stranger.client.cookies.set(review.tokens.cookie, "f" * 43)
    assert stranger.get(SLIDE).status_code == 403
    assert refusals() == ["token", "token"]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_pages(
    stranger: Browser, review: ReviewApp
) -> None:
    answer = stranger.get(f"/?token={review.tokens.access}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:5000", "127.0.0.1:5001", "127.0.0.1.evil.com:5000", ""]
)
def test_a_foreign_host_is_dns_rebinding(browser: Browser, refusals: Refusals, host: str) -> None:
    for path in ("/", SLIDE, "/static/base.css", "/login"):
        assert browser.get(path, headers={"Host": host}).status_code == 403
    assert set(refusals()) == {"host"}


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:5000", "LOCALHOST:5000"])
def test_its_own_hosts(browser: Browser, host: str) -> None:
    assert browser.get(SLIDE, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "http://evil.example"}, id="foreign"),
        pytest.param({"Origin": "null"}, id="null"),
        pytest.param({"Origin": "https://127.0.0.1:5000"}, id="another scheme"),
        pytest.param({"Origin": "http://127.0.0.1:5001"}, id="another port"),
        pytest.param({"Origin": BASE, "Sec-Fetch-Site": "cross-site"}, id="fetched across"),
        pytest.param({"Origin": BASE, "Sec-Fetch-Site": "same-site"}, id="another port's page"),
    ],
)
def test_a_foreign_origin(browser: Browser, refusals: Refusals, headers: dict[str, str]) -> None:
    answer = browser.post(f"{SLIDE}/events", COMMENT, headers=headers)
    assert answer.status_code == 403
    assert refusals() == ["origin"]
    assert browser.slide()["version"] == 1


def test_without_an_origin_the_referer_counts(browser: Browser, refusals: Refusals) -> None:
    def posted(**headers: str) -> int:
        sent = {"X-CSRF-Token": browser.csrf, **headers}
        return browser.client.post(f"{SLIDE}/events", json=COMMENT, headers=sent).status_code

    assert posted() == 403
    assert posted(Referer="http://evil.example/127.0.0.1:5000") == 403
    assert posted(Referer=f"{BASE}/slides/smear") == 200
    assert refusals() == ["origin", "origin"]


@pytest.mark.parametrize("csrf", ["", "0" * 64, "é"])
def test_a_missing_or_forged_csrf_token(browser: Browser, refusals: Refusals, csrf: str) -> None:
    for path in ("events", "undo", "sign", "reopen", "cells"):
        sent = {"Origin": BASE, "X-CSRF-Token": csrf.encode()}
        answer = browser.client.post(f"{SLIDE}/{path}", json=COMMENT, headers=sent)  # type: ignore[arg-type]
        assert answer.status_code == 403
    assert set(refusals()) == {"csrf"}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_methods_that_are_not_used(browser: Browser, refusals: Refusals, method: str) -> None:
    assert browser.client.request(method, SLIDE).status_code == 405
    assert refusals() == ["method"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/slides/..%2F..%2Fetc%2Fpasswd",
        "/api/slides/%2e%2e",
        "/api/slides/smear%00",
        "/slides/..%5C..%5Cwindows",
        "/slides/%2Fetc%2Fpasswd/report",
        "/crops/smear/..%2F..%2Fsmear.json.jpg",
        "/crops/..%2Fout/a-1.jpg",
        "/crops/smear/sheet/-1.jpg",
        "/crops/smear/sheet/0x1.jpg",
        "/tiles/smear/..%2F..%2F..%2Fetc%2Fpasswd/8/0_0.jpg",
        "/tiles/smear/..%2Fa.png.json",
        "/tiles/smear/a.png/8/-1_0.jpg",
        "/tiles/smear/a.png/8/..%2F0_0.jpg",
        "/tiles/smear/a.png/99999999999999/0_0.jpg",
        "/static/..%2Fweb%2Fapp.py",
        "/static/%2e%2e/web/app.py",
        "/static//etc/passwd",
        "/review.sqlite",
        "/.review/secret",
        "/api/slides/.review",
        "/api/slides/uploads",
        "/api/slides/smear/export/..%2F..%2Fsecret",
        "/api/slides/smear/export/csv?table=..%2Fcells",
    ],
)
def test_paths_lead_nowhere(
    browser: Browser, analyzed: Path, refusals: Refusals, path: str
) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404
    assert str(analyzed) not in answer.text
    assert refusals() == ["address"]


def test_another_slide_is_not_had_by_its_number_or_folder(browser: Browser, tmp_path: Path) -> None:
    for name in ("1", "smear/", "SMEAR", str(tmp_path)):
        assert browser.get(f"/api/slides/{name}").status_code == 404


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        pytest.param("text/plain", b"{}", 415, id="text"),
        pytest.param("application/x-www-form-urlencoded", b"kind=commented", 415, id="form"),
        pytest.param("", b"{}", 415, id="none"),
        pytest.param("application/json", b"{", 400, id="cut off"),
        pytest.param("application/json", b"[1]", 400, id="a list"),
        pytest.param("application/json", b'"x"', 400, id="text in JSON"),
        pytest.param("application/json", b"[" * 100_000, 400, id="deep"),
        pytest.param("application/json", b'{"a":' * 40 + b"1" + b"}" * 40, 400, id="nested"),
        pytest.param("application/json", b'{"kind": NaN}', 400, id="not a number"),
        pytest.param("application/json", b"\xff\xfe", 400, id="no UTF-8"),
        pytest.param("application/json", b" " * 5_000_000, 413, id="large"),
    ],
)
def test_bodies_that_are_not_taken(
    browser: Browser, refusals: Refusals, kind: str, body: bytes, status: int
) -> None:
    sent = {"Content-Type": kind} if kind else {}
    answer = browser.post(f"{SLIDE}/events", content=body, headers=sent)
    assert answer.status_code == status
    assert refusals() == [{415: "type", 400: "body", 413: "size"}[status]]


def test_a_body_may_not_lie_about_its_size(browser: Browser, refusals: Refusals) -> None:
    def parts() -> Any:
        for _ in range(6):
            yield b" " * 1_000_000

    sent = {"Content-Type": "application/json"}
    answer = browser.post(f"{SLIDE}/events", content=parts(), headers=sent)
    assert answer.status_code == 413
    assert refusals() == ["size"]


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        *[("", 0), ("{}", 1), ('{"a":[{}]}', 3), ('{"[[[": "]]\\"[["}', 1), ("[[", 2)],
        pytest.param('{"a":"[[[[\\""}', 1, id="a quote at the end of a text"),
        pytest.param('{"a":"\\\\","b":[[1]],"c":1}', 3, id="a backslash at the end of a text"),
    ],
)
def test_depth_of_json(text: str, depth: int) -> None:
    assert json_depth(text.encode()) == depth


def test_names_and_comments_are_escaped(browser: Browser) -> None:
    for path in ("/slides/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "/%3Cimg%20src=x%3E"):
        page = browser.page(path)
        assert page.status_code == 404
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text


def test_every_answer_has_the_headers(browser: Browser, stranger: Browser) -> None:
    for path in ("/", SLIDE, "/crops/smear/a-1.jpg", "/nowhere", "/static/icon.svg"):
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_a_signature_that_is_sent_again(browser: Browser, refusals: Refusals) -> None:
    body = {"name": "Dr A", "version": 1, "reason": "urgent"}
    assert browser.post(f"{SLIDE}/sign", body).status_code == 200
    assert browser.post(f"{SLIDE}/sign", body).status_code == 423
    assert browser.post(f"{SLIDE}/reopen", {"reason": "a mistake"}).status_code == 200
    assert browser.post(f"{SLIDE}/sign", body).status_code == 409
    assert browser.post(f"{SLIDE}/sign", {**body, "version": None}).status_code == 400
    assert browser.slide()["status"] == "in review"
    assert refusals() == ["signature", "signature", "body"]


def test_refusals_do_not_fill_the_disk(stranger: Browser, review: ReviewApp) -> None:
    time = [0.0]
    review.refusal_limiter = RateLimiter(burst=3, interval_s=10, now=lambda: time[0])
    for _ in range(50):
        stranger.get(SLIDE)
    assert len(events_of(review, "refused")) == 3
    time[0] = 11
    stranger.get(SLIDE)
    last = events_of(review, "refused")[-1]
    assert "47 more of this kind" in last.payload["why"]


def test_what_is_recorded_of_an_attack_is_short_and_printable(
    browser: Browser, review: ReviewApp
) -> None:
    browser.get("/api/slides/" + "%1b%5b31m" + "x" * 3000)
    (event,) = events_of(review, "refused")
    assert len(json.dumps(event.payload)) < 700
    assert all(str(one).isprintable() for one in event.payload.values())
    assert review.record.verify() == []


def test_the_secret_is_its_owners_alone(review: ReviewApp) -> None:
    path = review.settings.hidden / "secret"
    assert path.stat().st_mode & 0o077 == 0
    assert kept_secret(path) == kept_secret(path) == review.tokens.secret


def test_a_limit_on_pages_that_listen(
    analyzed: Path, make_review: Callable[..., ReviewApp]
) -> None:
    review = make_review(analyzed, limits=Limits(streams=0))
    with TestClient(make_app(review), base_url=BASE) as client:
        client.get(f"/?token={review.tokens.access}")
        assert client.get(f"{SLIDE}/stream").status_code == 409


# People, where others reach it.


def test_strangers_get_the_login_page_and_no_more(house: House) -> None:
    stranger = house.visitor()
    sent = stranger.page("/slides/smear")
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/slides/smear")
    assert stranger.page("/login").status_code == 200
    for path in ("/api/slides", SLIDE, "/crops/smear/a-1.jpg", "/tiles/smear/a.png.json"):
        assert stranger.get(path).status_code == 403
    assert stranger.post(f"{SLIDE}/events", COMMENT).status_code == 403
    assert stranger.get(f"/?token={house.review.tokens.access}").status_code == 403


def test_the_login_form_has_its_own_token(house: House) -> None:
    forged = house.visitor()
    name, password = "Paul", PASSWORDS["Paul"][1]
    assert house.try_login(forged, name, password, csrf="0" * 64).status_code == 403
    other = house.visitor()
    other.page("/login")
    page = forged.page("/login").text
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    form = {"name": name, "password": password, "csrf": csrf}
    sent = other.client.post("/login", data=form, headers={"Origin": other.base})
    assert sent.status_code == 403
    across = forged.client.post("/login", data=form, headers={"Origin": "http://evil.example"})
    assert across.status_code == 403


@pytest.mark.parametrize(
    ("wanted", "then"),
    [
        ("/slides/smear", "/slides/smear"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\r\nSet-Cookie: x", "/"),
    ],
)
def test_a_login_leads_to_our_own_pages(house: House, wanted: str, then: str) -> None:
    browser = house.visitor()
    answer = house.try_login(browser, "Paul", PASSWORDS["Paul"][1], next=wanted)
    assert (answer.status_code, answer.headers["location"]) == (303, then)


def test_login_and_logout(house: House) -> None:
    paul = house.login("Paul")
    assert paul.slide()["can"] == ["analyze", "look", "review", "sign"]
    session = paul.client.cookies[house.review.tokens.cookie]
    out = paul.client.post("/logout", data={"csrf": "no"}, headers={"Origin": paul.base})
    assert out.status_code == 403
    out = paul.client.post("/logout", data={"csrf": paul.csrf}, headers={"Origin": paul.base})
    assert out.headers["location"] == "/login"
    paul.client.cookies.set(house.review.tokens.cookie, session)
    assert paul.get(SLIDE).status_code == 403
    kinds = [e.kind for e in house.review.record.events("") if e.kind.startswith("logged")]
    assert kinds == ["logged_in", "logged_out"]


def test_a_csrf_token_of_another_session(house: House) -> None:
    paul, tina = house.login("Paul"), house.login("Tina")
    assert paul.csrf != tina.csrf
    paul.csrf = tina.csrf
    assert paul.post(f"{SLIDE}/events", COMMENT).status_code == 403


def test_wrong_passwords_lock_out(house: House) -> None:
    for _ in range(5):
        answer = house.try_login(house.visitor(), "Tina", "not the password")
        assert answer.status_code == 403
        assert "wrong" in answer.text
    locked = house.try_login(house.visitor(), "Tina", PASSWORDS["Tina"][1])
    assert locked.status_code == 403
    assert "too many" in locked.text
    assert [e.payload["what"] for e in events_of(house.review, "refused")] == ["login"]
    assert len(events_of(house.review, "login_failed")) == 5


def test_what_each_role_may_do(house: House) -> None:
    tina, ada, paul = (house.login(name) for name in ("Tina", "Ada", "Paul"))
    body = {"name": "Tina", "password": PASSWORDS["Tina"][1], "version": 2, "reason": "x"}
    assert tina.name("a-1", "monocyte", 1).status_code == 200
    assert tina.post(f"{SLIDE}/sign", body).status_code == 403
    assert tina.post(f"{SLIDE}/reopen", {"reason": "x"}).status_code == 403
    assert ada.get(SLIDE).status_code == 200
    assert ada.name("a-1", "basophil", 2).status_code == 403
    assert ada.post("/api/analyze", {"path": "/etc"}).status_code == 403
    assert ada.post("/api/upload", files={"f": b"x"}).status_code == 403
    what = [e.payload["what"] for e in events_of(house.review, "refused")]
    assert what == ["role"] * 5
    signed = paul.post(f"{SLIDE}/sign", {**body, "name": "Paul", "password": ""})
    assert signed.status_code == 403
    signed = paul.post(f"{SLIDE}/sign", {**body, "password": PASSWORDS["Tina"][1]})
    assert signed.status_code == 403
    signed = paul.post(f"{SLIDE}/sign", {**body, "password": PASSWORDS["Paul"][1]})
    assert signed.json()["signatures"][0]["actor"] == "Paul"


def test_somebody_who_was_removed(house: House) -> None:
    tina = house.login("Tina")
    house.review.record.people.remove_user("Tina")
    assert tina.name("a-1", "monocyte", 1).status_code == 403
    assert house.try_login(house.visitor(), "Tina", PASSWORDS["Tina"][1]).status_code == 403


def test_behind_a_proxy(make_house: Callable[..., House]) -> None:
    house = make_house(behind_proxy=True)
    browser = house.visitor("https://review.lab")
    assert browser.page("/login").status_code == 200
    headers = {"X-Forwarded-Host": "evil.example"}
    assert browser.get("/login", headers=headers).status_code == 403
    cookie = browser.page("/login").headers["set-cookie"].lower()
    assert "secure" in cookie


def test_forwarded_headers_are_nobodys_word_without_a_proxy(house: House) -> None:
    browser = house.visitor("http://evil.example")
    headers = {"X-Forwarded-Host": "review.lab:5000", "Host": "evil.example"}
    assert browser.get("/login", headers=headers).status_code == 403
