"""The shipped models over scans: a phantom with its truth, and a real one."""

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from leukodiff.datasets.phantom import PhantomSettings, ScanSettings, render_scan
from leukodiff.datasets.vocabulary import is_white
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

pytestmark = pytest.mark.slow

Boxes = NDArray[np.float64]


def boxes_of(path: Path) -> Boxes:
    sides = ("x_min", "y_min", "x_max", "y_max")
    with path.open(newline="", encoding="utf-8") as file:
        rows = [[float(row[side]) for side in sides] for row in csv.DictReader(file)]
    return np.array(rows).reshape(-1, 4)


def share_found(truth: Boxes, found: Boxes) -> float:
    low = np.maximum(truth[:, None, :2], found[None, :, :2])
    high = np.minimum(truth[:, None, 2:], found[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (truth, found)]
    iou = shared / (areas[0][:, None] + areas[1][None] - shared)
    return float((iou.max(axis=1, initial=0) > 0.5).mean())


@pytest.mark.parametrize("write_scale", [True, False], ids=["scale known", "from its red cells"])
def test_a_phantom_scan(tmp_path: Path, write_scale: bool) -> None:
    settings = PhantomSettings(width=1024, height=768, um_per_px=0.25, n_white=6, stain="camera")
    path = tmp_path / "smear/scan.svs"
    truth = render_scan(path, settings, ScanSettings(write_scale=write_scale, tile_px=256))
    summary = analyze([path], tmp_path / "out", AnalyzeSettings(threads=2))
    (row,) = summary.rows
    assert float(str(row["um_per_px"])) == pytest.approx(0.25, rel=0.03)
    white = truth.xyxy[[is_white(name) for name in truth.cell_types]]
    found = boxes_of(tmp_path / "out/scan/cells.csv")
    assert share_found(white.astype(float), found) == 1
    assert len(found) <= len(white) + 2


def test_a_real_scan_without_a_pixel_size(tmp_path: Path, data_root: Path) -> None:
    path = data_root / "whole_smear/region_a.tif"
    summary = analyze([path], tmp_path, AnalyzeSettings(threads=2))
    assert summary.exit_status == 0
    (row,) = summary.rows
    assert row["um_per_px_source"] == "red cells"
    assert 0.17 <= float(str(row["um_per_px"])) <= 0.23
    found = boxes_of(tmp_path / "region_a/cells.csv")
    assert (found >= 0).all()
    assert (found <= [5053, 10222] * 2).all()
