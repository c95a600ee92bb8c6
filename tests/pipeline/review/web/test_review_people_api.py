"""People by the page: an administrator manages them, everybody has their own password."""

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import PASSWORDS, Browser, House, events_of

pytestmark = pytest.mark.slow

SLIDE = "/api/slides/smear"
GOOD = "a brush for the stain"


def roles(answer: Any) -> dict[str, tuple[str, bool]]:
    assert answer.status_code == 200, answer.text
    return {one["name"]: (one["role"], one["active"]) for one in answer.json()["users"]}


def test_an_administrator_manages_people(house: House) -> None:
    ada = house.login("Ada")
    assert ada.get("/api/users").json()["you"] == "Ada"
    new = {"name": "Nora / N", "role": "technologist", "password": GOOD}
    assert roles(ada.post("/api/users", new))["Nora / N"] == ("technologist", True)
    nora = house.login("Nora / N", GOOD)
    assert "sign" not in nora.slide()["can"]
    given = {"name": "Nora / N", "role": "pathologist"}
    assert roles(ada.post("/api/users/role", given))["Nora / N"] == ("pathologist", True)
    assert "sign" in nora.slide()["can"]
    off = ada.post("/api/users/disable", {"name": "nora / n"})
    assert roles(off)["Nora / N"] == ("pathologist", False)
    assert nora.get("/api/slides").status_code == 403
    on = ada.post("/api/users/enable", {"name": "Nora / N"})
    assert roles(on)["Nora / N"] == ("pathologist", True)
    other = {"name": "Nora / N", "password": " another one of hers "}
    assert ada.post("/api/users/password", other).status_code == 200
    assert house.try_login(house.visitor(), "Nora / N", GOOD).status_code == 403
    assert house.login("Nora / N", " another one of hers ")
    events = [(e.kind, e.actor, e.payload.get("user")) for e in house.review.record.events("")]
    changes = ["role pathologist", "removed", "restored", "password"]
    assert ("user_added", "Ada", "Nora / N") in events
    assert [e.payload["what"] for e in events_of(house.review, "user_changed")] == changes
    assert {e.actor for e in events_of(house.review, "user_changed")} == {"Ada"}
    assert house.review.record.verify() == []


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        pytest.param("", {"name": "Paul", "role": "technologist"}, "password", id="no password"),
        pytest.param("", {"name": "paul"}, "already", id="a name that is taken"),
        pytest.param("", {"name": "Ole", "password": "short"}, "12 characters", id="weak"),
        pytest.param("", {"name": "", "password": GOOD}, "1 to 64", id="no name"),
        pytest.param("", {"name": "operator"}, "record itself", id="a name of the record's"),
        pytest.param("", {"name": "<b>\u202eO</b>"}, "printable", id="letters that hide"),
        pytest.param("", {"name": "Ole", "role": "king"}, "no role", id="no such role"),
        pytest.param("", {"name": "Ole", "role": 3}, "a text", id="a role that is a number"),
        pytest.param("", {"name": "Ole", "password": "x" * 3000}, "at most", id="a novel"),
        pytest.param("/role", {"name": "Ole"}, "no such user", id="nobody's role"),
        pytest.param("/role", {"name": "Ada"}, "last administrator", id="the last one's role"),
        pytest.param("/disable", {"name": "Ada"}, "last administrator", id="the last one"),
        pytest.param("/enable", {"name": "Ole"}, "no such user", id="nobody to enable"),
        pytest.param("/password", {"name": "Paul", "password": "Paul"}, "12", id="a weak one"),
    ],
)
def test_what_is_not_done_to_people(
    house: House, path: str, body: dict[str, Any], why: str
) -> None:
    ada = house.login("Ada")
    before = roles(ada.get("/api/users"))
    sent = {"role": "technologist", "password": GOOD} | body
    if why == "password":
        del sent["password"]
    answer = ada.post(f"/api/users{path}", sent)
    assert answer.status_code == 400
    assert why in answer.json()["error"]
    assert roles(ada.get("/api/users")) == before
    assert len(events_of(house.review, "refused")) == 1


@pytest.mark.parametrize("name", ["Tina", "Paul"])
def test_others_manage_nobody(house: House, name: str) -> None:
    browser = house.login(name)
    for path in ("/api/users", "/api/log"):
        assert browser.get(path).status_code == 403
    for path in ("", "/role", "/password", "/disable", "/enable"):
        body = {"name": name, "role": "administrator", "password": GOOD}
        assert browser.post(f"/api/users{path}", body).status_code == 403
    assert {e.payload["what"] for e in events_of(house.review, "refused")} == {"role"}
    assert events_of(house.review, "user_changed") == []


def test_an_administrator_needs_the_pages_own_token(house: House) -> None:
    ada = house.login("Ada")
    body = {"name": "Eve", "role": "administrator", "password": GOOD}
    assert ada.post("/api/users", body, headers={"X-CSRF-Token": ""}).status_code == 403
    assert ada.post("/api/users", body, headers={"Origin": "http://evil"}).status_code == 403
    assert "Eve" not in roles(ada.get("/api/users"))
    assert [e.payload["what"] for e in events_of(house.review, "refused")] == ["csrf", "origin"]


def test_ones_own_password(house: House) -> None:
    tina, old = house.login("Tina"), PASSWORDS["Tina"][1]
    assert tina.post("/api/password", {"old": "wrong", "new": GOOD}).status_code == 403
    assert tina.post("/api/password", {"old": old, "new": "short"}).status_code == 400
    assert tina.post("/api/password", {"old": old}).status_code == 400
    done = tina.post("/api/password", {"old": old, "new": GOOD})
    assert done.json() == {"login": "/login"}
    assert tina.get("/api/slides").status_code == 403
    assert house.login("Tina", GOOD).slide()["can"] == ["analyze", "look", "review"]
    (event,) = events_of(house.review, "user_changed")
    assert (event.actor, event.payload["user"]) == ("Tina", "Tina")
    assert len(events_of(house.review, "logged_in")) == 2  # to prove who one is, is no login


def test_an_own_password_is_not_guessed(house: House) -> None:
    tina = house.login("Tina")
    for _ in range(6):
        assert tina.post("/api/password", {"old": "wrong", "new": GOOD}).status_code == 403
    locked = tina.post("/api/password", {"old": PASSWORDS["Tina"][1], "new": GOOD})
    assert locked.status_code == 403
    assert "too many" in locked.json()["error"]


def test_the_log(house: House) -> None:
    house.try_login(house.visitor(), "Tina", "not the password")
    ada = house.login("Ada")
    found = ada.get("/api/log?n=2").json()
    assert [one["kind"] for one in found["events"]] == ["logged_in", "login_failed"]
    assert found["head"] == str(house.review.record.head())
    everything = ada.get("/api/log").text
    assert "argon2" not in everything
    assert "not the password" not in everything


def test_on_ones_own_computer_there_are_no_people(browser: Browser) -> None:
    assert browser.get("/api/users").status_code == 403
    assert browser.post("/api/password", {"old": "x", "new": GOOD}).status_code == 404


@pytest.mark.slow
def test_two_readers_know_nothing_of_each_other(make_house: Callable[..., House]) -> None:
    house = make_house(readers=2)
    paul, petra, ada = (house.login(name) for name in ("Paul", "Petra", "Ada"))
    assert paul.page("/slides/smear").status_code == 200
    assert paul.slide()["reader"] == 1
    version = paul.slide()["version"]
    assert paul.name("a-1", "monocyte", version).status_code == 200
    for other in (petra, ada):
        seen = other.slide()
        assert [c["person"] for c in seen["cells"]] == [None] * 5
        assert "reclassified" not in other.get(f"{SLIDE}/history").text
    assert petra.slide()["reader"] == 2
    assert petra.name("a-1", "basophil", petra.slide()["version"]).status_code == 200
    for browser, name in ((paul, "Paul"), (petra, "Petra")):
        assert browser.slide()["agreement"] is None
        browser.view_all()
        slide = browser.slide()
        body = {"name": name, "password": PASSWORDS[name][1], "version": slide["version"]}
        signed = browser.post(f"{SLIDE}/sign", {**body, "reason": "one can't be events"})
        assert signed.status_code == 200, signed.text
    found = paul.slide()["agreement"]
    assert found["awaits_third"]
    (difference,) = found["differences"]
    assert (difference["first"], difference["second"]) == ("monocyte", "basophil")
    # The third decides.
    house.review.record.people.add_user("Theo", "third reader decides", "pathologist")
    theo = house.login("Theo", "third reader decides")
    assert theo.slide()["reader"] == 3
    assert theo.name("a-1", "basophil", theo.slide()["version"]).status_code == 200
    slide = theo.slide()
    assert slide["cells"][0]["person"] == "basophil"
    body = {"name": "Theo", "password": "third reader decides", "version": slide["version"]}
    signed = theo.post(f"{SLIDE}/sign", {**body, "reason": "one can't be events"})
    assert signed.json()["status"] == "signed", signed.text
    assert ada.slide()["cells"][0]["person"] == "basophil"


def test_the_third_reader_gets_the_differences_of_two(two_signed: House) -> None:
    house = two_signed
    ada, theo = house.login("Ada"), house.login("Theo", "third reader decides")
    path = "/api/slides/smear/differences"
    found = theo.get(path).json()
    assert [(one["reader"], one["name"]) for one in found["readers"]] == [(1, "Paul"), (2, "Petra")]
    assert (found["awaits_third"], found["you"], found["undecided"]) == (True, 3, 3)
    differing = {one["cell"]["id"]: (one["first"], one["second"]) for one in found["differences"]}
    assert differing == {
        "a-1": ("monocyte", "basophil"),
        "a-2": ("neutrophil", None),
        "p1": (None, "unidentified"),
    }
    assert ada.get(path).json()["you"] is None
    # What the page showed is what the two say together: unidentified, until the third decides.
    version = found["version"]
    believed = {"cells": {"a-1": {"from": "unidentified", "to": "basophil"}}}
    assert theo.change("reclassified", believed, version).status_code == 200
    assert theo.change("cell_removed", {"cells": ["a-2", "p1"]}, version + 1).status_code == 200
    found = theo.get(path).json()
    assert (found["undecided"], found["awaits_third"]) == (0, True)
    now = {one["cell"]["id"]: one["now"] for one in found["differences"]}
    assert now == {"a-1": "basophil", "a-2": "removed", "p1": "removed"}
    body = {"name": "Theo", "password": "third reader decides", "version": found["version"]}
    signed = theo.post("/api/slides/smear/sign", {**body, "reason": "one can't be events"})
    assert signed.json()["status"] == "signed", signed.text
    found = ada.get(path).json()
    assert [one["reader"] for one in found["readers"]] == [1, 2, 3]
    assert not found["awaits_third"]


def test_who_reads_a_slide_that_others_read_may_not_sign_it(two_signed: House) -> None:
    house = two_signed
    house.login("Theo", "third reader decides").page("/slides/smear")
    house.review.record.people.add_user("Uma", "a fourth one looks on", "pathologist")
    uma = house.login("Uma", "a fourth one looks on")
    assert uma.slide()["may_sign"] == ["the readings of this slide are taken by others"]


@pytest.mark.parametrize(("readers", "status"), [(1, 404), (2, 409)])
def test_differences_are_nobodys_before_both_signed(
    make_house: Any, readers: int, status: int
) -> None:
    paul = make_house(readers=readers).login("Paul")
    assert paul.get("/api/slides/smear/differences").status_code == status


@pytest.fixture
def two_signed(make_house: Any) -> House:
    """Two have read and signed: one named a cell otherwise, one removed one and added one."""
    house: House = make_house(readers=2)
    house.review.record.people.add_user("Theo", "third reader decides", "pathologist")
    paul, petra = house.login("Paul"), house.login("Petra")
    for browser in (paul, petra):
        browser.page("/slides/smear")
    paul.name("a-1", "monocyte", paul.slide()["version"])
    petra.name("a-1", "basophil", petra.slide()["version"])
    petra.change("cell_removed", {"cells": ["a-2"]}, petra.slide()["version"])
    box = {"field": "a.png", "box": [80, 40, 96, 56]}
    assert petra.post("/api/slides/smear/cells", box).status_code == 200
    for browser, name in ((paul, "Paul"), (petra, "Petra")):
        browser.view_all()
        version = browser.slide()["version"]
        body = {"name": name, "password": PASSWORDS[name][1], "version": version}
        signed = browser.post("/api/slides/smear/sign", {**body, "reason": "some can't be events"})
        assert signed.status_code == 200, signed.text
    return house
