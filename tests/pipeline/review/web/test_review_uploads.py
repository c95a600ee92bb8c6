"""Dropped images: names, sizes, contents; and what is queued of them."""

import io
import json
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from leukodiff.pipeline.review.service.errors import ServiceError
from leukodiff.pipeline.review.service.jobs import (
    DONE,
    FAILED,
    QUEUED,
    RUNNING,
    STOPPED,
    Job,
    Queue,
    ended,
    with_progress,
)
from leukodiff.pipeline.review.service.settings import Limits
from leukodiff.pipeline.review.service.uploads import Incoming, free_name, safe_name, store
from leukodiff.pipeline.review.web.app_state import ReviewApp
from leukodiff.pipeline.runs.analyze import AnalyzeSettings

from .conftest import Browser

LIMITS = Limits(upload_pixels=1_000_000, upload_file_bytes=1_000_000)


def png(width: int = 8, height: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../../evil.png", png())
    return file.getvalue()


def incoming(name: str, data: bytes) -> Incoming:
    return Incoming(name, io.BytesIO(data), len(data))


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("field 1.png", "field 1.png"),
        ("Zählung (2).tif", "Zählung (2).tif"),
        ("../../etc/passwd.png", "passwd.png"),
        ("..\\..\\boot.png", "boot.png"),
        ("/etc/shadow.png", "shadow.png"),
        ("=cmd|'x'!A0.png", "cmd__x__A0.png"),
        ("-rf.png", "rf.png"),
        (".hidden.png", "hidden.png"),
        ("<script>.png", "script_.png"),
        ("a\x00b\n.png", "a_b_.png"),
        ("con.png", "image-con.png"),
        ("...", "image"),
        ("", "image"),
        ("x" * 500 + ".png", "x" * 76 + ".png"),
    ],
)
def test_names_are_made_safe(text: str, safe: str) -> None:
    assert safe_name(text) == safe


@pytest.mark.parametrize(
    ("wanted", "taken", "free"),
    [
        ("a.png", [], "a.png"),
        ("a.png", ["A.PNG"], "a-2.png"),
        ("a.png", ["a.png", "a-2.png"], "a-3.png"),
        ("smear 1.2", ["smear 1.2"], "smear 1.2-2"),
    ],
)
def test_collisions_are_kept_apart(wanted: str, taken: list[str], free: str) -> None:
    assert free_name(wanted, taken) == free


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        pytest.param("a.png", b"", "empty", id="empty"),
        pytest.param("a.zip", zipped(), "not an image", id="a zip"),
        pytest.param("a.png", zipped(), "no image", id="a zip by another name"),
        pytest.param("a.svg", b"<svg onload=alert(1)>", "not an image", id="svg"),
        pytest.param("a.html", b"<script>", "not an image", id="html"),
        pytest.param("a.gif", b"GIF89a", "not an image", id="gif"),
        pytest.param("a.jpg", png(), "its name says jpg", id="another format than its name"),
        pytest.param("a.png", b"%!PS-Adobe-3.0 EPSF-3.0", "no image", id="postscript"),
        pytest.param("a.png", bomb(2000, 2000), "megapixels", id="a bomb"),
        pytest.param("a.png", bomb(60_000, 60_000), "megapixels", id="a large bomb"),
        pytest.param("a.png", png() + b"\0" * 1_000_001, "larger", id="too large"),
    ],
)
def test_what_is_not_taken(tmp_path: Path, name: str, data: bytes, why: str) -> None:
    with pytest.raises(ServiceError) as refused:
        store([incoming(name, data)], tmp_path, LIMITS)
    assert refused.value.code == "not_an_image"
    assert why in refused.value.message
    assert not (tmp_path / "uploads").exists() or not list((tmp_path / "uploads").iterdir())


def test_folders_become_slides_and_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "smear").mkdir()  # a slide that is there already
    files = [
        incoming("smear/1.png", png()),
        incoming("smear/sub/1.png", png()),
        incoming("smear/notes.txt", b"x"),
        incoming("loose.png", png()),
        incoming("../loose.png", png(9, 9)),
    ]
    made = store(files, tmp_path, LIMITS)
    assert set(made.folders) == {"smear-2", "sub", "loose", "image"}
    assert made.refused == [{"name": "smear/notes.txt", "why": made.refused[0]["why"]}]
    again = store(files[:1], tmp_path, LIMITS)
    assert set(again.folders) == {"smear-3"}
    for folder in (*made.folders.values(), *again.folders.values()):
        assert folder.parent == tmp_path / "uploads"
        assert len(list(folder.iterdir())) == 1
    assert not list((tmp_path / ".review" / "incoming").iterdir())


def test_two_files_of_one_name_both_stay(tmp_path: Path) -> None:
    made = store([incoming("a/1.png", png()), incoming("a/1.PNG", png(9, 9))], tmp_path, LIMITS)
    assert {p.name for p in made.folders["a"].iterdir()} == {"1.png", "1-2.PNG"}


def post(browser: Browser, *files: tuple[str, bytes], **fields: str) -> Any:
    parts = [("files", (name, data)) for name, data in files]
    return browser.post("/api/upload", files=parts, data=fields)


def test_an_upload_over_the_wire(
    browser: Browser, review: ReviewApp, refusals: Callable[[], list[str]]
) -> None:
    answer = post(browser, ("a.png", png()), ("a.zip", zipped()), name="Monday <b>")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert [job["name"] for job in body["jobs"]] == ["Monday _b_"]
    assert body["refused"][0]["name"] == "a.zip"
    assert refusals() == ["upload"]
    job = browser.get("/api/queue").json()["jobs"][0]
    assert job["state"] in (QUEUED, RUNNING)
    assert browser.post(f"/api/queue/{job['number']}/stop", {}).status_code == 200


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        pytest.param("application/json", b"{}", 415, id="JSON"),
        pytest.param("multipart/form-data", b"x", 400, id="no boundary"),
        pytest.param("multipart/form-data; boundary=x", b"--y\r\n", 400, id="another boundary"),
        pytest.param("application/zip", zipped(), 415, id="a zip"),
    ],
)
def test_uploads_that_are_none(browser: Browser, kind: str, body: bytes, status: int) -> None:
    sent = browser.post("/api/upload", content=body, headers={"Content-Type": kind})
    assert sent.status_code in (status, 415), sent.text


def test_too_many_files(analyzed: Path, make_review: Callable[..., ReviewApp]) -> None:
    from starlette.testclient import TestClient

    from leukodiff.pipeline.review.web.app import make_app

    from .conftest import BASE

    review = make_review(analyzed, limits=Limits(upload_files=2, upload_bytes=100_000))
    with TestClient(make_app(review), base_url=BASE, follow_redirects=False) as client:
        browser = Browser(client)
        browser.page(f"/?token={review.tokens.access}")
        browser.read_csrf()
        many = [(f"{i}.png", png()) for i in range(3)]
        assert post(browser, *many).status_code == 400
        large = post(browser, ("a.png", png() + b"\0" * 200_000))
        assert large.status_code == 413


def test_files_by_path_from_an_allowed_folder_alone(
    tmp_path: Path, analyzed: Path, make_review: Callable[..., ReviewApp]
) -> None:
    from starlette.testclient import TestClient

    from leukodiff.pipeline.review.web.app import make_app

    from .conftest import BASE, events_of

    allowed, secret = tmp_path / "slides", tmp_path / "private"
    for folder in (allowed, secret):
        folder.mkdir()
        (folder / "a.png").write_bytes(png())
    (allowed / "link.png").symlink_to(secret / "a.png")
    (allowed / "out").symlink_to(secret)
    (allowed / "empty").mkdir()
    review = make_review(analyzed, allow=(allowed,))
    review.queue.add = lambda *_, **__: Job(1, "a", (), "", "")  # type: ignore[method-assign]
    with TestClient(make_app(review), base_url=BASE, follow_redirects=False) as client:
        browser = Browser(client)
        browser.page(f"/?token={review.tokens.access}")
        browser.read_csrf()

        def asked(path: object) -> int:
            return int(browser.post("/api/analyze", {"path": path}).status_code)

        assert asked(str(allowed / "a.png")) == 200
        outside = (
            secret / "a.png",
            secret / "not there.png",
            allowed / "link.png",
            allowed / "out" / "a.png",
            allowed / ".." / "private" / "a.png",
            "/etc/passwd",
            "a.png",
            "",
            "\\\\server\\share",
        )
        assert [asked(str(path)) for path in outside] == [403] * len(outside)
        assert asked(str(allowed / "missing.png")) == 404
        assert asked(str(allowed / "empty")) == 400
        assert [asked(path) for path in (3, None, "a\0b", "x" * 5000)] == [400] * 4
    assert {e.payload["what"] for e in events_of(review, "refused")} == {"path", "body"}


def test_progress_and_its_end() -> None:
    job = Job(1, "a", ("/a",), "operator", "2026-11-23T10:00:00+00:00", state=RUNNING)
    half = with_progress(job, 20, 100, "a", 10.0)
    assert (half.rate, half.left) == (2.0, 40.0)
    assert with_progress(job, 0, 100, "a", 1.0).left is None
    assert ended(half, ["a"]).state == DONE
    assert ended(half, ["a"], is_stopped=True).state == STOPPED
    failed = ended(half, errors=["no image"])
    assert (failed.state, failed.error, failed.left) == (FAILED, "no image", None)


def wait_for(queue: Queue, number: int, *states: str, seconds: float = 240) -> Job:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job = next(one for one in queue.jobs() if one.number == number)
        if job.state in states:
            return job
        time.sleep(0.1)
    raise AssertionError(f"{job} is not {states}")


@pytest.fixture
def field(tmp_path: Path) -> Path:
    """A folder with three fields of a phantom."""
    from leukodiff.datasets.phantom import PhantomSettings, render_smear

    folder = tmp_path / "dropped"
    render_smear(folder, PhantomSettings(seed=3, n_white=3, stain="camera"), 2)
    return folder


@pytest.mark.slow
def test_a_queue_over_a_restart_and_stop(tmp_path: Path, field: Path) -> None:
    """A job that ran when the server was killed runs again; one that waits can be stopped."""
    first = Queue(tmp_path / "q", tmp_path / "out", 10, AnalyzeSettings(threads=1))
    one = first.add("one", [field], "operator")
    two = first.add("two", [field], "operator")
    assert one
    assert two
    begun = json.dumps({**vars(one), "state": RUNNING, "done": 1, "total": 2})
    (tmp_path / "q" / f"{one.number:08d}.json").write_text(begun)
    again = Queue(tmp_path / "q", tmp_path / "out", 10, AnalyzeSettings(threads=1))
    again.start()
    try:
        stopped = again.stop(two.number)
        assert stopped
        assert stopped.state == STOPPED
        assert again.stop(99) is None
        done = wait_for(again, one.number, DONE, FAILED)
        assert (done.state, done.slides, done.error) == (DONE, ("dropped",), "")
        assert (tmp_path / "out" / "dropped" / "smear.json").is_file()
        assert again.stop(one.number) is None
        assert [job.state for job in again.jobs()] == [DONE, STOPPED]
    finally:
        again.close()


@pytest.mark.slow
def test_an_analysis_that_runs_is_stopped(tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    rng = np.random.default_rng(1)
    for i in range(300):
        image = rng.integers(120, 255, (600, 800, 3), np.uint8)
        Image.fromarray(image).save(many / f"{i}.bmp")
    queue = Queue(tmp_path / "q", tmp_path / "out", 10, AnalyzeSettings(threads=1))
    queue.start()
    try:
        job = queue.add("many", [many], "operator")
        assert job
        wait_for(queue, job.number, RUNNING)
        queue.stop(job.number)
        stopped = wait_for(queue, job.number, STOPPED, FAILED, DONE, seconds=60)
        assert stopped.state == STOPPED
        assert not (tmp_path / "out" / "many").exists()
    finally:
        queue.close()


def test_a_queue_has_an_end(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "q", tmp_path / "out", 2)
    assert queue.add("a", [tmp_path], "x")
    assert queue.add("b", [tmp_path], "x")
    assert queue.add("c", [tmp_path], "x") is None
