"""A phantom smear on disk: field images with the truth beside them."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from PIL import Image

from leukodiff.datasets.fields import Boxes, LabeledField

from .film import Truth
from .layout import place
from .render import Phantom, render
from .settings import PhantomSettings, allot

Row = tuple[object, ...]
TRUTH_COLUMNS = ("field_id", "cell_type", "x_min", "y_min", "x_max", "y_max")
ARTIFACT_COLUMNS = ("field_id", "artefact", *TRUTH_COLUMNS[2:])


def render_smear(
    out_dir: Path, settings: PhantomSettings, n_fields: int, suffix: str = ".png"
) -> list[LabeledField]:
    """Render `n_fields` fields into `out_dir` with `truth.csv` and `truth.json`.

    The differential holds for the smear as a whole, to the cell: `n_fields * n_white` white cells
    are shared out by largest remainder, then dealt to the fields at random. `suffix` is `.png` or
    `.jpg` (quality 95). Boxes in `truth.csv` are px to 0.01. Where the settings ask for artifacts,
    `artifacts.csv` lists them likewise.

    Raises:
        InputError: the settings can't be met.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    fields, artifacts = [], list[Row]()
    for number, types in enumerate(deal(settings, n_fields)):
        field_settings = replace(settings, seed=_field_seed(settings.seed, number))
        phantom = render(field_settings, place(field_settings, types))
        path = out_dir / f"field_{number + 1:03d}{suffix}"
        _save(phantom, path)
        fields.append(_labeled(path, phantom, out_dir.name))
        artifacts += _rows(path, phantom.artifact_types, phantom.artifact_xyxy)
    write_truth(out_dir, settings, fields)
    if any(settings.artifact_counts):
        _write_table(out_dir / "artefacts.csv", ARTIFACT_COLUMNS, artifacts)
    return fields


def deal(settings: PhantomSettings, n_fields: int) -> list[list[str]]:
    """The white cells' types, field by field, `n_white` each."""
    counts = allot(settings.differential, settings.n_white * n_fields)
    types = [name for name, n in counts.items() for _ in range(n)]
    order = np.random.default_rng([settings.seed, 8]).permutation(len(types))
    dealt = [types[i] for i in order]
    return [dealt[i * settings.n_white : (i + 1) * settings.n_white] for i in range(n_fields)]


def write_truth(out_dir: Path, settings: PhantomSettings, fields: Sequence[LabeledField]) -> None:
    """Write `truth.csv`, a row a visible cell, and `truth.json`, the settings and the counts."""
    rows = [row for field in fields for row in _rows(field.path, field.cell_types, field.xyxy)]
    _write_table(out_dir / "truth.csv", TRUTH_COLUMNS, rows)
    counts = Counter(name for field in fields for name in field.cell_types)
    truth = {
        "settings": asdict(settings),
        "counts": dict(sorted(counts.items())),
        "fields": [field.field_id for field in fields],
    }
    _write_json(out_dir / "truth.json", truth)


def write_scan_truth(
    path: Path, settings: PhantomSettings, plan: Sequence[str], cells: Truth, artifacts: Truth
) -> None:
    """Write `truth.csv`, `artifacts.csv` and `truth.json` beside the scan at `path`.

    The tables have one column more, the zone; the counts are given for each zone.
    """
    for name, columns, truth in (
        ("truth.csv", TRUTH_COLUMNS, cells),
        ("artefacts.csv", ARTIFACT_COLUMNS, artifacts),
    ):
        rows = _rows(path, truth.names, truth.xyxy)
        zoned = ((*row, zone) for row, zone in zip(rows, truth.zones, strict=True))
        _write_table(path.parent / name, (*columns, "zone"), zoned)
    counts: dict[str, dict[str, int]] = {}
    for (zone, name), n in sorted(Counter(zip(cells.zones, cells.names, strict=True)).items()):
        counts.setdefault(zone, {})[name] = n
    _write_json(
        path.parent / "truth.json",
        {"settings": asdict(settings), "plan": plan, "counts": counts, "fields": [path.name]},
    )


def _rows(path: Path, names: Sequence[str], xyxy: Boxes) -> Iterator[Row]:
    for name, box in zip(names, xyxy.tolist(), strict=True):
        yield path.name, name, *(round(value, 2) for value in box)


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def _write_json(path: Path, truth: object) -> None:
    path.write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")


def _field_seed(seed: int, number: int) -> int:
    """Fields of one smear differ, and those of smears with neighboring seeds do too."""
    return int(np.random.SeedSequence([seed, 9, number]).generate_state(1)[0])


def _save(phantom: Phantom, path: Path) -> None:
    image = Image.fromarray(phantom.image)
    if path.suffix == ".jpg":
        image.save(path, quality=95, subsampling=0)
    else:
        image.save(path, compress_level=1)


def _labeled(path: Path, phantom: Phantom, smear: str) -> LabeledField:
    return LabeledField(
        path=path,
        xyxy=phantom.xyxy,
        cell_types=phantom.cell_types,
        split="test",
        source="phantom",
        group=smear,
        um_per_px=phantom.um_per_px,
    )
