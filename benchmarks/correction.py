"""Does the correction for the classifier's own errors keep its word? A simulation.

Blood of a known differential, a classifier of known errors, its validation cells and a smear of n
cells are drawn; then the true shares are held against the raw count with its exact interval and
against the corrected one. Once more with a laboratory where the classifier errs otherwise than on
its validation cells: the condition under which the correction must not be trusted.

    nice python benchmarks/correction.py           # docs/results/correction.json, a minute of CPU
    nice python benchmarks/correction.py --tune    # a table of other priors, written nowhere
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES, UNIDENTIFIED
from leukodiff.pipeline.report.differential import COUNTED
from leukodiff.pipeline.report.statistics import Confusion, corrected_shares, correction, intervals

TRUE = CLASSIFIER_CLASSES
PREDICTED = (*TRUE, UNIDENTIFIED)
BLOODS = {
    "normal": (60, 30, 6, 3, 0.5, 0.3, 0.1, 0.1),
    "neutrophilia": (80, 8, 5, 0.8, 0.2, 5.5, 0.4, 0.1),
    "lymphocytosis": (25, 65, 6, 3, 0.7, 0.2, 0.1, 0.0),
    "eosinophilia": (45, 22, 6, 25, 1, 0.8, 0.1, 0.1),
    "leukoerythroblastosis": (55, 12, 6, 3, 2, 17, 4, 1),
}
"""Percent of `TRUE`, in its order."""

LIKELY_ERRORS = {
    "neutrophil": ("immature_granulocyte", "eosinophil", "monocyte"),
    "lymphocyte": ("monocyte", "erythroblast"),
    "monocyte": ("lymphocyte", "immature_granulocyte"),
    "eosinophil": ("neutrophil", "basophil"),
    "basophil": ("immature_granulocyte", "neutrophil"),
    "immature_granulocyte": ("neutrophil", "monocyte", "erythroblast"),
    "erythroblast": ("lymphocyte", "immature_granulocyte"),
    "platelet": ("basophil", "lymphocyte"),
}
SIZES = (100, 200, 500)
VALIDATION = (50, 400)
REPEATS = 50
PRIORS = ((0.3, 0.1), (0.1, 0.1), (0.5, 0.1), (1.0, 0.1), (0.3, 0.02), (0.3, 0.3), (0.3, 1.0))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Laboratory:
    """Chances 0-1 (T, S) of how a smear's cells are called, and of how validation cells were."""

    here: Floats
    validation: Floats


def main() -> None:
    """Writes the JSON file and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--tune", action="store_true")
    chosen = parser.parse_args()
    if chosen.tune:
        return tune(chosen.repeats)
    result = {name: summary(outcomes(make, chosen.repeats)) for name, make in LABORATORIES.items()}
    text = json.dumps({"laboratories": result, "milliseconds": cost()}, indent=2)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "correction.json").write_text(text + "\n", encoding="utf-8")
    print(table(result))
    print(f"\nCPU time of one correction, ms: {cost()}")
    return None


def tune(repeats: int) -> None:
    """Prints what other priors would do where the matrix is right."""
    for share, name in PRIORS:
        correction.PRIOR_SHARE, correction.PRIOR_NAME = share, name
        found = summary(outcomes(LABORATORIES["right"], repeats))["all"]
        print(f"share {share}, name {name}: {found['corrected']}")


def matrix(rng: np.random.Generator, lowest: float, highest: float) -> Floats:
    """Chances of each predicted type, (T, S): right within a range, else likely errors."""
    rows = np.zeros((len(TRUE), len(PREDICTED)))
    for row, true in zip(rows, TRUE, strict=True):
        weights = [0.8 if other in LIKELY_ERRORS[true] else 0.05 for other in TRUE] + [1.5]
        errors = rng.standard_gamma(weights)
        errors[TRUE.index(true)] = 0
        right = rng.uniform(lowest, highest)
        row[:] = (1 - right) * errors / errors.sum()
        row[TRUE.index(true)] = right
    return rows


def _right(rng: np.random.Generator, lowest: float = 0.85, highest: float = 0.99) -> Laboratory:
    here = matrix(rng, lowest, highest)
    return Laboratory(here, here)


LABORATORIES: dict[str, Callable[[np.random.Generator], Laboratory]] = {
    "right": _right,
    "right, classifier 0.97-0.99": lambda rng: _right(rng, 0.97),
    "other errors, as many": lambda rng: Laboratory(matrix(rng, 0.85, 0.99), _right(rng).here),
    "other errors, more": lambda rng: Laboratory(matrix(rng, 0.65, 0.9), _right(rng).here),
}
"""A laboratory's chances on the smear, against those on the validation cells."""


@dataclass(frozen=True)
class Outcome:
    """One smear: `truth` (K,), `raw` and `corrected` (K, 3) value, low, high; percent."""

    blood: str
    n: int
    truth: Floats
    raw: Floats
    corrected: Floats


def outcomes(make: Callable[[np.random.Generator], Laboratory], repeats: int) -> list[Outcome]:
    """`repeats` smears of each blood and size, each of a laboratory of its own."""
    return list(_outcomes(make, repeats))


def _outcomes(make: Callable[[np.random.Generator], Laboratory], repeats: int) -> Iterator[Outcome]:
    rng = np.random.default_rng(0)
    for _ in range(repeats):
        for blood in BLOODS:
            for n in SIZES:
                found = outcome(blood, n, make(rng), rng)
                if found is not None:
                    yield found


def outcome(blood: str, n: int, laboratory: Laboratory, rng: np.random.Generator) -> Outcome | None:
    """Draws a smear and its validation cells; `None` where no cell was named."""
    shares = np.array(BLOODS[blood]) / sum(BLOODS[blood])
    low, high = np.log(VALIDATION)
    cells = np.exp(rng.uniform(low, high, len(TRUE))).round().astype(int)
    confusion = Confusion(TRUE, PREDICTED, rng.multinomial(cells, laboratory.validation))
    drawn = dict(zip(PREDICTED, rng.multinomial(n, shares @ laboratory.here).tolist(), strict=True))
    found = corrected_shares(drawn, confusion, COUNTED)
    if found is None:
        return None
    counts = [drawn[name] for name in COUNTED]
    ends = np.array(intervals(counts))
    raw = np.column_stack([np.array(counts) / sum(counts), ends])
    corrected = np.array([(e.value, e.low, e.high) for e in found.values()])
    truth = np.array([shares[TRUE.index(name)] for name in COUNTED])
    return Outcome(blood, n, 100 * truth / truth.sum(), 100 * raw, corrected)


def summary(found: Sequence[Outcome]) -> dict[str, dict[str, dict[str, float]]]:
    """Coverage, mean error and width over all smears, by size, by blood and by type."""
    parts = {"all": figures(found)}
    parts |= {f"{n} cells": figures([one for one in found if one.n == n]) for n in SIZES}
    parts |= {name: figures([one for one in found if one.blood == name]) for name in BLOODS}
    return parts | {name: figures(found, [k]) for k, name in enumerate(COUNTED)}


def figures(
    found: Sequence[Outcome], types: Sequence[int] = range(len(COUNTED))
) -> dict[str, dict[str, float]]:
    """Of some smears and types: how many intervals hold the truth, errors in points."""
    truth = np.array([one.truth[types] for one in found])
    sides = {
        "raw": np.array([one.raw[types] for one in found]),
        "corrected": np.array([one.corrected[types] for one in found]),
    }
    return {name: _figures(truth, side) for name, side in sides.items()}


def _figures(truth: Floats, found: Floats) -> dict[str, float]:
    value, low, high = np.moveaxis(found, 2, 0)
    return {
        "coverage": round(float(np.mean((low <= truth) & (truth <= high))), 4),
        "mean_absolute_error": round(float(np.abs(value - truth).mean()), 3),
        "mean_width": round(float((high - low).mean()), 2),
    }


def cost() -> dict[str, float]:
    """CPU milliseconds of one correction, median of 15, by cells of the smear."""
    rng = np.random.default_rng(0)
    chances = matrix(rng, 0.85, 0.99)
    confusion = Confusion(TRUE, PREDICTED, rng.multinomial(200, chances))
    shares = np.array(BLOODS["normal"]) / sum(BLOODS["normal"])
    spent = {}
    for n in (200, 1000, 5000):
        drawn = dict(zip(PREDICTED, rng.multinomial(n, shares @ chances).tolist(), strict=True))
        spent[str(n)] = round(float(np.median([_once(drawn, confusion) for _ in range(15)])), 1)
    return spent


def _once(drawn: dict[str, int], confusion: Confusion) -> float:
    start = time.process_time()
    corrected_shares(drawn, confusion, COUNTED)
    return 1000 * (time.process_time() - start)


def table(result: dict[str, dict[str, dict[str, dict[str, float]]]]) -> str:
    """A row a laboratory and part: coverage and mean error, raw and corrected."""
    rows = [
        "| laboratory | of | raw covers | corrected covers | raw error | corrected error |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for laboratory, parts in result.items():
        for part, sides in parts.items():
            raw, right = sides["raw"], sides["corrected"]
            covers = f"{100 * raw['coverage']:.1f} % | {100 * right['coverage']:.1f} %"
            errors = f"{raw['mean_absolute_error']:.2f} | {right['mean_absolute_error']:.2f}"
            rows.append(f"| {laboratory} | {part} | {covers} | {errors} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
