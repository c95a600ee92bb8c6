"""A phantom smear on disk: field images with the truth beside them."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from PIL import Image

from leukodiff.datasets.fields import LabelledField

from .layout import place
from .render import Phantom, render
from .settings import PhantomSettings, allot

TRUTH_COLUMNS = ("field_id", "cell_type", "x_min", "y_min", "x_max", "y_max")


def render_smear(
    out_dir: Path, settings: PhantomSettings, n_fields: int, suffix: str = ".png"
) -> list[LabelledField]:
    """Render `n_fields` fields into `out_dir` with `truth.csv` and `truth.json`.

    The differential holds for the smear as a whole, to the cell: `n_fields * n_white` white cells
    are shared out by largest remainder, then dealt to the fields at random. `suffix` is `.png` or
    `.jpg` (quality 95). Boxes in `truth.csv` are px to 0.01.

    Raises:
        InputError: the settings can't be met.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    fields = []
    for number, types in enumerate(deal(settings, n_fields)):
        field_settings = replace(settings, seed=_field_seed(settings.seed, number))
        phantom = render(field_settings, place(field_settings, types))
        path = out_dir / f"field_{number + 1:03d}{suffix}"
        _save(phantom, path)
        fields.append(_labelled(path, phantom, out_dir.name))
    write_truth(out_dir, settings, fields)
    return fields


def deal(settings: PhantomSettings, n_fields: int) -> list[list[str]]:
    """The white cells' types, field by field, `n_white` each."""
    counts = allot(settings.differential, settings.n_white * n_fields)
    types = [name for name, n in counts.items() for _ in range(n)]
    order = np.random.default_rng([settings.seed, 8]).permutation(len(types))
    dealt = [types[i] for i in order]
    return [dealt[i * settings.n_white : (i + 1) * settings.n_white] for i in range(n_fields)]


def write_truth(out_dir: Path, settings: PhantomSettings, fields: Sequence[LabelledField]) -> None:
    """Write `truth.csv`, a row a visible cell, and `truth.json`, the settings and the counts."""
    with (out_dir / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(TRUTH_COLUMNS)
        for field in fields:
            for name, box in zip(field.cell_types, field.xyxy.tolist(), strict=True):
                writer.writerow([field.field_id, name, *(round(value, 2) for value in box)])
    counts = Counter(name for field in fields for name in field.cell_types)
    truth = {
        "settings": asdict(settings),
        "counts": dict(sorted(counts.items())),
        "fields": [field.field_id for field in fields],
    }
    text = json.dumps(truth, indent=2) + "\n"
    (out_dir / "truth.json").write_text(text, encoding="utf-8")


def _field_seed(seed: int, number: int) -> int:
    """Fields of one smear differ, and those of smears with neighbouring seeds do too."""
    return int(np.random.SeedSequence([seed, 9, number]).generate_state(1)[0])


def _save(phantom: Phantom, path: Path) -> None:
    image = Image.fromarray(phantom.image)
    if path.suffix == ".jpg":
        image.save(path, quality=95, subsampling=0)
    else:
        image.save(path, compress_level=1)


def _labelled(path: Path, phantom: Phantom, smear: str) -> LabelledField:
    return LabelledField(
        path=path,
        xyxy=phantom.xyxy,
        cell_types=phantom.cell_types,
        split="test",
        source="phantom",
        group=smear,
        um_per_px=phantom.um_per_px,
    )
