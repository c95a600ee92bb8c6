"""What the pages are told, and what becomes of what a person does."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from leukodiff.pipeline.report.serialize import STORED
from leukodiff.pipeline.report.texts import load_texts
from leukodiff.pipeline.review.service.people import OPERATOR
from leukodiff.pipeline.review.service.reviewed_report import review_remarks
from leukodiff.pipeline.review.web.app_state import ReviewApp

from .conftest import Browser, events_of

SLIDE = "/api/slides/smear"


def counts(answer: Any) -> dict[str, int]:
    rows = answer["differential"]["rows"]
    return {row["type"]: row["count"] for row in rows if row["count"]}


def test_a_slide_has_all_that_the_pages_show(browser: Browser) -> None:
    slide = browser.slide()
    assert (slide["slide_id"], slide["status"], slide["version"]) == ("smear", "analysed", 1)
    assert [(f["field_id"], f["width"], f["n_cells"]) for f in slide["fields"]] == [
        ("a.png", 160, 3),
        ("b.png", 160, 2),
    ]
    first = slide["cells"][0]
    assert first["id"] == "a-1"
    assert first["box"] == [8.0, 40.0, 24.0, 56.0]
    assert (first["machine"], first["person"], first["confidence"]) == ("neutrophil", None, 1.0)
    assert first["leading"][0] == ["neutrophil", 1.0]
    assert not any(first[name] for name in ("looked", "added", "removed", "atypical"))
    assert counts(slide) == {
        "neutrophil": 2,
        "lymphocyte": 1,
        "erythroblast": 1,
        "unidentified": 1,
    }
    assert slide["differential"]["nlr"]["value"] == 2.0
    keys = [one["key"] for one in slide["classes"]]
    assert len(keys) == len(set(keys)) == 10
    assert slide["may_sign"] == ["1 cell is unidentified", "5 cells were not looked at"]
    json.dumps(slide, allow_nan=False)


def test_the_worklist(browser: Browser) -> None:
    (row,) = browser.get("/api/slides").json()["slides"]
    assert (row["slide_id"], row["status"], row["n_cells"]) == ("smear", "analysed", 5)
    assert (row["n_unidentified"], row["n_atypical"]) == (1, 0)
    browser.name("b-2", "monocyte", 1)
    (row,) = browser.get("/api/slides").json()["slides"]
    assert (row["status"], row["n_unidentified"], row["who"]) == ("in review", 0, "operator")


def test_after_a_restart_the_worklist_counts_as_reviewed(
    browser: Browser, review: ReviewApp, make_review: Callable[..., ReviewApp]
) -> None:
    browser.name("b-2", "monocyte", 1)
    again = make_review(review.settings.out)
    again.open()
    again.close()  # waits for what goes on beside
    (row,) = again.record.slides()
    assert again.reviews.summary(row)["n_unidentified"] == 0


def test_a_reclassified_cell_moves_the_count(browser: Browser) -> None:
    answer = browser.name("a-1", "monocyte", 1).json()
    assert answer["version"] == 2
    assert answer["changed"] == {"a-1": "monocyte"}
    assert answer["looked"] == ["a-1"]
    assert counts(answer)["monocyte"] == 1
    row = next(r for r in answer["differential"]["rows"] if r["type"] == "neutrophil")
    assert (row["count"], row["machine_count"]) == (1, 2)
    assert row["low"] < row["percent"] < row["high"]
    assert (answer["undo"], answer["redo"]) == (True, False)
    cell = browser.slide()["cells"][0]
    assert (cell["machine"], cell["person"]) == ("neutrophil", "monocyte")


def test_undo_and_redo(browser: Browser) -> None:
    before = counts(browser.slide())
    browser.name("a-1", "monocyte", 1)
    browser.change("cell_removed", {"cells": ["a-2"], "reason": "a smudge"}, 2)
    back = browser.post(f"{SLIDE}/undo", {"version": 3}).json()
    assert back["removed"] == {"a-2": False}
    back = browser.post(f"{SLIDE}/undo", {"version": 4}).json()
    assert (back["changed"], counts(back)) == ({"a-1": None}, before)
    assert (back["undo"], back["redo"]) == (False, True)
    assert browser.post(f"{SLIDE}/undo", {}).status_code == 409
    again = browser.post(f"{SLIDE}/redo", {}).json()
    assert again["changed"] == {"a-1": "monocyte"}


def test_a_removed_cell_leaves_the_count_and_comes_back(browser: Browser) -> None:
    answer = browser.change("cell_removed", {"cells": ["a-3"], "reason": "stain"}, 1).json()
    assert answer["removed"] == {"a-3": True}
    assert "lymphocyte" not in counts(answer)
    cell = next(one for one in browser.slide()["cells"] if one["id"] == "a-3")
    assert cell["removed"]
    answer = browser.change("cell_restored", {"cells": ["a-3"]}, 2).json()
    assert counts(answer)["lymphocyte"] == 1


def test_a_missed_cell_is_classified_at_once(browser: Browser) -> None:
    # The red square of the first field: the classifier of colors calls it nothing it knows.
    answer = browser.post(f"{SLIDE}/cells", {"field": "a.png", "box": [80, 40, 96, 56]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["warning"] == ""
    # What any edit answers stays beside the cell: which were removed, and looked at.
    assert (answer.json()["removed"], answer.json()["version"]) == ({}, 2)
    made = answer.json()["cell"]
    assert (made["machine"], made["added"], made["field"]) == ("unidentified", True, "a.png")
    assert browser.slide()["cells"][-1]["id"] == made["id"]
    picture = browser.get(f"/crops/smear/{made['id']}.jpg")
    assert picture.headers["content-type"] == "image/jpeg"
    named = browser.name(made["id"], "basophil", answer.json()["version"]).json()
    assert counts(named)["basophil"] == 1
    # A box round a cell that is there: the same name as the machine's.
    again = browser.post(f"{SLIDE}/cells", {"field": "a.png", "box": [56, 40, 72, 56]}).json()
    assert again["cell"]["machine"] == "lymphocyte"


@pytest.mark.parametrize(
    ("field", "box", "status"),
    [
        pytest.param("c.png", [8, 40, 24, 56], 404, id="no such field"),
        pytest.param("../a.png", [8, 40, 24, 56], 404, id="a path"),
        pytest.param("a.png", [8, 40, 24], 400, id="three numbers"),
        pytest.param("a.png", [8, 40, "24", 56], 400, id="text"),
        pytest.param("a.png", [24, 40, 8, 56], 400, id="inside out"),
        pytest.param("a.png", [-8, 40, 24, 56], 400, id="outside"),
        pytest.param("a.png", [8, 40, 9, 41], 400, id="smaller than any cell"),
        pytest.param("a.png", [0, 0, 160, 90], 400, id="larger than any cell"),
        pytest.param("a.png", [1e300, 0, -1e300, 90], 400, id="huge"),
    ],
)
def test_a_box_that_is_no_cells(browser: Browser, field: str, box: list[Any], status: int) -> None:
    assert browser.post(f"{SLIDE}/cells", {"field": field, "box": box}).status_code == status
    assert browser.slide()["version"] == 1


def test_another_classifier_is_reported(
    browser: Browser, review: ReviewApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    classifier: Any = review.load_classifier()
    other = replace(classifier, metadata=replace(classifier.metadata, sha256="f" * 64))
    review.cell_classifier.load = lambda: other
    made = browser.post(f"{SLIDE}/cells", {"field": "a.png", "box": [56, 40, 72, 56]}).json()
    assert made["cell"]["machine"] == "lymphocyte"
    assert "another classifier" in made["warning"]


def test_the_same_cells_changed_twice_are_a_conflict_and_others_not(browser: Browser) -> None:
    assert browser.name("a-1", "monocyte", 1).status_code == 200
    clash = browser.name("a-1", "basophil", 1)
    assert clash.status_code == 409
    body = clash.json()
    assert (body["theirs"], body["mine"]) == ({"a-1": "monocyte"}, {"a-1": "basophil"})
    assert body["version"] == 2
    other = browser.name("a-2", "basophil", 1)
    assert other.status_code == 200
    # A page that knew version 1 alone is told of what it missed, too.
    assert other.json()["changed"] == {"a-1": "monocyte", "a-2": "basophil"}


def test_two_pages_receive_each_others_changes(browser: Browser) -> None:
    nothing = browser.get(f"{SLIDE}/events?after=1").json()
    assert nothing == {"events": [], "version": 1}
    browser.name("a-1", "monocyte", 1)
    news = browser.get(f"{SLIDE}/events?after=1").json()
    assert [one["kind"] for one in news["events"]] == ["reclassified"]
    assert news["changed"] == {"a-1": "monocyte"}
    assert news["version"] == 2
    assert counts(news)["monocyte"] == 1
    kinds = [one["kind"] for one in browser.get(f"{SLIDE}/history").json()["events"]]
    assert kinds == ["added", "reclassified"]


def test_a_cell_viewed_before_is_no_event(browser: Browser, review: ReviewApp) -> None:
    browser.view_all()
    assert browser.view_all()["version"] == 2
    assert len(events_of(review, "looked_at")) == 1


def test_signing_takes_all_cells_or_a_reason(browser: Browser) -> None:
    early = browser.post(f"{SLIDE}/sign", {"name": "Dr A", "version": 1})
    assert early.status_code == 400
    assert early.json()["may_sign"] == ["1 cell is unidentified", "5 cells were not looked at"]
    browser.name("b-2", "monocyte", 1)
    version = browser.view_all()["version"]
    signed = browser.post(
        f"{SLIDE}/sign", {"name": "Dr A", "version": version, "comment": "as expected"}
    ).json()
    assert signed["status"] == "signed"
    assert signed["comment"] == "as expected"
    (signature,) = signed["signatures"]
    assert (signature["name"], signature["actor"], signature["reason"]) == ("Dr A", "operator", "")
    assert signature["person"]["monocyte"] == 1
    assert "monocyte" not in signature["machine"]
    for path, body in (
        ("events", {"kind": "commented", "payload": {"text": "x"}, "version": signed["version"]}),
        ("undo", {}),
        ("cells", {"field": "a.png", "box": [56, 40, 72, 56]}),
        ("sign", {"name": "Dr A", "version": signed["version"]}),
    ):
        assert browser.post(f"{SLIDE}/{path}", body).status_code in (409, 423), path


def test_a_reason_signs_what_is_open(browser: Browser) -> None:
    body = {"name": "Dr A", "version": 1, "reason": "urgent; two cells can't be told"}
    (signature,) = browser.post(f"{SLIDE}/sign", body).json()["signatures"]
    assert (signature["unidentified"], signature["not_looked_at"]) == (1, 5)
    assert signature["reason"].startswith("urgent")


def test_a_signed_slide_is_opened_again_with_a_reason(browser: Browser) -> None:
    body = {"name": "Dr A", "version": 1, "reason": "urgent"}
    version = browser.post(f"{SLIDE}/sign", body).json()["version"]
    assert browser.post(f"{SLIDE}/reopen", {"reason": "  "}).status_code == 400
    opened = browser.post(f"{SLIDE}/reopen", {"reason": "the wrong patient"}).json()
    assert (opened["status"], opened["signatures"]) == ("in review", [])
    assert opened["version"] == version + 1
    assert browser.name("a-1", "monocyte", version + 1).status_code == 200


def test_exports_have_the_words_of_machine_and_person(browser: Browser) -> None:
    browser.name("a-1", "monocyte", 1)
    body = {"name": "Dr <b>A</b>", "version": 2, "reason": "urgent"}
    assert browser.post(f"{SLIDE}/sign", body).status_code == 200
    table = browser.get(f"{SLIDE}/export/csv").text
    row = next(iter(csv.DictReader(io.StringIO(table))))
    assert (row["cell_type"], row["reviewed_as"]) == ("neutrophil", "monocyte")
    for kind in ("html", "pdf", "xlsx", "fhir", "hl7", "csv?table=counts"):
        made = browser.get(f"{SLIDE}/export/{kind}")
        assert made.status_code == 200, kind
        assert len(made.content) > 200, kind
        assert "attachment" in made.headers["content-disposition"]
    page = browser.page("/slides/smear/report")
    assert "sandbox" in page.headers["content-security-policy"]
    assert "Dr &lt;b&gt;A&lt;/b&gt;" in page.text
    assert "signed by Dr" in page.text
    assert "machine counted 2 neutrophil" in page.text
    assert "the machine counted 2 neutrophil" in browser.get(f"{SLIDE}/export/fhir").text
    assert browser.get(f"{SLIDE}/export/exe").status_code == 404
    assert browser.get(f"{SLIDE}/export/csv?table=../cells").status_code == 404


def test_a_cell_that_a_person_added_is_in_every_export(browser: Browser) -> None:
    """Its note is a text of the classifier's here, or of none: no code of the machine's."""
    added = browser.post(f"{SLIDE}/cells", {"field": "a.png", "box": [80, 40, 96, 56]})
    assert added.status_code == 200
    for kind in ("html", "pdf", "xlsx", "fhir", "hl7", "csv"):
        assert browser.get(f"{SLIDE}/export/{kind}").status_code == 200, kind
    assert browser.page("/slides/smear/report").status_code == 200


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        pytest.param("en", ["not signed", "the machine counted 2 neutrophil", "empty"], id="en"),
        pytest.param("de", ["nicht unterschrieben", "zählte: 2 Neutrophile", "empty"], id="de"),
        pytest.param("fr", ["non signé", "a compté : 2 neutrophiles", "empty"], id="fr"),
    ],
)
def test_the_review_stands_in_the_report_s_language(
    browser: Browser, review: ReviewApp, language: str, expected: list[str]
) -> None:
    """What a person wrote stays as it was written."""
    browser.name("a-1", "monocyte", 1)
    browser.change("commented", {"text": "empty"}, 2)
    view = review.reviews.view("smear", OPERATOR)
    remarks = review_remarks(view)
    lines = [one.text(load_texts(language)) for one in remarks]
    assert len(lines) == 5
    for line, words in zip([lines[0], lines[1], lines[-1]], expected, strict=True):
        assert words in line


def test_a_formula_in_a_comment_stays_text(browser: Browser) -> None:
    text = '=HYPERLINK("http://evil","x")<script>alert(1)</script>'
    answer = browser.change("commented", {"text": text}, 1)
    assert answer.json()["comment"] == text
    page = browser.page("/slides/smear/report").text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert browser.page("/slides/smear").status_code == 200


def picture(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"))


def test_a_crop_is_24_um_wide_and_kept_by_its_version(browser: Browser, review: ReviewApp) -> None:
    content = browser.slide()["content"]
    crop = picture(browser.get("/crops/smear/a-1.jpg?px=96"))
    assert crop.shape == (96, 96, 3)
    # 24 um at 0.5 um/px are 48 px, so the square of 16 px is a third of the crop.
    assert abs(int(crop[48, 48, 0]) - 90) < 12
    assert crop[48, 20, 0] > 200
    kept = browser.get(f"/crops/smear/a-1.jpg?v={content}")
    assert "immutable" in kept.headers["cache-control"]
    etag = kept.headers["etag"]
    again = browser.get("/crops/smear/a-1.jpg", headers={"If-None-Match": etag})
    assert again.status_code == 304
    assert "no-cache" in again.headers["cache-control"]
    assert list((review.settings.hidden / "crops").rglob("*.jpg"))


def test_a_sheet_holds_the_cells_in_their_order(browser: Browser) -> None:
    sheet = picture(browser.get("/crops/smear/sheet/0.jpg"))
    assert sheet.shape == (96, 960, 3)
    for i, red in enumerate((90, 90, 60, 70, 99)):
        assert abs(int(sheet[48, 96 * i + 48, 0]) - red) < 14, i
    assert browser.get("/crops/smear/sheet/1.jpg").status_code == 404


def test_tiles(browser: Browser) -> None:
    facts = browser.get("/tiles/smear/a.png.json").json()
    assert (facts["width"], facts["height"], facts["tile"], facts["levels"]) == (160, 90, 254, 9)
    whole = picture(browser.get("/tiles/smear/a.png/8/0_0.jpg"))
    assert whole.shape == (90, 160, 3)
    assert abs(int(whole[48, 16, 0]) - 90) < 12
    assert picture(browser.get("/tiles/smear/a.png/7/0_0.jpg")).shape == (45, 80, 3)
    assert picture(browser.get("/tiles/smear/a.png/0/0_0.jpg")).shape == (1, 1, 3)
    for beyond in ("8/1_0", "8/0_1", "9/0_0", "99/0_0"):
        assert browser.get(f"/tiles/smear/a.png/{beyond}.jpg").status_code == 404


def test_without_the_images_all_else_works(browser: Browser, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "smear")
    for path in ("/crops/smear/a-1.jpg", "/crops/smear/sheet/0.jpg", "/tiles/smear/a.png.json"):
        gone = browser.get(path)
        assert gone.status_code == 404
        assert str(tmp_path / "smear" / "a.png") in gone.json()["error"]
        assert "\n" not in gone.json()["error"]
    assert browser.name("a-1", "monocyte", 1).status_code == 200
    assert browser.page("/slides/smear/report").status_code == 200


def test_another_image_in_its_place_is_reported(browser: Browser, tmp_path: Path) -> None:
    Image.new("RGB", (50, 50)).save(tmp_path / "smear" / "a.png")
    gone = browser.get("/crops/smear/a-1.jpg")
    assert gone.status_code == 404
    assert "another image" in gone.json()["error"]


def test_a_slide_that_appears_is_added(browser: Browser, analyzed: Path, review: ReviewApp) -> None:
    made = analyzed / "second"
    shutil.copytree(analyzed / "smear", made)
    stored = json.loads((made / STORED).read_text())
    (made / STORED).write_text(json.dumps(stored | {"slide_id": "second"}))
    review.slide_store.refresh(now=True)
    names = [row["slide_id"] for row in browser.get("/api/slides").json()["slides"]]
    assert names == ["second", "smear"]
    assert browser.slide("second")["version"] == 1


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None], review: ReviewApp) -> None:
    stored = json.loads((folder / STORED).read_text())
    change(stored)
    (folder / STORED).write_text(json.dumps(stored))
    review.slide_store.refresh(now=True)


def test_a_slide_analyzed_anew_is_reported(
    browser: Browser, analyzed: Path, review: ReviewApp
) -> None:
    def fewer(stored: dict[str, Any]) -> None:
        del stored["cells"][0]

    rewrite(analyzed / "smear", fewer, review)
    (row,) = browser.get("/api/slides").json()["slides"]
    assert (row["anew"], row["n_cells"]) == (True, 4)
    browser.name("a-2", "monocyte", 2)
    rewrite(analyzed / "smear", fewer, review)
    slide = browser.slide()
    assert (slide["locked"], slide["cells"][0]["id"]) == (True, "a-3")
    assert "analyzed anew" in slide["remarks"][0]
    assert browser.name("a-3", "monocyte", slide["version"]).status_code == 423


def test_a_report_made_anew_leaves_the_review(
    browser: Browser, analyzed: Path, review: ReviewApp
) -> None:
    browser.name("a-1", "monocyte", 1)
    rewrite(analyzed / "smear", lambda stored: stored["sample"].update(sex="female"), review)
    slide = browser.slide()
    assert (slide["locked"], slide["cells"][0]["person"]) == (False, "monocyte")


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        pytest.param("signed", {"name": "x"}, id="a kind that has its own call"),
        pytest.param("added", {}, id="a kind that is the server's"),
        pytest.param("reclassified", {"cells": {}}, id="no cells"),
        pytest.param("reclassified", {"cells": {"zz": {"to": "monocyte"}}}, id="no such cell"),
        pytest.param("reclassified", {"cells": {"a-1": {"to": "blast"}}}, id="no such type"),
        pytest.param("reclassified", {"cells": {"a-1": {"to": ["monocyte"]}}}, id="a list"),
        pytest.param("reclassified", {"cells": [["a-1"]]}, id="cells as a list"),
        pytest.param("looked_at", {"cells": "a-1"}, id="cells as text"),
        pytest.param("looked_at", {"cells": [1]}, id="a number"),
        pytest.param("commented", {"text": 3}, id="a comment that is a number"),
        pytest.param("commented", {"text": "x" * 10_001}, id="a novel"),
        pytest.param("commented", {"text": "\ud800"}, id="half a letter"),
    ],
)
def test_a_malformed_event_is_refused(browser: Browser, kind: str, payload: Any) -> None:
    body = json.dumps({"kind": kind, "payload": payload, "version": 1})
    sent = {"Content-Type": "application/json"}
    answer = browser.post(f"{SLIDE}/events", content=body, headers=sent)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}
    assert browser.slide()["version"] == 1


def test_a_version_that_there_is_not_is_refused(browser: Browser) -> None:
    for version in (7, -1, "1", 1.5, True):
        body = {"kind": "commented", "payload": {"text": "x"}, "version": version}
        assert browser.post(f"{SLIDE}/events", body).status_code == 400
