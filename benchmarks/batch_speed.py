"""Eight slides in one run beside the same slides one by one.

    LEUKODIFF_DATA=... python benchmarks/batch_speed.py --out docs/results

Models loaded once and warm; the two ways take turns in one process. Three sets: eight folders of
phantom fields, eight scans (`region_a.tif` under eight names), and both mixed. `ratio`: wall
seconds of the one run over the sum of the eight; `cpu_ratio`: the same of processor seconds, which
other programs on the machine disturb less. Medians of the rounds. Then the peak memory so far, and
that after forty slides in one run.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leukodiff.datasets.phantom import PhantomSettings, render_smear
from leukodiff.datasets.registry import data_root
from leukodiff.pipeline.analysis.models import Models, load_models
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

N = 8


def slides(folder: Path) -> dict[str, list[Path]]:
    """The sets, rendered or copied into a folder."""
    fields, scans = [], []
    for i in range(N):
        settings = PhantomSettings(seed=i, n_white=4, stain="camera")
        render_smear(folder / f"smear {i}", settings, 6)
        fields.append(folder / f"smear {i}")
        scans.append(folder / f"scan {i}.tif")
        shutil.copy(data_root() / "whole_smear/region_a.tif", scans[-1])
    return {"fields": fields, "scans": scans, "mixed": [*fields[::2], *scans[::2]]}


def taken(inputs: Sequence[Sequence[Path]], models: Models) -> tuple[float, float]:
    """Wall and processor seconds of a run for each of some inputs, one after the other."""
    with tempfile.TemporaryDirectory() as name:
        wall, cpu = time.perf_counter(), time.process_time()
        for i, some in enumerate(inputs):
            made = analyze(some, Path(name) / str(i), AnalyzeSettings(), models=models)
            assert made.exit_status == 0
        return time.perf_counter() - wall, time.process_time() - cpu


def peak_mb() -> float:
    """The most that this process has ever held in memory, MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def side_by_side(paths: Sequence[Path], models: Models, rounds: int) -> dict[str, Any]:
    """One run and eight, taking turns."""
    together, alone = [], []
    for _ in range(rounds):
        together.append(taken([paths], models))
        alone.append(taken([[path] for path in paths], models))
    medians = [
        [statistics.median(each[k] for each in way) for way in (together, alone)] for k in (0, 1)
    ]
    (wall, wall_alone), (cpu, cpu_alone) = medians
    return {
        "seconds": round(wall, 2),
        "seconds_one_by_one": round(wall_alone, 2),
        "ratio": round(wall / wall_alone, 3),
        "cpu_seconds": round(cpu, 2),
        "cpu_seconds_one_by_one": round(cpu_alone, 2),
        "cpu_ratio": round(cpu / cpu_alone, 3),
        "cores_busy": round(cpu / wall, 2),
    }


def main() -> None:
    """Measure, print, and write `batch_speed.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    models = load_models(for_scans=True)
    found: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "slides": N}
    with tempfile.TemporaryDirectory() as name:
        sets = slides(Path(name))
        for path in (sets["fields"][0], sets["scans"][0]):
            taken([[path]], models)
        for what, paths in sets.items():
            found[what] = side_by_side(paths, models, chosen.rounds)
            print(what, json.dumps(found[what]), flush=True)
        found["peak_mb_after_8"] = round(peak_mb())
        copies = [
            shutil.copytree(path, path.with_name(f"{path.name} {copy}"))
            for path in sets["fields"]
            for copy in range(5)
        ]
        taken([copies], models)
        found["peak_mb_after_40_in_one_run"] = round(peak_mb())
    print(json.dumps(found))
    chosen.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1)
    (chosen.out / "batch_speed.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
