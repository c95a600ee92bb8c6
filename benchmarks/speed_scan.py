"""leukodiff beside SAHI and ultralytics on a scan, and what larger scans cost.

    LEUKODIFF_DATA=... python benchmarks/speed_scan.py --out docs/results [--phantoms FOLDER]

Side by side, taking turns, on `region_a.tif`: SAHI slicing at full resolution (640 px, overlap 0.2,
torch, the shipped detector's weights, model loaded, nothing written), decoding alone (tifffile),
and ours as a process of its own, from its start to the written report. A first run of ours does not
count: it compiles Python's modules, as an installer does, and the models, as the first run on any
machine does. Then, with `--phantoms`, phantom scans of 10,000, 20,000 and 40,000 px a side
(rendered there when missing): seconds beside decoding, and the peak memory of the process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tifffile
import torch
from torch_twin import detector_twin

from leukodiff.datasets.phantom import PhantomSettings, ScanSettings, render_scan
from leukodiff.datasets.registry import data_root
from leukodiff.detector.infer import SHIPPED

SIDES = (10_000, 20_000, 40_000)
"""Phantom scans, px a side at 0.25 um/px."""
BLOCK = 2_000
"""Block that such a scan is laid out from, px a side."""


def as_installed(byte_code: Path) -> None:
    """Has the processes that are started keep compiled modules, also where this one must not."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(byte_code)


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def decode(path: Path) -> float:
    """Seconds to decode the file's full resolution with tifffile."""
    return seconds_of(lambda: tifffile.imread(path))


LAUNCHER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(json.dumps({
    "status": os.waitstatus_to_exitcode(status),
    "seconds": time.perf_counter() - began,
    "cpu_seconds": used.ru_utime + used.ru_stime,
    "peak_mb": used.ru_maxrss / 1024,
}))
"""
"""Starts a command and says what it took, from a small process: a child's peak begins with what its
parent held."""


def analysis(path: Path, *options: str) -> dict[str, Any]:
    """Wall and CPU seconds and peak memory of `leukodiff analyze`, a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        leukodiff = str(Path(sys.executable).with_name("leukodiff"))
        command = [leukodiff, "analyze", str(path), "--out", f"{name}/out", *options]
        launcher = [sys.executable, "-S", "-c", LAUNCHER, *command]
        done = subprocess.run(launcher, check=True, capture_output=True, text=True)
        taken: dict[str, Any] = json.loads(done.stdout)
        if taken.pop("status"):
            raise SystemExit(f"{path}: analyze failed")
        cells = next(Path(name).glob("out/*/cells.csv")).read_text(encoding="utf-8")
    return {**taken, "cells": cells.count("\n") - 1}


def sahi_runner(path: Path, scratch: Path) -> Callable[[], object]:
    """SAHI's sliced prediction of a file, its model loaded and warm."""
    from sahi import AutoDetectionModel
    from sahi.predict import get_sliced_prediction

    detector_twin(SHIPPED, scratch)
    model = AutoDetectionModel.from_pretrained(
        model_type="ultralytics",
        model_path=str(scratch / "twin.pt"),
        confidence_threshold=0.3,
        device="cpu",
    )

    def run() -> object:
        return get_sliced_prediction(
            str(path),
            model,
            slice_height=640,
            slice_width=640,
            overlap_height_ratio=0.2,
            overlap_width_ratio=0.2,
            verbose=0,
        )

    return run


def against_sahi(path: Path, rounds: int) -> dict[str, Any]:
    """The three, taking turns; ratios of their medians."""
    times: dict[str, list[float]] = {"sahi": [], "decode": [], "ours": [], "ours_cpu": []}
    with tempfile.TemporaryDirectory() as name:
        analysis(path)
        sahi = sahi_runner(path, Path(name))
        for _ in range(rounds):
            times["sahi"].append(seconds_of(sahi))
            times["decode"].append(decode(path))
            found = analysis(path)
            times["ours"].append(found["seconds"])
            times["ours_cpu"].append(found["cpu_seconds"])
    medians = {who: statistics.median(each) for who, each in times.items()}
    return {
        "seconds": times,
        "ratio_to_sahi": medians["sahi"] / medians["ours"],
        "times_decoding": medians["ours"] / medians["decode"],
        "peak_mb": found["peak_mb"],
        "cells": found["cells"],
    }


def phantom(folder: Path, side: int) -> Path:
    """A phantom scan of a size, rendered when it is not there."""
    path = folder / f"phantom-{side}" / "scan.tif"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        n = side // BLOCK
        settings = PhantomSettings(
            width=BLOCK, height=BLOCK, um_per_px=0.25, n_white=2, stain="camera"
        )
        render_scan(path, settings, ScanSettings(plan=("m" * n,) * n, tile_px=BLOCK // 5))
    return path


def by_size(folder: Path) -> list[dict[str, Any]]:
    """Each phantom: analysis beside decoding."""
    rows = []
    for side in SIDES:
        path = phantom(folder, side)
        ours = analysis(path)
        megapixels = side * side / 1e6
        row = {"side_px": side, "megapixels_per_s": megapixels / ours["seconds"], **ours}
        if side <= 20_000:  # more does not fit a small machine's memory in one piece
            row["decode_megapixels_per_s"] = megapixels / decode(path)
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def main() -> None:
    """Measure, print, and write `speed_scan.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--phantoms", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as byte_code:
        as_installed(Path(byte_code))
        result: dict[str, Any] = {
            "cores": len(os.sched_getaffinity(0)),
            "torch_threads": torch.get_num_threads(),
            "region_a": against_sahi(data_root() / "whole_smear/region_a.tif", chosen.rounds),
        }
        print(json.dumps(result, indent=2), flush=True)
        if chosen.phantoms:
            result["phantoms"] = by_size(chosen.phantoms)
    chosen.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=2)
    (chosen.out / "speed_scan.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
