"""docs/results.md, from the figures that `results.py` and its neighbours measured."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]

HEAD = """# Results

What the shipped models do on data they did not learn from. Every figure stands in a file under
[results/](results/) and is made again by

```
LEUKODIFF_DATA=... python benchmarks/results.py
LEUKODIFF_DATA=... python benchmarks/earlier_systems.py
LEUKODIFF_DATA=... python benchmarks/speed_bccd.py
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

Laboratories that the detector has never seen. TXL-PBC is PBC with every cell boxed; Chula boxes one
cell a field, so that precision has no meaning there:

{labs}

**What these figures may not be used to claim.** All of BCCD is one smear series from one camera.
The erratum's boxes were found by looking where an earlier model disagreed with the labels, so a
cell that both missed is still missing: recall with the erratum is an upper bound. Nothing here
speaks of whole-slide scans.

### Working resolution

The same weights at ever coarser working scales, on BCCD's **validation** split. BCCD itself has
0.079 um/px. White cells are found as well at three times that; platelets are what a coarser scale
loses first. Shipped: {shipped} um/px.

![white-cell recall and AP over the working scale](results/detector/ladder/ladder.png)
"""

CLASSIFIER = """
## Classifier

{table}

In its own laboratory (PBC) a cell is cut round the middle of its image; on BCCD the detector finds
it first, and a cell that is not found or not named counts as wrong. BCCD's test fields count here
where they have one boxed white cell and one label. Chula's laboratory is in no training set.

![confusion matrix on PBC](results/classifier/pbc/confusion_matrix.png)
![reliability on PBC](results/classifier/pbc/reliability.png)

Recall of each class:

{recall}

**What these figures may not be used to claim.** PBC's figure is an in-laboratory figure: same
analyser, same stain, same people. The Chula row is what to expect in a laboratory that is new to
the classifier, and it is not good enough to be left unreviewed. BCCD's test split holds few
lymphocytes, monocytes and basophils: the interval, not the percentage, is the finding.
"""

EARLIER = """
## Against the earlier systems

Their test set is Kaggle blood-cells TEST: 2,487 turned, sheared and mirrored copies of 71 fields of
BCCD. Accuracy over its four classes, the whole pipeline on the whole image:

{table}

Intervals count originals, not copies: a field's 30 copies are right or wrong together.

**What these figures may not be used to claim.** On TEST as given, the classifier has learnt from
BCCD's train split, which holds the originals of most copies: that row is a memory test, and it
stands here only because the earlier systems' figures were made on the same images. By matching
each copy to its original (`datasets/kaggle_sources.csv`), no original of TEST was found in the part
of Kaggle's TRAIN at hand, but three places photographed twice stand on both sides. The row of
unseen originals is honest and small: {originals} originals.
"""

SPEED = """
## Speed

364 fields of BCCD, side by side in one run on two cores, medians of {rounds} rounds:

| | ms a field |
| --- | --- |
| ultralytics `predict` (torch, 640 px), the classifier in torch cell by cell | {theirs:.1f} |
| `leukodiff analyze`: the scale, both models, overlays, tables and report written | {ours:.1f} |

**{ratio:.1f} times as fast**, with the same weights. White cells found: {found_theirs} by theirs,
{found_ours} by ours, {both} by both (IoU 0.5), {same} of those with the same name.
"""


def page(figures: Figures) -> str:
    """The page; a part whose figures are not there is left out."""
    parts = [HEAD]
    if "detector/bccd_erratum/evaluation" in figures:
        parts.append(_detector(figures))
    if "classifier/pbc/classifier" in figures:
        parts.append(_classifier(figures))
    if "earlier_systems" in figures:
        parts.append(_earlier(figures["earlier_systems"]))
    if "speed_bccd" in figures:
        parts.append(_speed(figures["speed_bccd"]))
    return "".join(parts)


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


def _classifier(figures: Figures) -> str:
    pbc, chula = (figures[f"classifier/{name}/classifier"] for name in ("pbc", "chula"))
    bccd, places = (figures[f"pipeline/{name}/pipeline"] for name in ("bccd", "bccd_unseen_places"))
    chula_fields = figures["pipeline/chula/pipeline"]
    rows = [
        ("PBC, held out, 8 classes", percent(pbc["accuracy"]), percent(pbc["accuracy_of_named"]),
         percent(pbc["unidentified"]), f"{pbc['calibration_error']:.3f}"),
        ("BCCD test, from the field", percent(bccd["likeliest_right"]), "", "", ""),
        ("BCCD test, unseen places, from the field", percent(places["likeliest_right"]),
         "", "", ""),
        ("Chula, unseen laboratory, 5 classes", percent(chula["accuracy"]),
         percent(chula["accuracy_of_named"]), percent(chula["unidentified"]),
         f"{chula['calibration_error']:.3f}"),
        ("Chula, unseen laboratory, from the field", percent(chula_fields["likeliest_right"]),
         "", "", ""),
    ]  # fmt: skip
    header = ("data", "accuracy", "of those named", "left unidentified", "calibration error")
    return CLASSIFIER.format(table=table(header, rows), recall=_recalls(pbc, bccd, chula))


def _recalls(pbc: Any, bccd: Any, chula: Any) -> str:
    names = [n for n in pbc["classes"] if isinstance(pbc["classes"][n], dict) and " avg" not in n]
    rows = [
        (
            name.replace("_", " "),
            _recall(pbc["classes"].get(name)),
            percent(bccd["recall"].get(name)),
            _recall(chula["classes"].get(name)),
        )
        for name in names
    ]
    return table(("class", "PBC", "BCCD test, from the field (named right)", "Chula"), rows)


def _recall(one: Mapping[str, float] | None) -> str:
    if not one or not one["support"]:
        return ""
    return f"{100 * one['recall']:.1f} % (n = {int(one['support'])})"


def _earlier(one: Mapping[str, Any]) -> str:
    rows: list[tuple[object, ...]] = [
        (f"{name} (as reported by its authors)", "", "", f"{100 * value:.1f} %")
        for name, value in one["reported"].items()
    ]
    for key, label in (
        ("as_given", "**leukodiff**, TEST as given: most originals seen in training"),
        ("unseen", "**leukodiff**, the copies whose original no model here has seen"),
    ):
        r = one[key]
        interval = f"{100 * r['low']:.1f}-{100 * r['high']:.1f}"
        rows.append(
            (label, r["images"], r["originals"], f"{100 * r['accuracy']:.1f} % ({interval})")
        )
    header = ("system", "images", "originals", "accuracy")
    return EARLIER.format(table=table(header, rows), originals=one["unseen"]["originals"])


def _speed(one: Mapping[str, Any]) -> str:
    cells = one["white_cells"]
    return SPEED.format(
        rounds=len(one["seconds"]["ours"]),
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
