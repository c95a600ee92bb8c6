"""A review of a smear of colored squares, and a browser that behaves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.review.record import Event, Record
from leukodiff.pipeline.review.service.settings import ReviewSettings
from leukodiff.pipeline.review.web.app import make_app
from leukodiff.pipeline.review.web.app_state import ReviewApp
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

BASE = "http://127.0.0.1:5000"
PASSWORDS = {
    "Tina": ("technologist", "eosin and methylene"),
    "Paul": ("pathologist", "giemsa on a rainy day"),
    "Petra": ("pathologist", "monolayer of the smear"),
    "Ada": ("administrator", "keys of the whole house"),
}


@dataclass
class Browser:
    """Somebody at a page: the cookie, and the CSRF token that the page has."""

    client: TestClient
    csrf: str = ""
    base: str = BASE

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, **more)

    def page(self, path: str = "/", **more: Any) -> Any:
        return self.client.get(path, headers={"Accept": "text/html"}, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        headers = {"Origin": self.base, "X-CSRF-Token": self.csrf} | more.pop("headers", {})
        if body is not None:
            more["json"] = body
        return self.client.post(path, headers=headers, **more)

    def read_csrf(self) -> None:
        page = self.page("/").text
        self.csrf = page.partition('csrf-token" content="')[2].partition('"')[0]

    def slide(self, name: str = "smear") -> Any:
        answer = self.get(f"/api/slides/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def change(self, kind: str, payload: Any, version: int, name: str = "smear") -> Any:
        body = {"kind": kind, "payload": payload, "version": version}
        return self.post(f"/api/slides/{name}/events", body)

    def name(self, cell_id: str, to: str | None, version: int) -> Any:
        return self.change("reclassified", {"cells": {cell_id: {"to": to}}}, version)

    def view_all(self, name: str = "smear") -> Any:
        slide = self.slide(name)
        cells = [cell["id"] for cell in slide["cells"]]
        return self.change("looked_at", {"cells": cells}, slide["version"], name).json()


@pytest.fixture
def analyzed(tmp_path: Path, smear: Callable[..., Path], models: Models) -> Path:
    """The output of `analyze` for a smear of two fields: 5 cells, one of them unidentified."""
    folder = smear(
        a=("neutrophil", "neutrophil", "lymphocyte", "red_cell"),
        b=("erythroblast", "unidentified", "platelet"),
    )
    out = tmp_path / "out"
    analyze([folder], out, AnalyzeSettings(threads=1), models=models)
    return out


@pytest.fixture
def make_review(tmp_path: Path, models: Models) -> Iterator[Callable[..., ReviewApp]]:
    """A review over a folder, with the classifier that sees colors."""
    made: list[ReviewApp] = []

    def make(out: Path, **chosen: Any) -> ReviewApp:
        settings = ReviewSettings(out, **chosen)
        out.mkdir(parents=True, exist_ok=True)
        made.append(ReviewApp(settings, Record(settings.record_url), lambda: models.classifier))
        return made[-1]

    yield make
    for review in made:
        review.close()


@pytest.fixture
def review(analyzed: Path, make_review: Callable[..., ReviewApp]) -> ReviewApp:
    """The review of one slide, on this computer alone."""
    return make_review(analyzed)


@pytest.fixture
def stranger(review: ReviewApp) -> Iterator[Browser]:
    """A browser without the token."""
    with TestClient(make_app(review), base_url=BASE, follow_redirects=False) as client:
        yield Browser(client)


@pytest.fixture
def browser(stranger: Browser, review: ReviewApp) -> Browser:
    """The operator's browser, with the page open."""
    assert stranger.page(f"/?token={review.tokens.access}").status_code == 303
    stranger.read_csrf()
    return stranger


@pytest.fixture
def refusals(review: ReviewApp) -> Callable[[], list[str]]:
    """What the record says was refused."""

    def found() -> list[str]:
        return [str(one.payload["what"]) for one in events_of(review, "refused")]

    return found


def events_of(review: ReviewApp, kind: str) -> list[Event]:
    return [one for one in review.record.events() if one.kind == kind]


@dataclass
class House:
    """A review that others reach, and its people."""

    review: ReviewApp
    app: Any

    def visitor(self, base: str = "http://review.lab:5000") -> Browser:
        client = TestClient(self.app, base_url=base, follow_redirects=False)
        return Browser(client, base=base)

    def login(self, name: str, password: str | None = None) -> Browser:
        browser = self.visitor()
        answer = self.try_login(browser, name, password or PASSWORDS[name][1])
        assert answer.status_code == 303, answer.text
        browser.read_csrf()
        return browser

    def try_login(self, browser: Browser, name: str, password: str, **fields: str) -> Any:
        page = browser.page("/login").text
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        form = {"name": name, "password": password, "csrf": csrf, "next": "/"} | fields
        return browser.client.post("/login", data=form, headers={"Origin": browser.base})


@pytest.fixture
def make_house(
    analyzed: Path, make_review: Callable[..., ReviewApp]
) -> Iterator[Callable[..., House]]:
    """A review of one slide on an address that others reach, with four people."""
    opened: list[TestClient] = []

    def make(**chosen: Any) -> House:
        review = make_review(analyzed, host="10.0.0.5", names=("review.lab",), **chosen)
        for name, (role, password) in PASSWORDS.items():
            review.record.people.add_user(name, password, role)
        app = make_app(review)
        opened.append(TestClient(app))
        opened[-1].__enter__()
        return House(review, app)

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """That, with one reader a slide."""
    return make_house()
