"""docs/results.md, from the figures that `results.py` and its neighbors measured."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from laboratories_page import laboratories_section
from summary_table import summary_section

Figures = Mapping[str, Any]

HEAD = """# Results

What the shipped models do on test data. Every figure in a table stands in a file under
`docs/results/` and is made again by

```
LEUKODIFF_DATA=... python benchmarks/results.py
LEUKODIFF_DATA=... python benchmarks/earlier_systems.py
LEUKODIFF_DATA=... python benchmarks/speed_bccd.py
LEUKODIFF_DATA=... python benchmarks/scan_truth.py
LEUKODIFF_DATA=... python benchmarks/speed_scan.py --phantoms FOLDER
LEUKODIFF_DATA=... leukodiff evaluate laboratories classifier --runs FOLDER \\
    --out docs/results/laboratories/classifier
LEUKODIFF_DATA=... leukodiff evaluate laboratories detector --model LAB=FILE ... \\
    --out docs/results/laboratories/detector
python benchmarks/results.py --page
python benchmarks/model_cards.py
```

with the `train` extra installed. Intervals are exact 95 % intervals (Clopper-Pearson). Thresholds,
epochs and resolutions were chosen on validation splits.
"""

DETECTOR = """
## Detector

BCCD's test split, 72 fields; AP as ultralytics computes it (101 points). BCCD's labels are not
whole, so every figure stands twice: with the official labels, and with the
[erratum](bccd_erratum.md).

{bccd}

BCCD's official split photographs some places twice: 13 of its 72 test fields show a place that a
train or val field shows too. Without them:

{places}

The two other laboratories that it learned from, on what was kept out of training: TXL-PBC's test
images (PBC with every cell boxed) and three whole smears of Chula, which boxes one cell a field, so
that precision has no meaning there. The version before this one, trained on BCCD alone, found
94.7 % of the white cells of all of TXL-PBC and 53.7 % of Chula's; what this one finds in a
laboratory that it has never seen is told only by the scan [below](#scan).

{labs}

**What these figures may not be used to claim.** All of BCCD is one smear series from one camera.
The erratum's boxes were found by looking where an earlier model disagreed with the labels, so a
cell that both missed is still missing: recall with the erratum is an upper bound.

### Working resolution

The same weights at ever coarser working scales, on BCCD's **validation** split. BCCD itself has
0.079 um/px. Platelets are what a coarser scale loses first, white cells last. Shipped:
{shipped} um/px.

![white-cell recall and AP over the working scale](results/detector/ladder/ladder.png)
"""

SCAN = """
## Scan

`region_a.tif`, a part of a real scan (5053 x 10222 px) from a microscope, a stain and a laboratory
in none of the training data; its scale is read off its own red cells ({um_per_px:.3f} um/px). No
threshold was picked on it, but the last stage of training was changed after an earlier model had
missed cells there ([attempts.md](attempts.md)). What was seen there by eye is a small table of
places (`benchmarks/scan_truth.py`):

| | |
| --- | --- |
| white cells found | {white_cells_found} of {white_cells} |
| the smudge cell given a class | {smudge} |
| look-alikes (dirt, platelets) called a white cell | {look_alikes_called_white} of {look_alikes} |
| cells said to lie elsewhere | {false_elsewhere} |

**May not be used to claim** anything beyond this scan: five cells.
"""

SCAN_SPEED = """
### Speed on scans

Side by side in one run on {cores} cores, medians; ours is the whole process from its start to the
written report, SAHI's model is loaded before the clock starts:

| `region_a.tif`, 51.7 megapixels | seconds |
| --- | --- |
| SAHI and ultralytics (torch, 640 px, overlap 0.2), the same weights | {sahi:.1f} |
| `leukodiff analyze` | {ours:.2f} |
| decoding alone (tifffile) | {decode:.2f} |

**{ratio:.1f} times as fast as SAHI**, {times:.1f} times the time of decoding.
"""

SCAN_SIZES = """
Phantom scans at 0.25 um/px, of ever larger size:

{table}
"""

CLASSIFIER = """
## Classifier

{table}

"Likeliest" is the most probable class of every cell; "named and right" counts a cell that is left
`unidentified`, or that the detector missed, as wrong. In its own laboratory (PBC) a cell is cut
round the middle of its image; "from the field" means that the detector finds it first. BCCD's test
fields count where they have one boxed white cell and one label; the erratum boxes a second white
cell in two of them, which then have no certain label.

![confusion matrix on PBC](results/classifier/pbc/confusion_matrix.png)
![reliability on PBC](results/classifier/pbc/reliability.png)

Share of each class whose likeliest class is the true one (from the field: found, named and right):

{recall}
"""

RISK = """
Were the reject threshold set higher, more cells would be left unidentified and more of the named
ones right; on PBC's held-out cells:

![right of the named over left unidentified](results/classifier/pbc/risk_coverage.png)
"""

EARLIER = """
## Against the earlier systems

Their test set is Kaggle blood-cells TEST: 2,487 turned, sheared and mirrored copies of 71 fields
of BCCD. Their figures are on its four classes; so are the two Kaggle rows of ours, made by the
whole pipeline on the whole image.

{table}

The intervals of the Kaggle rows count scenes, not copies: a field's 30 or more copies are right
or wrong together. By matching each copy to its original (`datasets/kaggle_sources.csv`), no
original of TEST was found in the part of Kaggle's TRAIN at hand, but three places that BCCD shows
twice stand on both sides.
"""

CLAIMS = {
    "reported": "anything about unseen patients: 71 fields, their copies counted as cells",
    "as_given": "accuracy on new cells: it has learned from the originals of most copies",
    "unseen": "a ranking of systems: so few scenes, all of BCCD's one camera",
    "pbc": "accuracy in another laboratory: same analyzer, same stain, same people as in training",
    "bccd": "accuracy on rare classes: it holds few lymphocytes, monocytes, basophils",
    "chula": "accuracy on other smears: three smears, many fields of the same cells",
}
"""Claims that each figure does not support."""

SPEED = """
## Speed

364 fields of BCCD, side by side in one run on {cores} cores, rounds taken: {rounds}, medians:

| | ms a field |
| --- | --- |
| ultralytics `predict` (torch, 640 px), the classifier in torch cell by cell | {theirs:.1f} |
| `leukodiff analyze`: scale, both models, overlays, tables, report written | {ours:.1f} |

**{ratio:.1f} times as fast**, with the same weights. White cells found: {found_theirs} by theirs,
{found_ours} by ours, {both} by both (IoU 0.5), {same} of those with the same name.
"""


def page(figures: Figures) -> str:
    """The page; a part whose figures are not there is left out."""
    parts = [HEAD, summary_section(figures)]
    if "detector/bccd_erratum/evaluation" in figures:
        parts.append(_detector(figures))
    if "scan_truth" in figures:
        parts.append(_scan(figures))
    if "classifier/pbc/classifier" in figures:
        parts.append(_classifier(figures))
    parts.append(laboratories_section(figures))
    if "earlier_systems" in figures:
        parts.append(_earlier(figures))
    if "speed_bccd" in figures:
        parts.append(_speed(figures["speed_bccd"]))
    return "".join(parts)


def load_figures(out: Path) -> dict[str, Any]:
    """Every JSON file below `out`, by its path without the ending."""
    return {
        path.relative_to(out).with_suffix("").as_posix(): json.loads(path.read_text("utf-8"))
        for path in sorted(out.rglob("*.json"))
    }


def _detector(figures: Figures) -> str:
    def of(name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = figures[f"detector/{name}/evaluation"]
        return found

    header = ("labels", "n fields", "mAP50", "mAP50-95", "AP50 WBC, RBC, platelet", "WBC recall",
              "WBC precision")  # fmt: skip
    rows = [_detector_row("with the erratum", of("bccd_erratum"))]
    official = [_detector_row("official", of("bccd_official"))]
    places = [_detector_row("with the erratum", of("bccd_erratum_unseen_places"))]
    labs = [
        (name, one["n_fields"], _share(one, "recall"), _share(one, "precision") if boxed else "--")
        for name, one, boxed in (
            (
                "TXL-PBC",
                of("txl_pbc")["classes"][0] | {"n_fields": of("txl_pbc")["n_fields"]},
                True,
            ),
            ("Chula", of("chula")["classes"][0] | {"n_fields": of("chula")["n_fields"]}, False),
        )
    ]
    return DETECTOR.format(
        bccd=table(header, rows + official),
        places=table(header, places),
        labs=table(("laboratory", "n fields", "WBC recall", "WBC precision"), labs),
        shipped=of("bccd_erratum")["um_per_px"],
    )


def _detector_row(name: str, one: Mapping[str, Any]) -> tuple[object, ...]:
    white = one["classes"][0]
    aps = ", ".join(f"{c['ap50']:.3f}" for c in one["classes"])
    overall = (f"{one['map50']:.3f}", f"{one['map50_95']:.3f}")
    return name, one["n_fields"], *overall, aps, _share(white, "recall"), _share(white, "precision")


def _share(one: Mapping[str, Any], what: str) -> str:
    n = one["n_labels"] if what == "recall" else one["n_right"] + one["n_extra"]
    low, high = one[f"{what}_low"], one[f"{what}_high"]
    return f"{one[what]:.3f} ({low:.3f}-{high:.3f}, n = {n})"


def _scan(figures: Figures) -> str:
    truth = figures["scan_truth"]
    parts = [SCAN.format(**truth, smudge="yes" if truth["smudge_given_a_class"] else "no")]
    if "speed_scan" in figures:
        one = figures["speed_scan"]
        medians = {k: statistics.median(v) for k, v in one["region_a"]["seconds"].items()}
        ratios = {
            "ratio": one["region_a"]["ratio_to_sahi"],
            "times": one["region_a"]["times_decoding"],
        }
        parts.append(SCAN_SPEED.format(**medians, **ratios, cores=one["cores"]))
        if "phantoms" in one:
            parts.append(SCAN_SIZES.format(table=_sizes(one["phantoms"])))
    return "".join(parts)


def _sizes(rows: Iterable[Mapping[str, Any]]) -> str:
    header = ("side, px", "seconds", "megapixels/s", "decoding alone, megapixels/s", "peak MB")
    return table(
        header,
        [
            (
                f"{row['side_px']:,}",
                f"{row['seconds']:.1f}",
                f"{row['megapixels_per_s']:.0f}",
                f"{row['decode_megapixels_per_s']:.0f}" if "decode_megapixels_per_s" in row else "",
                f"{row['peak_mb']:.0f}",
            )
            for row in rows
        ],
    )


def _classifier(figures: Figures) -> str:
    rows = [
        (
            label,
            percent(one.get("accuracy") or one["likeliest_right"]),
            percent(one["named_right"]),
            percent(one["unidentified"]),
            f"{one['calibration_error']:.3f}" if "calibration_error" in one else "",
        )
        for label, one in (
            ("PBC, held out, 8 classes", figures["classifier/pbc/classifier"]),
            ("BCCD test, from the field, official", figures["pipeline/bccd_official/pipeline"]),
            ("BCCD test, from the field, erratum", figures["pipeline/bccd_erratum/pipeline"]),
            ("as official, unseen places only", figures["pipeline/bccd_unseen_places/pipeline"]),
            ("Chula, three smears kept out", figures["classifier/chula/classifier"]),
            ("the same, from the field", figures["pipeline/chula/pipeline"]),
        )
    ]
    header = ("data", "likeliest right", "named and right", "unidentified", "calibration error")
    section = CLASSIFIER.format(table=table(header, rows), recall=_recalls(figures))
    # Evaluations that say whose they are were saved with the curve.
    return section + RISK if "sha256" in figures["classifier/pbc/classifier"] else section


def _recalls(figures: Figures) -> str:
    pbc, chula = (figures[f"classifier/{name}/classifier"]["classes"] for name in ("pbc", "chula"))
    bccd = figures["pipeline/bccd_official/pipeline"]["recall"]
    names = [n for n in pbc if isinstance(pbc[n], dict) and " avg" not in n]
    rows = [
        (n.replace("_", " "), _recall(pbc[n]), percent(bccd.get(n)), _recall(chula.get(n)))
        for n in names
    ]
    return table(("class", "PBC", "BCCD test, from the field", "Chula, kept out"), rows)


def _recall(one: Mapping[str, float] | None) -> str:
    if not one or not one["support"]:
        return ""
    return f"{100 * one['recall']:.1f} % (n = {int(one['support'])})"


def _earlier(figures: Figures) -> str:
    kaggle = figures["earlier_systems"]
    images = kaggle["as_given"]["images"]
    rows: list[tuple[object, ...]] = [
        (f"{name}, Kaggle TEST as given", images, f"{100 * value:.1f} %", CLAIMS["reported"])
        for name, value in kaggle["reported"].items()
    ]
    for key, label in (
        ("as_given", "**leukodiff**, Kaggle TEST as given"),
        ("unseen", "**leukodiff**, its copies of unseen scenes"),
    ):
        one = kaggle[key]
        interval = f"{100 * one['low']:.1f}-{100 * one['high']:.1f}, n = {one['scenes']} scenes"
        share = f"{100 * one['accuracy']:.1f} % ({interval})"
        rows.append((label, one["images"], share, CLAIMS[key]))
    for label, one, claim in (
        ("PBC, held out", figures["classifier/pbc/classifier"]["accuracy"], "pbc"),
        ("BCCD test", figures["pipeline/bccd_official/pipeline"]["likeliest_right"], "bccd"),
        (
            "Chula, three smears kept out",
            figures["classifier/chula/classifier"]["accuracy"],
            "chula",
        ),
    ):
        rows.append((f"**leukodiff**, {label}", one["n"], percent(one), CLAIMS[claim]))
    header = ("figure", "images", "accuracy", "may not be used to claim")
    return EARLIER.format(table=table(header, rows))


def _speed(one: Mapping[str, Any]) -> str:
    cells = one["white_cells"]
    return SPEED.format(
        rounds=len(one["seconds"]["ours"]),
        cores=one["cores"],
        theirs=one["ms_per_field"]["theirs"],
        ours=one["ms_per_field"]["ours"],
        ratio=one["ratio"],
        found_theirs=cells["theirs"],
        found_ours=cells["ours"],
        both=cells["both"],
        same=cells["same_name"],
    )


def percent(one: Mapping[str, Any] | None) -> str:
    """`97.1 % (95.0-98.5, n = 409)` of a share with its interval; nothing of no cells."""
    if not one or not one["n"]:
        return ""
    interval = f"{100 * one['low']:.1f}-{100 * one['high']:.1f}"
    return f"{100 * one['share']:.1f} % ({interval}, n = {one['n']})"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
