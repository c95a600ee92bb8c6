"""The laboratory's own reference cells: put into the folder, or chosen on signed slides."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from leukodiff.pipeline.review.service.errors import ServiceError
from leukodiff.pipeline.review.service.reference_cells import (
    MAX_CELLS,
    Origin,
    Reference,
    References,
)
from leukodiff.pipeline.review.web.app_state import ReviewApp

from .conftest import Browser, House, events_of


def sign(browser: Browser) -> None:
    body = {"name": "Dr A", "version": browser.slide()["version"], "reason": "urgent"}
    assert browser.post("/api/slides/smear/sign", body).status_code == 200


def test_a_signed_cell_becomes_a_reference_cell(browser: Browser, review: ReviewApp) -> None:
    assert browser.get("/api/references").json() == {"classes": {}, "width_um": 24.0}
    browser.name("a-1", "monocyte", 1)
    chosen = {"slide": "smear", "cell": "a-1"}
    assert browser.post("/api/references", chosen).status_code == 409
    sign(browser)
    found = browser.post("/api/references", chosen).json()
    ((cell_type, (one,)),) = found["classes"].items()
    assert (cell_type, one["slide"], one["cell"], one["by"]) == (
        *("monocyte", "smear", "a-1", "operator"),
    )
    assert browser.post("/api/references", chosen).status_code == 409
    answer = browser.get(one["url"])
    picture = Image.open(io.BytesIO(answer.content))
    assert (answer.headers["content-type"], picture.size) == ("image/jpeg", (224, 224))
    etag = answer.headers["etag"]
    assert browser.get(one["url"], headers={"If-None-Match": etag}).status_code == 304
    assert browser.get("/api/references").json() == found
    gone = browser.post("/api/references/remove", {"type": "monocyte", "id": one["id"]})
    assert gone.json()["classes"] == {}
    assert list((review.settings.out / "reference-cells" / "monocyte").iterdir()) == []
    (added,), (removed,) = (events_of(review, f"reference_{one}") for one in ("added", "removed"))
    assert added.payload["cell"] == "a-1"
    assert removed.payload == {"type": "monocyte", "id": one["id"]}
    assert review.record.verify() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"slide": "smear", "cell": "zz"}, 404, id="no such cell"),
        pytest.param({"slide": "../smear", "cell": "a-1"}, 404, id="a path"),
        pytest.param({"slide": "smear", "cell": "b-2"}, 400, id="nobody could tell it"),
        pytest.param({"slide": "smear", "cell": "a-2"}, 404, id="a removed cell"),
        pytest.param({"slide": "smear"}, 400, id="no cell"),
        pytest.param({"slide": "smear", "cell": ["a-1"]}, 400, id="a list"),
    ],
)
def test_what_is_no_reference_cell(browser: Browser, body: Any, status: int) -> None:
    browser.change("cell_removed", {"cells": ["a-2"]}, 1)
    sign(browser)
    assert browser.post("/api/references", body).status_code == status
    assert browser.get("/api/references").json()["classes"] == {}


def test_pictures_that_somebody_put_there(
    browser: Browser, review: ReviewApp, tmp_path: Path
) -> None:
    folder = review.settings.reference_folder / "basophil"
    folder.mkdir(parents=True)
    Image.new("RGB", (60, 60), (90, 60, 140)).save(folder / "ours = one & two.png")
    (folder / "note.txt").write_text("not a picture")
    (folder / "page.html").write_text("<script>")
    Image.new("RGB", (9, 9)).save(tmp_path / "elsewhere.png")
    (folder / "link.png").symlink_to(tmp_path / "elsewhere.png")
    (review.settings.reference_folder / "blast").mkdir()
    found = browser.get("/api/references").json()["classes"]
    ((name, (one,)),) = found.items()
    assert (name, one["id"], one["by"]) == ("basophil", "ours = one & two.png", "")
    assert browser.get(one["url"]).headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    "path",
    [
        "/references/basophil/note.txt",
        "/references/basophil/..%2F..%2Freview.sqlite",
        "/references/..%2Fsmear/smear.json",
        "/references/../review.sqlite",
        "/references/basophil/%00.png",
    ],
)
def test_their_addresses_lead_nowhere(browser: Browser, review: ReviewApp, path: str) -> None:
    folder = review.settings.reference_folder / "basophil"
    folder.mkdir(parents=True)
    (folder / "note.txt").write_text("secret")
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text
    assert [e.payload["what"] for e in events_of(review, "refused")] == ["address"]


def test_who_may_choose_them(house: House) -> None:
    tina = house.login("Tina")
    for path in ("", "/remove"):
        assert tina.post(f"/api/references{path}", {"slide": "smear"}).status_code == 403
    assert tina.get("/api/references").status_code == 200
    assert [e.payload["what"] for e in events_of(house.review, "refused")] == ["role"] * 2


def test_there_is_an_end_to_them(tmp_path: Path) -> None:
    kept = References(tmp_path)
    for i in range(MAX_CELLS):
        kept.add("monocyte", f"{i:02}.jpg", b"picture", Origin("s", str(i), "Paul", "today"))
    with pytest.raises(ServiceError, match="remove one"):
        kept.add("monocyte", "one more.jpg", b"picture", Origin())
    kept.remove("monocyte", "07.jpg")
    with pytest.raises(ServiceError, match="no such"):
        kept.remove("monocyte", "07.jpg")
    kept.add("monocyte", "one more.jpg", b"picture", Origin())
    found = kept.all()
    assert len(found) == MAX_CELLS
    assert found[0] == Reference("monocyte", "00.jpg", Origin("s", "0", "Paul", "today"))
    assert kept.picture("monocyte", "00.jpg") == (b"picture", "image/jpeg")
