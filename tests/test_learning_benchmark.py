"""How the benchmark of learning from corrections cuts a laboratory's cells in two halves."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("timm", reason="training needs the `train` extra")

from learning_from_corrections import cells_in, cut_in_two
from places import places

from leukodiff.datasets.fields import LabeledField

pytestmark = pytest.mark.slow


def field(name: str, *types: str, folder: Path = Path(), group: str = "A") -> LabeledField:
    boxes = np.tile(np.array([[0, 0, 9, 9]], np.float32), (len(types), 1))
    return LabeledField(folder / name, boxes, types, "test", "chula", group)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param([], [{}, {}], id="none"),
        pytest.param(["a"], [{"monocyte": 1}, {}], id="one place is never cut"),
        pytest.param(list("aaaa"), [{"monocyte": 2, "basophil": 2}, {}], id="one of many fields"),
        pytest.param(
            list("abcd"),
            [{"monocyte": 1, "basophil": 1}] * 2,
            id="each type evenly",
        ),
    ],
)
def test_halves_are_of_whole_places(at: list[str], expected: list[dict[str, int]]) -> None:
    types = ("monocyte", "basophil", "basophil", "monocyte")
    fields = [field(f"{i}.png", types[i]) for i in range(len(at))]
    halves = cut_in_two(fields, at)
    assert [cells_in(half) for half in halves] == expected
    assert sorted(f.field_id for half in halves for f in half) == sorted(f.field_id for f in fields)


def smear(seed: int, size: int = 1200) -> Any:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (size // 8, size // 8, 3), np.uint8)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def test_fields_that_overlap_are_one_place(tmp_path: Path) -> None:
    one, other = smear(1), smear(2)
    dirt = smear(3, 120)
    pictures = {
        "a.png": one[:600, :800],
        "b.png": one[200:800, 150:950],  # overlaps a
        "c.png": one[600:1200, 0:800],  # overlaps b alone
        "d.png": other[:600, :800],
        "e.png": other[:600, :800],  # the same photograph, of another slide
        "f.png": smear(4)[:600, :800],
        "g.png": smear(5)[:600, :800],  # shares with f the dirt on the camera, nothing else
    }
    for name in ("f.png", "g.png"):
        pictures[name][40:160, 40:160] = dirt
    for name, picture in pictures.items():
        cv2.imwrite(str(tmp_path / name), picture)
    groups = dict.fromkeys(pictures, "A") | {"e.png": "B"}
    fields = [field(n, "monocyte", folder=tmp_path, group=groups[n]) for n in pictures]
    assert places(fields) == [0, 0, 0, 3, 4, 5, 6]
