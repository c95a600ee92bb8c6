"""Predictions of a classifier for some cells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leukodiff.datasets.vocabulary import UNIDENTIFIED

from .facts import UNKNOWN, CellFacts, CellNote


@dataclass(frozen=True)
class Predictions:
    """Calibrated class probabilities of N cells.

    `probabilities` (N, K) float32, rows sum to 1, columns in the order of `class_names`. `facts`
    has what is known of each cell besides. `atypical` (N,) says how unlike every class a cell is,
    `None` where the model has no such output.

    A cell more atypical than `atypical_threshold` is marked for a person to look at. It is
    `unidentified` when its largest probability is below `reject_threshold` (0-1), when it is more
    atypical than `far_threshold`, or when its facts say not to name it.
    """

    probabilities: NDArray[np.float32]
    class_names: tuple[str, ...]
    reject_threshold: float = 0.0
    facts: tuple[CellFacts, ...] = ()
    atypical: NDArray[np.float32] | None = None
    atypical_threshold: float = math.inf
    far_threshold: float = math.inf

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 2 or self.probabilities.shape[1] != len(self.class_names):
            raise ValueError(
                f"expected probabilities of shape (N, {len(self.class_names)}), "
                f"got {self.probabilities.shape}"
            )
        if not self.facts:
            object.__setattr__(self, "facts", (UNKNOWN,) * len(self))
        scores = len(self) if self.atypical is None else len(self.atypical)
        if len(self.facts) != len(self) or scores != len(self):
            raise ValueError(
                f"expected facts and atypical scores of {len(self)} cells, "
                f"got {len(self.facts)} and {scores}"
            )

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The largest probability of each cell, (N,), 0-1."""
        if not len(self):
            return np.zeros(0, np.float32)
        return np.asarray(self.probabilities.max(axis=1), np.float32)

    @property
    def is_atypical(self) -> NDArray[np.bool_]:
        """Mask (N,) of the cells unlike every class; a cell in a bad picture is not among them."""
        return self._beyond(self.atypical_threshold)

    def _beyond(self, threshold: float) -> NDArray[np.bool_]:
        if self.atypical is None:
            return np.zeros(len(self), np.bool_)
        clear = np.array([not one.note for one in self.facts], np.bool_)
        return np.asarray(clear & (self.atypical > threshold), np.bool_)

    @property
    def notes(self) -> tuple[CellNote, ...]:
        """The reason that each cell is not named, `NONE` for a cell that is."""
        rows = zip(self.facts, self._beyond(self.far_threshold), self.confidence, strict=True)
        return tuple(
            one.note
            or (CellNote.ATYPICAL if far else CellNote.NONE)
            or (CellNote.UNSURE if sure < self.reject_threshold else CellNote.NONE)
            for one, far, sure in rows
        )

    @property
    def cell_types(self) -> tuple[str, ...]:
        """The name of each cell, `unidentified` where the classifier names none."""
        if not len(self):
            return ()
        best = self.probabilities.argmax(axis=1).tolist()
        pairs = zip(best, self.notes, strict=True)
        return tuple(UNIDENTIFIED if note else self.class_names[i] for i, note in pairs)

    @property
    def named(self) -> NDArray[np.bool_]:
        """Mask (N,) of the cells that the classifier names."""
        return np.array([not note for note in self.notes], np.bool_)

    def select(self, chosen: NDArray[np.int64]) -> "Predictions":
        """The cells that an index array picks, in that order."""
        return replace(
            self,
            probabilities=self.probabilities[chosen],
            facts=tuple(self.facts[i] for i in chosen.tolist()),
            atypical=None if self.atypical is None else self.atypical[chosen],
        )

    def noted(self, where: NDArray[np.bool_], note: CellNote) -> "Predictions":
        """The same, with a note for the cells at `where` (N,) that have none yet."""
        pairs = zip(self.facts, where, strict=True)
        facts = (replace(one, note=one.note or note) if here else one for one, here in pairs)
        return replace(self, facts=tuple(facts))


def joined(parts: Sequence[Predictions]) -> Predictions:
    """The predictions of several lots of cells, one at least, as those of one."""
    scores = [one.atypical for one in parts if one.atypical is not None]
    return replace(
        parts[0],
        probabilities=np.concatenate([one.probabilities for one in parts]),
        facts=tuple(fact for one in parts for fact in one.facts),
        atypical=np.concatenate(scores) if scores else None,
    )
