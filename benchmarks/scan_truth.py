"""Findings of `analyze` on a scan against what was seen there by eye.

    LEUKODIFF_DATA=... python benchmarks/scan_truth.py --out docs/results

`region_a.tif` has a table of places: white cells, a smudge cell, and dirt and platelets that look
like white cells. A cell found belongs to the place within 8 um of its center; one that belongs to
no place is false. No model was trained on this scan.
"""

import argparse
import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from leukodiff.classifier.infer import SHIPPED as CLASSIFIER
from leukodiff.core.files import sha256_of
from leukodiff.datasets.registry import data_root
from leukodiff.datasets.vocabulary import UNIDENTIFIED
from leukodiff.detector.infer import SHIPPED as DETECTOR
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

WITHIN_UM = 8.0


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def compared(found: list[dict[str, str]], truth: list[dict[str, str]], um_per_px: float) -> Any:
    """For each place by eye what was said there, and the cells found elsewhere."""
    sides = [[float(row[k]) for k in ("x_min", "y_min", "x_max", "y_max")] for row in found]
    boxes = np.array(sides).reshape(-1, 4)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    taken = np.zeros(len(found), bool)
    places = []
    for place in truth:
        at = np.array([float(place["x_center_px"]), float(place["y_center_px"])])
        near = np.hypot(*(centers - at).T) * um_per_px <= WITHIN_UM
        taken |= near
        found_types = [found[i]["cell_type"] for i in np.flatnonzero(near)]
        places.append({"kind": place["kind"], "at": at.tolist(), "said": found_types})
    false = [found[i]["cell_type"] for i in np.flatnonzero(~taken)]
    return places, false


def main() -> None:
    """Analyze, compare, print, and write `scan_truth.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--full-pass", action="store_true")
    chosen = parser.parse_args()
    folder = data_root() / "whole_smear"
    with tempfile.TemporaryDirectory() as name:
        settings = AnalyzeSettings(full_pass=chosen.full_pass)
        (slide,) = analyze([folder / "region_a.tif"], Path(name), settings).slides
        um_per_px = float(str(slide.row["um_per_px"]))
        found = read_rows(Path(name) / "region_a" / "cells.csv")
    places, false = compared(found, read_rows(folder / "region_a_cells.csv"), um_per_px)
    of = {kind: [p for p in places if p["kind"] == kind] for kind in ("wbc", "smudge", "not_wbc")}
    result = {
        "detector_sha256": sha256_of(DETECTOR),
        "classifier_sha256": sha256_of(CLASSIFIER),
        "um_per_px": um_per_px,
        "white_cells_found": sum(bool(p["said"]) for p in of["wbc"]),
        "white_cells": len(of["wbc"]),
        "smudge_given_a_class": sum(bool(set(p["said"]) - {UNIDENTIFIED}) for p in of["smudge"]),
        "look_alikes_called_white": sum(bool(p["said"]) for p in of["not_wbc"]),
        "look_alikes": len(of["not_wbc"]),
        "false_elsewhere": len(false),
        "places": places,
        "elsewhere": false,
    }
    chosen.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=2)
    (chosen.out / "scan_truth.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
