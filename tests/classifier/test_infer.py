import numpy as np
import pytest

from leukodiff.classifier.crops import cut_crops
from leukodiff.classifier.facts import CellNote
from leukodiff.classifier.infer import Classifier, orientations, widths_um
from leukodiff.classifier.occlusion import occlusion_map
from leukodiff.classifier.priors import RARE_WEIGHT
from leukodiff.classifier.stain_normalization import normalize_stain
from leukodiff.datasets.phantom import PhantomSettings, place, render

NO_BOX = np.zeros((0, 4), np.float32)


@pytest.fixture(scope="module")
def smear():
    settings = PhantomSettings(width=640, height=480, um_per_px=0.2, n_white=5, seed=4)
    placed = place(settings)
    return render(settings, placed).image, (placed.boxes_um()[:5] / 0.2).astype(np.float32)


def test_a_model_without_an_atypical_output(write_classifier, smear):
    predictions = Classifier.load(write_classifier(), threads=1).classify(smear[0], smear[1], 0.2)
    assert len(predictions) == 5
    assert predictions.atypical is None
    assert not predictions.is_atypical.any()
    assert all(facts.cell_um2 for facts in predictions.facts)


def test_a_model_with_an_atypical_output(write_classifier, smear):
    path = write_classifier(atypical=True, thresholds={"reject": 0.0})
    scores = Classifier.load(path, threads=1).classify(smear[0], smear[1], 0.2).atypical
    assert scores is not None
    assert scores.shape == (5,)
    assert ((scores > 0) & (scores < 1)).all()

    level = float(np.sort(scores)[1:3].mean())
    path = write_classifier(atypical=True, thresholds={"reject": 0.0, "atypical": level})
    predictions = Classifier.load(path, threads=1).classify(smear[0], smear[1], 0.2)
    assert predictions.is_atypical.sum() == 3
    assert predictions.notes == tuple(
        CellNote.ATYPICAL if score > level else CellNote.NONE for score in scores
    )
    assert predictions.cell_types.count("unidentified") == 3


@pytest.mark.parametrize("atypical", [False, True])
def test_no_cells_carry_the_model_s_thresholds(write_classifier, smear, atypical):
    path = write_classifier(atypical=atypical, thresholds={"reject": 0.25, "atypical": 0.5})
    predictions = Classifier.load(path, threads=1).classify(smear[0], NO_BOX, 0.2)
    assert (len(predictions), predictions.cell_types, predictions.facts) == (0, (), ())
    assert (predictions.reject_threshold, predictions.atypical_threshold) == (0.25, 0.5)


def test_a_cut_cell_is_not_named_and_keeps_its_probabilities(write_classifier, smear):
    image, xyxy = smear
    x0, y0, x1, y1 = xyxy[0].astype(int)
    end = x0 + (x1 - x0) // 3
    classifier = Classifier.load(write_classifier(), threads=1)
    predictions = classifier.classify(
        image[:, :end], np.array([[x0, y0, end, y1]], np.float32), 0.2
    )
    assert (predictions.notes, predictions.cell_types) == ((CellNote.CUT,), ("unidentified",))
    assert predictions.probabilities.sum() == pytest.approx(1)


def test_crops_alone_are_named_alike(write_classifier, smear):
    """Labeled crops are measured by the same path as the cells of a field."""
    classifier = Classifier.load(write_classifier(atypical=True), threads=1)
    crops = cut_crops(smear[0], smear[1], 0.2, classifier.crop)
    one, other = (
        classifier.classify(smear[0], smear[1], 0.2),
        classifier.classify_crops(crops, widths_um(smear[1], 0.2)),
    )
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
    assert one.atypical == pytest.approx(other.atypical, abs=1e-6)


def test_all_eight_ways_of_lying_are_different_and_all_there():
    crop = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    ways = {one.tobytes() for one in orientations(crop)}
    assert len(ways) == 8
    assert ways == {one.tobytes() for one in orientations(orientations(crop)[4])}


def test_unsure_cells_get_test_time_augmentation(write_classifier, smear):
    """The mean of eight orientations, for the unsure cells alone; the rest stays as it was."""
    once = Classifier.load(write_classifier(atypical=True), threads=1)
    crops = cut_crops(smear[0], smear[1], 0.2, once.crop)
    crops[:, 0, :] = (0, 0, 200)  # so that it matters how they lie
    first = once.classify_crops(crops)
    level = float(np.sort(first.confidence)[2])
    path = write_classifier(atypical=True, calibration={"second_look": level})
    twice = Classifier.load(path, threads=1)
    both = twice.outputs(crops)
    views = orientations(normalize_stain(crops, once.crop))
    outputs = [once.model.outputs(view) for view in views]
    unsure = first.confidence < level
    assert unsure.sum() == 2
    for found, name in zip(both, ("logits", "atypical"), strict=True):
        mean = np.mean([one[name].reshape(len(crops), -1) for one in outputs], axis=0)
        alone = outputs[0][name].reshape(len(crops), -1)
        assert found is not None
        found = found.reshape(len(crops), -1)
        assert found[unsure] == pytest.approx(mean[unsure], abs=1e-4)
        assert found[~unsure] == pytest.approx(alone[~unsure], abs=1e-4)


def test_augmentation_at_test_time_has_plain_views_too(write_classifier, smear):
    path = write_classifier(calibration={"second_look": 1.0, "plain_views": 3})
    classifier = Classifier.load(path, threads=1)
    crops = cut_crops(smear[0], smear[1], 0.2, classifier.crop)
    views = [*orientations(normalize_stain(crops, classifier.crop))[:5], *orientations(crops)[:3]]
    mean = np.mean([classifier.model.outputs(view)["logits"] for view in views], axis=0)
    assert classifier.outputs(crops)[0] == pytest.approx(mean, abs=1e-4)


def test_a_prior_changes_probabilities_and_no_logits(write_classifier, smear):
    path = write_classifier()
    routine, none = (Classifier.load(path, threads=1, prior=one) for one in ("routine", "none"))
    crops = cut_crops(smear[0], smear[1], 0.2, none.crop)
    assert routine.outputs(crops)[0] == pytest.approx(none.outputs(crops)[0])
    rare = [none.metadata.classes.index(name) for name in ("immature_granulocyte", "erythroblast")]
    before, after = (one.classify_crops(crops).probabilities for one in (none, routine))
    odds = [rows[:, rare] / rows[:, :1] for rows in (before, after)]
    assert odds[1] == pytest.approx(odds[0] * RARE_WEIGHT, rel=1e-3)


def test_hiding_what_speaks_for_a_class_costs_it_evidence(write_classifier):
    """The tiny model sees the mean color: hiding an even part of a crop changes nothing."""
    classifier = Classifier.load(write_classifier(), threads=1)
    crop = np.full((64, 64, 3), 240, np.uint8)
    assert occlusion_map(classifier, crop, 0) == pytest.approx(0, abs=1e-4)
    crop[20:44, 20:44] = (110, 70, 160)
    for index in range(2):
        lost = occlusion_map(classifier, crop, index)
        assert lost.shape == (64, 64)
        assert np.isfinite(lost).all()
        assert np.abs(lost[16:48, 16:48]).max() > 5 * np.abs(lost[:8, :8]).max()
