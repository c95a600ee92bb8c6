from pathlib import Path

import pytest

from leukodiff.pipeline.slides.fingerprint import BLOCK_BYTES, MAX_WHOLE_BYTES, scan_fingerprint

LARGE = bytes(range(256)) * ((MAX_WHOLE_BYTES + BLOCK_BYTES * 40) // 256)


def of(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return scan_fingerprint(path)


@pytest.mark.parametrize("data", [b"", b"a", b"scan" * 1000, LARGE], ids=["0", "1", "4000", "10M"])
def test_the_same_bytes_give_the_same_value_whatever_the_name(data: bytes, tmp_path: Path) -> None:
    assert of(tmp_path / "a.svs", data) == of(tmp_path / "b.tif", data)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(b"", b"\0", id="nothing, one zero"),
        pytest.param(b"abc", b"abd", id="small: one byte"),
        pytest.param(LARGE, LARGE[:-1], id="cut off"),
        pytest.param(LARGE, LARGE + b"\0", id="grown"),
        pytest.param(LARGE, b"x" + LARGE[1:], id="first byte"),
        pytest.param(LARGE, LARGE[:-1] + b"x", id="last byte"),
        pytest.param(LARGE, LARGE[::-1], id="written anew"),
        pytest.param(
            LARGE, LARGE[:5_000_000] + b"x" * 200_000 + LARGE[5_200_000:], id="200 kB in the middle"
        ),
    ],
)
def test_another_file_gives_another_value(before: bytes, after: bytes, tmp_path: Path) -> None:
    assert of(tmp_path / "a.svs", before) != of(tmp_path / "b.svs", after)


def test_a_mirax_slide_is_its_folder_too(tmp_path: Path) -> None:
    path, folder = tmp_path / "a.mrxs", tmp_path / "a"
    folder.mkdir()
    (folder / "Data0001.dat").write_bytes(b"pixels")
    before = of(path, b"index")
    (folder / "Data0001.dat").write_bytes(b"more pixels")
    assert scan_fingerprint(path) != before


def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        scan_fingerprint(tmp_path / "a.svs")
