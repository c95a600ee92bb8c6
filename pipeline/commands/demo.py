"""`leukodiff demo`: a smear whose truth is known, analyzed, and the two side by side."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukodiff.core.errors import InputError

from .options import FOLDER

if TYPE_CHECKING:
    from leukodiff.datasets.fields import LabeledField

WHITE_CELLS_A_FIELD = 4

SMEAR = "smear"

RESULTS = "results"

MARK = ".leukodiff-demo"
"""File in the folder of a demo: an earlier one is removed, anything else is not."""


@click.command()
@click.option("--out", type=FOLDER, default=Path("demo-out"), show_default=True, help="Folder.")
@click.option(
    "--fields", type=click.IntRange(1, 500), default=25, show_default=True, help="How many."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another smear.")
@click.option("--bccd", is_flag=True, help="Take BCCD's test fields instead of a phantom.")
def demo(out: Path, fields: int, seed: int, bccd: bool) -> None:
    """Analyze a phantom smear and print its differential beside the truth."""
    from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze
    from leukodiff.pipeline.runs.output import prepare

    from .analyze import run, show_summary

    smear = out / SMEAR
    prepare(out)
    _remove_earlier(out)
    labeled = _bccd_test_fields(smear) if bccd else _phantom(smear, fields, seed)
    start = partial(analyze, [smear], out / RESULTS, AnalyzeSettings())
    summary = run(start, out / RESULTS)
    show_summary(summary)
    if summary.exit_status:
        sys.exit(summary.exit_status)
    slide = out / RESULTS / SMEAR
    _show_with_truth(slide / "counts.csv", _known_types(labeled))
    first = sorted((slide / "overlays").iterdir())[0]
    for path in (slide / "report.html", first, slide / "counts.csv", slide / "cells.csv"):
        click.echo(f"open {click.format_filename(path)}")


def _remove_earlier(out: Path) -> None:
    # Only what an earlier demo began here: its mark tells.
    if (out / MARK).is_file():
        for name in (SMEAR, RESULTS):
            shutil.rmtree(out / name, ignore_errors=True)
    elif any((out / name).exists() for name in (SMEAR, RESULTS)):
        raise InputError(f"{out}: holds a {SMEAR} or {RESULTS} of yours; choose another --out")
    (out / MARK).touch()


def _phantom(smear: Path, n_fields: int, seed: int) -> list[LabeledField]:
    from leukodiff.datasets.phantom import PhantomSettings, render_smear

    click.echo(f"rendering a phantom smear of {n_fields} fields in {click.format_filename(smear)}")
    # The look of BCCD's camera: the detector has learned from no other.
    settings = PhantomSettings(seed=seed, n_white=WHITE_CELLS_A_FIELD, stain="camera")
    return render_smear(smear, settings, n_fields)


def _bccd_test_fields(smear: Path) -> list[LabeledField]:
    from leukodiff.datasets.registry import load_dataset

    labeled = [field for field in load_dataset("bccd") if field.split == "test"]
    smear.mkdir(parents=True, exist_ok=True)
    for field in labeled:
        shutil.copy(field.path, smear / field.field_id)
    return labeled


def _known_types(labeled: list[LabeledField]) -> Counter[str]:
    from leukodiff.pipeline.report.differential import COUNTED, UNCOUNTED

    wanted = {*COUNTED, *UNCOUNTED}
    return Counter(name for field in labeled for name in field.cell_types if name in wanted)


def _show_with_truth(counts: Path, truth: Mapping[str, int]) -> None:
    import csv

    from leukodiff.pipeline.report.differential import COUNTED, UNCOUNTED

    from .console import show_table

    n = sum(known for name, known in truth.items() if name not in UNCOUNTED)
    with counts.open(newline="", encoding="utf-8") as file:
        rows = [
            _row_with_truth(row, truth.get(row["cell_type"], 0), n)
            for row in csv.DictReader(file)
            if row["cell_type"] in (*COUNTED, *UNCOUNTED)
        ]
    columns = ("cell type", "true", "found", "true %", "found %", "95 % interval", "flag")
    show_table("differential, found beside the truth", columns, rows)


def _row_with_truth(row: Mapping[str, str], known: int, n: int) -> tuple[object, ...]:
    if not row["percent"]:
        return row["cell_type"], known, row["count"], None, None, None, row["flag"]
    low, high = float(row["percent_low"]), float(row["percent_high"])
    share = f"{100 * known / n:.1f}" if n else None
    shown = (share, f"{float(row['percent']):.1f}", f"{low:.1f}-{high:.1f}")
    return row["cell_type"], known, row["count"], *shown, row["flag"]
