"""leukodiff beside ultralytics' own `predict` and a torch classifier, on the fields of BCCD.

    LEUKODIFF_DATA=... python benchmarks/speed_bccd.py --out docs/results

The same weights, the same fields, the same machine, the same minutes: the runs take turns, and the
figure is the ratio of their medians. Theirs is `predict` (torch, 640 px), then each white cell cut
and classified in torch by itself; models loaded, nothing written. Ours is the whole of `analyze`,
models loaded too: scale, detection, classification, overlays, tables and report on disk.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_twin import classifier_twin, detector_twin

from leukodiff.classifier.crops import cut_crops
from leukodiff.classifier.infer import Classifier
from leukodiff.core.boxes import iou_matrix
from leukodiff.datasets.bccd import UM_PER_PX
from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.registry import load_dataset
from leukodiff.detector.infer import Detector
from leukodiff.pipeline.analysis.models import Models, load_models
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

Cells = dict[str, list[tuple[tuple[float, ...], str]]]


class Theirs:
    """ultralytics' predict at 640 px, then torch cell by cell."""

    def __init__(self, scratch: Path) -> None:
        detector, self.classifier = Detector.load(), Classifier.load()
        self.threshold = detector.metadata.thresholds["white_cell"]
        self.yolo = detector_twin(detector.model.path, scratch)
        classes = self.classifier.metadata.classes
        self.network = classifier_twin(
            self.classifier.model.path, "tf_efficientnet_lite0", len(classes)
        )
        crops = np.random.default_rng(0).integers(0, 255, (4, 128, 128, 3)).astype(np.uint8)
        expected = self.classifier.model(crops)
        assert np.allclose(self.logits(crops), expected, atol=0.05), "not the same classifier"

    @torch.inference_mode()
    def logits(self, crops: np.ndarray) -> np.ndarray:
        """Logits of crops (N, S, S, 3)."""
        views = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1
        return np.asarray(self.network(views).numpy())

    def run(self, paths: list[Path]) -> Cells:
        """Every white cell of every field with its class."""
        cells: Cells = {}
        for path in paths:
            found = self.yolo.predict(str(path), imgsz=640, conf=self.threshold, verbose=False)[0]
            white = found.boxes.xyxy[found.boxes.cls == 0].numpy()
            image = read_rgb(path)
            named = []
            for box in white:
                crop = cut_crops(image, box[None], UM_PER_PX, self.classifier.crop)
                best = int(self.logits(crop)[0].argmax())
                named.append((tuple(box.tolist()), self.classifier.metadata.classes[best]))
            cells[path.name] = named
        return cells


def ours(folder: Path, out: Path, models: Models) -> float:
    """Seconds that `analyze` takes for the folder."""
    began = time.perf_counter()
    status = analyze([folder], out, AnalyzeSettings(), models=models).exit_status
    assert status == 0
    return time.perf_counter() - began


def shared_cells(theirs: Cells, out: Path) -> dict[str, Any]:
    """Numbers of white cells that either side found, and that both did (IoU 0.5)."""
    import pandas as pd

    table = pd.read_csv(next(out.glob("*/cells.csv")))
    shares = [str(name) for name in table.columns if str(name).startswith("p_")]
    likeliest = table[shares].idxmax(axis=1).astype(str)
    both = same_name = 0
    for field_id, rows in table.groupby("field_id"):
        boxes = rows[["x_min", "y_min", "x_max", "y_max"]].to_numpy(np.float32)
        prediction = likeliest[rows.index].tolist()
        named = theirs[str(field_id)]
        if not named:
            continue
        overlap = iou_matrix(boxes, np.array([box for box, _ in named], np.float32))
        for at, row in enumerate(overlap):
            if row.max() >= 0.5:
                both += 1
                same_name += prediction[at] == f"p_{named[int(row.argmax())][1]}"
    total = sum(len(named) for named in theirs.values())
    return {"ours": len(table), "theirs": total, "both": both, "same_name": int(same_name)}


def main() -> None:
    """Measure, print, and write `speed_bccd.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fields", type=int, default=364)
    chosen = parser.parse_args()
    paths = sorted(field.path for field in load_dataset("bccd"))[: chosen.fields]
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        fields = scratch / "fields"
        fields.mkdir()
        for path in paths:
            (fields / path.name).symlink_to(path)
        rival = Theirs(scratch)
        rival.run(paths[:4])
        models = load_models()
        for turn in range(chosen.rounds):
            began = time.perf_counter()
            cells = rival.run(paths)
            times["theirs"].append(time.perf_counter() - began)
            times["ours"].append(ours(fields, scratch / f"out-{turn}", models))
        found = shared_cells(cells, scratch / "out-0")
    medians = {who: statistics.median(seconds) for who, seconds in times.items()}
    result = {
        "fields": len(paths),
        "seconds": times,
        "ms_per_field": {who: 1000 * s / len(paths) for who, s in medians.items()},
        "ratio": medians["theirs"] / medians["ours"],
        "white_cells": found,
        "cores": len(os.sched_getaffinity(0)),
        "torch_threads": torch.get_num_threads(),
    }
    chosen.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=2)
    (chosen.out / "speed_bccd.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
