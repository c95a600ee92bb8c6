"""Writes docs/models/: a card for each shipped model, every number from its metadata and results.

    python benchmarks/model_cards.py

The words that no file holds (intended use, known failures) stand in `model_cards_text/`.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from results_page import load_figures

from leukodiff.classifier.evaluation.leave_one_out_table import markdown as classifier_table
from leukodiff.classifier.infer import SHIPPED as CLASSIFIER
from leukodiff.core.text import markdown_table, share_text
from leukodiff.datasets.leave_one_out import HELD_OUT, LEFT_OUT
from leukodiff.datasets.phantom import PhantomSettings, place, render
from leukodiff.datasets.registry import DATASETS
from leukodiff.detector.infer import SHIPPED as DETECTOR
from leukodiff.detector.leave_one_out import markdown as detector_table
from leukodiff.runtime.metadata import ModelMetadata, metadata_path, read_metadata

Figures = Mapping[str, Any]

TEXTS = Path(__file__).with_name("model_cards_text")
NOT_MEASURED = "Not measured for this version."
ERRORS = "confusion"
"""The key of the calibration that says how often the classifier errs."""
SHIPPED = {"detector": DETECTOR, "classifier": CLASSIFIER}
OUR_OWN = {"phantom": ("rendered by this project", "AGPL-3.0-or-later", "")}

PHANTOM = PhantomSettings(
    width=640,
    height=400,
    um_per_px=0.16,
    seed=4,
    n_white=5,
    smudge_cells=2,
    platelet_clumps=2,
    precipitate=2,
    dirt=3,
    cut_white_cells=True,
    defocus_um=0.5,
)

DETECTOR_SETS = {
    "bccd_erratum": "BCCD, labels with the erratum",
    "bccd_official": "BCCD, official labels",
    "bccd_erratum_unseen_places": "BCCD, places that no training field shows",
    "txl_pbc": "TXL-PBC",
    "chula": "Chula",
}
EVERY_CELL_BOXED = set(DETECTOR_SETS) - {"chula"}


def write_cards(docs: Path) -> list[Path]:
    """Write both cards below `docs/models/`, from `docs/results/`; the files written."""
    paths = []
    for kind, model in SHIPPED.items():
        path = docs / "models" / f"{kind}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = read_metadata(metadata_path(model))
        path.write_text(card(metadata, docs), encoding="utf-8")
        paths.append(path)
    return paths


def write_phantom(docs: Path) -> Path:
    """Draw the picture of what leads the models astray: rendered, as the project keeps no cells."""
    types = ["eosinophil", "monocyte", "basophil", "neutrophil", "lymphocyte"]
    phantom = render(PHANTOM, place(PHANTOM, types))
    path = docs / "models" / "phantom.jpg"
    Image.fromarray(phantom.image).save(path, quality=85)
    return path


def card(metadata: ModelMetadata, docs: Path) -> str:
    """The card of a model as Markdown; what no result file tells of this version says so."""
    figures = load_figures(docs / "results")
    sections = classifier_sections if metadata.kind == "classifier" else detector_sections
    text = (TEXTS / f"{metadata.kind}.md").read_text(encoding="utf-8")
    return text.format(
        name=metadata.name,
        version=metadata.version,
        facts=_facts(metadata),
        data=_data(metadata),
        command=metadata.command,
        metrics=_metrics(metadata),
        **sections(metadata, figures, docs),
    )


def classifier_sections(metadata: ModelMetadata, figures: Figures, docs: Path) -> dict[str, Any]:
    """Values that the classifier's text leaves open."""
    rows = _rows(figures, "classifier")
    mine = [row for row in rows if row["part"] == HELD_OUT and _is_of(row, metadata)]
    pbc = "classifier/pbc/classifier"
    known = _is_of(figures.get(pbc, {}), metadata)
    curves = [("share right over confidence", "reliability"),
              ("right of the named over left unidentified", "risk_coverage")]  # fmt: skip
    left_out = [row for row in rows if row["part"] == LEFT_OUT]
    return {
        "n_classes": len(metadata.classes),
        "held_out": classifier_table(mine) if mine else NOT_MEASURED,
        "left_out": classifier_table(left_out) if left_out else NOT_MEASURED,
        "types": _types(figures[pbc]) if known else NOT_MEASURED,
        "errors": _errors(metadata.calibration.get(ERRORS, {})),
        "temperature": metadata.calibration.get("temperature", "none"),
        "reject": metadata.thresholds.get("reject", "none"),
        "curves": _pictures(docs, [(t, f"classifier/pbc/{n}") for t, n in curves] if known else []),
        "pictures": _pictures(docs, _confusions(left_out)),
    }


def detector_sections(metadata: ModelMetadata, figures: Figures, docs: Path) -> dict[str, Any]:
    """Values that the detector's text leaves open."""
    found = {name: figures.get(f"detector/{name}/evaluation", {}) for name in DETECTOR_SETS}
    mine = {name: one for name, one in found.items() if _is_of(one, metadata)}
    left_out = [row for row in _rows(figures, "detector") if row["part"] == LEFT_OUT]
    curve = ("precision over recall on BCCD's test fields", "detector/bccd_erratum/pr_curves")
    return {
        "held_out": _detector_table(mine) if mine else NOT_MEASURED,
        "left_out": detector_table(left_out) if left_out else NOT_MEASURED,
        "scan": _scan(figures.get("scan_truth", {}), metadata),
        "thresholds": ", ".join(f"{n} {value}" for n, value in metadata.thresholds.items()),
        "confirm_from": metadata.calibration.get("confirm_from", "none"),
        "pictures": _pictures(docs, [curve] if "bccd_erratum" in mine else []),
    }


def _facts(metadata: ModelMetadata) -> str:
    window = round(metadata.input_px * metadata.um_per_px, 3)
    rows = [
        ("file", f"`{SHIPPED[metadata.kind].name}`, ONNX, weights {metadata.licence}"),
        ("sha256", f"`{metadata.sha256}`"),
        ("classes", ", ".join(metadata.classes)),
        ("input", f"{metadata.input_px} px a side at {metadata.um_per_px} um/px ({window} um)"),
        ("thresholds", _listed(metadata.thresholds)),
        ("calibration", _listed({k: v for k, v in metadata.calibration.items() if k != ERRORS})),
    ]
    return markdown_table(("", ""), rows)


def _errors(confusion: Mapping[str, Mapping[str, int]]) -> str:
    """A row a type: how many validation cells of it were called what."""
    if not confusion:
        return NOT_MEASURED
    named = list(dict.fromkeys([*confusion, *(name for row in confusion.values() for name in row)]))
    rows = [(true, *(row.get(name, 0) or "" for name in named)) for true, row in confusion.items()]
    return markdown_table(("true type", *named), rows)


def _data(metadata: ModelMetadata) -> str:
    """A row a data set: whose it is, and how much of it was learned from."""
    names = dict.fromkeys(one["name"] for one in metadata.training_data)
    if not names:
        return NOT_MEASURED
    counts = {
        (one["name"], one["split"]): f"{one[unit]} {unit}"
        for one in metadata.training_data
        for unit in ("cells", "fields")
        if unit in one and "split" in one
    }
    rows = [
        (*_credit(name, metadata), *(counts.get((name, split), "--") for split in ("train", "val")))
        for name in names
    ]
    return markdown_table(("data", "license", "citation", "train", "val"), rows)


def _credit(name: str, metadata: ModelMetadata) -> tuple[str, str, str]:
    """Title, license and citation: as the metadata has them, else what is known of the name."""
    named = next(one for one in metadata.training_data if one["name"] == name)
    title, licence, citation = OUR_OWN.get(name, (name, "not stated", ""))
    if name in DATASETS:
        title = f"[{DATASETS[name].title}]({DATASETS[name].address})"
    return title, named.get("licence", licence), named.get("citation", citation)


def _metrics(metadata: ModelMetadata) -> str:
    """The single figures that its export wrote down."""
    plain = {n: v for n, v in metadata.metrics.items() if isinstance(v, int | float | str)}
    return f"Measured on the val splits when it was exported: {_listed(plain)}." if plain else ""


def _listed(facts: Mapping[str, Any]) -> str:
    parts = [f"{name.replace('_', ' ')} {_short(value)}" for name, value in facts.items()]
    return ", ".join(parts) or "none"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value).strip('"')


def _rows(figures: Figures, kind: str) -> list[Figures]:
    """The rows of the table of laboratories, as `evaluate laboratories` wrote them."""
    return list(figures.get(f"laboratories/{kind}/laboratories", {"rows": []})["rows"])


def _is_of(one: Figures, metadata: ModelMetadata) -> bool:
    return one.get("sha256") == metadata.sha256


def _types(one: Figures) -> str:
    named = {n: c for n, c in one["classes"].items() if isinstance(c, dict) and " avg" not in n}
    rows = [
        (name.replace("_", " "), int(c["support"]), f"{100 * c['recall']:.1f} %",
         f"{100 * c['precision']:.1f} %", f"{c['f1-score']:.3f}")
        for name, c in named.items()
    ]  # fmt: skip
    unidentified = share_text(one["unidentified"])
    right = share_text(one["accuracy_of_named"])
    return (
        markdown_table(("type", "cells", "recall", "precision", "F1"), rows)
        + f"\n\nLeft unidentified {unidentified}; of the named {right} are right; "
        f"calibration error {one['calibration_error']:.3f}."
    )


def _detector_table(found: Mapping[str, Figures]) -> str:
    rows = [
        (
            DETECTOR_SETS[name],
            one["n_fields"],
            "--" if one["map50"] is None else f"{one['map50']:.3f}",
            *(_white(one["classes"][0], what, name) for what in ("recall", "precision")),
        )
        for name, one in found.items()
    ]
    header = ("test fields", "n", "mAP50", "white cells: recall", "precision")
    return markdown_table(header, rows)


def _white(one: Figures, what: str, name: str) -> str:
    if what == "precision" and name not in EVERY_CELL_BOXED:
        return "--"
    n = one["n_labels"] if what == "recall" else one["n_right"] + one["n_extra"]
    ends = {"share": one[what], "low": one[f"{what}_low"], "high": one[f"{what}_high"]}
    return f"{share_text({'n': n, **ends})} of {n}"


def _scan(one: Figures, metadata: ModelMetadata) -> str:
    if one.get("detector_sha256") != metadata.sha256:
        return NOT_MEASURED
    return (
        f"White cells found: {one['white_cells_found']} of {one['white_cells']}. "
        f"Look-alikes called a white cell: {one['look_alikes_called_white']} of "
        f"{one['look_alikes']}. False ones elsewhere: {one['false_elsewhere']}."
    )


def _confusions(rows: Iterable[Figures]) -> list[tuple[str, str]]:
    """The confusion matrix of each laboratory left out."""
    labs = [row["laboratory"] for row in rows if not row["slide"]]
    folder = "laboratories/classifier"
    return [(f"{lab}, left out", f"{folder}/confusion_{lab}_left_out") for lab in labs]


def _pictures(docs: Path, named: Iterable[tuple[str, str]]) -> str:
    """Links to those figures that are there."""
    there = [(text, f"results/{name}.png") for text, name in named]
    links = [f"![{text}](../{path})" for text, path in there if (docs / path).is_file()]
    return "\n".join(links) or NOT_MEASURED


if __name__ == "__main__":
    for written in [*write_cards(Path("docs")), write_phantom(Path("docs"))]:
        print(written)
