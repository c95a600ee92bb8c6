"""The parts that need no server: settings, images in memory, tiles, the command for people."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from leukodiff.core.errors import InputError
from leukodiff.pipeline.cli import main
from leukodiff.pipeline.review.record import Record
from leukodiff.pipeline.review.service.images import ImagePool
from leukodiff.pipeline.review.service.pictures import prune
from leukodiff.pipeline.review.service.settings import ReviewSettings
from leukodiff.pipeline.review.service.tiles import levels, region, tile_box
from leukodiff.pipeline.review.web.endpoint import attachment
from leukodiff.pipeline.slides import ImageScan, open_scan


def test_who_reaches_it_decides_about_logins() -> None:
    out = Path("out")
    assert ReviewSettings(out).is_local
    assert ReviewSettings(out, host="127.0.0.9").is_local
    assert ReviewSettings(out, host="::1").address == "http://[::1]:5000/"
    assert not ReviewSettings(out, host="0.0.0.0").is_local
    assert not ReviewSettings(out, host="review.lab").is_local
    # On loopback with a name of its own there is a proxy or a tunnel before it.
    assert not ReviewSettings(out, names=("review.lab",)).is_local


def test_the_hosts_that_a_browser_may_name() -> None:
    out = Path("out")
    assert ReviewSettings(out, port=80).hosts >= {"127.0.0.1", "127.0.0.1:80"}
    assert "127.0.0.1" not in ReviewSettings(out).hosts
    proxied = ReviewSettings(out, names=("review.lab",), behind_proxy=True)
    assert "https://review.lab" in proxied.origins
    ported = ReviewSettings(out, names=("review.lab:8443",), behind_proxy=True)
    assert "https://review.lab:8443" in ported.origins


@pytest.mark.parametrize(
    "wrong",
    [
        {"tls_cert": Path("a.pem")},
        {"tls_key": Path("a.pem")},
        {"readers": 3},
        {"readers": 2},
        {"behind_proxy": 1},
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        ReviewSettings(Path("out"), **wrong)  # type: ignore[arg-type]


def test_open_images_are_bounded_and_one_that_is_read_stays(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        Image.new("RGB", (10, 10)).save(path)
    images = ImagePool(most=700)
    with images.open(paths[0]) as first:
        for path in paths[1:]:
            with images.open(path) as scan:
                assert scan.width == 10
        assert first.read(0, 0, 10, 10).shape == (10, 10, 3)
        assert paths[0] in images.open_bytes
    assert sum(images.open_bytes.values()) <= 700


def test_an_image_is_decoded_once_for_all_who_ask(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (500, 500)).save(path)
    images, seen = ImagePool(most=10**7), set[int]()
    gate = threading.Barrier(6)

    def read() -> None:
        gate.wait()
        with images.open(path) as scan:
            seen.add(id(scan))

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 1


def test_an_image_that_can_not_be_read_is_tried_again(tmp_path: Path) -> None:
    path, images = tmp_path / "a.png", ImagePool(most=10**7)
    path.write_bytes(b"no image")
    for _ in range(2):
        with pytest.raises(InputError), images.open(path):
            pass
    Image.new("RGB", (5, 5)).save(path)
    with images.open(path) as scan:
        assert scan.width == 5


@pytest.mark.parametrize(
    ("size", "n"), [((1, 1), 1), ((2, 1), 2), ((1024, 3), 11), ((1025, 3), 12)]
)
def test_levels(size: tuple[int, int], n: int) -> None:
    assert levels(*size) == n


def test_tiles_put_together_are_the_image(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 255, (700, 601, 3), np.uint8)
    scan = ImageScan(image, tmp_path / "a.png")
    whole = np.zeros_like(image)
    for x in range(3):
        for y in range(3):
            box = tile_box(601, 700, 1.0, x, y)
            whole[box[1] : box[3], box[0] : box[2]] = region(scan, box, 1.0)
    assert (whole == image).all()
    half = tile_box(601, 700, 2.0, 1, 1)
    assert half == (253, 253, 301, 350)
    assert region(scan, half, 2.0).shape == (97, 48, 3)


def test_tiles_of_a_scan_are_read_from_its_levels(
    draw_scan: Callable[..., np.ndarray[tuple[int, ...], np.dtype[np.uint8]]],
    write_scan: Callable[..., Path],
) -> None:
    image = draw_scan({(400, 300): "neutrophil"}, width=3000, height=2000)
    with open_scan(write_scan(image)) as scan:
        box = tile_box(scan.width, scan.height, 1.0, 1, 1)
        assert (region(scan, box, 1.0) == image[box[1] : box[3], box[0] : box[2]]).all()
        small = region(scan, tile_box(scan.width, scan.height, 16.0, 0, 0), 16.0)
        assert small.shape == (125, 188, 3)


def test_a_cache_on_disk_is_pruned(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / f"{i}.jpg").write_bytes(b"x" * 10)
    prune(tmp_path, 25)
    assert len(list(tmp_path.iterdir())) == 2
    prune(tmp_path / "missing", 25)


@pytest.mark.parametrize("name", ['a".csv', "a\r\nSet-Cookie: x.csv", "Zählung.csv", "\ud800.csv"])
def test_a_file_is_saved_under_any_name(name: str) -> None:
    header = attachment(name)
    assert "\r" not in header
    assert header.count('"') == 2
    header.encode("latin-1")


def test_people_by_the_command_line(tmp_path: Path) -> None:
    file, out = tmp_path / "password", tmp_path / "out"
    file.write_text("giemsa on a rainy day\n")
    where = ["--dir", str(out)]

    def users(*arguments: str, **more: str) -> str:
        done = CliRunner().invoke(main, ["users", *arguments, *where], **more)  # type: ignore[arg-type]
        assert done.exit_code == 0, done.output
        return done.output

    users("add", "Paul", "--role", "pathologist", "--password-file", str(file))
    asked = users("add", "Ada", "--role", "administrator", input="a long secret word\n" * 2)
    assert "a long secret word" not in asked
    users("role", "Paul", "--role", "technologist")
    assert "technologist" in users("list")
    users("remove", "Paul")
    record = Record(ReviewSettings(out).record_url)
    assert record.people.check_password("Ada", "a long secret word")
    assert not record.people.check_password("Paul", "giemsa on a rainy day")
    record.close()
    users("restore", "Paul")
    weak = CliRunner().invoke(
        main, ["users", "add", "X", "--role", "pathologist", *where], "a\na\n"
    )
    assert weak.exit_code == 2
    assert "12 characters" in weak.stderr
    nowhere = CliRunner().invoke(main, ["users", "list"])
    assert nowhere.exit_code == 2
