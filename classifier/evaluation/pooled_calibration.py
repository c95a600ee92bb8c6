"""Temperature and reject threshold by laboratories that the models have not seen.

A model is surer of its own laboratories' validation cells, and right more often, than of another's.
The folds of a leave-one-out test have each not seen one laboratory; what they say of it is pooled,
every laboratory with as many cells.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.errors import DataError
from leukodiff.datasets.fields import LabeledField
from leukodiff.datasets.leave_one_out import Laboratory
from leukodiff.datasets.vocabulary import FIVE_PART

from ..calibration import fit_temperatures, reject_threshold
from ..cells import labeled_cells
from ..infer import Classifier, possible, softmax
from ..priors import prior_weights

FIELDS_A_LABORATORY = 400
"""Fields of a laboratory at most, drawn at random, so that no large one settles it alone."""

RIGHT_OF_NAMED = 0.94
"""Share of the named cells that is to be right, 0-1, in a laboratory not seen before."""

MOST_UNIDENTIFIED = 0.08
"""Share of cells left unidentified at most, 0-1, even where that share is not reached."""

Outputs = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]


def pooled_calibration(tests: Iterable[tuple[Classifier, Laboratory]]) -> dict[str, Any]:
    """Calibration of cells of the five types, each laboratory's by a model that has not seen it.

    Returns:
        `temperature`, `temperature_rise` and `reject`, as a model's metadata have them, and what
        they rest on: `laboratories`, `cells`, and with them `right_of_named`, `unidentified`.

    Raises:
        DataError: there is no laboratory, or the models' classes or priors differ.
    """
    tests = list(tests)
    if not tests:
        raise DataError("no laboratory that a model has not seen: nothing to calibrate by")
    kinds = {(classifier.metadata.classes, classifier.prior) for classifier, _ in tests}
    if len(kinds) > 1:
        raise DataError("the models' classes or priors differ: they can't be calibrated together")
    ((classes, prior),) = kinds
    parts = [_outputs(classifier, laboratory.tested) for classifier, laboratory in tests]
    logits, class_id, atypical = (np.concatenate(part) for part in zip(*parts, strict=True))
    weights = prior_weights(prior, classes)
    base, rise = fit_temperatures(logits, class_id, atypical, weights)
    probabilities = softmax(logits, base * np.exp(rise * atypical.astype(np.float64)), weights)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == class_id
    reject = reject_threshold(confidence, right, RIGHT_OF_NAMED, MOST_UNIDENTIFIED)
    named = confidence >= reject
    return {
        "temperature": round(base, 4),
        "temperature_rise": round(rise, 4),
        "reject": round(reject, 4),
        "prior": prior,
        "laboratories": [laboratory.name for _, laboratory in tests],
        "cells": len(class_id),
        "right_of_named": round(float(right[named].mean()), 4),
        "unidentified": round(float(1 - named.mean()), 4),
    }


def _outputs(classifier: Classifier, fields: Sequence[LabeledField]) -> Outputs:
    """Logits (N, K), classes (N,) and atypical scores (N,) of cells of the five types."""
    classes = classifier.metadata.classes
    shown = [field for field in fields if set(field.cell_types) & set(FIVE_PART)]
    order = np.random.default_rng(0).permutation(len(shown))[:FIELDS_A_LABORATORY]
    cells = labeled_cells([shown[i] for i in sorted(order.tolist())], classes, classifier.crop)
    logits, atypical = classifier.outputs(cells.crops, cells.width_um)
    scores = np.zeros(len(cells), np.float32) if atypical is None else atypical
    among = np.isin(cells.class_id, [classes.index(name) for name in FIVE_PART if name in classes])
    logits = possible(logits, classes, cells.width_um)
    return logits[among], cells.class_id[among], scores[among]
