"""Priors: tables of weights, and what they do to probabilities."""

import numpy as np
import pytest

from leukodiff.classifier.infer import softmax
from leukodiff.classifier.priors import PRIORS, RARE_WEIGHT, prior_weights
from leukodiff.core.errors import InputError
from leukodiff.datasets.vocabulary import BY_NAME, CLASSIFIER_CLASSES, FIVE_PART


@pytest.mark.parametrize("prior", PRIORS)
def test_every_weight_is_of_a_cell_type_and_lowers_it(prior):
    assert set(PRIORS[prior]) <= set(BY_NAME)
    weights = prior_weights(prior, CLASSIFIER_CLASSES)
    assert weights.shape == (len(CLASSIFIER_CLASSES),)
    assert ((weights > 0) & (weights <= 1)).all()
    assert weights.max() == 1


def test_routine_blood_treats_the_five_types_alike():
    assert prior_weights("routine", FIVE_PART).tolist() == [1] * 5
    assert prior_weights("routine", ["erythroblast"]).tolist() == [RARE_WEIGHT]


def test_a_name_that_is_no_prior():
    with pytest.raises(InputError, match="routine, marrow, none"):
        prior_weights("blood", CLASSIFIER_CLASSES)


def test_a_rare_type_needs_more_evidence():
    logits = np.log(np.array([[0.3, 0.7], [0.01, 0.99]], np.float32))
    found = softmax(logits, 1.0, np.array([1.0, 0.02]))
    assert found.sum(axis=1) == pytest.approx(1)
    assert found[:, 1] == pytest.approx([0.014 / 0.314, 0.0198 / 0.0298], abs=1e-4)
    assert softmax(logits, 1.0, np.ones(2)) == pytest.approx(softmax(logits))
