"""The shipped models over fields: what people read is read, what they would not is left out."""

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from leukodiff.datasets.bccd import UM_PER_PX
from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.phantom import PhantomSettings, render
from leukodiff.datasets.registry import load_dataset
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

from ..conftest import write_png

pytestmark = pytest.mark.slow

Rgb = NDArray[np.uint8]
TWO = AnalyzeSettings(threads=2)


def table(path: Path) -> list[Mapping[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def phantom(seed: int, red_cells_per_mm2: float = 6500, n_white: int = 1) -> Rgb:
    settings = PhantomSettings(
        640,
        480,
        0.1,
        seed,
        n_white,
        red_cells_per_mm2=red_cells_per_mm2,
        red_cell_scatter=1.0,
        platelets_per_mm2=350 if red_cells_per_mm2 else 0,
        stain="camera",
    )
    return render(settings).image


def test_phantom_fields(tmp_path: Path) -> None:
    folder = tmp_path / "smear"
    folder.mkdir()
    normal = [phantom(seed) for seed in range(5)]
    unfit = {
        "empty": phantom(8, red_cells_per_mm2=0, n_white=0),
        "thick": phantom(9, red_cells_per_mm2=80_000),
        "out of focus": np.asarray(cv2.GaussianBlur(normal[0], (0, 0), 12), np.uint8),
    }
    for i, image in enumerate([*normal, *unfit.values()]):
        write_png(folder / f"{i}.png", image)
    analyze([folder], tmp_path / "out", TWO)
    rows = table(tmp_path / "out/smear/fields.csv")
    assert [row["kind"] for row in rows] == ["usable"] * len(normal) + list(unfit)
    assert [row["status"] for row in rows] == ["done"] * len(normal) + ["left_out"] * 3
    read = {row["field_id"] for row in table(tmp_path / "out/smear/cells.csv")}
    assert read == {f"{i}.png" for i in range(len(normal))}


def test_fields_of_bccd(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that people labeled are read; blurred as with the lens turned, they are not."""
    monkeypatch.setenv("LEUKODIFF_DATA", str(data_root))
    folder = tmp_path / "bccd"
    folder.mkdir()
    fields = [one for one in load_dataset("bccd") if one.split == "val"][::5]
    for i, one in enumerate(fields):
        image = read_rgb(one.path)
        write_png(folder / one.path.with_suffix(".png").name, image)
        if i % 6 == 0:
            blurred = cv2.GaussianBlur(image, (0, 0), 1.4 / UM_PER_PX)
            write_png(folder / f"blurred_{i}.png", np.asarray(blurred, np.uint8))
    analyze([folder], tmp_path / "out", TWO)
    rows = table(tmp_path / "out/bccd/fields.csv")
    n_blurred = -(-len(fields) // 6)
    assert Counter(row["kind"] for row in rows) == {
        "usable": len(fields),
        "out of focus": n_blurred,
    }
    left_out = [row["field_id"] for row in rows if row["status"] == "left_out"]
    assert len(left_out) == n_blurred
    assert all(name.startswith("blurred_") for name in left_out)
