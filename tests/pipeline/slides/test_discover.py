from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from leukodiff.core.errors import InputError
from leukodiff.pipeline.slides import discover as slides
from leukodiff.pipeline.slides.discover import (
    Slide,
    find_slides,
    is_scan,
    passed_over,
)
from leukodiff.pipeline.slides.fingerprint import digest_of, has_inputs, stamp_of


def tree(root: Path, *paths: str) -> None:
    """Makes files; a path that ends in a slash is an empty folder."""
    for path in paths:
        if path.endswith("/"):
            (root / path).mkdir(parents=True)
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(b"x")


def ids(slides: Sequence[Slide]) -> dict[str, list[str]]:
    return {slide.slide_id: [field.field_id for field in slide.fields] for slide in slides}


@pytest.mark.parametrize(
    ("files", "inputs", "expected"),
    [
        pytest.param(["a.jpg"], ["a.jpg"], {"a": ["a.jpg"]}, id="a file is a slide"),
        pytest.param(
            ["s/10.jpg", "s/9.JPG", "s/b.png"],
            ["s"],
            {"s": ["9.JPG", "10.jpg", "b.png"]},
            id="a folder of images is a slide, in natural order",
        ),
        pytest.param(
            ["all/s1/a.jpg", "all/s2/a.jpg"],
            ["all"],
            {"s1": ["a.jpg"], "s2": ["a.jpg"]},
            id="a folder of folders is a slide per sub-folder",
        ),
        pytest.param(
            ["all/p1/s1/a.jpg", "all/p2/s1/a.jpg"],
            ["all"],
            {"s1": ["a.jpg"], "s1-2": ["a.jpg"]},
            id="at any depth, names made unique",
        ),
        pytest.param(
            ["s/a.jpg", "s/notes.txt", "s/.b.jpg", "s/._a.jpg", "s/deeper/c.jpg"],
            ["s"],
            {"s": ["a.jpg"]},
            id="other files, hidden files and folders beside images are passed over",
        ),
        pytest.param(
            ["all/Annotations/a.xml", "all/JPEGImages/a.jpg"],
            ["all"],
            {"JPEGImages": ["a.jpg"]},
            id="a sub-folder of labels is no slide",
        ),
        pytest.param(
            ["all/s1/a.jpg", "all/s2/"],
            ["all"],
            {"s1": ["a.jpg"], "s2": []},
            id="an empty sub-folder is a slide that fails",
        ),
        pytest.param(
            ["a.jpg", "a.png", "A.tif"],
            ["a.jpg", "a.png", "A.tif"],
            {"a": ["a.jpg"], "a.png": ["a.png"], "A.tif": ["A.tif"]},
            id="one stem, three slides, whatever the capitals",
        ),
        pytest.param(["a.jpg"], ["a.jpg", "./a.jpg"], {"a": ["a.jpg"]}, id="named twice"),
        pytest.param(
            ["run.json.jpg", "counts.csv/a.jpg"],
            ["run.json.jpg", "counts.csv"],
            {"run.json.jpg": ["run.json.jpg"], "counts.csv-2": ["a.jpg"]},
            id="names of the run's own files",
        ),
        pytest.param(
            ["all/out/run.json", "all/out/s1/overlays/a.jpg", "all/s1/a.jpg"],
            ["all"],
            {"s1": ["a.jpg"]},
            id="an earlier run's output is not an input",
        ),
        pytest.param(
            ["all/run.json", "all/a/slide.json", "all/a/overlays/a.jpg", "all/s1/a.jpg"],
            ["all"],
            {"s1": ["a.jpg"]},
            id="nor are the slides of a run that wrote into its own input",
        ),
        pytest.param(
            ["été, nº 1/é à.jpg"], ["été, nº 1"], {"été, nº 1": ["é à.jpg"]}, id="accents, commas"
        ),
        pytest.param(["scan.weird"], ["scan.weird"], {"scan": ["scan.weird"]}, id="any file named"),
        pytest.param(["a.ndpi"], ["a.ndpi"], {"a": ["a.ndpi"]}, id="a whole-slide file"),
        pytest.param(
            ["s/b.svs", "s/a.SVS", "s/1.jpg", "s/2.jpg", "s/deeper/c.svs"],
            ["s"],
            {"a": ["a.SVS"], "b": ["b.svs"], "s": ["1.jpg", "2.jpg"]},
            id="a scan in a folder is a slide of its own, its images another",
        ),
        pytest.param(
            ["s/a.mrxs", "s/a/Data0000.dat"], ["s"], {"a": ["a.mrxs"]}, id="MIRAX and its folder"
        ),
        pytest.param(
            ["s/a.vms", "s/a-0.jpg", "s/a-1.jpg"], ["s"], {"a": ["a.vms"]}, id="VMS, its JPEGs"
        ),
        pytest.param(["s/1.dcm", "s/2.dcm"], ["s"], {"1": ["1.dcm"]}, id="the files of a DICOM"),
    ],
)
def test_inputs_become_slides(
    tmp_path: Path, files: list[str], inputs: list[str], expected: dict[str, list[str]]
) -> None:
    tree(tmp_path, *files)
    assert ids(find_slides([tmp_path / name for name in inputs])) == expected


@pytest.mark.parametrize(
    ("files", "given", "expected"),
    [
        pytest.param(["all/s1/a.jpg", "all/s2/a.jpg"], ["all"], [], id="no image beside them"),
        pytest.param(["all/a.jpg", "all/s1/"], ["all"], [], id="an empty one"),
        pytest.param(["all/a.jpg", "all/s1/a.xml"], ["all"], [], id="one of labels"),
        pytest.param(
            ["all/a.jpg", "all/s10/a.jpg", "all/s2/deeper/a.svs"],
            ["all"],
            ["s2", "s10"],
            id="beside an image, at any depth",
        ),
        pytest.param(["all/a.svs", "all/a/b.jpg"], ["all"], ["a"], id="beside a scan"),
        pytest.param(["all/a.mrxs", "all/a/0.dat"], ["all"], [], id="of a MIRAX"),
        pytest.param(
            ["all/a.jpg", "all/old/run.json", "all/old/s1/overlays/a.jpg", "all/.b/a.jpg"],
            ["all"],
            [],
            id="an output, and a hidden one",
        ),
        pytest.param(
            ["all/a.jpg", "all/s1/a.jpg", "all/s2/t/a.jpg", "all/s3/a.jpg"],
            ["all", "all/s1", "all/s2/t"],
            ["s3"],
            id="what is given by name is not passed over",
        ),
    ],
)
@pytest.mark.parametrize("per_image", [False, True])
def test_sub_folders_that_are_passed_over(
    tmp_path: Path, files: list[str], given: list[str], expected: list[str], per_image: bool
) -> None:
    tree(tmp_path, *files)
    found = find_slides([tmp_path / one for one in given], per_image)
    assert [folder.name for slide in found for folder in slide.passed_over] == expected
    remarks = list(filter(None, map(passed_over, found)))
    assert len(remarks) == bool(expected)
    for remark in remarks:
        assert remark.startswith(f"{tmp_path / 'all'}: ")
        assert ", ".join(expected) in remark


def test_of_many_passed_over_three_are_named(tmp_path: Path) -> None:
    tree(tmp_path, "all/a.jpg", *(f"all/s{i}/a.jpg" for i in range(5)))
    (slide,) = find_slides([tmp_path / "all"])
    assert "too: s0, s1, s2 and 2 more; " in passed_over(slide)


def test_a_sub_folder_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    tree(tmp_path, "all/a.jpg")
    try:
        (tmp_path / "all/round").symlink_to(tmp_path / "all", target_is_directory=True)
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    assert find_slides([tmp_path / "all"])[0].passed_over == ()


def test_per_image_makes_every_image_a_slide(tmp_path: Path) -> None:
    tree(tmp_path, "s/a.jpg", "s/b.jpg", "t/a.jpg")
    found = find_slides([tmp_path / "s", tmp_path / "t"], per_image=True)
    assert ids(found) == {"a": ["a.jpg"], "b": ["b.jpg"], "a.jpg": ["a.jpg"]}


def test_the_output_folder_is_left_out(tmp_path: Path) -> None:
    tree(tmp_path, "all/s1/a.jpg", "all/out/s1/a.jpg")
    assert list(ids(find_slides([tmp_path / "all"], leave_out=tmp_path / "all" / "out"))) == ["s1"]


@pytest.mark.parametrize(
    ("files", "given", "message"),
    [
        pytest.param([], "nowhere", "no such file or folder", id="missing"),
        pytest.param(["s/"], "s", "no image in this folder", id="empty folder"),
        pytest.param(["s/notes.txt"], "s", "no image in this folder", id="no image in it"),
        pytest.param(["s/t/notes.txt"], "s", "no image in this folder", id="none below either"),
        pytest.param(["s/a.dat"], "s", "whole-slide files are looked for", id="of another kind"),
    ],
)
def test_what_holds_no_image_is_refused_by_name(
    tmp_path: Path, files: list[str], given: str, message: str
) -> None:
    tree(tmp_path, *files)
    with pytest.raises(InputError, match=message) as refused:
        find_slides([tmp_path / given])
    assert given in str(refused.value)


def test_nothing_given_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to analyze"):
        find_slides([])


def test_keys_are_unique_where_stems_are_not(tmp_path: Path) -> None:
    tree(tmp_path, "s/a.jpg", "s/a.png", "s/A.tif", "s/a.png.jpg")
    (slide,) = find_slides([tmp_path / "s"])
    keys = [field.key.casefold() for field in slide.fields]
    assert len(set(keys)) == 4


@pytest.mark.parametrize("checksum", [digest_of, stamp_of])
def test_another_file_of_the_same_name_is_a_change(
    tmp_path: Path, checksum: Callable[[slides.Field], str]
) -> None:
    tree(tmp_path, "s/a.jpg", "s/b.jpg")
    (slide,) = find_slides([tmp_path / "s"])
    files = [[field.field_id, checksum(field)] for field in slide.fields]
    assert has_inputs(slide, files)
    assert not has_inputs(slide, None)
    assert not has_inputs(slide, files[:1])
    same_length = bytes(byte ^ 1 for byte in (tmp_path / "s/a.jpg").read_bytes())
    (tmp_path / "s/a.jpg").write_bytes(same_length)
    assert not has_inputs(slide, files)
    (tmp_path / "s/a.jpg").unlink()
    assert not has_inputs(slide, files)


@pytest.mark.parametrize(
    ("name", "size", "tile", "expected"),
    [
        pytest.param("a.tif", (300, 200), (64, 64), False, id="a small tiled TIFF is a field"),
        pytest.param("a.tif", (300, 200), None, False, id="a plain TIFF"),
        pytest.param("a.svs", (300, 200), (64, 64), True, id="a scanner's name"),
        pytest.param("a.tif", (4096, 4096), (1024, 1024), True, id="a large tiled TIFF"),
        pytest.param("a.tiff", (4096, 4096), None, False, id="a large photograph"),
    ],
)
def test_what_is_a_scan(
    tmp_path: Path, name: str, size: tuple[int, int], tile: tuple[int, int] | None, expected: bool
) -> None:
    image = np.full((size[1], size[0]), 200, np.uint8)
    tifffile.imwrite(tmp_path / name, image, tile=tile, metadata=None)
    (slide,) = find_slides([tmp_path / name])
    assert slide.is_scan == slide.fields[0].is_scan == expected
    assert slide.fields[0].read().shape == (size[1], size[0], 3)


def test_a_large_photograph_is_a_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((300, 400), 200, np.uint8))
    monkeypatch.setattr(slides, "MIN_LARGE_BYTES", 10)
    assert not is_scan(tmp_path / "a.png")
    monkeypatch.setattr(slides, "LARGE_PIXELS", 100_000)
    assert is_scan(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"not an image")
    assert not is_scan(tmp_path / "b.png")


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("a.tif", {"resolution": (2e4, 2e4), "resolutionunit": "CENTIMETER"}, (0.5, 0)),
        ("a.tif", {"resolution": (72, 72), "resolutionunit": "INCH"}, (None, 1)),
        ("a.tif", {}, (None, 0)),
    ],
    ids=["known", "a print size", "none"],
)
def test_the_scale_of_a_field(
    tmp_path: Path, name: str, options: Any, expected: tuple[float | None, int]
) -> None:
    image = np.full((200, 300), 200, np.uint8)
    tifffile.imwrite(tmp_path / name, image, metadata=None, **options)
    um_per_px, warnings = find_slides([tmp_path / name])[0].fields[0].metadata_scale()
    assert (um_per_px, len(warnings)) == expected
