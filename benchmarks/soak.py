"""Continuous analysis of varied slides: are memory and speed flat?

    LEUKODIFF_DATA=... python benchmarks/soak.py --minutes 60 --out docs/results

One process, its models loaded once, analyzes the same set of slides over and over: folders of
BCCD's fields, the scan `region_a.tif`, phantom fields and a phantom scan of several looks and
sizes, a broken image. After each round: its seconds of wall and of processor, resident memory,
threads and open files. `soak.json` has them, `soak.png` draws them. Processor seconds are the
measure of speed where other programs share the machine. The first round (caches fill) stands in the
file, not in the slopes.
"""

import argparse
import gc
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from leukodiff.datasets.phantom import PhantomSettings, ScanSettings, render_scan, render_smear
from leukodiff.datasets.registry import data_root, load_dataset
from leukodiff.pipeline.analysis.models import load_models
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


def slides(folder: Path) -> list[Path]:
    """Slides of many kinds, some rendered into a folder."""
    made = []
    for seed, (stain, um_per_px, n) in enumerate(
        [("camera", 0.073, 6), ("giemsa", 0.2, 3), ("pale", 0.1, 2)], start=1
    ):
        settings = PhantomSettings(seed=seed, n_white=4, stain=stain, um_per_px=um_per_px)
        render_smear(folder / f"phantom {seed}", settings, n)
        made.append(folder / f"phantom {seed}")
    block = PhantomSettings(width=2000, height=2000, um_per_px=0.25, n_white=2, stain="camera")
    scan = folder / "phantom scan" / "scan.tif"
    scan.parent.mkdir()
    render_scan(scan, block, ScanSettings(plan=("m" * 3,) * 3, tile_px=400))
    fields = [field.path for field in load_dataset("bccd") if field.split == "test"]
    for part in range(3):
        smear = folder / f"bccd {part}"
        smear.mkdir()
        for path in fields[part::12]:
            shutil.copy(path, smear)
        made.append(smear)
    broken = folder / "broken" / "a.jpg"
    broken.parent.mkdir()
    broken.write_bytes(fields[0].read_bytes()[:5000])
    return [*made, scan, data_root() / "whole_smear/region_a.tif", broken]


def state() -> dict[str, Any]:
    """Resources of this process: resident memory (MB), threads, open files."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "resident_mb": round(resident * PAGE_MB, 1),
        "threads": threading.active_count(),
        "open_files": len(list(Path("/proc/self/fd").iterdir())),
    }


def soak(inputs: Sequence[Path], seconds: float, scratch: Path) -> list[dict[str, Any]]:
    """Rounds over the inputs, until the time is up; one row each."""
    models, settings, began, rows = load_models(for_scans=True), AnalyzeSettings(), time.time(), []
    while time.time() - began < seconds:
        wall, cpu = time.perf_counter(), time.process_time()
        made = analyze(inputs, scratch / "out", settings, models=models)
        row = {
            "minutes": round((time.time() - began) / 60, 2),
            "slides": len(made.slides),
            "failed": sum(slide.status == "failed" for slide in made.slides),
            "seconds": round(time.perf_counter() - wall, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
            **state(),
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
        shutil.rmtree(scratch / "out")
    return rows


def slope(rows: Sequence[dict[str, Any]], key: str) -> float:
    """Growth of a figure in an hour, by a straight line through all rounds but the first."""
    x = np.array([row["minutes"] / 60 for row in rows[1:]])
    y = np.array([row[key] for row in rows[1:]])
    return float(np.polyfit(x, y, 1)[0]) if len(x) > 2 else 0.0


def summed_up(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """First and last tenth of the rounds, and the slopes."""
    tenth = max(1, len(rows) // 10)
    found: dict[str, Any] = {
        "minutes": rows[-1]["minutes"],
        "rounds": len(rows),
        "slides": sum(row["slides"] for row in rows),
        "threads_at_most": max(row["threads"] for row in rows),
        "open_files_at_most": max(row["open_files"] for row in rows),
    }
    for key in ("resident_mb", "cpu_seconds"):
        values = [row[key] for row in rows[1:]] or [rows[0][key]]
        found[key] = {
            "first_tenth": round(float(np.median(values[:tenth])), 2),
            "last_tenth": round(float(np.median(values[-tenth:])), 2),
            "at_most": max(values),
            "slope_per_hour": round(slope(rows, key), 2),
        }
    return found


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Memory and processor seconds a round, over the minutes."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 1, figsize=(7, 4.5), sharex=True, layout="constrained")
    minutes = [row["minutes"] for row in rows]
    for axis, key, name in zip(
        axes, ("resident_mb", "cpu_seconds"), ("resident memory, MB", "processor s a round"),
        strict=True,
    ):  # fmt: skip
        axis.plot(minutes, [row[key] for row in rows], ".-", color="#0072b2", linewidth=0.8)
        axis.set_ylabel(name)
        axis.set_ylim(bottom=0)
    axes[-1].set_xlabel("minutes")
    figure.savefig(path, dpi=90)


def main() -> None:
    """Soak, print, and write `soak.json` and `soak.png`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "in").mkdir()
        rows = soak(slides(Path(name) / "in"), chosen.minutes * 60, Path(name))
    found = {"cores": len(os.sched_getaffinity(0)), **summed_up(rows), "each_round": rows}
    chosen.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1)
    (chosen.out / "soak.json").write_text(text + "\n", encoding="utf-8")
    draw(rows, chosen.out / "soak.png")


if __name__ == "__main__":
    main()
