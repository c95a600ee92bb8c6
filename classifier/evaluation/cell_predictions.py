"""Predictions of white cells of known type, and the figures of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.intervals import share_with_interval
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.vocabulary import FIVE_PART, UNIDENTIFIED

from ..calibration import expected_calibration_error
from ..cells import labeled_cells
from ..infer import Classifier

RESAMPLES = 1000
"""Draws of the bootstrap."""


@dataclass(frozen=True)
class CellPredictions:
    """N cells of known type with a classifier's predictions.

    `truth` (N,) are indices of `class_names`, `probabilities` (N, K) sum to 1 in a row, `named`
    (N,) is false where the classifier would leave the cell unidentified. `groups` (N,) is the
    slide or scene of each: what is alike.
    """

    truth: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    named: NDArray[np.bool_]
    groups: NDArray[np.str_]
    class_names: tuple[str, ...]
    reject_threshold: float = 0.0

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def chosen(self) -> NDArray[np.int64]:
        """The likeliest class of each cell, (N,)."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The probability of that class, (N,), 0-1."""
        return np.asarray(self.probabilities.max(axis=1, initial=0.0), np.float32)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Mask (N,) of the cells whose likeliest class is the true one."""
        return np.asarray(self.chosen == self.truth)

    def where(self, chosen: NDArray[np.bool_]) -> "CellPredictions":
        """Those of the cells that `chosen` (N,) picks."""
        return replace(
            self,
            truth=self.truth[chosen],
            probabilities=self.probabilities[chosen],
            named=self.named[chosen],
            groups=self.groups[chosen],
        )

    def of_types(self, names: Sequence[str]) -> "CellPredictions":
        """The cells whose true type is one of `names`; their predictions stay as they are."""
        return self.where(np.isin(self.truth, self._indices(names)))

    def among(self, names: Sequence[str]) -> "CellPredictions":
        """As if the classifier knew only `names`: its probabilities of them, made to sum to 1."""
        cells, columns = self.of_types(names), self._indices(names)
        kept = cells.probabilities[:, columns]
        probabilities = kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-30)
        position = np.full(len(self.class_names), -1)
        position[columns] = np.arange(len(columns))
        return replace(
            cells,
            truth=position[cells.truth],
            probabilities=probabilities,
            named=probabilities.max(axis=1, initial=0.0) >= self.reject_threshold,
            class_names=tuple(self.class_names[i] for i in columns),
        )

    def with_unidentified(self) -> "CellPredictions":
        """The same with `unidentified` a class of its own: that of the cells not named."""
        left = np.where(self.named[:, None], self.probabilities, 0)
        return replace(
            self,
            probabilities=np.column_stack([left, ~self.named]).astype(np.float32),
            class_names=(*self.class_names, UNIDENTIFIED),
        )

    def _indices(self, names: Sequence[str]) -> list[int]:
        return [self.class_names.index(name) for name in names if name in self.class_names]


def classify_labeled(classifier: Classifier, fields: Iterable[LabeledField]) -> CellPredictions:
    """Names every labeled cell of the fields that has a type the classifier knows."""
    fields, classes = list(fields), classifier.metadata.classes
    cells = labeled_cells(fields, classes, classifier.crop)
    found = classifier.classify_crops(cells.crops, cells.width_um)
    groups = [field.group for field in fields for name in field.cell_types if name in classes]
    return CellPredictions(
        cells.class_id,
        found.probabilities,
        np.array([name != UNIDENTIFIED for name in found.cell_types], bool),
        np.array(groups, str),
        classes,
        found.reject_threshold,
    )


def figures(predictions: CellPredictions, types: Sequence[str] = FIVE_PART) -> dict[str, Any]:
    """The figures of the cells of these true types, ready for JSON.

    Shares are 0-1 with exact 95 % intervals (Clopper-Pearson). Recall, F1 and accuracy take each
    cell's likeliest class, whether it is named or not; the named cells are counted separately, and
    `macro_f1_named` is that of the names as given: a cell left unidentified is wrong there. F1
    counts the cells of these types alone: an immature granulocyte taken for a neutrophil costs
    nothing.
    """
    cells = predictions.of_types(types)
    by_class = {name: _class_figures(cells, name) for name in types if name in cells.class_names}
    present = {name: one for name, one in by_class.items() if one["recall"]["n"]}
    indices = [cells.class_names.index(name) for name in present]
    return {
        "n": len(cells),
        "macro_f1": _macro_f1(cells, indices),
        "macro_f1_named": _macro_f1(cells.with_unidentified(), indices),
        "accuracy": share_with_interval(cells.right),
        "calibration_error": _calibration_error(cells),
        "unidentified": share_with_interval(~cells.named),
        "right_of_named": share_with_interval(cells.right[cells.named]),
        "classes": present,
    }


def _class_figures(cells: CellPredictions, name: str) -> dict[str, Any]:
    index = cells.class_names.index(name)
    mine, named = cells.truth == index, cells.chosen == index
    both = int(mine.sum() + named.sum())
    return {
        "recall": share_with_interval(named[mine]),
        "precision": share_with_interval(mine[named]),
        "f1": 2 * int((mine & named).sum()) / both if both else None,
    }


def _calibration_error(cells: CellPredictions) -> float | None:
    return expected_calibration_error(cells.confidence, cells.right) if len(cells) else None


def _macro_f1(cells: CellPredictions, classes: Sequence[int]) -> dict[str, Any]:
    """The mean F1 of the classes that occur, with a 95 % bootstrap interval; none of one class."""
    if len(classes) < 2:
        return {"classes": len(classes), "value": None, "low": None, "high": None}
    whole = _counts(cells, np.zeros(len(cells), np.int64))
    low, high = np.quantile(_mean_f1(resampled(cells), classes), (0.025, 0.975))
    value = float(_mean_f1(whole, classes)[0])
    return {"classes": len(classes), "value": value, "low": float(low), "high": float(high)}


def resampled(
    cells: CellPredictions, seed: int = 0, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Confusion counts (R, K, K) of cells drawn again with replacement, group by group.

    The cells of one slide or scene are right or wrong together, so groups are drawn, not cells;
    within the groups of the same commonest true type, so that no type is lost. Where one group
    alone shows a type, its cells are drawn: the interval then knows nothing of other slides.
    """
    rng = np.random.default_rng(seed)
    _, group = np.unique(cells.groups, return_inverse=True)
    by_group = _counts(cells, group)
    commonest = by_group.sum(axis=2).argmax(axis=1)
    total = np.zeros((resamples, *by_group.shape[1:]))
    for one in np.unique(commonest):
        members = np.flatnonzero(commonest == one)
        units = by_group[members]
        if len(members) == 1:
            alone = cells.where(group == members[0])
            units = _counts(alone, np.arange(len(alone)))
        total += _drawn(units, resamples, rng)
    return total


def _counts(cells: CellPredictions, group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Confusion counts of each group, (G, K true, K chosen)."""
    k = len(cells.class_names)
    counts = np.zeros((int(group.max(initial=-1)) + 1, k, k))
    np.add.at(counts, (group, cells.truth, cells.chosen), 1)
    return counts


def _drawn(
    units: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Sums (R, K, K) of as many units as there are, drawn with replacement."""
    n, flat = len(units), units.reshape(len(units), -1)
    sums = np.empty((resamples, flat.shape[1]))
    for at in range(resamples):
        sums[at] = np.bincount(rng.integers(0, n, n), minlength=n) @ flat
    return sums.reshape(resamples, *units.shape[1:])


def _mean_f1(counts: NDArray[np.float64], classes: Sequence[int]) -> NDArray[np.float64]:
    """Mean F1 over `classes` of confusion counts (R, K, K); (R,)."""
    true, named = counts.sum(axis=2)[:, classes], counts.sum(axis=1)[:, classes]
    hits = counts[:, classes, classes]
    return np.asarray((2 * hits / np.maximum(true + named, 1)).mean(axis=1))
