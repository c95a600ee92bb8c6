"""Time to make a report, and its size: HTML and PDF of a phantom smear.

A phantom of 50 fields and 200 white cells is analyzed as anybody would; then its stored report is
made again, each format in a Python process of its own, with all that has to be imported (the second
figure) and once more in the same process (the first).

    python benchmarks/report_speed.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from leukodiff.datasets.phantom import PhantomSettings, render_smear
from leukodiff.pipeline.runs.analyze import analyze

FIELDS = 50
CELLS_A_FIELD = 4

ONE = """
import sys, time
from pathlib import Path
began = time.perf_counter()
from leukodiff.pipeline.exports.bundle import EXPORTS, ReportSettings
from leukodiff.pipeline.exports.html import report_html
from leukodiff.pipeline.report.serialize import read_stored
settings, what = ReportSettings(), sys.argv[2]
make = report_html if what == "html" else EXPORTS[what][1]
report = read_stored(Path(sys.argv[1]) / "smear.json")
from leukodiff.pipeline.runs.rerender import pictures
import json
paths = [Path(p) for p in json.loads((Path(sys.argv[1]) / "slide.json").read_text())["paths"]]
crops, views, _ = pictures(report, Path(sys.argv[1]), paths)
loaded = time.perf_counter()
first = make(report, crops, views, settings.options)
once = time.perf_counter()
make(report, crops, views, settings.options)
again = time.perf_counter()
print(again - once, once - loaded, len(first), len(report.cells))
"""


def main() -> None:
    """Prints a row a format."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        render_smear(root / "smear", PhantomSettings(n_white=CELLS_A_FIELD, stain="camera"), FIELDS)
        analyze([root / "smear"], root / "out")
        print("| format | s, again | s, first | MB | cells |")
        print("| --- | --- | --- | --- | --- |")
        for what in ("html", "pdf", "xlsx", "fhir", "hl7"):
            command = [sys.executable, "-c", ONE, str(root / "out" / "smear"), what]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            again, first, size, cells = map(float, done.stdout.split())
            print(f"| {what} | {again:.2f} | {first:.2f} | {size / 1e6:.2f} | {cells:.0f} |")


if __name__ == "__main__":
    main()
